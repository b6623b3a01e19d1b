//! Events that a Vector has received elsewhere become Parquet.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use landfall_testkit::{
    Authority, Instance, Landfall, Outage, Signal, files_below, python, start_python,
    workspace_root,
};
use serde_json::{Value, json};

use crate::lake::landed_ids;
use crate::{WEBHOOKS, accept, event, ids, prepare};

const LONG: Duration = Duration::from_secs(120);

fn config(source: &str, sink: &str) -> String {
    format!(
        r#"
data_dir = "{{dir}}/data"
api.address = "{{api}}"

[sources.vector]
type = "vector"
address = "{{source}}"
{source}

[sinks.lake]
type = "parquet"
inputs = ["vector"]
uri = "{{dir}}/lake"
batch.timeout_secs = 1
{sink}
"#
    )
}

fn start(source: &str, sink: &str) -> (Instance, PathBuf) {
    let (landfall, config) = prepare(&config(source, sink));
    (landfall.start(&config), config)
}

fn lake_of(landfall: &Landfall) -> PathBuf {
    landfall.dir().join("lake")
}

fn message(body: &[u8]) -> Value {
    json!({ "message": BASE64_STANDARD.encode(body) })
}

fn messages(ids: &[String]) -> Vec<Value> {
    ids.iter().map(|id| message(event(id).as_bytes())).collect()
}

/// Writes `requests`, each a list of events, into a file for the client.
fn write(landfall: &Landfall, requests: &[Vec<Value>]) -> String {
    let lines = requests
        .iter()
        .map(|events| json!({ "events": events }).to_string() + "\n");
    let path = landfall.dir().join("requests.jsonl");
    fs::write(&path, lines.collect::<String>()).unwrap();
    path.display().to_string()
}

/// Sends `requests` one after the other; what each was answered.
#[track_caller]
fn push_with(instance: &Instance, requests: &[Vec<Value>], args: &[&str]) -> Vec<(String, String)> {
    let file = write(instance.landfall(), requests);
    let address = instance.source().to_string();
    let common = ["--address", &address, "--requests", &file];
    answers(&python("vector_client.py", common.iter().chain(args)))
}

#[track_caller]
fn push(instance: &Instance, requests: &[Vec<Value>]) -> Vec<(String, String)> {
    push_with(instance, requests, &[])
}

fn answers(printed: &str) -> Vec<(String, String)> {
    let answer = |line: &str| {
        let answer: Value = serde_json::from_str(line).expect("a line of JSON");
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        (text("code"), text("details"))
    };
    printed.lines().map(answer).collect()
}

#[track_caller]
fn assert_codes(answers: &[(String, String)], codes: &[&str]) {
    let found: Vec<_> = answers.iter().map(|(code, _)| &**code).collect();
    assert_eq!(found, codes, "{answers:?}");
}

/// Stops it, and compares what has landed with `events` and `quarantine`, byte for byte and each as often as given.
#[track_caller]
fn assert_landed(instance: Instance, events: &[Vec<u8>], quarantine: &[Vec<u8>]) -> Landfall {
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    let encoded = |bodies: &[Vec<u8>]| -> Vec<_> {
        bodies
            .iter()
            .map(|body| BASE64_STANDARD.encode(body))
            .collect()
    };
    let expected = json!({ "events": encoded(events), "quarantine": encoded(quarantine) });
    let file = landfall.dir().join("expected.json");
    fs::write(&file, expected.to_string()).unwrap();
    python("check_payloads.py", [lake_of(&landfall), file]);
    landfall
}

/// The lake holds each of `ids` once, and nothing else.
#[track_caller]
fn assert_once(lake: &Path, ids: &[String]) {
    let rows = landed_ids(lake);
    for id in ids {
        assert_eq!(rows.get(id), Some(&1), "{id} was answered OK");
    }
    assert_eq!(rows.len(), ids.len());
}

fn samples() -> Vec<Vec<u8>> {
    let mut files = files_below(&workspace_root().join("crates/appcues/samples"), ".json");
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn bodies_land_byte_for_byte_and_what_is_sent_again_lands_once() {
    let (instance, _) = start("", "");
    let bodies = samples();
    assert_eq!(bodies.len(), 13);
    let strange = vec![b"not \xff JSON".to_vec(), Vec::new()];
    let all: Vec<_> = bodies
        .iter()
        .chain(&strange)
        .map(|body| message(body))
        .collect();
    let own_namespace = json!({ "value": BASE64_STANDARD.encode(event("own")) });
    // The same bodies with another time of receipt and other metadata, as when Appcues sends them to Vector again.
    let again: Vec<_> = bodies.iter().map(|body| message(body)).collect();
    let requests = [all, vec![own_namespace], again, Vec::new()];
    assert_codes(&push(&instance, &requests), &["OK"; 4]);
    assert_codes(&push_with(&instance, &requests[2..3], &["--gzip"]), &["OK"]);
    assert_eq!(
        instance.metric_with(
            "component_received_events_total",
            r#"component_kind="source""#
        ) as u64,
        15 + 1 + 13 + 13
    );

    let mut expected = bodies;
    expected.push(event("own").into_bytes());
    assert_landed(instance, &expected, &strange);
}

#[test]
fn parsed_events_land_as_json_without_what_vector_has_added() {
    let (instance, _) = start("", "");
    let parsed: Vec<Value> = samples()
        .iter()
        .map(|body| serde_json::from_slice(body).unwrap())
        .collect();
    let events: Vec<_> = parsed
        .iter()
        .map(|fields| json!({ "fields": fields }))
        .collect();
    let deeper = json!({ "fields": { "message": { "id": "deeper", "name": "n", "timestamp": 1 }, "other": 1 } });
    let requests = [events.clone(), events, vec![deeper]];
    assert_codes(&push(&instance, &requests), &["OK"; 3]);

    // Without spaces and with sorted fields, which is what serde_json writes too.
    let mut expected: Vec<_> = parsed
        .iter()
        .map(|event| event.to_string().into_bytes())
        .collect();
    expected.push(br#"{"id":"deeper","name":"n","timestamp":1}"#.to_vec());
    assert_landed(instance, &expected, &[]);
}

#[test]
fn the_field_of_the_body_and_those_to_leave_out_can_be_named() {
    let (instance, _) = start(
        "body_field = \".webhook.body\"\nexcept_fields = [\"path\", \"source_type\", \"host\", \"env\"]",
        "",
    );
    let whole = event("text");
    let text = json!({ "fields": { "webhook": { "body": whole }, "message": "noise" } });
    let parsed =
        json!({ "fields": { "id": "parsed", "name": "n", "timestamp": 1, "env": "test" } });
    assert_codes(&push(&instance, &[vec![text, parsed]]), &["OK"]);
    let expected = [
        whole.into_bytes(),
        br#"{"id":"parsed","name":"n","timestamp":1}"#.to_vec(),
    ];
    assert_landed(instance, &expected, &[]);
}

#[test]
fn metrics_and_traces_are_refused_for_good_and_the_events_beside_them_are_safe() {
    let (instance, _) = start("", "");
    let ids = ids("event", 3);
    let mut mixed = messages(&ids);
    mixed.insert(1, json!({ "metric": "requests" }));
    mixed.push(json!({ "trace": "span" }));
    let requests = [vec![json!({ "metric": "requests" })], mixed];
    let answers = push_with(&instance, &requests, &["--retry"]);
    assert_codes(&answers, &["INVALID_ARGUMENT"; 2]);
    assert!(
        answers[1].1.contains("all others of this request are safe"),
        "{answers:?}"
    );
    for (reason, count) in [("metric_not_taken", 2.0), ("trace_not_taken", 1.0)] {
        let label = format!("reason=\"{reason}\"");
        let counted = instance.metric_with("component_discarded_events_total", &label);
        assert!((counted - count).abs() < 0.1, "{reason}: {counted}");
    }
    let landfall = instance.stop(Signal::TERM).1;
    assert_once(&lake_of(&landfall), &ids);
}

#[test]
fn a_full_buffer_makes_vector_wait_and_what_it_sends_again_lands_once() {
    let (mut instance, _) = start("", "buffer.max_size = 1048576\nbatch.max_events = 100");
    let ids = ids("event", 3000);
    // Together more than the buffer holds; each request finds room when others have landed.
    let padding = "x".repeat(1000);
    let padded = |id: &String| {
        let body = event(id).replace("1.50", &format!("\"{padding}\""));
        message(body.as_bytes())
    };
    let requests: Vec<_> = ids
        .chunks(300)
        .map(|ids| ids.iter().map(padded).collect())
        .collect();
    let file = write(instance.landfall(), &requests);
    let address = instance.source().to_string();
    let args = ["--address", &address, "--requests", &file, "--retry"];
    let outage = Outage::of(&lake_of(instance.landfall()));
    let client = start_python(
        "vector_client.py",
        args.into_iter().chain(["--parallel", "10"]),
    );
    instance.wait_until("there is no room", |instance| {
        instance.metric_with("component_errors_total", "error_code=\"full\"") >= 1.0
    });
    outage.end();
    let ended = client.wait(LONG);
    assert_codes(&answers(&ended.stdout), &["OK"; 10]);
    instance.wait_until("all have landed", |instance| {
        landed_ids(&instance.dir().join("lake")).len() >= ids.len()
    });
    let landfall = instance.stop(Signal::TERM).1;
    assert_once(&lake_of(&landfall), &ids);
}

#[test]
fn nothing_that_was_answered_ok_is_lost_or_doubled_when_landfall_is_killed() {
    let (mut instance, config) = start("", "batch.max_events = 50");
    let ids = ids("event", 4000);
    let requests: Vec<_> = ids.chunks(5).map(messages).collect();
    let file = write(instance.landfall(), &requests);
    let address = instance.source().to_string();
    let args = [
        "--address",
        &address,
        "--requests",
        &file,
        "--retry",
        "--parallel",
        "8",
    ];
    let mut client = start_python("vector_client.py", args);
    for round in 1..=5 {
        instance.wait_until("more is accepted, or all was", |instance| {
            instance.metric("landfall_journal_events_total") > 20 * round
                || client.status().is_some()
        });
        let landfall = if round == 3 {
            instance.stop(Signal::TERM).1
        } else {
            instance.kill()
        };
        instance = landfall.start(&config);
    }
    let ended = client.wait(LONG);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(
        answers(&ended.stdout).iter().all(|(code, _)| code == "OK"),
        "{ended}"
    );
    instance.wait_until("all have landed", |instance| {
        landed_ids(&instance.dir().join("lake")).len() >= ids.len()
    });
    let landfall = instance.stop(Signal::TERM).1;
    assert_once(&lake_of(&landfall), &ids);
}

#[test]
fn a_request_beyond_the_limit_is_kept_by_its_sender_and_the_next_is_taken() {
    let limits = "limits = { max_message_bytes = 65536, max_bytes_in_flight = 131072 }";
    let (instance, _) = start(limits, "");
    let large = vec![message(&vec![b'x'; 70_000])];
    let small = messages(&ids("small", 1));
    for args in [&[][..], &["--gzip"]] {
        let answers = push_with(&instance, &[large.clone(), small.clone()], args);
        assert_codes(&answers, &["RESOURCE_EXHAUSTED", "OK"]);
        assert!(
            answers[0].1.contains("limits.max_message_bytes"),
            "{answers:?}"
        );
    }
    assert!(
        instance.stderr().contains("message_too_large"),
        "{}",
        instance.stderr()
    );
}

#[test]
fn silent_connections_beyond_the_limit_keep_nobody_out() {
    let (instance, _) = start("limits.max_connections = 4", "");
    let silent: Vec<_> = (0..8)
        .map(|_| TcpStream::connect(instance.source()).unwrap())
        .collect();
    assert_codes(&push(&instance, &[messages(&ids("event", 1))]), &["OK"]);
    drop(silent);
}

#[test]
fn only_clients_with_a_certificate_get_in_where_one_is_asked_for() {
    let (landfall, _) = prepare("");
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (own, of_stranger) = (authority.issue(), stranger.issue());
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("crt.pem", own.crt),
        ("key.pem", own.key),
        ("stranger-crt.pem", of_stranger.crt),
        ("stranger-key.pem", of_stranger.key),
    ] {
        landfall.write(name, &text);
    }
    let tls = r#"tls = { crt_file = "{dir}/crt.pem", key_file = "{dir}/key.pem", ca_file = "{dir}/ca.pem", verify_certificate = true }"#;
    let config = landfall.write("landfall.toml", &config(tls, ""));
    let instance = landfall.start(&config);
    let path = |name: &str| instance.dir().join(name).display().to_string();
    let files = ["ca", "crt", "key", "stranger-crt", "stranger-key"]
        .map(|name| path(&format!("{name}.pem")));
    let [ca, crt, key, stranger_crt, stranger_key] = files.each_ref().map(String::as_str);
    let request = [messages(&ids("event", 1))];
    for (identity, code) in [
        (&["--tls", ca, crt, key][..], "OK"),
        (&["--tls", ca], "UNAVAILABLE"),
        (&["--tls", ca, stranger_crt, stranger_key], "UNAVAILABLE"),
        (&[], "UNAVAILABLE"),
    ] {
        assert_codes(&push_with(&instance, &request, identity), &[code]);
    }
}

#[test]
fn a_network_that_is_not_allowed_is_sent_away() {
    let (instance, _) = start("allow_networks = [\"203.0.113.0/24\"]", "");
    let answers = push(&instance, &[messages(&ids("event", 1))]);
    assert_codes(&answers, &["UNAVAILABLE"]);
    let refused = instance.metric_with(
        "component_errors_total",
        "error_code=\"network_not_allowed\"",
    );
    assert!(refused >= 1.0);
}

#[test]
fn an_address_that_strangers_reach_is_refused_unless_it_is_meant() {
    let problem = |source: &str| {
        let text = config(source, "").replace("{source}", "0.0.0.0:6000");
        let (landfall, config) = prepare(&text);
        landfall.run([
            "validate",
            "--no-environment",
            "--config",
            &config.display().to_string(),
        ])
    };
    let refused = problem("");
    assert_eq!(refused.code, Some(78), "{refused}");
    assert!(
        refused.stderr.contains("sources.vector.address: anybody"),
        "{refused}"
    );
    for protected in [
        "allow_networks = [\"10.0.0.0/8\"]",
        "allow_unauthenticated = true",
        "tls = { crt_file = \"a\", key_file = \"b\", ca_file = \"c\", verify_certificate = true }",
    ] {
        let ended = problem(protected);
        assert_eq!(ended.code, Some(0), "{ended}");
    }
}

#[test]
fn whoever_asks_for_the_health_is_told_and_other_calls_are_refused() {
    let (instance, _) = start("", "");
    let address = instance.source().to_string();
    let health = python("vector_client.py", ["--address", &address]);
    assert_eq!(health.trim(), "SERVING");

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let post = |path: &str, content_type: &'static str| {
        let url = format!("http://{address}{path}");
        runtime.block_on(async move {
            let client = reqwest::Client::builder().http2_prior_knowledge().build()?;
            let request = client.post(url).header("content-type", content_type);
            request.body(&b"\0\0\0\0\0"[..]).send().await
        })
    };
    let unknown = post("/vector.Vector/Other", "application/grpc").unwrap();
    assert_eq!(unknown.headers()["grpc-status"], "12");
    let no_grpc = post("/vector.Vector/PushEvents", "application/json").unwrap();
    assert_eq!(no_grpc.status(), 415);
}

#[test]
fn from_landfall_to_landfall_the_bodies_stay_the_same() {
    let (second, _) = start("", "");
    for compression in ["none", "gzip", "zstd"] {
        let (first, config) = prepare(&format!(
            r#"{WEBHOOKS}
[sinks.vector]
type = "vector"
inputs = ["appcues"]
address = "{}"
compression = "{compression}"
batch.timeout_secs = 0
"#,
            second.source()
        ));
        let mut first = first.start(&config);
        accept(&first, samples().iter().map(Vec::as_slice));
        first.wait_until("all are taken", |first| {
            first.metric_with("component_sent_events_total", r#"component_kind="sink""#) == 13.0
        });
        let (ended, _) = first.stop(Signal::TERM);
        assert_eq!(ended.code, Some(0), "{ended}");
    }
    assert_landed(second, &samples(), &[]);
}

#[test]
fn nobody_is_turned_away_when_the_source_is_replaced() {
    let (mut instance, _) = start("", "");
    let ids = ids("event", 3000);
    let requests: Vec<_> = ids.chunks(5).map(messages).collect();
    let file = write(instance.landfall(), &requests);
    let address = instance.source().to_string();
    let args = [
        "--address",
        &address,
        "--requests",
        &file,
        "--parallel",
        "8",
    ];
    let mut client = start_python("vector_client.py", args);
    for most in [100, 200, 300] {
        let before = instance.metric("component_received_events_total");
        instance.wait_until("more is accepted, or all was", |instance| {
            instance.metric("component_received_events_total") > before || client.status().is_some()
        });
        let changed = config(&format!("limits.max_requests = {most}"), "");
        instance.landfall().write("landfall.toml", &changed);
        let reloaded = instance.metric("config_reloaded_total");
        instance.signal(Signal::HUP);
        instance.wait_until("the configuration is reloaded", |instance| {
            instance.metric("config_reloaded_total") > reloaded
        });
    }
    let ended = client.wait(LONG);
    assert_eq!(ended.code, Some(0), "{ended}");
    let refused = answers(&ended.stdout)
        .into_iter()
        .filter(|(code, _)| code != "OK");
    assert_eq!(refused.collect::<Vec<_>>(), []);
    let landfall = instance.stop(Signal::TERM).1;
    assert_once(&lake_of(&landfall), &ids);
}
