//! More than can be made durable.

use std::thread;
use std::time::{Duration, Instant};

use crate::{accept, assert_refused, event, signed, start_with};

/// A request is answered when its batch closes by age.
const MEMORY: &str = "batch.timeout_secs = 3\nbuffer.type = \"memory\"";

/// Less than requests wait that are accepted.
const AT_ONCE: Duration = Duration::from_secs(2);

#[test]
fn requests_beyond_the_limit_are_refused_at_once_and_accepted_again_as_soon_as_there_is_room() {
    let mut instance = start_with("limits.max_requests = 3", MEMORY);
    let address = instance.source();
    let send = |id: String| thread::spawn(move || signed(event(&id).as_bytes()).send(address));
    let accepted: Vec<_> = (0..3).map(|number| send(format!("{number}"))).collect();
    instance.wait_until("three requests wait", |instance| {
        instance.metric("requests_in_flight") == 3
    });
    for _ in 0..20 {
        let asked = Instant::now();
        let answer = signed(event("more").as_bytes()).send(address);
        assert_refused(&answer, 503, "overloaded");
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    }
    for request in accepted {
        assert_eq!(request.join().unwrap().status, 200);
    }
    accept(&instance, "after");
}
