//! The lake is on object storage: a real S3-compatible store, with all that becomes of stores and of the way to them.
//!
//! The promise is the same as on a disk. Whatever was answered 200 stands in the lake exactly once in the end, in whole
//! files and with nothing beside them; and whoever runs the service is told in one sentence what to mend.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

mod lake;
mod load;

#[path = "s3/answers.rs"]
mod answers;
#[path = "s3/crashes.rs"]
mod crashes;
#[path = "s3/credentials.rs"]
mod credentials;
#[path = "s3/freshness.rs"]
mod freshness;
#[path = "s3/import.rs"]
mod import;
#[path = "s3/large_file.rs"]
mod large_file;
#[path = "s3/lenient.rs"]
mod lenient;
#[path = "s3/outage.rs"]
mod outage;
#[path = "s3/samples.rs"]
mod samples;
#[path = "s3/tls.rs"]
mod tls;
#[path = "s3/validate.rs"]
mod validate;
#[path = "s3/writers.rs"]
mod writers;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use landfall_testkit::{
    Ended, Instance, Landfall, Object, ObjectStore, Request, Response, SIGNED, Signal, get,
};
use serde_json::Value;

use crate::lake::ids_in;
use crate::load::SECRET;

/// The exit code of a configuration that cannot work, from BSD's sysexits.h.
const CONFIGURATION: Option<i32> = Some(78);

const STORAGE: &str = r#"
[sinks.lake.storage]
endpoint = "{endpoint}"
allow_http = true
region = "us-east-1"
access_key_id = "{access_key}"
secret_access_key = "{secret_key}"
"#;

/// A configuration that lands below `prefix`, in the store that the environment names; `settings` are the sink's.
fn config_of_environment(prefix: &str, settings: &str) -> String {
    let settings = format!("batch.timeout_secs = 1\n{settings}");
    let uri = format!("s3://{}/{prefix}", ObjectStore::BUCKET);
    landfall_testkit::config(SIGNED, &settings).replace("{dir}/lake", &uri)
}

/// The same, in the store at `endpoint` with its own keys.
fn config(endpoint: &str, prefix: &str, settings: &str) -> String {
    let storage = STORAGE
        .replace("{endpoint}", endpoint)
        .replace("{access_key}", ObjectStore::ACCESS_KEY)
        .replace("{secret_key}", ObjectStore::SECRET_KEY);
    config_of_environment(prefix, settings) + &storage
}

fn landfall() -> Landfall {
    Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET)
}

fn prepare(config: &str) -> (Landfall, PathBuf) {
    let landfall = landfall();
    let config = landfall.write("landfall.toml", config);
    (landfall, config)
}

/// Starts the service, and waits until it is ready.
#[track_caller]
fn start(landfall: Landfall, config: &Path) -> Instance {
    let mut instance = landfall.start(config);
    instance.wait_until("it is ready", |instance| {
        get(instance.api(), "/ready").is_ok_and(|ready| ready.status == 200)
    });
    instance
}

/// Waits until the probe of this life has passed, and taken away what it wrote.
#[track_caller]
fn wait_until_tried(instance: &mut Instance) {
    instance.wait_until("the store was tried", |instance| {
        instance.stderr().contains("the store was tried and works")
    });
}

/// Lets the service live once more, to take away what a probe left that was cut short.
#[track_caller]
fn live_once_more(landfall: Landfall, config: &Path) -> Landfall {
    let mut instance = start(landfall, config);
    wait_until_tried(&mut instance);
    stop_in_order(instance)
}

/// What stands below a prefix of the store.
struct Lake {
    prefix: String,
    /// The ids in each object that was read. Objects that did not change are read once.
    read: HashMap<(String, String), Vec<String>>,
}

impl Lake {
    fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{prefix}/"),
            read: HashMap::new(),
        }
    }

    /// How often each event's id stands in the lake.
    #[track_caller]
    fn landed_ids(&mut self, store: &ObjectStore) -> HashMap<String, usize> {
        let mut ids = HashMap::new();
        for Object { key, etag, .. } in self.events(store) {
            let content = || ids_in(Bytes::from(store.read(&key)));
            let read = self.read.entry((key.clone(), etag)).or_insert_with(content);
            for id in read {
                *ids.entry(id.clone()).or_default() += 1;
            }
        }
        ids
    }

    #[track_caller]
    fn events(&self, store: &ObjectStore) -> Vec<Object> {
        let mut objects = store.objects(&self.prefix);
        let events = format!("{}events/", self.prefix);
        objects.retain(|object| object.key.starts_with(&events));
        objects
    }

    /// The lake holds each of `accepted` once, in files that are named as they should be; and nothing else stands below
    /// the prefix.
    #[track_caller]
    fn assert_holds_once(&mut self, store: &ObjectStore, accepted: &[String]) {
        // Reads all of them: what is no whole Parquet file fails.
        load::assert_once(&self.landed_ids(store), accepted);
        let strange: Vec<_> = store
            .objects(&self.prefix)
            .into_iter()
            .filter(|object| !is_event_file(&object.key[self.prefix.len()..]))
            .collect();
        assert!(strange.is_empty(), "left beside the files: {strange:?}");
        let uploads = store.unfinished_uploads(&self.prefix);
        assert!(uploads.is_empty(), "neither whole nor gone: {uploads:?}");
    }
}

/// Whether `name` is `events/date=<day>/<writer>-<first>-<last>.parquet`.
fn is_event_file(name: &str) -> bool {
    let parts = || {
        let (day, file) = name.strip_prefix("events/date=")?.split_once('/')?;
        let parts: Vec<_> = file.strip_suffix(".parquet")?.split('-').collect();
        let [writer, first, last] = parts[..] else {
            return None;
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        Some(day.len() == 10 && !writer.is_empty() && digits(first) && digits(last))
    };
    parts().unwrap_or(false)
}

fn event(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"appcues:flow_started","account_id":"1","timestamp":1700000000000,"attributes":{{"flowId":"f"}}}}"#
    )
}

#[track_caller]
fn post(instance: &Instance, body: &str) -> Response {
    Request::post("/webhooks/appcues")
        .signed(SECRET, body.as_bytes())
        .body(body.as_bytes())
        .send(instance.source())
}

/// Sends `count` events, which must be answered 200, and gives their ids.
#[track_caller]
fn accept(instance: &Instance, name: &str, count: usize) -> Vec<String> {
    let accept = |number| {
        let id = format!("{name}-{number}");
        let answer = post(instance, &event(&id));
        assert_eq!(answer.status, 200, "{}", answer.text());
        id
    };
    (0..count).map(accept).collect()
}

/// What `/ready` warns of. It must be ready all the while: events are accepted.
#[track_caller]
fn warnings(instance: &Instance) -> Vec<String> {
    let answer = get(instance.api(), "/ready").expect("readiness answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body: Value = serde_json::from_slice(&answer.body).expect("a JSON body");
    serde_json::from_value(body["warnings"].clone()).expect("a list of warnings")
}

#[track_caller]
fn wait_for_warning(instance: &mut Instance, signs: &[&str]) {
    let what = format!("/ready warns of one of {signs:?}");
    let mut seen = Vec::new();
    instance.wait_until(&what, |instance| {
        let warnings = warnings(instance);
        let mut signs = signs.iter();
        let found = signs.any(|sign| warnings.iter().any(|warning| warning.contains(sign)));
        // Told with the failure, if it comes to that.
        if warnings != seen {
            println!("warnings: {warnings:?}");
            seen = warnings;
        }
        found
    });
}

#[track_caller]
fn wait_until_landed(instance: &mut Instance, store: &ObjectStore, lake: &mut Lake, count: usize) {
    let what = format!("{count} events have landed");
    instance.wait_until(&what, |_| lake.landed_ids(store).len() >= count);
}

/// Stops it with SIGTERM, as an operator does.
#[track_caller]
fn stop_in_order(instance: Instance) -> Landfall {
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
    landfall
}

fn run(landfall: &Landfall, command: &str, config: &Path) -> Ended {
    landfall.run([Path::new(command), Path::new("--config"), config])
}

/// It ended because of its configuration, and said so in one line that holds all of `signs` and no credential.
#[track_caller]
fn assert_refused(ended: &Ended, signs: &[&str]) {
    assert_eq!(ended.code, CONFIGURATION, "{ended}");
    let said: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(said.len(), 1, "more than one sentence\n{ended}");
    for sign in signs {
        assert!(said[0].contains(sign), "does not say {sign}\n{ended}");
    }
    assert!(!said[0].contains(ObjectStore::SECRET_KEY), "{ended}");
}
