//! More than can be made durable.

use std::thread;

use landfall_testkit::{SIGNED, Signal, config};

use crate::{accept, assert_refused, event, signed, start_with};

const MAX_REQUESTS: &str = "limits.max_requests = 3";

/// A request is answered when its batch closes, which it does not by itself for as long as a test may take.
const LATE: &str = "batch.timeout_secs = 300\nbuffer.type = \"memory\"";

#[test]
fn requests_beyond_the_limit_are_refused_at_once_and_accepted_again_as_soon_as_there_is_room() {
    let mut instance = start_with(MAX_REQUESTS, LATE);
    let address = instance.source();
    let send = |id: String| thread::spawn(move || signed(event(&id).as_bytes()).send(address));
    let accepted: Vec<_> = (0..3).map(|number| send(format!("{number}"))).collect();
    instance.wait_until("three requests wait", |instance| {
        instance.metric("requests_in_flight") == 3
    });
    for _ in 0..20 {
        let answer = signed(event("more").as_bytes()).send(address);
        assert_refused(&answer, 503, "overloaded");
    }
    // A sink that is replaced lands what it has.
    let source = format!("{SIGNED}\n{MAX_REQUESTS}");
    let soon = config(&source, &LATE.replace("300", "1"));
    instance.landfall().write("landfall.toml", &soon);
    instance.signal(Signal::HUP);
    for request in accepted {
        assert_eq!(request.join().unwrap().status, 200);
    }
    accept(&instance, "after");
}
