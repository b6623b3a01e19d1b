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
        assert_refused(&ended, &[&path, "landfall.toml:13: sinks.lake: "]);
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
        .replace("{dir}/data", "~/data")
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
    assert_refused(&ended, &["data_dir", "max_events", "apcues", "path", &port]);

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
    for directory in ["data", "lake"] {
        assert!(!landfall.dir().join(directory).exists(), "{directory}");
    }
}

#[test]
fn validate_looks_at_where_events_land_without_the_environment_too() {
    let landfall = with_secret();
    let config = CONFIG.replace(
        "uri = \"{dir}/lake\"",
        "uri = \"s3://\"\nstorage.allow_http = \"true\"",
    );
    let file = landfall.write("landfall.toml", &config);
    let validate = || {
        landfall.run([
            Path::new("validate"),
            Path::new("--no-environment"),
            Path::new("--config"),
            &file,
        ])
    };
    assert_refused(&validate(), &["landfall.toml:16: sinks.lake.uri: "]);
    let config = config.replace("s3://", "s3://bucket");
    landfall.write("landfall.toml", &config);
    assert_eq!(validate().code, Some(0), "the bucket is not asked for");
    landfall.write("landfall.toml", &config.replace("\"true\"", "\"treu\""));
    let mistake = "landfall.toml:17: sinks.lake.storage.allow_http: must be true or false";
    assert_refused(&validate(), &[mistake]);
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
    let place = "landfall.toml:7: sources.appcues: ";
    assert_refused(&ended, &[&instance.source().to_string(), place]);

    let ended = with_config(&other, "validate", "landfall.toml", &taken);
    assert_refused(&ended, &[&instance.source().to_string(), place]);
}

#[test]
fn who_wants_to_listen_on_an_address_of_another_machine_is_told_what_to_do() {
    for setting in ["{api}", "{source}"] {
        let config = CONFIG.replace(setting, "203.0.113.1:8080");
        for command in ["run", "validate"] {
            let ended = with_config(&with_secret(), command, "landfall.toml", &config);
            assert_refused(&ended, &["203.0.113.1:8080", "that this machine has"]);
        }
    }
}

/// That `ended` was refused for these mistakes and no others, each on a line of its own.
#[track_caller]
fn assert_mistakes(ended: &Ended, expected: &[String]) {
    assert_eq!(ended.code, CONFIGURATION, "{ended}");
    let said: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(said, expected, "{ended}");
}

#[test]
fn every_mistake_is_told_with_its_file_and_line_and_what_was_meant() {
    let toml = r#"data_dir = "{dir}/data"
data_dri = "x"

[sources.appcues]
type = "appcues"
address = "127.0.0.1"
pth = "/x"
signature.mode = "requird"
signature.secrets = ["${APPCUES_WEBHOOK_SECRET}"]
limits.max_body_byte = 1
limits.max_headers = 1

[sinks.lake]
type = "parquet"
inputs = ["apcues"]
uri = "${NOT_SET}/lake"
batch = { max_events = "many", max_evnets = 1 }
buffer.when_full = "wait"

[sinks.other]
type = "parkuet"
inputs = ["appcues"]
"#;
    let yaml = r#"# Comments, anchors and other orders make no difference.
sinks:
  other: { type: parkuet, inputs: [appcues] }
  lake:
    buffer:
      when_full: wait
    type: parquet
    uri: "${NOT_SET}/lake"
    inputs:
      - apcues
    batch: { max_events: many, max_evnets: 1 }
data_dri: x
sources:
  appcues:
    type: appcues
    address: 127.0.0.1
    pth: /x
    signature: { mode: requird, secrets: ["${APPCUES_WEBHOOK_SECRET}"] }
    limits:
      max_body_byte: 1
      max_headers: 1
"#;
    let json = r#"{
  "data_dri": "x",
  "sources": { "appcues": {
    "type": "appcues", "address": "127.0.0.1", "pth": "/x",
    "signature": { "mode": "requird", "secrets": ["${APPCUES_WEBHOOK_SECRET}"] },
    "limits": { "max_body_byte": 1,
      "max_headers": 1 } } },
  "sinks": {
    "lake": { "type": "parquet",
      "inputs": [
        "apcues"],
      "uri": "${NOT_SET}/lake",
      "batch": { "max_events": "many", "max_evnets": 1 },
      "buffer": { "when_full": "wait" } },
    "other": { "inputs": ["appcues"],
      "type": "parkuet" } }
}"#;
    let mistakes = [
        "data_dri: there is no such setting; did you mean data_dir?",
        "sources.appcues.address: must be an address with a port, such as \"127.0.0.1:8080\"",
        "sources.appcues.pth: there is no such setting; did you mean path?",
        "sources.appcues.signature.mode: must be required, optional or off; did you mean required?",
        "sources.appcues.limits.max_body_byte: there is no such setting; did you mean max_body_bytes?",
        "sources.appcues.limits.max_headers: must be from 8 to 1000",
        "sinks.lake.inputs[0]: there is no source or transform \"apcues\"; did you mean appcues?",
        "sinks.lake.uri: the environment variable NOT_SET is not set; set it, or give a default with \
         ${NOT_SET:-default}",
        "sinks.lake.batch.max_events: must be a whole number, 0 or more",
        "sinks.lake.batch.max_evnets: there is no such setting; did you mean max_events?",
        "sinks.lake.buffer.when_full: must be reject or block",
        "sinks.other.type: there is no \"parkuet\" here; did you mean parquet?",
    ];
    for (name, text, lines) in [
        (
            "landfall.toml",
            toml,
            [2, 6, 7, 8, 10, 11, 15, 16, 17, 17, 18, 21],
        ),
        (
            "landfall.yaml",
            yaml,
            [12, 16, 17, 18, 20, 21, 10, 8, 11, 11, 6, 3],
        ),
        (
            "landfall.json",
            json,
            [2, 4, 4, 5, 6, 7, 11, 12, 13, 13, 14, 16],
        ),
    ] {
        let landfall = with_secret();
        let file = landfall.write(name, text);
        let mut expected: Vec<_> = lines.into_iter().zip(mistakes).collect();
        expected.sort_by_key(|(line, _)| *line);
        let say = |(line, mistake)| format!("{}:{line}: {mistake}", file.display());
        let expected: Vec<_> = expected.into_iter().map(say).collect();
        for command in ["validate", "run"] {
            let ended = with_config(&landfall, command, name, text);
            assert_mistakes(&ended, &expected);
        }
    }
}

#[test]
fn several_files_and_directories_are_one_configuration() {
    let landfall = with_secret();
    let whole = CONFIG.replace("${APPCUES_WEBHOOK_SECRET}", SECRET);
    let (general, rest) = whole.split_once("[sources.appcues]").unwrap();
    let (source, sink) = rest.split_once("[sinks.lake]").unwrap();
    let directory = landfall.dir().join("conf.d");
    std::fs::create_dir_all(directory.join("more")).unwrap();
    landfall.write("conf.d/10-general.toml", general);
    landfall.write(
        "conf.d/20-source.toml",
        &format!("[sources.appcues]{source}"),
    );
    landfall.write("conf.d/README.md", "not read");
    landfall.write("conf.d/.hidden.toml", "not = [read");
    landfall.write("conf.d/more/deeper.toml", "not = [read");
    landfall.write("conf.d/30-empty.yaml", "# nothing yet\n");
    let sink = landfall.write("sink.toml", &format!("[sinks.lake]{sink}"));

    let ended = landfall.run([
        "validate".as_ref(),
        "--config".as_ref(),
        directory.as_os_str(),
        "--config".as_ref(),
        sink.as_os_str(),
    ]);
    assert_eq!(ended.code, Some(0), "{ended}");

    let both = format!("{},{}", directory.display(), sink.display());
    let landfall = landfall.env("LANDFALL_CONFIG", &both);
    let ended = landfall.run(["validate"]);
    assert_eq!(ended.code, Some(0), "{ended}");

    // What is named is all that counts, before the command too.
    let ended = landfall.run([
        "--config".as_ref(),
        directory.as_os_str(),
        "validate".as_ref(),
        "--config".as_ref(),
        sink.as_os_str(),
    ]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let ended = landfall.run(["-c".as_ref(), sink.as_os_str(), "validate".as_ref()]);
    assert_refused(&ended, &["sources: there is none"]);
}

#[test]
fn what_stands_in_two_files_is_refused_and_both_places_named() {
    let landfall = with_secret();
    let one = landfall.write("one.toml", CONFIG);
    let two = landfall.write(
        "two.yaml",
        "data_dir: elsewhere\nsinks:\n  other: { type: parquet, inputs: [appcues], uri: '{dir}/other' }\n  \
         lake: { type: parquet }\napi:\n  address: '127.0.0.1:0'\n",
    );
    let (one, two) = (one.display(), two.display());
    let both = format!("{one},{two}");
    let ended = landfall.run(["run", "--config", &both]);
    let say = |line, path, first| {
        format!("{two}:{line}: {path}: stands in {one}:{first} already; take one of the two away")
    };
    let expected = [
        say(6, "api.address", 5),
        say(1, "data_dir", 2),
        say(4, "sinks.lake", 13),
    ];
    assert_mistakes(&ended, &expected);
}

#[test]
fn a_mistake_in_one_of_several_files_is_found_there() {
    let landfall = with_secret();
    let one = landfall.write(
        "one.toml",
        &CONFIG.replace("max_events = 1", "max_events = 0"),
    );
    let two = landfall.write(
        "two.json",
        "{\n \"sinks\": { \"other\": { \"type\": \"parquet\", \"inputs\": [] } } }",
    );
    let both = format!("{},{}", one.display(), two.display());
    let ended = landfall.run(["validate", "--config", &both]);
    let expected = [
        format!(
            "{}:18: sinks.lake.batch.max_events: must be at least 1",
            one.display()
        ),
        format!("{}:2: sinks.other.uri: is missing", two.display()),
        format!(
            "{}:2: sinks.other.inputs: name at least one source",
            two.display()
        ),
    ];
    assert_mistakes(&ended, &expected);

    let empty = landfall.dir().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let ended = landfall.run(["run", "--config", empty.to_str().unwrap()]);
    assert_refused(&ended, &[empty.to_str().unwrap(), ".toml"]);
}
