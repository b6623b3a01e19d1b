//! SIGTERM: what is in hand is finished, and nobody else holds the stop up.

use std::thread;
use std::time::{Duration, Instant};

use landfall_testkit::{Connection, Http2, Signal};

use crate::{PATH, assert_refused, event, signature, signed, start, start_with};

/// Requests are answered when the third is there, for as long as a test may take.
const MEMORY: &str = "batch = { max_events = 3, timeout_secs = 300 }\nbuffer.type = \"memory\"";

/// What is logged where connections last as long as they may.
const HELD_UP: &str = "some connections did not finish in time";

#[test]
fn requests_in_flight_are_answered_and_new_ones_find_nobody() {
    let mut instance = start_with("", MEMORY);
    let address = instance.source();
    let mut http1 = Connection::open(address);
    let mut http2 = Http2::open(address);
    http1
        .send(&signed(event("1").as_bytes()).to_bytes())
        .unwrap();
    let body = event("2");
    let headers = signature(body.as_bytes());
    let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
    http2.post(1, PATH, &headers, body.as_bytes()).unwrap();
    let third = signed(event("3").as_bytes()).to_bytes();
    let (begun, rest) = third.split_at(third.len() - 10);
    let mut slow = Connection::open(address);
    slow.send(begun).unwrap();
    instance.wait_until("three requests have begun", |instance| {
        instance.metric("requests_in_flight") == 3
    });
    let stopping = thread::spawn(move || instance.stop(Signal::TERM).0);
    let asked = Instant::now();
    while Connection::try_open(address).is_ok() {
        assert!(asked.elapsed() < Duration::from_secs(20), "still listening");
    }
    slow.send(rest).unwrap();
    assert_eq!(slow.answer().status, 200);
    let answer = http1.answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(http1.until_closed(), b"");
    assert_eq!(http2.until_goaway().unwrap(), 0);
    assert_eq!(http2.answer(1).unwrap(), r#"{"status":"accepted"}"#);
    let ended = stopping.join().unwrap();
    assert_eq!(ended.code, Some(0), "{ended}");
}

#[test]
fn connections_without_a_request_do_not_hold_up_the_stop() {
    let mut instance = start("");
    let address = instance.source();
    let mut silent: Vec<_> = (0..50).map(|_| Connection::open(address)).collect();
    let mut idle: Vec<_> = (0..50).map(|_| Connection::open(address)).collect();
    for (number, connection) in idle.iter_mut().enumerate() {
        let request = signed(event(&number.to_string()).as_bytes());
        connection.send(&request.to_bytes()).unwrap();
        assert_eq!(connection.answer().status, 200);
    }
    let mut begun: Vec<_> = (0..50).map(|_| Connection::open(address)).collect();
    for connection in &mut begun {
        connection.send(b"POST /webhooks/app").unwrap();
    }
    let mut http2 = Http2::open(address);
    http2.post(1, "/elsewhere", &[], b"").unwrap();
    http2.answer(1).unwrap();
    instance.wait_until("all are known", |instance| {
        instance.metric("open_connections") == 151
    });
    let (ended, _landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!ended.stderr.contains(HELD_UP), "{ended}");
    for connection in silent.iter_mut().chain(&mut idle) {
        assert_eq!(connection.until_closed(), b"");
    }
    for connection in &mut begun {
        assert_refused(&connection.answer(), 503, "draining");
    }
    assert_eq!(http2.until_goaway().unwrap(), 0);
}
