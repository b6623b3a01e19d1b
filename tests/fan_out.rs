//! Several sinks behind one source, each with a buffer of its own: what one of them cannot take is nobody's loss but the
//! sender's answer.

#![expect(clippy::expect_used, reason = "an unmet expectation is a failed test")]

mod lake;

use std::net::SocketAddr;
use std::thread;

use landfall_testkit::{Instance, Landfall, Outage, Request, Response, SIGNED, Signal, config};

use crate::lake::landed_ids;

const SECRET: &str = "a secret only of this test";

/// A sink that is soon full when it cannot land.
fn small_sink(when_full: &str) -> String {
    format!(
        r#"
batch.timeout_secs = 1

[sinks.small]
type = "parquet"
inputs = ["appcues"]
uri = "{{dir}}/small"
batch.timeout_secs = 1
buffer = {{ max_size = 1048576, when_full = "{when_full}" }}
"#
    )
}

fn start(source: &str, when_full: &str) -> Instance {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let source = format!("{SIGNED}\n{source}");
    let config = landfall.write("landfall.toml", &config(&source, &small_sink(when_full)));
    landfall.start(&config)
}

/// Sends an event of 50 kB.
fn send(address: SocketAddr, id: &str) -> Response {
    let padding = "x".repeat(50_000);
    let body = format!(
        r#"{{"id":"{id}","name":"appcues:flow_started","account_id":"1","timestamp":1700000000000,"attributes":{{"flowId":"f","padding":"{padding}"}}}}"#
    );
    Request::post("/webhooks/appcues")
        .signed(SECRET, body.as_bytes())
        .body(body.as_bytes())
        .send(address)
}

/// Lets the small sink land once, then takes its store away and sends until an event is not accepted: those that were.
fn fill(instance: &mut Instance) -> (Outage, Vec<String>) {
    assert_eq!(send(instance.source(), "first").status, 200);
    instance.wait_until("the small sink lands", |instance| {
        landed_ids(&instance.dir().join("small")).len() == 1
    });
    let outage = Outage::of(&instance.dir().join("small"));
    let mut accepted = vec!["first".to_owned()];
    loop {
        let id = format!("event-{}", accepted.len());
        let answer = send(instance.source(), &id);
        if answer.status != 200 {
            assert_eq!(answer.status, 503, "{}", answer.text());
            return (outage, accepted);
        }
        accepted.push(id);
        assert!(accepted.len() < 100, "the buffer takes more than it may");
    }
}

fn wait_until_landed(instance: &mut Instance, id: &str) {
    instance.wait_until(&format!("{id} lands in the other sink"), |instance| {
        landed_ids(&instance.dir().join("lake")).contains_key(id)
    });
}

/// Everything that was accepted stands once in both lakes. What was refused may stand in one, or in both, but not twice.
fn assert_landed(landfall: &Landfall, accepted: &[String]) {
    for lake in ["lake", "small"] {
        let rows = landed_ids(&landfall.dir().join(lake));
        for id in accepted {
            assert_eq!(rows.get(id), Some(&1), "{id} in {lake}");
        }
        assert!(rows.values().all(|count| *count == 1), "{rows:?}");
    }
}

#[test]
fn a_full_buffer_that_rejects_refuses_the_event_and_the_other_sink_goes_on_landing() {
    let mut instance = start("", "reject");
    let (outage, mut accepted) = fill(&mut instance);
    for id in ["refused-1", "refused-2"] {
        assert_eq!(send(instance.source(), id).status, 503);
        wait_until_landed(&mut instance, id);
    }
    outage.end();
    // The sender tries again, as it was told to.
    for id in ["refused-1", "refused-2"] {
        instance.wait_until("there is room again", |instance| {
            send(instance.source(), id).status == 200
        });
        accepted.push(id.to_owned());
    }
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_landed(&landfall, &accepted);
}

#[test]
fn a_full_buffer_that_blocks_keeps_the_sender_waiting_and_the_other_sink_goes_on_landing() {
    let mut instance = start("limits.ack_timeout_secs = 5", "block");
    let (outage, mut accepted) = fill(&mut instance);
    let address = instance.source();
    // More than the way to a buffer holds, none of which may keep the next from the other sink.
    let waiting: Vec<_> = (0..40)
        .map(|number| thread::spawn(move || send(address, &format!("waits-{number}")).status))
        .collect();
    for number in 0..40 {
        wait_until_landed(&mut instance, &format!("waits-{number}"));
    }
    let statuses = waiting
        .into_iter()
        .map(|sender| sender.join().expect("an answer"));
    assert!(statuses.into_iter().all(|status| status == 503));
    outage.end();
    for number in 0..40 {
        let id = format!("waits-{number}");
        instance.wait_until("there is room again", |instance| {
            send(instance.source(), &id).status == 200
        });
        accepted.push(id);
    }
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_landed(&landfall, &accepted);
}
