//! Who gets in: by signature, account, network, path, credentials or certificate, and that nobody else does.

#![expect(clippy::unwrap_used, reason = "an unmet expectation is a failed test")]

#[path = "front_door/accounts.rs"]
mod accounts;
#[path = "front_door/headers.rs"]
mod headers;
#[path = "front_door/protections.rs"]
mod protections;
#[path = "front_door/rotation.rs"]
mod rotation;
#[path = "front_door/tls.rs"]
mod tls;

use landfall_testkit::{Ended, Instance, Landfall, Request, Response, config, files_below};
use serde_json::Value;

const SECRET: &str = "a secret only of this test";
const PATH: &str = "/webhooks/appcues";
const EVENT: &[u8] = br#"{"id": "1", "name": "appcues:flow_started", "timestamp": 1684867471283}"#;

/// Every event is a batch and a file of its own, in the lake before it is answered.
const SINK: &str = r#"
batch = { max_events = 1, timeout_secs = 1 }
deduplicate.window_secs = 0
buffer.type = "memory"
"#;

/// The setting that asks for signatures with [`SECRET`].
const SIGNED: &str = r#"signature.secrets = ["a secret only of this test"]"#;

fn landfall() -> Landfall {
    Landfall::new(env!("CARGO_BIN_EXE_landfall"))
}

/// Runs the binary with `settings` of the source.
fn start(settings: &str) -> Instance {
    start_in(landfall(), settings)
}

fn start_in(landfall: Landfall, settings: &str) -> Instance {
    let config = landfall.write("landfall.toml", &config(settings, SINK));
    landfall.start(&config)
}

/// What `landfall validate` says of `settings`.
fn validate(landfall: &Landfall, settings: &str) -> Ended {
    run(landfall, "validate", settings)
}

/// Asserts that neither a check nor a start takes `settings`, and that both name the problem.
#[track_caller]
fn assert_refused(landfall: &Landfall, settings: &str, problem: &str) {
    for command in ["validate", "run"] {
        let ended = run(landfall, command, settings);
        assert_eq!(ended.code, Some(78), "{command} {settings}\n{ended}");
        assert!(
            ended.stderr.contains(problem),
            "{command} {settings}\n{ended}"
        );
    }
}

fn run(landfall: &Landfall, command: &str, settings: &str) -> Ended {
    let config = landfall.write("landfall.toml", &config(settings, SINK));
    landfall.run([command.as_ref(), "--config".as_ref(), config.as_os_str()])
}

/// A request that nobody signed.
fn unsigned(path: &str) -> Request {
    Request::post(path)
}

/// A request that carries [`EVENT`], signed with [`SECRET`].
fn signed() -> Request {
    Request::post(PATH).signed(SECRET, EVENT)
}

/// The status and the code of a refusal, `200` alone of what is accepted.
fn outcome(answer: &Response) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body["error"].as_str() {
        Some(code) => format!("{} {code}", answer.status),
        None => answer.status.to_string(),
    }
}

/// Sends each request and compares its outcome with what is expected.
#[track_caller]
fn assert_outcomes<const N: usize>(instance: &Instance, requests: [(&str, Request, &str); N]) {
    let wrong: Vec<_> = requests
        .into_iter()
        .filter_map(|(name, request, expected)| {
            let outcome = outcome(&request.send(instance.source()));
            (outcome != expected).then(|| format!("{name}: expected {expected}, got {outcome}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{}\n{}",
        wrong.join("\n"),
        instance.stderr()
    );
}

/// How many files stand below a folder of the lake.
fn landed(instance: &Instance, folder: &str) -> usize {
    files_below(&instance.dir().join("lake").join(folder), ".parquet").len()
}
