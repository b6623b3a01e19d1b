//! However much waits in the journal, the service does not wait for it.

use std::fs;
use std::thread;
use std::time::Instant;

use landfall_testkit::{Instance, Outage, files_below};

use crate::{
    SOON, accept, assert_landed_once, event, journal_of, lake_of, padded_event, prepare,
    stop_in_order, wait_until_landed,
};

const BODY: usize = 500 * 1000;
const EVENTS: usize = 100;
const SENDERS: usize = 4;

#[test]
fn the_service_accepts_events_before_any_of_the_backlog_has_landed() {
    let (landfall, config) = prepare(SOON);
    let instance = landfall.start(&config);
    // Not of the whole lake, without which it would not start.
    let events = lake_of(instance.dir()).join("events");
    fs::create_dir_all(&events).unwrap();
    let outage = Outage::of(&events);
    let mut accepted = accept_backlog(&instance);
    let landfall = instance.kill();
    let segments = files_below(&journal_of(landfall.dir()), ".seg");
    let size: u64 = segments.iter().map(|s| s.metadata().unwrap().len()).sum();
    assert!(size > (BODY * EVENTS) as u64, "{size}");
    assert!(segments.len() > 1, "{segments:?}");

    let started = Instant::now();
    let mut instance = landfall.start(&config);
    accept(&instance, &event("after"));
    accepted.push("after".to_owned());
    println!(
        "accepts {:?} after its start, with {size} bytes in {} segments",
        started.elapsed(),
        segments.len()
    );
    outage.end();
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
