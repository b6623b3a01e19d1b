//! Compressed bodies, where they are allowed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use landfall_testkit::{Instance, Request, Response, python};

use crate::lake::landed_ids;
use crate::{PATH, SECRET, assert_refused, event, signed, start};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Sends `body` as it is, signed as it is.
#[track_caller]
fn send(instance: &Instance, encoding: &str, body: &[u8]) -> Response {
    Request::post(PATH)
        .signed(SECRET, body)
        .header("Content-Encoding", encoding)
        .body(body)
        .send(instance.source())
}

#[test]
fn compressed_bodies_land_inflated_and_broken_ones_are_quarantined_as_they_came() {
    let mut instance = start("decompression = true");
    for (encoding, body) in [
        ("gzip", gzip(event("a").as_bytes())),
        ("GZIP", gzip(event("b").as_bytes())),
        ("deflate", deflate(event("c").as_bytes())),
    ] {
        let answer = send(&instance, encoding, &body);
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
    }
    let whole = gzip(event("d").as_bytes());
    let broken: [&[u8]; 3] = [&whole[..whole.len() - 1], b"not compressed", b""];
    let mut args = vec!["--lake".into(), instance.dir().join("lake")];
    for (index, body) in broken.into_iter().enumerate() {
        let answer = send(&instance, "gzip", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let path = instance.dir().join(format!("body-{index}"));
        std::fs::write(&path, body).unwrap();
        args.push(path);
    }
    instance.wait_until("all have landed", |instance| {
        let lake = instance.dir().join("lake");
        landed_ids(&lake).len() == 3
            && instance.metric_with("component_sent_events_total", r#"component_kind="sink""#)
                >= 6.0
    });
    python("check_quarantine.py", args);
}

#[test]
fn a_body_that_inflates_beyond_the_limit_is_refused_and_takes_little_memory() {
    let instance = start("decompression = true");
    let before = instance.peak_memory_kib();
    // A thousand times its size.
    let bomb = vec![b' '; 16 * 1024 * 1024];
    for (encoding, body) in [("gzip", gzip(&bomb)), ("deflate", deflate(&bomb))] {
        assert!(body.len() < 64 * 1024);
        assert_refused(&send(&instance, encoding, &body), 413, "body_too_large");
    }
    let grown = instance.peak_memory_kib() - before;
    assert!(grown < 24 * 1024, "{grown} KiB");
}

#[test]
fn what_is_signed_is_the_body_as_it_is_sent() {
    let instance = start("decompression = true");
    let body = event("a");
    let compressed = gzip(body.as_bytes());
    let answer = Request::post(PATH)
        .signed(SECRET, body.as_bytes())
        .header("Content-Encoding", "gzip")
        .body(&compressed)
        .send(instance.source());
    assert_refused(&answer, 401, "signature_mismatch");
}

#[test]
fn other_encodings_are_refused_and_all_of_them_unless_allowed() {
    let instance = start("decompression = true");
    for encoding in ["br", "gzip, gzip", "gzip, identity", "", "compress"] {
        let answer = send(&instance, encoding, b"{}");
        assert_refused(&answer, 415, "content_encoding_not_allowed");
    }
    let twice = signed(b"{}")
        .header("Content-Encoding", "gzip")
        .header("Content-Encoding", "gzip");
    let answer = twice.send(instance.source());
    assert_refused(&answer, 415, "content_encoding_not_allowed");
}
