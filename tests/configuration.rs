//! What a configuration may look like, and what a person is told who got something in it wrong.

use std::path::Path;

use landfall_testkit::{Ended, Landfall, Request, files_below};
use serde_json::json;

const SECRET: &str = "a secret only of this test";
const PATH: &str = "/webhooks/appcues";

/// The exit code of a configuration that cannot work, from BSD's sysexits.h.
const CONFIGURATION: Option<i32> = Some(78);

const CONFIG: &str = r#"
data_dir = "{dir}/data"

[api]
address = "{api}"

[sources.appcues]
type = "appcues"
address = "{source}"
[sources.appcues.signature]
secrets = ["${APPCUES_WEBHOOK_SECRET}"]

[sinks.lake]
type = "parquet"
inputs = ["appcues"]
uri = "{dir}/lake"
[sinks.lake.batch]
max_events = 1
timeout_secs = 1
[sinks.lake.buffer]
type = "memory"
"#;

fn landfall() -> Landfall {
    Landfall::new(env!("CARGO_BIN_EXE_landfall"))
}

fn with_secret() -> Landfall {
    landfall().env("APPCUES_WEBHOOK_SECRET", SECRET)
}

/// Runs `landfall <command> --config` with `config` in the file `name`.
fn with_config(landfall: &Landfall, command: &str, name: &str, config: &str) -> Ended {
    let config = landfall.write(name, config);
    landfall.run([Path::new(command), Path::new("--config"), &config])
}

#[track_caller]
fn assert_refused(ended: &Ended, named: &[&str]) {
    assert_eq!(ended.code, CONFIGURATION, "{ended}");
    for name in named {
        assert!(ended.stderr.contains(name), "does not name {name}\n{ended}");
    }
}

#[test]
fn run_refuses_a_directory_that_it_cannot_write_and_names_it() {
    let landfall = with_secret();
    // Below a file, where nobody can make a directory: permissions would not keep root out.
    let file = landfall.write("file", "");
    let path = file.join("lake").display().to_string();
    let config = CONFIG.replace("{dir}/lake", &path);
    for command in ["run", "validate"] {
        let ended = with_config(&landfall, command, "landfall.toml", &config);
        assert_refused(&ended, &[&path]);
    }
}

#[test]
fn run_refuses_an_unknown_key_and_names_it() {
    let config = CONFIG.replace("max_events = 1", "max_evnets = 1");
    let ended = with_config(&with_secret(), "run", "landfall.toml", &config);
    assert_refused(&ended, &["max_evnets", "lake"]);
}

#[test]
fn run_refuses_an_unknown_component_type_and_names_it() {
    let config = CONFIG.replace(r#"type = "parquet""#, r#"type = "parkuet""#);
    let ended = with_config(&with_secret(), "run", "landfall.toml", &config);
    assert_refused(&ended, &["parkuet", "lake"]);
}

#[test]
fn run_refuses_a_missing_environment_variable_and_names_it() {
    let ended = with_config(&landfall(), "run", "landfall.toml", CONFIG);
    assert_refused(&ended, &["APPCUES_WEBHOOK_SECRET"]);
}

#[test]
fn run_refuses_a_missing_configuration_file_and_names_it() {
    let ended = landfall().run(["run", "--config", "no-such-file.toml"]);
    assert_refused(&ended, &["no-such-file.toml"]);
}

#[test]
fn run_without_a_file_asks_for_the_secret() {
    let landfall = landfall();
    for args in [&[][..], &["run"]] {
        assert_refused(&landfall.run(args), &["APPCUES_WEBHOOK_SECRET"]);
    }
    let made = files_below(landfall.dir(), "");
    assert!(made.is_empty(), "a refused start left files: {made:?}");
}

#[test]
fn validate_names_every_missing_variable_at_once() {
    let config = CONFIG
        .replace("${APPCUES_WEBHOOK_SECRET}", "${FIRST_MISSING}")
        .replace("{dir}/lake", "${SECOND_MISSING}/lake");
    let ended = with_config(&landfall(), "validate", "landfall.toml", &config);
    assert_refused(&ended, &["FIRST_MISSING", "SECOND_MISSING"]);
}

#[test]
fn validate_names_every_problem_at_once() {
    let config = CONFIG
        .replace("max_events = 1", "max_events = 0")
        .replace(r#"inputs = ["appcues"]"#, r#"inputs = ["apcues"]"#)
        .replace(
            "[sources.appcues.signature]",
            "path = \"webhooks\"\n[sources.appcues.signature]",
        )
        .replace("{api}", "{source}");
    let landfall = with_secret();
    let ended = with_config(&landfall, "validate", "landfall.toml", &config);
    let port = landfall.source().to_string();
    assert_refused(&ended, &["max_events", "apcues", "path", &port]);

    // A component that cannot even be read does not hide what is wrong with another.
    let config = CONFIG.replace("max_events = 1", "max_evnets = 1").replace(
        "[sources.appcues.signature]",
        "path = \"webhooks\"\n[sources.appcues.signature]",
    );
    let ended = with_config(&landfall, "validate", "landfall.toml", &config);
    assert_refused(&ended, &["max_evnets", "path"]);
}

#[test]
fn validate_accepts_what_would_run_and_leaves_nothing_behind() {
    let landfall = with_secret();
    let ended = with_config(&landfall, "validate", "landfall.toml", CONFIG);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(files_below(&landfall.dir().join("lake"), "").is_empty());
}

#[test]
fn yaml_and_json_of_the_same_shape_run_too() {
    let yaml = r#"
data_dir: "{dir}/data"
api: { address: "{api}" }
sources:
  appcues:
    type: appcues
    address: "{source}"
    signature:
      secrets: ["${APPCUES_WEBHOOK_SECRET}"]
sinks:
  lake:
    type: parquet
    inputs: [appcues]
    uri: "{dir}/lake"
    batch: { max_events: 1, timeout_secs: 1 }
    buffer: { type: memory }
"#;
    let json = json!({
        "data_dir": "{dir}/data",
        "api": { "address": "{api}" },
        "sources": { "appcues": {
            "type": "appcues",
            "address": "{source}",
            "signature": { "secrets": ["${APPCUES_WEBHOOK_SECRET}"] },
        } },
        "sinks": { "lake": {
            "type": "parquet",
            "inputs": ["appcues"],
            "uri": "{dir}/lake",
            "batch": { "max_events": 1, "timeout_secs": 1 },
            "buffer": { "type": "memory" },
        } },
    });
    for (name, text) in [
        ("landfall.yaml", yaml.to_owned()),
        ("landfall.yml", yaml.to_owned()),
        ("landfall.json", json.to_string()),
    ] {
        let landfall = with_secret();
        let config = landfall.write(name, &text);
        let instance = landfall.start(&config);
        let body = br#"{"id": "1", "name": "appcues:flow_started", "timestamp": 1684867471283}"#;
        let answer = Request::post(PATH)
            .signed(SECRET, body)
            .body(body)
            .send(instance.source());
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(instance.terminate().code, Some(0), "{name}");
    }
}

#[test]
fn a_secret_may_hold_any_character_and_is_never_shown() {
    let secret = r#"qu"ote'back\slash$dollar${BRACES}#hash: colon"#;
    let landfall = landfall()
        .env("APPCUES_WEBHOOK_SECRET", secret)
        .env("RUST_LOG", "trace")
        .env("LANDFALL_LOG", "trace");
    let config = landfall.write("landfall.toml", CONFIG);
    let instance = landfall.start(&config);
    let body = b"{}";
    for used in [secret, "another secret"] {
        let request = Request::post(PATH).signed(used, body).body(body);
        let status = if used == secret { 200 } else { 401 };
        assert_eq!(request.send(instance.source()).status, status);
    }
    let ended = instance.terminate();
    assert_eq!(ended.code, Some(0), "{ended}");
    // A part without quotes too, which an escaped form would show as it is.
    for shown in [secret, "{BRACES}#hash"] {
        assert!(!format!("{ended}").contains(shown), "{ended}");
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_refused_and_not_shown() {
    let landfall = with_secret();
    let place = r#"secrets = ["${APPCUES_WEBHOOK_SECRET}"]"#;
    for wrong in [
        r#"secrets = { a = "${APPCUES_WEBHOOK_SECRET}" }"#,
        r#"secrets = [["${APPCUES_WEBHOOK_SECRET}"]]"#,
        r#"secret = "${APPCUES_WEBHOOK_SECRET}""#,
        // Not TOML, with the secret itself in the line.
        r#"secrets = ["a secret only of this test"#,
        r#"secrets = ["x"]
        [sinks.lake.storage]
        secret_access_key = ["${APPCUES_WEBHOOK_SECRET}"]"#,
    ] {
        let config = CONFIG.replace(place, wrong);
        for command in ["run", "validate"] {
            let ended = with_config(&landfall, command, "landfall.toml", &config);
            assert_eq!(ended.code, CONFIGURATION, "{wrong}\n{ended}");
            assert!(!format!("{ended}").contains(SECRET), "{wrong}\n{ended}");
        }
    }
}

#[test]
fn a_second_process_on_the_same_port_is_told_which() {
    let landfall = with_secret();
    let config = landfall.write("landfall.toml", CONFIG);
    let instance = landfall.start(&config);
    let other = with_secret();
    let taken = CONFIG.replace("{source}", &instance.source().to_string());
    let ended = with_config(&other, "run", "landfall.toml", &taken);
    assert_refused(&ended, &[&instance.source().to_string()]);

    let ended = with_config(&other, "validate", "landfall.toml", &taken);
    assert_refused(&ended, &[&instance.source().to_string()]);
}
