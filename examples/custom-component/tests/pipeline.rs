//! The command with components of one's own, as a user runs it.

#![expect(clippy::unwrap_used, reason = "an unmet expectation is a failed test")]

mod receiver;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use axum::http::StatusCode;
use landfall_appcues::SAMPLES;
use landfall_testkit::{
    Instance, Landfall, Request, SIGNED, Signal, files_below, free_address, python, workspace_root,
};

use crate::receiver::{Receiver, Taken};

const SECRET: &str = "a secret only of this test";

fn landfall() -> Landfall {
    Landfall::new(env!("CARGO_BIN_EXE_custom-component")).env("APPCUES_WEBHOOK_SECRET", SECRET)
}

/// From webhooks to a receiver at `receiver`, with these further settings of the source and of the sink.
fn to_receiver(receiver: SocketAddr, source: &str, sink: &str) -> String {
    format!(
        r#"
data_dir = "{{dir}}/data"
api.address = "{{api}}"

[sources.appcues]
type = "appcues"
address = "{{source}}"
{SIGNED}
{source}

[sinks.receiver]
type = "http_post"
inputs = ["appcues"]
url = "http://{receiver}/events"
batch.timeout_secs = 0
{sink}
"#
    )
}

fn body(number: usize) -> String {
    format!(r#"{{"id":"{number:03}"}}"#)
}

fn post(instance: &Instance, number: usize) -> u16 {
    let body = body(number);
    Request::post("/webhooks/appcues")
        .signed(SECRET, body.as_bytes())
        .body(body.as_bytes())
        .send(instance.source())
        .status
}

#[test]
fn what_was_answered_200_reaches_a_receiver_that_is_away_through_a_crash() {
    let (address, taken) = (free_address(), Taken::default());
    let landfall = landfall();
    let config = landfall.write("landfall.toml", &to_receiver(address, "", ""));
    let mut instance = landfall.start(&config);
    let wanted: Vec<_> = (0..30).map(body).collect();

    // Nobody is there yet.
    for number in 0..10 {
        assert_eq!(post(&instance, number), 200);
    }
    instance.wait_until("what is wrong is shown", |instance| {
        let ready = landfall_testkit::get(instance.api(), "/ready").unwrap();
        ready.status == 200 && ready.text().contains("the receiver cannot be reached")
    });
    let landfall = instance.kill();
    let mut instance = landfall.start(&config);
    // It comes, and refuses at first: neither an error nor a redirect is an acknowledgement.
    taken.refuse_with(vec![StatusCode::FOUND, StatusCode::INTERNAL_SERVER_ERROR]);
    let receiver = Receiver::start(address, &taken);
    instance.wait_until("the first ten are there", |_| {
        taken.all("payload") == wanted[..10]
    });
    assert!(taken.has_refused());

    // It goes away and comes back while events come.
    for number in 10..15 {
        assert_eq!(post(&instance, number), 200);
    }
    drop(receiver);
    for number in 15..30 {
        assert_eq!(post(&instance, number), 200);
    }
    let _receiver = Receiver::start(address, &taken);
    instance.wait_until("all are there", |_| taken.all("payload") == wanted);
    // However often one was posted, its id was the same.
    assert_eq!(taken.all("id").len(), wanted.len());
    assert_eq!(instance.terminate().code, Some(0));
}

#[test]
fn with_a_memory_buffer_200_says_that_the_receiver_has_it() {
    let (address, taken) = (free_address(), Taken::default());
    let landfall = landfall();
    let config = to_receiver(
        address,
        "limits.ack_timeout_secs = 1",
        "buffer.type = \"memory\"",
    );
    let config = landfall.write("landfall.toml", &config);
    let instance = landfall.start(&config);
    {
        let _receiver = Receiver::start(address, &taken);
        assert_eq!(post(&instance, 1), 200);
        assert_eq!(taken.all("payload"), [body(1)]);
    }
    assert_eq!(post(&instance, 2), 503);
}

#[test]
fn lines_land_as_parquet_and_are_answered_when_they_are_durable() {
    let (lines, landfall) = (free_address(), landfall());
    let config = format!(
        r#"
data_dir = "{{dir}}/data"
api.address = "{{api}}"
sources.lines = {{ type = "lines", address = "{lines}", max_line_bytes = 100000 }}
sinks.lake = {{ type = "parquet", inputs = ["lines"], uri = "{{dir}}/lake" }}
"#
    );
    let config = landfall.write("landfall.toml", &config);
    let instance = landfall.start(&config);
    let mut stream = BufReader::new(TcpStream::connect(lines).unwrap());
    for sample in SAMPLES {
        let line: serde_json::Value = serde_json::from_slice(sample.body).unwrap();
        writeln!(stream.get_mut(), "{line}").unwrap();
        let mut answer = String::new();
        stream.read_line(&mut answer).unwrap();
        assert_eq!(answer, "ok\n");
    }
    // One that is too long ends its connection and no other.
    let mut long = TcpStream::connect(lines).unwrap();
    long.write_all(&[b' '; 100_001]).unwrap();
    let mut answer = String::new();
    BufReader::new(long).read_line(&mut answer).ok();
    assert_eq!(answer, "");

    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!files_below(&landfall.dir().join("lake"), ".parquet").is_empty());
    let lake = landfall.dir().join("lake/events/**/*.parquet");
    let sql = format!("SELECT count(*) FROM read_parquet('{}')", lake.display());
    let rows = python("query.py", [&*sql]);
    assert_eq!(rows.trim(), format!("[[{}]]", SAMPLES.len()));
}

#[test]
fn what_is_wrong_with_the_settings_is_said_as_for_all_other_components() {
    let landfall = landfall();
    let config = to_receiver(free_address(), "", "batch.max_events = 0\ntokem = \"x\"");
    let config = landfall.write("landfall.toml", &config);
    let config = config.display().to_string();
    let unknown = landfall.run(["validate", "--no-environment", "--config", &config]);
    assert_eq!(unknown.code, Some(78), "{unknown}");
    assert!(unknown.stderr.contains("sinks.receiver.tokem"), "{unknown}");

    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("tokem", "token").replace("http://", "ftp://");
    std::fs::write(&config, text).unwrap();
    let invalid = landfall.run(["validate", "--no-environment", "--config", &config]);
    assert_eq!(invalid.code, Some(78), "{invalid}");
    for problem in [
        "sinks.receiver.url: must begin with",
        "sinks.receiver.batch.max_events: must be",
    ] {
        assert!(invalid.stderr.contains(problem), "{invalid}");
    }
}

#[test]
fn the_configuration_beside_the_example_is_valid() {
    let config = workspace_root().join("examples/custom-component/landfall.toml");
    let config = config.display().to_string();
    let valid = landfall().run(["validate", "--no-environment", "--config", &config]);
    assert_eq!(valid.code, Some(0), "{valid}");
}
