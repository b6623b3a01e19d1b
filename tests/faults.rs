//! What becomes of events when something goes wrong around the service: copies, an absent lake, a full disk, a full
//! buffer, damage, a stop at the worst moment.
//!
//! The promise is always the same. Whatever was answered 200 stands in the lake exactly once in the end, and the service
//! goes on by itself when the fault is over.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

mod lake;

#[path = "faults/backlog.rs"]
mod backlog;
#[path = "faults/buffer.rs"]
mod buffer;
#[path = "faults/damage.rs"]
mod damage;
#[path = "faults/duplicates.rs"]
mod duplicates;
#[path = "faults/full_disk.rs"]
mod full_disk;
#[path = "faults/lock.rs"]
mod lock;
#[path = "faults/outage.rs"]
mod outage;
#[path = "faults/quarantine.rs"]
mod quarantine;
#[path = "faults/stop.rs"]
mod stop;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_testkit::{Ended, Instance, Landfall, Request, Response, SIGNED, Signal, config, get};
use serde_json::Value;

use crate::lake::landed_ids;

const SECRET: &str = "a secret only of this test";

/// Lands what comes a second after it came.
const SOON: &str = "batch.timeout_secs = 1";

/// Lands nothing by itself for as long as a test may take.
const LATE: &str = "batch.timeout_secs = 300";

/// More than any stop takes, on a slow machine too, and less than anything that could keep it waiting.
const STOPPED_WITHIN: Duration = Duration::from_secs(25);

fn prepare(settings: &str) -> (Landfall, PathBuf) {
    prepare_with(&config(SIGNED, settings))
}

fn prepare_with(config: &str) -> (Landfall, PathBuf) {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = landfall.write("landfall.toml", config);
    (landfall, config)
}

fn lake_of(dir: &Path) -> PathBuf {
    dir.join("lake")
}

/// The journal of the sink, below `data_dir`.
fn journal_of(dir: &Path) -> PathBuf {
    dir.join("data/lake")
}

fn event(id: &str) -> String {
    padded_event(id, 0)
}

/// An event whose body is a little larger than `padding` bytes.
fn padded_event(id: &str, padding: usize) -> String {
    let padding = "x".repeat(padding);
    format!(
        r#"{{"id":"{id}","name":"appcues:flow_started","account_id":"1","timestamp":1700000000000,"attributes":{{"flowId":"f","padding":"{padding}"}}}}"#
    )
}

fn signed(body: &[u8]) -> Request {
    Request::post("/webhooks/appcues")
        .signed(SECRET, body)
        .body(body)
}

#[track_caller]
fn post(address: SocketAddr, body: &str) -> Response {
    signed(body.as_bytes()).send(address)
}

/// Sends `body`, which must be answered 200.
#[track_caller]
fn accept(instance: &Instance, body: &str) {
    let answer = post(instance.source(), body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Sends an event for each of `ids`, which must be answered 200.
#[track_caller]
fn accept_all(instance: &Instance, ids: &[String]) {
    for id in ids {
        accept(instance, &event(id));
    }
}

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}-{number}"))
        .collect()
}

/// An answer that says "not now": it has to say when, and why in a form that a program can read.
#[track_caller]
fn assert_refused(answer: &Response, code: &str) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let retry_after = answer.header("Retry-After").and_then(|s| s.parse().ok());
    assert!(retry_after.is_some_and(|secs: u32| secs > 0), "{answer:?}");
    let body: Value = serde_json::from_slice(&answer.body).expect("a JSON body");
    assert_eq!(body["error"], code, "{body}");
    assert!(body["message"].is_string(), "{body}");
}

/// What `/ready` gives as reasons; none when it is ready.
fn unready(instance: &Instance) -> Vec<String> {
    let answer = get(instance.api(), "/ready").expect("readiness answers");
    let body: Value = serde_json::from_slice(&answer.body).expect("a JSON body");
    match answer.status {
        200 => Vec::new(),
        503 => serde_json::from_value(body["reasons"].clone()).expect("a list of reasons"),
        other => panic!("/ready answers {other}: {body}"),
    }
}

fn wait_until_landed(instance: &mut Instance, count: usize) {
    let what = format!("{count} events have landed");
    instance.wait_until(&what, |instance| {
        landed_ids(&lake_of(instance.dir())).len() >= count
    });
}

/// The lake holds each of `accepted` once. What was refused may have been written all the same, but not twice.
#[track_caller]
fn assert_landed_once<'a>(landfall: &Landfall, accepted: impl IntoIterator<Item = &'a String>) {
    let rows = landed_ids(&lake_of(landfall.dir()));
    for id in accepted {
        let count = rows.get(id).copied().unwrap_or(0);
        assert_eq!(count, 1, "{id} was answered 200 and stands {count} times");
    }
    for (id, count) in rows {
        assert_eq!(count, 1, "{id} stands {count} times");
    }
}

/// Stops it with SIGTERM, as an operator does.
#[track_caller]
fn stop_in_order(instance: Instance) -> Landfall {
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_ended_well(&ended);
    landfall
}

#[track_caller]
fn assert_ended_well(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

/// Starts it and stops it, which lands what the last life left in the journal.
#[track_caller]
fn start_and_stop(landfall: Landfall, config: &Path) -> Landfall {
    stop_in_order(landfall.start(config))
}
