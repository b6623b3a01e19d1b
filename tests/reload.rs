//! A configuration is taken over while events come: what changed is replaced, what did not goes on, and a bad one changes
//! nothing.

#![expect(clippy::expect_used, reason = "an unmet expectation is a failed test")]

mod lake;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use landfall_testkit::{
    Connection, Instance, Landfall, Outage, Request, Response, Signal, config, free_address, get,
};

use crate::lake::landed_ids;

const SECRET: &str = "a secret only of this test";
const SIGNED: &str = r#"signature.secrets = ["a secret only of this test"]"#;

/// Lands what comes a second after it came.
const SOON: &str = "batch.timeout_secs = 1";

/// A second sink, behind the source.
const ARCHIVE: &str = r#"
[sinks.archive]
type = "parquet"
inputs = ["appcues"]
uri = "{dir}/archive"
batch.timeout_secs = 300
"#;

fn start(source: &str, sink: &str) -> Instance {
    let landfall = Landfall::new(env!("CARGO_BIN_EXE_landfall"));
    let config = landfall.write("landfall.toml", &config(source, sink));
    landfall.start(&config)
}

/// Gives `instance` another configuration, and waits until it is in use.
fn reload(instance: &mut Instance, text: &str) {
    let before = instance.metric("config_reloaded_total");
    instance.landfall().write("landfall.toml", text);
    instance.signal(Signal::HUP);
    instance.wait_until("the configuration is reloaded", |instance| {
        instance.metric("config_reloaded_total") > before
    });
    assert_eq!(warnings(instance), "[]");
}

/// Gives `instance` another configuration, and waits until it is refused: the warning of `/ready` that says why.
fn reload_in_vain(instance: &mut Instance, text: &str) -> String {
    let before = instance.metric("config_reload_rejected_total");
    instance.landfall().write("landfall.toml", text);
    instance.signal(Signal::HUP);
    instance.wait_until("the configuration is refused", |instance| {
        instance.metric("config_reload_rejected_total") > before
    });
    warnings(instance)
}

fn warnings(instance: &Instance) -> String {
    let answer = get(instance.api(), "/ready").expect("readiness answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("a JSON body");
    body["warnings"].to_string()
}

fn event(id: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}","name":"appcues:flow_started","account_id":"1","timestamp":1700000000000,"attributes":{{"flowId":"f"}}}}"#
    )
    .into_bytes()
}

fn request(secret: &str, body: &[u8]) -> Request {
    Request::post("/webhooks/appcues")
        .signed(secret, body)
        .body(body)
}

#[track_caller]
fn accept(address: SocketAddr, id: &str) {
    let answer = request(SECRET, &event(id)).send(address);
    assert_eq!(answer.status, 200, "{id}: {}", answer.text());
}

/// A sender that takes no answer but 200, and tries nothing twice.
struct Sender {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Sender {
    /// Sends `<name>-0`, `<name>-1`, … one after the other.
    fn start(name: &str, mut send: impl FnMut(&[u8]) -> Response + Send + 'static) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (name, stopped, count) = (name.to_owned(), Arc::clone(&stop), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            let mut ids = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let id = format!("{name}-{}", ids.len());
                let answer = send(&event(&id));
                assert_eq!(answer.status, 200, "{id}: {}", answer.text());
                ids.push(id);
                AtomicUsize::fetch_add(&count, 1, Ordering::Relaxed);
            }
            ids
        });
        Self { stop, sent, thread }
    }

    /// Waits until it was answered some times more.
    #[track_caller]
    fn wait_for(&self, more: usize) {
        let goal = self.sent.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.sent.load(Ordering::Relaxed) < goal {
            assert!(!self.thread.is_finished(), "an event was not accepted");
            assert!(Instant::now() < deadline, "events are not accepted");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// All that were answered 200.
    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every event was accepted")
    }
}

/// A connection for each event: whoever comes while a source is replaced must be let in.
fn on_new_connections(name: &str, address: SocketAddr) -> Sender {
    Sender::start(name, move |body| request(SECRET, body).send(address))
}

/// One connection for all events.
fn on_one_connection(name: &str, address: SocketAddr) -> Sender {
    let mut connection = Connection::open(address);
    Sender::start(name, move |body| {
        let sent = connection.send(&request(SECRET, body).to_bytes());
        sent.expect("the connection is kept");
        connection.answer()
    })
}

#[track_caller]
fn assert_landed_once(lake: &Path, accepted: &[String]) {
    let rows = landed_ids(lake);
    for id in accepted {
        let count = rows.get(id).copied().unwrap_or(0);
        assert_eq!(count, 1, "{id} was answered 200 and stands {count} times");
    }
    assert_eq!(
        rows.len(),
        accepted.len(),
        "no event stands that was not sent"
    );
}

#[test]
fn a_sink_is_replaced_again_and_again_and_each_event_lands_once_over_connections_that_are_kept() {
    let mut instance = start(SIGNED, SOON);
    let sender = on_one_connection("event", instance.source());
    for sink in [
        "batch = { max_events = 50, timeout_secs = 1 }",
        r#"partition = "events/type={event_type}""#,
        "batch = { max_events = 7, timeout_secs = 1 }\nbuffer.when_full = \"block\"",
        "batch.timeout_secs = 300\nbuffer.max_size = 20737418240",
        "batch.timeout_secs = 1\nbuffer.max_size = 20737418240",
    ] {
        sender.wait_for(100);
        reload(&mut instance, &config(SIGNED, sink));
    }
    sender.wait_for(100);
    let accepted = sender.stop();
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_landed_once(&landfall.dir().join("lake"), &accepted);
}

#[test]
fn a_source_is_replaced_again_and_again_and_nobody_is_turned_away() {
    let mut instance = start(SIGNED, SOON);
    let senders = ["a", "b", "c"].map(|name| on_new_connections(name, instance.source()));
    let new_key = |instance: &Instance| {
        let answer = request("a new key", &event("new")).send(instance.source());
        answer.status
    };
    assert_eq!(new_key(&instance), 401);
    let both = r#"signature.secrets = ["a new key", "a secret only of this test"]"#;
    for source in [both, SIGNED, both, SIGNED, both] {
        senders.iter().for_each(|sender| sender.wait_for(30));
        reload(&mut instance, &config(source, SOON));
        let expected = if source == both { 200 } else { 401 };
        assert_eq!(new_key(&instance), expected);
    }
    senders.iter().for_each(|sender| sender.wait_for(30));
    let mut accepted: Vec<String> = senders.into_iter().flat_map(Sender::stop).collect();
    accepted.push("new".to_owned());
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_landed_once(&landfall.dir().join("lake"), &accepted);
}

#[test]
fn a_source_moves_to_another_address_and_leaves_the_old_one() {
    let mut instance = start(SIGNED, SOON);
    let old = instance.source();
    accept(old, "before");
    let new = free_address();
    let moved = config(SIGNED, SOON).replace("{source}", &new.to_string());
    reload(&mut instance, &moved);
    accept(new, "after");
    instance.wait_until("nobody listens on the old address", |_| {
        Connection::try_open(old).is_err()
    });
}

#[test]
fn a_bad_configuration_leaves_the_old_one_running_and_says_why() {
    let mut instance = start(SIGNED, SOON);
    let sender = on_one_connection("event", instance.source());
    fs::write(instance.dir().join("file"), "in the way").unwrap();
    let good = config(SIGNED, SOON);
    for (bad, why) in [
        ("= no TOML".to_owned(), "TOML"),
        (config(SIGNED, "batch.max_events = 0"), "batch.max_events"),
        (config("signature.secrets = []", SOON), "signature.secrets"),
        (good.replace("{dir}/lake", "{dir}/file/lake"), "sinks.lake"),
        (good.replace("{dir}/data", "{dir}/elsewhere"), "data_dir"),
        (good.replace("{api}", "127.0.0.1:1"), "api"),
        (
            config(SIGNED, r#"buffer.type = "memory""#),
            "sinks.lake.buffer.type",
        ),
        (
            config(SIGNED, "buffer.max_size = 5000000"),
            "sinks.lake.buffer.max_size",
        ),
        // Half of it could be taken over: the source, but not the sink.
        (
            config(r#"signature.secrets = ["another"]"#, SOON)
                .replace("{dir}/lake", "{dir}/file/lake"),
            "sinks.lake",
        ),
        (
            format!(
                "{good}{}",
                ARCHIVE.replace("{dir}/archive", "{dir}/file/archive")
            ),
            "sinks.archive",
        ),
    ] {
        let warning = reload_in_vain(&mut instance, &bad);
        assert!(warning.contains(why), "{why} is not in {warning}");
        sender.wait_for(10);
    }
    // Takes the warning away too.
    reload(&mut instance, &good);
    sender.wait_for(10);
    let accepted = sender.stop();
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!landfall.dir().join("elsewhere").exists());
    assert_landed_once(&landfall.dir().join("lake"), &accepted);
}

#[test]
fn a_sink_that_is_added_gets_what_comes_from_then_on_and_lands_all_of_it_when_it_is_removed() {
    let mut instance = start(SIGNED, SOON);
    accept(instance.source(), "before");
    let with_archive = format!("{}{ARCHIVE}", config(SIGNED, SOON));
    reload(&mut instance, &with_archive);
    let sender = on_one_connection("with", instance.source());
    sender.wait_for(100);
    let archived = sender.stop();
    reload(&mut instance, &config(SIGNED, SOON));
    accept(instance.source(), "after");
    let archive = instance.dir().join("archive");
    // Its batch would be open for five minutes.
    instance.wait_until("the archive holds what it got", |_| {
        landed_ids(&archive).len() == archived.len()
    });
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_landed_once(&landfall.dir().join("archive"), &archived);
    let mut all = archived;
    all.extend(["before".to_owned(), "after".to_owned()]);
    assert_landed_once(&landfall.dir().join("lake"), &all);
}

#[test]
fn a_sink_whose_store_is_away_is_replaced_by_one_that_lands_what_the_first_had_not() {
    let mut instance = start(SIGNED, SOON);
    accept(instance.source(), "landed");
    // Not only its file: what is planned and not known to have landed is landed where the next configuration says.
    instance.wait_until("the first event is known to have landed", |instance| {
        instance.metric("landfall_journal_unlanded_bytes") == 0
            && landed_ids(&instance.dir().join("lake")).len() == 1
    });
    let outage = Outage::of(&instance.dir().join("lake"));
    let sender = on_one_connection("event", instance.source());
    sender.wait_for(50);
    instance.wait_until("the sink says that it cannot land", |instance| {
        warnings(instance).contains("sinks.lake")
    });
    let elsewhere = config(SIGNED, SOON).replace("{dir}/lake", "{dir}/second");
    reload(&mut instance, &elsewhere);
    sender.wait_for(50);
    let accepted = sender.stop();
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    outage.end();
    assert_landed_once(&landfall.dir().join("second"), &accepted);
    assert_landed_once(&landfall.dir().join("lake"), &["landed".to_owned()]);
}

#[test]
fn watched_files_are_read_again_once_they_hold_still() {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("LANDFALL_WATCH_CONFIG", "true");
    let path = landfall.write("landfall.toml", &config(SIGNED, SOON));
    let mut instance = landfall.start(&path);
    accept(instance.source(), "before");

    instance.landfall().write("landfall.toml", "= no TOML");
    instance.wait_until("the mistake is noticed", |instance| {
        instance.metric("config_reload_rejected_total") == 1
    });
    assert!(warnings(&instance).contains("TOML"));
    accept(instance.source(), "meanwhile");

    let new = config(r#"signature.secrets = ["a new key"]"#, SOON);
    instance.landfall().write("landfall.toml", &new);
    instance.wait_until("the new configuration is in use", |instance| {
        instance.metric("config_reloaded_total") == 1
    });
    assert_eq!(warnings(&instance), "[]");
    let answer = request("a new key", &event("after")).send(instance.source());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_stop_does_not_wait_for_a_store_that_a_new_configuration_names_and_that_never_answers() {
    let mut instance = start(SIGNED, SOON);
    accept(instance.source(), "event");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    silent.set_nonblocking(true).expect("a socket");
    let endpoint = silent.local_addr().expect("an address");
    let elsewhere = config(SIGNED, SOON).replace("{dir}/lake", "s3://bucket/prefix");
    let storage = format!(
        r#"
[sinks.lake.storage]
endpoint = "http://{endpoint}"
allow_http = "true"
access_key_id = "key"
secret_access_key = "secret"
region = "us-east-1"
"#
    );
    instance
        .landfall()
        .write("landfall.toml", &format!("{elsewhere}{storage}"));
    instance.signal(Signal::HUP);
    let mut asked = None;
    instance.wait_until("the store is asked whether it works", |_| {
        asked = silent.accept().ok();
        asked.is_some()
    });
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    let waited = "the configuration was not reloaded";
    assert!(!ended.stderr.contains(waited), "{ended}");
    drop(asked);
    assert_landed_once(&landfall.dir().join("lake"), &["event".to_owned()]);
}
