//! However much waits in the journal, the service listens at once.

use std::thread;
use std::time::{Duration, Instant};

use landfall_testkit::{Instance, Outage, files_below, get};

use crate::{
    SOON, accept, assert_landed_once, journal_of, lake_of, padded_event, prepare, stop_in_order,
    wait_until_landed,
};

const BODY: usize = 500 * 1000;
const EVENTS: usize = 400;
const SENDERS: usize = 4;

/// Generous: it takes milliseconds on a machine that does nothing else.
const LISTENS_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn the_service_listens_at_once_whatever_the_backlog() {
    let (landfall, config) = prepare(SOON);
    let instance = landfall.start(&config);
    let outage = Outage::of(&lake_of(instance.dir()));
    let accepted = accept_backlog(&instance);
    let landfall = instance.kill();
    outage.end();
    let segments = files_below(&journal_of(landfall.dir()), ".seg");
    let size: u64 = segments.iter().map(|s| s.metadata().unwrap().len()).sum();
    assert!(size > (BODY * EVENTS) as u64, "{size}");

    let started = Instant::now();
    let mut instance = landfall.spawn(&config);
    let healthy =
        |instance: &Instance| get(instance.api(), "/health").is_ok_and(|a| a.status == 200);
    instance.wait_until("it listens", healthy);
    let took = started.elapsed();
    println!(
        "listens {took:?} after its start, with {size} bytes in {} segments",
        segments.len()
    );
    assert!(took < LISTENS_WITHIN, "{took:?}");

    wait_until_landed(&mut instance, accepted.len());
    println!("landed {:?} after the start", started.elapsed());
    assert_landed_once(&stop_in_order(instance), &accepted);
}

fn accept_backlog(instance: &Instance) -> Vec<String> {
    let began = Instant::now();
    let ids: Vec<_> = (0..EVENTS).map(|number| number.to_string()).collect();
    thread::scope(|scope| {
        for ids in ids.chunks(EVENTS / SENDERS) {
            scope.spawn(move || {
                for id in ids {
                    accept(instance, &padded_event(id, BODY));
                }
            });
        }
    });
    println!("accepted within {:?}", began.elapsed());
    ids
}
