//! Clients that send slowly, or nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use landfall_testkit::{Connection, Instance, Request, allow_many_files};

use crate::{
    PATH, SECRET, accept, assert_refused, event, plausible_head, refused, signed, start,
    start_program,
};

/// Half of a request's head.
const HALF_A_HEAD: &[u8] = b"POST /webhooks/appcues HTTP/1.1\r\nHost: local";

/// Far more than it takes to notice on a slow machine that somebody has had its time.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn ten_thousand_slow_clients_do_not_keep_a_good_one_out() {
    // All that come over a network would need no descriptors here.
    let files = usize::try_from(allow_many_files()).unwrap_or(usize::MAX);
    let count = (files - files.min(500)).min(10_000);
    let limits = format!(
        "limits = {{ max_connections = {}, read_timeout_secs = 600 }}",
        count / 2
    );
    let instance = start(&limits);
    let before = instance.peak_memory_kib();
    let mut slow = Vec::new();
    for number in 0..count {
        let mut connection = Connection::open(instance.source());
        if number % 2 == 0 {
            connection.send(HALF_A_HEAD).unwrap();
        }
        slow.push(connection);
        if number % (count / 20) == 0 || number + 1 == count {
            // It waits for less than the slow ones may take.
            accept(&instance, &format!("{number}"));
        }
    }
    let grown = instance.peak_memory_kib() - before;
    println!("{count} slow clients, {grown} KiB more memory");
    // Some pages for each that is let in, and what the rest of the process needs.
    assert!(grown < 64 * 1024 + 32 * count as u64 / 2, "{grown} KiB");
    // Those that were there first made room, and were told if they had begun.
    assert_refused(&slow[0].answer(), 503, "overloaded");
    assert_eq!(slow[1].until_closed(), b"");
}

/// Something in the place of the binary that lets it open so many `files`.
fn with_few_files(dir: &Path, files: usize) -> PathBuf {
    let program = dir.join("landfall-with-few-files");
    let script = format!(
        "#!/bin/sh\nulimit -n {files}\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_landfall")
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn slow_clients_leave_the_journal_its_files_where_there_are_few() {
    let dir = tempfile::tempdir().unwrap();
    let program = with_few_files(dir.path(), 300);
    let instance = start_program(&program, "limits.read_timeout_secs = 600", "");
    let mut slow = Vec::new();
    for number in 0..400 {
        slow.push(Connection::open(instance.source()));
        if number % 50 == 49 {
            accept(&instance, &format!("{number}"));
        }
    }
    // Half of the files, but for the one of the good client.
    let open = instance.metric("open_connections");
    assert!((140..=150).contains(&open), "{open} connections");
    assert_eq!(slow[0].until_closed(), b"");
}

#[test]
fn slow_clients_of_the_api_leave_everything_else_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let instance = start_program(&with_few_files(dir.path(), 200), "", "");
    let slow: Vec<_> = (0..400).map(|_| Connection::open(instance.api())).collect();
    accept(&instance, "good");
    drop(slow);
    // Whoever comes after them is answered.
    assert_eq!(refused(&instance, "accept_failed"), 0);
}

/// Sixty connections that each have sent a head which looks genuine, and the beginning of a body.
fn slow_bodies(instance: &Instance) -> Vec<Connection> {
    let open = |_| {
        let mut connection = Connection::open(instance.source());
        // At once, since it may be gone by the time of a second part.
        let beginning = [&*plausible_head(1000), b"a part"].concat();
        connection.send(&beginning).unwrap();
        connection
    };
    (0..60).map(open).collect()
}

#[test]
fn slow_bodies_give_way_to_a_good_request() {
    let mut instance = start("limits = { max_requests = 20, read_timeout_secs = 600 }");
    let slow = slow_bodies(&instance);
    accept(&instance, "good");
    instance.wait_until("all but twenty have given way", |instance| {
        refused(instance, "overloaded") >= 40
    });
    accept(&instance, "another");
    drop(slow);
}

#[test]
fn slow_bodies_give_way_where_there_are_fewer_connections_than_requests() {
    let instance = start("limits = { max_connections = 20, read_timeout_secs = 600 }");
    let slow = slow_bodies(&instance);
    accept(&instance, "good");
    drop(slow);
}

#[test]
fn a_head_must_arrive_as_a_whole_in_time() {
    let instance = start("limits.read_timeout_secs = 1");
    let started = Instant::now();
    let mut dripping = Connection::open(instance.source());
    let mut stalled = Connection::open(instance.source());
    stalled.send(HALF_A_HEAD).unwrap();
    // A header after the other: each is in time, and there is always one more.
    dripping.send(b"POST / HTTP/1.1\r\n").unwrap();
    while dripping.send(b"X: y\r\n").is_ok() {
        assert!(started.elapsed() < LIMIT, "still taking headers");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_refused(&stalled.answer(), 408, "header_timeout");
    assert_eq!(stalled.until_closed(), b"");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(refused(&instance, "header_timeout"), 2);
}

#[test]
fn a_second_head_must_arrive_in_time_too() {
    let instance = start("limits.read_timeout_secs = 1");
    let mut connection = Connection::open(instance.source());
    let request = signed(event("first").as_bytes()).to_bytes();
    connection.send(&request).unwrap();
    assert_eq!(connection.answer().status, 200);
    connection.send(HALF_A_HEAD).unwrap();
    assert_refused(&connection.answer(), 408, "header_timeout");
}

#[test]
fn a_refused_body_that_still_comes_begins_no_second_request() {
    let instance = start("limits = { read_timeout_secs = 1, idle_timeout_secs = 2 }");
    let mut connection = Connection::open(instance.source());
    let unsigned = Request::post(PATH).header("Content-Length", "10");
    connection.send(&unsigned.to_bytes()).unwrap();
    assert_refused(&connection.answer(), 401, "signature_missing");
    connection.send(b"0123456789").unwrap();
    assert_eq!(connection.until_closed(), b"");
    assert_eq!(refused(&instance, "header_timeout"), 0);
}

#[test]
fn a_connection_without_a_byte_is_closed_without_a_word() {
    let instance = start("limits.read_timeout_secs = 1");
    let mut silent = Connection::open(instance.source());
    assert_eq!(silent.until_closed(), b"");
    assert_eq!(refused(&instance, "header_timeout"), 0);
}

#[test]
fn a_connection_is_kept_between_requests_for_as_long_as_it_may_be_idle() {
    let instance = start("limits = { read_timeout_secs = 1, idle_timeout_secs = 2 }");
    let mut connection = Connection::open(instance.source());
    let mut asked = Instant::now();
    for id in ["first", "second"] {
        asked = Instant::now();
        let request = signed(event(id).as_bytes()).to_bytes();
        connection.send(&request).unwrap();
        assert_eq!(connection.answer().status, 200);
    }
    assert_eq!(connection.until_closed(), b"");
    let kept = asked.elapsed();
    assert!(kept >= Duration::from_secs(2), "closed after {kept:?}");
}

#[test]
fn an_old_connection_takes_no_more_requests() {
    let instance = start("limits.max_connection_age_secs = 1");
    let started = Instant::now();
    let mut busy = Connection::open(instance.source());
    let mut idle = Connection::open(instance.source());
    idle.send(&signed(event("idle").as_bytes()).to_bytes())
        .unwrap();
    assert_eq!(idle.answer().status, 200);
    for number in 0.. {
        let request = signed(event(&number.to_string()).as_bytes()).to_bytes();
        // It may be closed between two requests.
        if busy.send(&request).is_err() {
            break;
        }
        match busy.try_answer() {
            Ok(answer) => assert_eq!(answer.status, 200),
            Err(_) => break,
        }
        assert!(started.elapsed() < LIMIT, "still taking requests");
    }
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(idle.until_closed(), b"");
}

#[test]
fn a_request_that_comes_a_byte_at_a_time_is_accepted() {
    let instance = start("");
    let body = event("slow");
    let request = Request::post(PATH).signed(SECRET, body.as_bytes());
    let mut connection = Connection::open(instance.source());
    for byte in request.body(body.as_bytes()).to_bytes() {
        connection.send(&[byte]).unwrap();
    }
    assert_eq!(connection.answer().status, 200);
}
