//! However much waits in the journal, the service listens at once.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use landfall_testkit::{Landfall, get};

use crate::{
    LATE, SECRET, accept, assert_landed_once, event, landed_ids, lake_of, padded_event, prepare,
    stop_in_order,
};

const BODY: usize = 500 * 1000;
const EVENTS: usize = 400;
const SENDERS: usize = 4;

/// Generous: it is a few milliseconds on a machine that does nothing else.
const LISTENS_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn the_service_listens_at_once_whatever_the_backlog() {
    let (landfall, config) = prepare(LATE);
    let instance = landfall.start(&config);
    let began = Instant::now();
    let instance = &instance;
    let mut accepted: Vec<String> = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                scope.spawn(move || {
                    let ids = (0..EVENTS / SENDERS).map(|number| format!("{sender}-{number}"));
                    ids.inspect(|id| accept(instance, &padded_event(id, BODY))).collect::<Vec<_>>()
                })
            })
            .collect();
        senders.into_iter().flat_map(|s| s.join().unwrap()).collect()
    });
    println!("backlog after {:?}", began.elapsed());
}
