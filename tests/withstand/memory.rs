//! Bodies that are larger than they may be, one by one or together.

use landfall_testkit::{Connection, Request};

use crate::{PATH, SECRET, accept, assert_refused, event, plausible_head, signed, start};

const MIB: usize = 1024 * 1024;

/// More than a few connections' buffers, and far less than the bodies here.
const LITTLE_KIB: u64 = 24 * 1024;

#[test]
fn a_large_body_without_a_valid_signature_is_refused_before_it_is_read() {
    let instance = start("");
    accept(&instance, "before");
    let before = instance.peak_memory_kib();
    let length = (90 * MIB).to_string();
    let heads = [
        (
            Request::post(PATH).header("Content-Length", &length),
            (401, "signature_missing"),
        ),
        (
            Request::post(PATH)
                .signature_headers("zz", "1700000000")
                .header("Content-Length", &length),
            (401, "signature_malformed"),
        ),
        (
            Request::post(PATH)
                .signed(SECRET, b"something else")
                .header("Content-Length", &length),
            (413, "body_too_large"),
        ),
        (
            Request::post("/elsewhere").header("Content-Length", &length),
            (404, "not_found"),
        ),
    ];
    for (head, (status, code)) in heads {
        let mut connection = Connection::open(instance.source());
        connection.send(&head.to_bytes()).unwrap();
        // Nothing of the body has been sent.
        assert_refused(&connection.answer(), status, code);
        // Most of it finds nobody who reads it.
        let chunk = vec![b'x'; MIB];
        let sent = (0..90).take_while(|_| connection.send(&chunk).is_ok());
        assert!(sent.count() < 90, "all of it was read");
    }
    let grown = instance.peak_memory_kib() - before;
    println!("four times up to 90 MiB were sent, {grown} KiB were taken");
    assert!(grown < LITTLE_KIB, "{grown} KiB");
}

#[test]
fn a_large_body_in_chunks_is_read_to_the_limit_and_no_further() {
    let instance = start("");
    let before = instance.peak_memory_kib();
    let head = Request::post(PATH).signed(SECRET, b"something else");
    let mut connection = Connection::open(instance.source());
    let head = head.header("Transfer-Encoding", "chunked").to_bytes();
    connection.send(&head).unwrap();
    let chunk = [format!("{MIB:x}\r\n").as_bytes(), &[b'x'; MIB], b"\r\n"].concat();
    let sent = (0..90).take_while(|_| connection.send(&chunk).is_ok());
    assert!(sent.count() < 90, "all of it was read");
    assert_refused(&connection.answer(), 413, "body_too_large");
    let grown = instance.peak_memory_kib() - before;
    assert!(grown < LITTLE_KIB, "{grown} KiB");
}

#[test]
fn bodies_together_take_no_more_memory_than_they_may() {
    let limits = "limits = { max_bytes_in_flight = 4194304, read_timeout_secs = 600 }";
    let mut instance = start(limits);
    accept(&instance, "before");
    let before = instance.peak_memory_kib();
    // The first of them have nothing to give up that would help.
    let lengths = [1; 30].into_iter().chain([MIB - 1; 100]);
    let mut slow: Vec<_> = lengths
        .map(|length| {
            let mut connection = Connection::open(instance.source());
            connection.send(&plausible_head(MIB)).unwrap();
            connection.send(&vec![b'x'; length]).unwrap();
            connection
        })
        .collect();
    // What is held is given up for a body that is there, long before they have had their time. A busy machine may take longer to
    // give it up than the body is kept waiting, and asks its sender to come again.
    instance.wait_until("a body that is there is accepted", |instance| {
        let answer = signed(event("good").as_bytes()).send(instance.source());
        assert!([200, 503].contains(&answer.status), "{}", answer.text());
        answer.status == 200
    });
    assert_refused(&slow[0].answer(), 503, "overloaded");
    let grown = instance.peak_memory_kib() - before;
    println!("100 MiB were sent, {grown} KiB were taken");
    assert!(grown < LITTLE_KIB, "{grown} KiB");
}
