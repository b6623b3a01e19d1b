//! SIGTERM: the service ends within seconds, whatever it has to do, and leaves nothing behind that a start does not land.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use landfall_testkit::{Instance, Landfall, Outage, Signal};

use crate::{
    LATE, SOON, STOPPED_WITHIN, accept, assert_ended_well, assert_landed_once, event, lake_of,
    prepare, signed, start_and_stop,
};

const SENDERS: usize = 8;

#[test]
fn a_stop_under_load_ends_within_seconds_and_loses_nothing() {
    let (landfall, config) = prepare(LATE);
    let (landfall, accepted) = stop_under_load(landfall.start(&config));
    let landfall = start_and_stop(landfall, &config);
    assert_landed_once(&landfall, &accepted);
}

#[test]
fn a_stop_under_load_while_the_lake_is_away_ends_within_seconds_and_loses_nothing() {
    for settings in [LATE, SOON] {
        let (landfall, config) = prepare(settings);
        let instance = landfall.start(&config);
        let outage = Outage::of(&lake_of(instance.dir()));
        let (landfall, accepted) = stop_under_load(instance);
        outage.end();
        let landfall = start_and_stop(landfall, &config);
        assert_landed_once(&landfall, &accepted);
    }
}

#[test]
fn connections_that_send_nothing_or_half_a_request_do_not_hold_up_a_stop() {
    let (landfall, config) = prepare(LATE);
    let instance = landfall.start(&config);
    let address = instance.source();
    let idle = TcpStream::connect(address).unwrap();
    let mut half = TcpStream::connect(address).unwrap();
    let request = signed(event("half").as_bytes()).to_bytes();
    half.write_all(&request[..request.len() - 10]).unwrap();
    // Behind those two, so that the service knows them.
    accept(&instance, &event("whole"));
    let landfall = stop_quickly(instance);
    drop((idle, half));
    assert_landed_once(&landfall, [&"whole".to_owned()]);
}

/// Stops the service while it takes events; which of them it answered 200.
fn stop_under_load(mut instance: Instance) -> (Landfall, Vec<String>) {
    let address = instance.source();
    let accepted = Mutex::new(Vec::new());
    let landfall = thread::scope(|scope| {
        for sender in 0..SENDERS {
            let accepted = &accepted;
            scope.spawn(move || send_until_it_ends(address, sender, accepted));
        }
        instance.wait_until("it takes events", |_| accepted.lock().unwrap().len() >= 400);
        stop_quickly(instance)
    });
    (landfall, accepted.into_inner().unwrap())
}

/// Sends one event after the other, each once, until nobody listens any more.
fn send_until_it_ends(address: SocketAddr, sender: usize, accepted: &Mutex<Vec<String>>) {
    for number in 0.. {
        let id = format!("{sender}-{number}");
        match signed(event(&id).as_bytes()).try_send(address) {
            Ok(answer) if answer.status == 200 => accepted.lock().unwrap().push(id),
            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
            Err(error) => {
                let timed_out = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
                assert!(!timed_out.contains(&error.kind()), "{id} gets no answer");
                return;
            }
        }
    }
}

#[track_caller]
fn stop_quickly(instance: Instance) -> Landfall {
    let asked = Instant::now();
    let (ended, landfall) = instance.stop(Signal::TERM);
    let took = asked.elapsed();
    println!("stopped after {took:?}");
    assert_ended_well(&ended);
    assert!(took < STOPPED_WITHIN, "stopped after {took:?}\n{ended}");
    landfall
}
