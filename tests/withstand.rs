//! What senders can do to the source, by mistake or on purpose, and what it makes of it: a good request is served all
//! the while, memory and time stay bounded, and what is refused is told why.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

#[path = "withstand/compression.rs"]
mod compression;
#[path = "withstand/drain.rs"]
mod drain;
#[path = "withstand/http1.rs"]
mod http1;
#[path = "withstand/http2.rs"]
mod http2;
#[path = "withstand/json.rs"]
mod json;
mod lake;
#[path = "withstand/memory.rs"]
mod memory;
#[path = "withstand/overload.rs"]
mod overload;
#[path = "withstand/refusals.rs"]
mod refusals;
#[path = "withstand/slow.rs"]
mod slow;

use std::path::Path;

use landfall_testkit::{
    Instance, Landfall, Request, Response, SIGNED, Signature, config, epoch_secs,
};
use serde_json::Value;

const SECRET: &str = "a secret only of this test";
const PATH: &str = "/webhooks/appcues";

/// Starts the service with `source` as further settings of its source, a line each.
#[track_caller]
fn start(source: &str) -> Instance {
    start_with(source, "batch.timeout_secs = 1")
}

/// As [`start`], with settings of the sink too.
#[track_caller]
fn start_with(source: &str, sink: &str) -> Instance {
    start_program(Path::new(env!("CARGO_BIN_EXE_landfall")), source, sink)
}

/// As [`start_with`], with something in the place of the binary that starts it.
#[track_caller]
fn start_program(program: &Path, source: &str, sink: &str) -> Instance {
    let landfall = Landfall::new(program).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let source = format!("{SIGNED}\n{source}");
    let config = landfall.write("landfall.toml", &config(&source, sink));
    landfall.start(&config)
}

fn event(id: &str) -> String {
    format!(r#"{{"id":"{id}","name":"appcues:flow_started","timestamp":1700000000000}}"#)
}

/// A genuine request with `body`.
fn signed(body: &[u8]) -> Request {
    Request::post(PATH).signed(SECRET, body).body(body)
}

/// The head of a genuine request for a body of `length`, of which nobody can know before its end that it is not.
fn plausible_head(length: usize) -> Vec<u8> {
    let head = Request::post(PATH).signed(SECRET, b"something else");
    head.header("Content-Length", &length.to_string())
        .to_bytes()
}

/// The headers of a genuine request with `body`, for HTTP/2.
fn signature(body: &[u8]) -> [(&'static str, String); 2] {
    let now = epoch_secs().to_string();
    [
        ("x-apc-signature", Signature::new(SECRET, &now, body).hex()),
        ("x-apc-timestamp", now),
    ]
}

/// Sends an event that must be accepted.
#[track_caller]
fn accept(instance: &Instance, id: &str) {
    let answer = signed(event(id).as_bytes()).send(instance.source());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// An answer that refuses a request: with this status, and this code in its body.
#[track_caller]
fn assert_refused(answer: &Response, status: u16, code: &str) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert_eq!(
        (answer.status, body["error"].as_str()),
        (status, Some(code)),
        "{answer:?}"
    );
    assert!(body["message"].is_string(), "{body}");
    assert_eq!(answer.header("Retry-After").is_some(), status == 503);
}

/// How many requests were refused with `code` so far, as the metrics say.
fn refused(instance: &Instance, code: &str) -> u64 {
    let of_code = format!("error_code=\"{code}\"");
    instance.metric_with("component_errors_total", &of_code) as u64
}
