//! Signed webhooks go to a Vector.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use landfall_testkit::{
    Authority, Instance, Landfall, Process, Signal, free_address, get, start_python, workspace_root,
};
use serde_json::{Value, json};

use crate::{WEBHOOKS, accept, event, ids, post, prepare};

/// A Vector that takes events, and what it has taken.
struct Peer {
    address: SocketAddr,
    record: PathBuf,
    process: Option<Process>,
}

/// One request that came, whatever it was answered.
struct Received {
    answer: String,
    /// How many events there were.
    sent: usize,
    /// Those that were kept.
    events: Vec<Value>,
}

impl Peer {
    /// It is not there yet.
    fn new(landfall: &Landfall) -> Self {
        Self {
            address: free_address(),
            record: landfall.dir().join("received.jsonl"),
            process: None,
        }
    }

    /// It is there, and answers as `answers` say, and then OK. What it has taken before stays written down.
    fn start(&mut self, answers: &str) {
        self.start_with(&["--answers", answers]);
    }

    #[track_caller]
    fn start_with(&mut self, args: &[&str]) {
        let (address, record) = (self.address.to_string(), self.record.display().to_string());
        let common = ["--address", &address, "--record", &record];
        let mut process = start_python("vector_server.py", common.iter().chain(args));
        process.wait_until("it is ready", |process| process.stdout().contains("ready"));
        self.process = Some(process);
    }

    /// It is gone, with all its connections.
    fn kill(&mut self) {
        let mut process = self.process.take().expect("it was started");
        process.signal(Signal::KILL);
        process.wait(Duration::from_secs(60));
    }

    fn received(&self) -> Vec<Received> {
        let record = fs::read_to_string(&self.record).unwrap_or_default();
        let whole = record.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let read = |line: &str| {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            Received {
                answer: line["answer"].as_str().unwrap().to_owned(),
                sent: line["sent"].as_u64().unwrap() as usize,
                events: line["events"].as_array().unwrap().clone(),
            }
        };
        whole.lines().map(read).collect()
    }

    /// The bodies of all requests that were answered OK, in order.
    fn bodies(&self) -> Vec<Vec<u8>> {
        let requests = self.received();
        let taken = requests.iter().filter(|request| request.answer == "OK");
        let events = taken.flat_map(|request| &request.events);
        events.map(|event| decode(&event["message"])).collect()
    }

    fn answers(&self) -> Vec<String> {
        let requests = self.received().into_iter();
        requests.map(|request| request.answer).collect()
    }
}

fn decode(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// What a disk buffer holds is sent to `peer`, a request for each event that comes alone.
fn config(peer: &Peer, settings: &str) -> String {
    format!(
        r#"{WEBHOOKS}
[sinks.vector]
type = "vector"
inputs = ["appcues"]
address = "{}"
batch.timeout_secs = 0
request.retry_max_duration_secs = 1
request.timeout_secs = 2
{settings}
"#,
        peer.address
    )
}

/// A running landfall that sends to the peer, which is not there yet.
fn start(settings: &str) -> (Instance, Peer, PathBuf) {
    let (landfall, _) = prepare("");
    let peer = Peer::new(&landfall);
    let config = landfall.write("landfall.toml", &config(&peer, settings));
    (landfall.start(&config), peer, config)
}

fn wait_until_taken(instance: &mut Instance, peer: &Peer, count: usize) {
    let what = format!("the peer has taken {count} events");
    instance.wait_until(&what, |_| peer.bodies().len() >= count);
}

fn events(prefix: &str, count: usize) -> Vec<Vec<u8>> {
    let ids = ids(prefix, count).into_iter();
    ids.map(|id| event(&id).into_bytes()).collect()
}

fn accept_all(instance: &Instance, bodies: &[Vec<u8>]) {
    accept(instance, bodies.iter().map(Vec::as_slice));
}

/// The cursor of the journal stands at its end: what was taken will not be sent again.
fn wait_until_acknowledged(instance: &mut Instance) {
    instance.wait_until("everything is acknowledged", |instance| {
        instance.metric("landfall_journal_unlanded_bytes") == 0
    });
}

#[test]
fn the_documented_events_arrive_in_order_byte_for_byte_and_say_what_they_are() {
    let (mut instance, mut peer, _) = start("");
    peer.start("");
    let samples = workspace_root().join("crates/appcues/samples");
    let mut samples: Vec<_> = fs::read_dir(samples)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    samples.sort();
    let mut bodies: Vec<_> = samples.iter().map(|file| fs::read(file).unwrap()).collect();
    bodies.push(b"not \xff JSON\n".to_vec());
    accept_all(&instance, &bodies);
    wait_until_taken(&mut instance, &peer, bodies.len());
    assert_eq!(peer.bodies(), bodies);

    let requests = peer.received();
    let events: Vec<_> = requests
        .iter()
        .flat_map(|request| &request.events)
        .collect();
    let score = samples
        .iter()
        .position(|file| file.ends_with("nps_score.json"));
    let score = events[score.unwrap()];
    let body: Value = serde_json::from_slice(&decode(&score["message"])).unwrap();
    assert_eq!(decode(&score["source_type"]), b"landfall");
    assert_eq!(score["appcues"]["occurred_at"], body["timestamp"]);
    for (field, expected) in [
        ("event_type", "nps_score"),
        ("event_name", "appcues:nps_score"),
        ("event_id", body["id"].as_str().unwrap()),
        ("user_id", body["user_id"].as_str().unwrap()),
    ] {
        assert_eq!(
            decode(&score["appcues"][field]),
            expected.as_bytes(),
            "{field}"
        );
    }
    let now = i64::try_from(landfall_testkit::epoch_secs()).unwrap() * 1000;
    let received_at = score["timestamp"].as_i64().unwrap();
    assert!(
        (now - 120_000..=now + 1000).contains(&received_at),
        "{received_at}"
    );
    let strange = events[13].as_object().unwrap();
    assert!(!strange.contains_key("appcues"), "{strange:?}");

    wait_until_acknowledged(&mut instance);
    assert_eq!(
        instance.metric_with("component_sent_events_total", r#"component_kind="sink""#),
        14.0
    );
    let (ended, _landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(
        peer.bodies().len(),
        bodies.len(),
        "stopping sent nothing again"
    );
}

#[test]
fn whatever_the_peer_answers_everything_arrives_and_in_order() {
    let (mut instance, mut peer, _) = start("");
    let answers = "UNAVAILABLE,INTERNAL,OK,DATA_LOSS,HALF,INVALID_ARGUMENT";
    peer.start(answers);
    let bodies = events("event", 40);
    accept_all(&instance, &bodies[..20]);
    wait_until_taken(&mut instance, &peer, 1);
    accept_all(&instance, &bodies[20..]);
    wait_until_taken(&mut instance, &peer, 40);
    assert_eq!(peer.bodies(), bodies);
    let answered = peer.answers().join(",");
    assert!(answered.starts_with(answers), "{answered}");
    for code in ["unavailable", "internal", "data_loss", "invalid_argument"] {
        let label = format!("error_code=\"{code}\"");
        assert!(
            instance.metric_with("component_errors_total", &label) >= 1.0,
            "{code}"
        );
    }
    wait_until_acknowledged(&mut instance);
}

#[test]
fn a_peer_that_is_away_or_silent_is_waited_for_and_readiness_says_why() {
    let (mut instance, mut peer, _) = start("");
    let bodies = events("event", 30);
    accept_all(&instance, &bodies[..10]);
    let warning = |instance: &Instance| {
        let ready = get(instance.api(), "/ready").expect("readiness answers");
        assert_eq!(ready.status, 200, "{}", ready.text());
        serde_json::from_slice::<Value>(&ready.body).unwrap()["warnings"].to_string()
    };
    instance.wait_until("a warning", |instance| {
        warning(instance).contains("cannot connect")
    });

    peer.start("SILENCE");
    instance.wait_until("the request is there", |_| !peer.received().is_empty());
    accept_all(&instance, &bodies[10..20]);
    // The connection is reset in the middle of a request.
    peer.kill();
    accept_all(&instance, &bodies[20..]);
    peer.start("SILENCE");
    wait_until_taken(&mut instance, &peer, 30);
    assert_eq!(peer.bodies(), bodies);
    instance.wait_until("the warning is gone", |instance| warning(instance) == "[]");
    assert!(instance.metric_with("component_errors_total", "error_code=\"timeout\"") >= 1.0);
    wait_until_acknowledged(&mut instance);
}

#[test]
fn nothing_is_lost_when_landfall_is_killed_while_the_peer_fails() {
    let (instance, mut peer, config) = start("batch.max_events = 3");
    let mut bodies = events("first", 20);
    accept_all(&instance, &bodies);
    let landfall = instance.kill();
    peer.start("OK,UNAVAILABLE,HALF");

    let mut instance = landfall.start(&config);
    wait_until_taken(&mut instance, &peer, 4);
    let more = events("second", 20);
    accept_all(&instance, &more);
    bodies.extend(more);
    let mut instance = instance.kill().start(&config);

    // Landfall may have died before it noted what the peer had taken: that comes again, and nothing is missing.
    instance.wait_until("all arrive", |_| {
        let taken = peer.bodies();
        bodies.iter().all(|body| taken.contains(body))
    });
    wait_until_acknowledged(&mut instance);
    let mut copies: HashMap<_, usize> = HashMap::new();
    for body in peer.bodies() {
        *copies.entry(body).or_default() += 1;
    }
    assert_eq!(copies.len(), bodies.len(), "nothing was made up");
}

#[test]
fn a_batch_that_is_too_large_for_the_peer_is_sent_in_parts() {
    let (mut instance, mut peer, _) = start("");
    let bodies = events("event", 50);
    accept_all(&instance, &bodies);
    peer.start_with(&["--largest", "4"]);
    wait_until_taken(&mut instance, &peer, 50);
    assert_eq!(peer.bodies(), bodies);
    let largest = peer.received().into_iter();
    let largest = largest.filter(|request| request.answer == "OK");
    assert!(largest.map(|request| request.sent).max() <= Some(4));
}

#[test]
fn requests_hold_no_more_than_a_batch_may_and_may_be_compressed() {
    let (mut instance, mut peer, _) = start("batch.max_events = 7\ncompression = \"gzip\"");
    let bodies = events("event", 50);
    accept_all(&instance, &bodies);
    peer.start("");
    wait_until_taken(&mut instance, &peer, 50);
    assert_eq!(peer.bodies(), bodies);
    for request in peer.received() {
        assert!(request.sent <= 7);
    }
}

#[test]
fn requests_that_overtake_each_other_lose_nothing() {
    let (mut instance, mut peer, _) = start("batch.max_events = 2\nrequest.concurrency = 8");
    peer.start("UNAVAILABLE,OK,INTERNAL,OK,OK,HALF");
    let bodies = events("event", 60);
    accept_all(&instance, &bodies);
    wait_until_taken(&mut instance, &peer, 60);
    let mut taken = peer.bodies();
    let mut sent = bodies;
    taken.sort();
    sent.sort();
    assert_eq!(taken, sent);
    wait_until_acknowledged(&mut instance);
}

#[test]
fn behind_a_memory_buffer_the_sender_is_told_what_the_peer_says() {
    let (instance, mut peer, _) = start("buffer.type = \"memory\"");
    let body = event("event").into_bytes();
    assert_eq!(post(&instance, &body), 503);
    peer.start("DATA_LOSS");
    assert_eq!(post(&instance, &body), 503);
    assert_eq!(post(&instance, &body), 200);
    assert_eq!(peer.bodies(), [body]);
}

#[test]
fn tls_shows_the_peer_a_certificate_and_checks_its_own() {
    let (landfall, _) = prepare("");
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("stranger.pem", stranger.pem()),
        ("crt.pem", authority.issue().crt),
    ] {
        landfall.write(name, &text);
    }
    let identity = authority.issue();
    landfall.write("crt.pem", &identity.crt);
    landfall.write("key.pem", &identity.key);
    let mut peer = Peer::new(&landfall);
    let path = |name: &str| landfall.dir().join(name).display().to_string();
    peer.start_with(&["--tls", &path("crt.pem"), &path("key.pem"), &path("ca.pem")]);

    let tls = |authority: &str| {
        let files =
            json!({ "ca": path(authority), "crt": path("crt.pem"), "key": path("key.pem") });
        format!(
            "tls = {{ enabled = true, server_name = \"localhost\", ca_file = {}, crt_file = {}, key_file = {} }}",
            files["ca"], files["crt"], files["key"]
        )
    };
    let check =
        |config: &Path| landfall.run(["validate", "--config", &config.display().to_string()]);
    let wrong = landfall.write("wrong.toml", &config(&peer, &tls("stranger.pem")));
    let ended = check(&wrong);
    assert_eq!(ended.code, Some(78), "{ended}");
    assert!(ended.stderr.contains("no TLS connection"), "{ended}");
    let right = landfall.write("right.toml", &config(&peer, &tls("ca.pem")));
    let ended = check(&right);
    assert_eq!(ended.code, Some(0), "{ended}");

    let mut instance = landfall.start(&right);
    let bodies = events("event", 5);
    accept_all(&instance, &bodies);
    wait_until_taken(&mut instance, &peer, 5);
    assert_eq!(peer.bodies(), bodies);
}
