//! Vector in both directions, over its own protocol, with Python's gRPC on the other side: it shares nothing with Landfall
//! but the numbers that Vector publishes.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

mod lake;

#[path = "vector/from_vector.rs"]
mod from_vector;
#[path = "vector/stdout.rs"]
mod stdout;
#[path = "vector/to_vector.rs"]
mod to_vector;

use std::path::PathBuf;

use landfall_testkit::{Instance, Landfall, Request, files_below, workspace_root};

const SECRET: &str = "a secret only of this test";

/// The source of webhooks, in a configuration for `Landfall::write`.
const WEBHOOKS: &str = r#"
data_dir = "{dir}/data"
api.address = "{api}"

[sources.appcues]
type = "appcues"
address = "{source}"
signature.secrets = ["${APPCUES_WEBHOOK_SECRET}"]
"#;

fn event(id: &str) -> String {
    format!(
        r#"{{"id": "{id}", "name": "appcues:flow_started", "account_id": "1", "timestamp": 1700000000000, "n": 1.50}}"#
    )
}

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}-{number}"))
        .collect()
}

fn prepare(config: &str) -> (Landfall, PathBuf) {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = landfall.write("landfall.toml", config);
    (landfall, config)
}

/// Sends `body`, signed; the status of the answer.
#[track_caller]
fn post(instance: &Instance, body: &[u8]) -> u16 {
    let request = Request::post("/webhooks/appcues").signed(SECRET, body);
    request.body(body).send(instance.source()).status
}

/// Sends each of `bodies`, which must be answered 200.
#[track_caller]
fn accept<'a>(instance: &Instance, bodies: impl IntoIterator<Item = &'a [u8]>) {
    for body in bodies {
        assert_eq!(post(instance, body), 200, "{}", instance.stderr());
    }
}

#[test]
fn every_example_is_a_configuration_that_is_valid() {
    let mut examples = files_below(&workspace_root().join("examples/vector"), "landfall.toml");
    examples.sort();
    assert_eq!(examples.len(), 3, "{examples:?}");
    let (landfall, _) = prepare("");
    for example in examples {
        let example = example.display().to_string();
        let ended = landfall.run(["validate", "--no-environment", "--config", &example]);
        assert_eq!(ended.code, Some(0), "{example}\n{ended}");
    }
}
