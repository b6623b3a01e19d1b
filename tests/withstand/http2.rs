//! HTTP/2, well-behaved and not.

use std::io;

use landfall_testkit::{Http2, Instance};

use crate::{PATH, accept, event, signature, start};

/// The error code with which a client is sent away that does too much of something (RFC 9113, section 7).
const ENHANCE_YOUR_CALM: u32 = 11;
const REFUSED_STREAM: u32 = 7;

fn post(connection: &mut Http2, stream: u32, body: &str) -> io::Result<()> {
    let headers = signature(body.as_bytes());
    let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
    connection.post(stream, PATH, &headers, body.as_bytes())
}

/// The complete headers of a genuine POST.
fn block(body: &str) -> Vec<u8> {
    let headers = signature(body.as_bytes());
    let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
    Http2::post_block(PATH, &headers)
}

/// Reads on until the connection ends; the code of its GOAWAY, if there was one.
fn sent_away(mut connection: Http2) -> Option<u32> {
    let mut code = None;
    loop {
        match connection.until_goaway() {
            Ok(goaway) => code = Some(goaway),
            Err(error) => {
                let ended = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
                assert!(ended.contains(&error.kind()), "{error}");
                return code;
            }
        }
    }
}

#[test]
fn http2_is_spoken_on_the_same_address() {
    let instance = start("");
    let mut connection = Http2::open(instance.source());
    for stream in [1, 3, 5] {
        post(&mut connection, stream, &event(&stream.to_string())).unwrap();
    }
    for stream in [1, 3, 5] {
        assert_eq!(
            connection.answer(stream).unwrap(),
            r#"{"status":"accepted"}"#
        );
    }
    connection.post(7, PATH, &[], b"{}").unwrap();
    let refused = connection.answer(7).unwrap();
    assert!(refused.contains("\"signature_missing\""), "{refused}");
    connection.post(9, "/elsewhere", &[], b"{}").unwrap();
    let refused = connection.answer(9).unwrap();
    assert!(refused.contains("\"not_found\""), "{refused}");
    post(&mut connection, 11, &event("11")).unwrap();
    assert_eq!(connection.answer(11).unwrap(), r#"{"status":"accepted"}"#);
}

#[test]
fn a_body_that_does_not_come_is_refused_while_other_streams_are_served() {
    let instance = start("limits.read_timeout_secs = 1");
    let mut connection = Http2::open(instance.source());
    let flags = Http2::END_HEADERS;
    connection
        .send(Http2::HEADERS, flags, 1, &block(&event("slow")))
        .unwrap();
    connection.send(Http2::DATA, 0, 1, b"{").unwrap();
    post(&mut connection, 3, &event("good")).unwrap();
    let accepted = connection.answer(3).unwrap();
    assert_eq!(accepted, r#"{"status":"accepted"}"#);
    let refused = connection.answer(1).unwrap();
    assert!(refused.contains("\"body_timeout\""), "{refused}");
}

#[test]
fn a_large_body_without_a_signature_is_refused_while_it_comes_and_its_sender_learns_why() {
    let instance = start("");
    let before = instance.peak_memory_kib();
    let mut connection = Http2::open(instance.source());
    let block = Http2::post_block(PATH, &[("content-length", "94371840")]);
    connection
        .send(Http2::HEADERS, Http2::END_HEADERS, 1, &block)
        .unwrap();
    // As much as may come before the other side asks for more.
    for _ in 0..4 {
        connection.send(Http2::DATA, 0, 1, &[b'x'; 16_000]).unwrap();
    }
    let refused = connection.answer(1).unwrap();
    assert!(refused.contains("\"signature_missing\""), "{refused}");
    // Many a client that still sends forgets the answer when its stream is reset, whatever the code.
    connection.send(Http2::PING, 0, 0, &[0; 8]).unwrap();
    loop {
        let frame = connection.frame().unwrap();
        assert_ne!(frame.kind, Http2::RST_STREAM, "{frame:?}");
        if frame.kind == Http2::PING {
            break;
        }
    }
    post(&mut connection, 3, &event("good")).unwrap();
    let accepted = connection.answer(3).unwrap();
    assert_eq!(accepted, r#"{"status":"accepted"}"#);
    let grown = instance.peak_memory_kib() - before;
    assert!(grown < 24 * 1024, "{grown} KiB");
}

#[test]
fn too_many_or_too_large_headers_are_refused() {
    let instance = start("");
    let mut connection = Http2::open(instance.source());
    let long = "a".repeat(17_000);
    let many: Vec<String> = (0..65).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (&**name, "y")).collect();
    let send = |connection: &mut Http2, stream, headers: &[(&str, &str)]| {
        let block = Http2::post_block(PATH, headers);
        let (first, rest) = block.split_at(block.len().min(16_000));
        connection.send(Http2::HEADERS, Http2::END_STREAM, stream, first)?;
        for more in rest.chunks(16_000) {
            connection.send(Http2::CONTINUATION, 0, stream, more)?;
        }
        connection.send(Http2::CONTINUATION, Http2::END_HEADERS, stream, &[])
    };
    send(&mut connection, 1, &[("x", &long)]).unwrap();
    let refused = connection.answer(1).unwrap();
    assert!(refused.contains("\"headers_too_large\""), "{refused}");
    send(&mut connection, 3, &many).unwrap();
    let refused = connection.answer(3).unwrap();
    assert!(refused.contains("\"headers_too_large\""), "{refused}");
    // What is twice as large is not even looked at; the status alone says so.
    send(&mut connection, 5, &[("x", &long), ("y", &long)]).unwrap();
    assert_eq!(connection.answer(5).unwrap(), "");
}

#[test]
fn streams_beyond_the_limit_are_refused_and_the_others_go_on() {
    let instance = start("");
    let mut connection = Http2::open(instance.source());
    let block = block(&event("many"));
    for number in 0..150 {
        connection
            .send(Http2::HEADERS, Http2::END_HEADERS, 2 * number + 1, &block)
            .unwrap();
    }
    let refused = loop {
        let frame = connection.frame().unwrap();
        if frame.kind == Http2::RST_STREAM {
            break frame;
        }
    };
    assert_eq!(refused.payload, REFUSED_STREAM.to_be_bytes());
    assert!(refused.stream > 200, "stream {}", refused.stream);
    connection
        .send(Http2::DATA, Http2::END_STREAM, 1, event("many").as_bytes())
        .unwrap();
    let accepted = connection.answer(1).unwrap();
    assert_eq!(accepted, r#"{"status":"accepted"}"#);
}

#[test]
fn who_resets_streams_all_the_time_is_sent_away() {
    let instance = start("");
    let block = block(&event("reset"));
    let cancel = 8_u32.to_be_bytes();
    flood(&instance, |connection, number| {
        let stream = 2 * number + 1;
        connection.send(Http2::HEADERS, Http2::END_HEADERS, stream, &block)?;
        connection.send(Http2::RST_STREAM, 0, stream, &cancel)
    });
}

#[test]
fn who_never_ends_the_headers_is_sent_away() {
    let instance = start("");
    flood(&instance, |connection, number| {
        if number == 0 {
            connection.send(Http2::HEADERS, 0, 1, &block("{}"))
        } else {
            // `accept-encoding: gzip, deflate`, of which HPACK makes one byte.
            connection.send(Http2::CONTINUATION, 0, 1, &[0x90])
        }
    });
}

#[test]
fn who_sends_empty_frames_all_the_time_is_sent_away() {
    let instance = start("");
    flood(&instance, |connection, number| {
        if number == 0 {
            connection.send(Http2::HEADERS, Http2::END_HEADERS, 1, &block("{}"))
        } else {
            connection.send(Http2::DATA, 0, 1, b"")
        }
    });
}

/// More frames than the sockets between the two hold while the other side does not come to them.
const FRAMES: u32 = 2_000_000;

/// Sends frames until the connection is ended from the other side.
#[track_caller]
fn flood(instance: &Instance, mut send: impl FnMut(&mut Http2, u32) -> io::Result<()>) {
    let before = instance.peak_memory_kib();
    let mut connection = Http2::open(instance.source());
    let sent = (0..FRAMES).take_while(|number| send(&mut connection, *number).is_ok());
    let sent = sent.count();
    assert!(sent < FRAMES as usize, "all was taken");
    let code = sent_away(connection);
    println!("sent away after {sent} with {code:?}");
    // The code may have been lost when the connection was closed with frames in it that nobody read.
    assert!(
        code.is_none_or(|code| code == ENHANCE_YOUR_CALM),
        "{code:?}"
    );
    let grown = instance.peak_memory_kib() - before;
    assert!(grown < 24 * 1024, "{grown} KiB");
    accept(instance, "after");
}

#[test]
fn pings_and_settings_without_end_take_no_memory() {
    let instance = start("");
    accept(&instance, "before");
    let before = instance.peak_memory_kib();
    let mut connections = Vec::new();
    for (kind, payload) in [(Http2::PING, &[0; 8][..]), (Http2::SETTINGS, &[])] {
        let mut connection = Http2::open(instance.source());
        // Nobody reads the answers, so that in the end nobody reads these either.
        connection.never_read();
        let thousand = Http2::bytes(kind, 0, 0, payload).repeat(1000);
        let sent = (0..200).take_while(|_| connection.write(&thousand).is_ok());
        println!("{} thousand of kind {kind}", sent.count());
        connections.push(connection);
    }
    accept(&instance, "meanwhile");
    let grown = instance.peak_memory_kib() - before;
    assert!(grown < 24 * 1024, "{grown} KiB");
}
