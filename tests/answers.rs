//! What the source answers where time, size or repetition matter; all else is in requests.rs.

use std::fs;
use std::time::{Duration, Instant};

use landfall_testkit::{Instance, Landfall, Request, Response, config, files_below, python};
use serde_json::Value;

const SECRET: &str = "a secret only of this test";
const PATH: &str = "/webhooks/appcues";
const EVENT: &[u8] = br#"{"id": "1", "name": "appcues:flow_started", "timestamp": 1684867471283}"#;

/// Every event is a batch of its own, so that no answer waits for another event.
const SOURCE: &str = r#"
signature = { secrets = ["an older secret", "${APPCUES_WEBHOOK_SECRET}"], tolerance_secs = 300 }
limits = { max_body_bytes = 4096, read_timeout_secs = 1 }
"#;
const SINK: &str = r#"
batch = { max_events = 1, timeout_secs = 1 }
buffer.type = "memory"
"#;

fn start() -> Instance {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = landfall.write("landfall.toml", &config(SOURCE, SINK));
    landfall.start(&config)
}

fn signed(body: &[u8]) -> Request {
    Request::post(PATH).signed(SECRET, body)
}

#[test]
fn an_event_that_comes_again_is_accepted_again_and_lands_once() {
    let instance = start();
    for _ in 0..3 {
        let answer = signed(EVENT).body(EVENT).send(instance.source());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let files = files_below(&instance.dir().join("lake/events"), ".parquet");
    assert_eq!(files.len(), 1, "{files:?}");
}

#[test]
fn a_sender_that_is_still_writing_a_body_far_too_large_gets_to_see_the_answer() {
    let instance = start();
    // More than the sockets between the two hold.
    let large = vec![b'x'; 7 * 1024 * 1024];
    for request in [signed(&large).body(&large), signed(&large).chunked(&large)] {
        let answer = request.send(instance.source());
        assert_eq!(refusal_problem(&answer, 413, "body_too_large"), None);
    }
}

/// What is wrong with `answer` as a refusal with `status` and `code`, if anything is.
fn refusal_problem(answer: &Response, status: u16, code: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body["message"].as_str().unwrap_or_default();
    let is_right = answer.status == status && body["error"] == code && !message.is_empty();
    (!is_right).then(|| {
        format!(
            "expected {status} {code}, got {} {}",
            answer.status,
            answer.text()
        )
    })
}

#[test]
fn a_body_that_does_not_arrive_is_answered_408_while_others_are_served() {
    let instance = start();
    let slow = signed(EVENT)
        .header("Content-Length", &EVENT.len().to_string())
        .raw_body(&EVENT[..10]);
    let started = Instant::now();
    let address = instance.source();
    let waiting = std::thread::spawn(move || slow.send(address));

    let answer = signed(EVENT).body(EVENT).send(address);
    assert_eq!(answer.status, 200);

    let answer = waiting.join().unwrap();
    let waited = started.elapsed();
    assert_eq!(refusal_problem(&answer, 408, "body_timeout"), None);
    assert!(
        waited >= Duration::from_secs(1),
        "gave up before read_timeout_secs: {waited:?}"
    );
}

#[test]
fn verified_bodies_that_are_no_event_are_accepted_and_quarantined_byte_for_byte() {
    let instance = start();
    let bodies: [&[u8]; 6] = [
        b"not JSON",
        b"\xff\xfe\x00 not even text",
        b"",
        b"[1, 2]",
        br#"{"id": "1", "name": "appcues:flow_started"}"#,
        br#"{"name": "appcues:flow_started", "timestamp": 1684867471283}"#,
    ];
    let mut args = vec!["--lake".into(), instance.dir().join("lake")];
    for (index, body) in bodies.into_iter().enumerate() {
        let answer = Request::post(PATH)
            .signed(SECRET, body)
            .body(body)
            .send(instance.source());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let path = instance.dir().join(format!("body-{index}"));
        fs::write(&path, body).unwrap();
        args.push(path);
    }
    python("check_quarantine.py", args);
    let events = files_below(&instance.dir().join("lake/events"), ".parquet");
    assert!(events.is_empty(), "no event was posted, but {events:?}");
}
