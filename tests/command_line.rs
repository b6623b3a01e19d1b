//! The commands, what they print, and their exit codes.

use std::fs;

use landfall_testkit::{
    Landfall, Signal, Signature, epoch_secs, files_below, python, workspace_root,
};
use serde_json::Value;

const SECRET: &str = "a secret only of this test";
const PATH: &str = "/webhooks/appcues";

const EVENT_TYPES: [&str; 13] = [
    "nps_score",
    "nps_feedback",
    "web_flow_started",
    "web_flow_completed",
    "web_flow_skipped",
    "web_flow_button_clicked",
    "web_flow_form_submitted",
    "checklist_shown",
    "checklist_item_completed",
    "checklist_completed",
    "checklist_skipped",
    "mobile_flow_started",
    "pin_interacted",
];

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

#[test]
fn both_signals_end_the_service_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let landfall = with_secret();
        let config = landfall.write("landfall.toml", CONFIG);
        let (ended, _) = landfall.start(&config).stop(signal);
        assert_eq!(ended.code, Some(0), "{signal:?}\n{ended}");
    }
}

#[test]
fn a_wrong_argument_is_a_usage_error() {
    for args in [
        &["--no-such-flag"][..],
        &["no-such-command"],
        &["schema", "--dialect", "cobol"],
    ] {
        let ended = landfall().run(args);
        assert_eq!(ended.code, Some(2), "{args:?}\n{ended}");
        assert!(
            ended.stderr.contains(args.last().unwrap()),
            "{args:?}\n{ended}"
        );
    }
}

#[test]
fn the_demo_lands_the_documented_events_and_shows_them() {
    // No secret and no file: the first command of somebody who has nothing yet.
    let landfall = landfall();
    let ended = landfall.run(["demo", "--dir", "demo"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    for event_type in EVENT_TYPES {
        let rows = ended.stdout.lines().filter(|line| {
            let mut cells = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            cells.any(|cell| cell == event_type)
        });
        assert_eq!(rows.count(), 1, "one row of {event_type}\n{ended}");
    }
    let files = files_below(&landfall.dir().join("demo"), ".parquet");
    assert!(!files.is_empty(), "{ended}");
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            ended.stdout.contains(&name),
            "does not print {name}\n{ended}"
        );
    }

    let sql = ended.stdout.lines().find_map(|line| {
        let (_, quoted) = line.split_once("duckdb -c \"")?;
        quoted.strip_suffix('"')
    });
    let Some(sql) = sql else {
        panic!("no command to query with DuckDB\n{ended}");
    };
    let rows: Vec<Value> = serde_json::from_str(&python("query.py", [sql])).unwrap();
    assert_eq!(rows.len(), EVENT_TYPES.len(), "{sql}");

    // A second run in the same place is no accident and works the same.
    let again = landfall.run(["demo", "--dir", "demo"]);
    assert_eq!(again.code, Some(0), "{again}");
}

#[test]
fn the_demo_names_a_directory_that_it_cannot_write() {
    let landfall = landfall();
    let path = landfall
        .write("file", "")
        .join("demo")
        .display()
        .to_string();
    let ended = landfall.run(["demo", "--dir", &path]);
    assert!(!matches!(ended.code, Some(0) | None), "{ended}");
    assert!(
        ended.stderr.contains(&path),
        "does not name {path}\n{ended}"
    );
}

#[test]
fn schema_names_every_column() {
    let columns = fs::read(workspace_root().join("tests/expected/columns.json")).unwrap();
    let columns: Vec<[String; 3]> = serde_json::from_slice(&columns).unwrap();
    let landfall = landfall();
    // The other dialects take the columns from the files.
    for args in [
        &["schema"][..],
        &["schema", "--dialect", "athena"],
        &["schema", "--dialect", "snowflake"],
    ] {
        let ended = landfall.run(args);
        assert_eq!(ended.code, Some(0), "{ended}");
        for [column, ..] in &columns {
            assert!(
                ended.stdout.contains(column.as_str()),
                "{args:?}: no {column}\n{ended}"
            );
        }
    }
}

#[test]
fn schema_has_a_definition_of_its_own_for_each_dialect() {
    let landfall = landfall();
    let mut printed = Vec::new();
    for dialect in [
        "duckdb",
        "clickhouse",
        "spark",
        "athena",
        "bigquery",
        "snowflake",
    ] {
        let ended = landfall.run([
            "schema",
            "--dialect",
            dialect,
            "--uri",
            "s3://bucket/prefix",
        ]);
        assert_eq!(ended.code, Some(0), "{ended}");
        assert!(ended.stdout.contains("CREATE"), "{ended}");
        assert!(ended.stdout.contains("bucket/prefix"), "{ended}");
        assert!(
            !printed.contains(&ended.stdout),
            "another dialect prints this too\n{ended}"
        );
        printed.push(ended.stdout);
    }
}

#[test]
fn send_posts_the_documented_events_and_they_land() {
    let landfall = with_secret();
    let config = landfall.write("landfall.toml", CONFIG);
    let instance = landfall.start(&config);
    let url = format!("http://{}{PATH}", instance.source());
    let from = epoch_secs();
    let ended = instance
        .landfall()
        .run(["send", "--url", &url, "--secret", SECRET]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.contains("13"), "{ended}");
    assert!(!format!("{ended}").contains(SECRET), "{ended}");

    let root = workspace_root();
    let until = epoch_secs() + 1;
    python(
        "check_landed.py",
        [
            "--lake".as_ref(),
            instance.dir().join("lake").as_os_str(),
            "--samples".as_ref(),
            root.join("crates/appcues/samples").as_os_str(),
            "--expected".as_ref(),
            root.join("tests/expected").as_os_str(),
            "--received-from".as_ref(),
            format!("{from}000").as_ref(),
            "--received-to".as_ref(),
            format!("{until}000").as_ref(),
        ],
    );

    // The definition that the schema command prints for DuckDB, over these very files.
    let lake = instance.dir().join("lake").display().to_string();
    let ended = instance
        .landfall()
        .run(["schema", "--dialect", "duckdb", "--uri", &lake]);
    let count = "SELECT count(*), count(DISTINCT event_type) FROM events";
    let counted = python("query.py", [ended.stdout.as_str(), count]);
    assert_eq!(counted.trim(), "[[13, 13]]");
}

#[test]
fn send_posts_given_files_as_often_as_asked() {
    let landfall = with_secret();
    let config = landfall.write("landfall.toml", CONFIG);
    let instance = landfall.start(&config);
    let url = format!("http://{}{PATH}", instance.source());
    let sample = workspace_root().join("crates/appcues/samples/nps_score.json");
    let ended = instance.landfall().run([
        "send".as_ref(),
        "--url".as_ref(),
        url.as_ref(),
        "--secret".as_ref(),
        SECRET.as_ref(),
        "--count".as_ref(),
        "3".as_ref(),
        sample.as_os_str(),
    ]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!files_below(&instance.dir().join("lake/events"), ".parquet").is_empty());
}

#[test]
fn send_writes_signature_timestamp_and_credentials_in_every_form() {
    let landfall = with_secret();
    let config = CONFIG.replace(
        "[sources.appcues.signature]",
        "auth = { strategy = \"basic\", username = \"appcues\", password = \"swordfish\" }\n\
         [sources.appcues.signature]",
    );
    let config = landfall.write("landfall.toml", &config);
    let instance = landfall.start(&config);
    let url = format!("http://{}{PATH}", instance.source());
    let send = |args: &[&str]| {
        let always = ["send", "--url", &url, "--count", "1"];
        instance.landfall().run(always.iter().chain(args))
    };
    let user = ["--user", "appcues:swordfish"];
    for form in ["hex", "HEX", "base64", "base64url", "prefixed"] {
        let ended = send(&[&user[..], &["--signature-encoding", form]].concat());
        assert_eq!(ended.code, Some(0), "{form}\n{ended}");
    }
    for unit in ["s", "ms", "us", "rfc3339"] {
        let ended = send(&[&user[..], &["--timestamp-unit", unit]].concat());
        assert_eq!(ended.code, Some(0), "{unit}\n{ended}");
    }
    let header = ["--header", "Authorization: Basic YXBwY3Vlczpzd29yZGZpc2g="];
    assert_eq!(send(&header).code, Some(0));
    assert_eq!(send(&["--expect", "401"]).code, Some(0));
}

#[test]
fn send_refuses_what_it_cannot_send_and_never_shows_credentials() {
    let send = |args: &[&str]| {
        let command = [&["send", "--count", "1"], args].concat();
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).run(command)
    };
    let unsigned = send(&["--url", "http://127.0.0.1:1/"]);
    assert_eq!(unsigned.code, Some(2), "{unsigned}");
    assert!(unsigned.stderr.contains("--secret"), "{unsigned}");
    for url in ["x", "ftp://someone:swordfish@127.0.0.1/"] {
        let ended = send(&["--url", url, "--secret", SECRET]);
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(!format!("{ended}").contains("swordfish"), "{ended}");
    }
    let url = "http://someone:swordfish@127.0.0.1:1/swordfish";
    let away = send(&["--url", url, "--secret", SECRET]);
    assert_eq!(away.code, Some(1), "{away}");
    assert!(away.stdout.contains("no answer from 127.0.0.1"), "{away}");
    assert!(!format!("{away}").contains("swordfish"), "{away}");
}

#[test]
fn send_makes_every_kind_of_request_and_knows_the_answer() {
    let landfall = with_secret();
    let config = landfall.write("landfall.toml", CONFIG);
    let instance = landfall.start(&config);
    let url = format!("http://{}{PATH}", instance.source());
    let help = instance.landfall().run(["send", "--help"]).stdout;
    // Listed as `- name: 401: what it is`.
    let kinds: Vec<_> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split_once(": "))
        .filter(|(_, about)| about.trim().starts_with(|c: char| c.is_ascii_digit()))
        .map(|(kind, _)| kind)
        .collect();
    assert!(kinds.len() > 20, "{help}");
    for kind in kinds {
        let args = ["send", "--url", &url, "--kind", kind, "--count", "1"];
        let ended = instance.landfall().run(args);
        assert_eq!(ended.code, Some(0), "{kind}\n{ended}");
        let args = ["--expect", "500"];
        let ended = instance
            .landfall()
            .run(["send", "--url", &url, "--kind", kind].iter().chain(&args));
        assert_eq!(ended.code, Some(1), "{kind}\n{ended}");
    }
}

#[test]
fn send_fails_when_its_events_are_refused() {
    let landfall = with_secret();
    let config = landfall.write("landfall.toml", CONFIG);
    let instance = landfall.start(&config);
    let url = format!("http://{}{PATH}", instance.source());
    let ended = instance
        .landfall()
        .run(["send", "--url", &url, "--secret", "another secret"]);
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(format!("{ended}").contains("signature_mismatch"), "{ended}");

    let (_, landfall) = instance.stop(Signal::KILL);
    let ended = landfall.run(["send", "--url", &url, "--secret", SECRET]);
    assert_eq!(ended.code, Some(1), "nobody listens any more\n{ended}");
}

#[test]
fn verify_says_that_a_signature_matches_or_why_it_does_not() {
    let landfall = landfall()
        .env("KEY", SECRET)
        .env("QUOTED_KEY", "'a secret only of this test'");
    let body = landfall.write("body.json", "{\"id\": \"1\"}");
    let body = body.to_str().unwrap();
    let key = landfall.write("key", &format!("{SECRET}\n"));
    let key = ["--secret-file", key.to_str().unwrap()];
    let now = epoch_secs().to_string();
    let signature =
        |timestamp: &str, body: &str| Signature::new(SECRET, timestamp, body.as_bytes()).hex();
    let verify = |secret: [&str; 2], signature: &str, timestamp: &str, body: &str| {
        let given = [
            "verify",
            "--signature",
            signature,
            "--timestamp",
            timestamp,
            body,
        ];
        landfall.run(given.iter().chain(&secret))
    };

    let genuine = signature(&now, "{\"id\": \"1\"}");
    for secret in [["--secret-env", "KEY"], key] {
        let ended = verify(secret, &genuine, &now, body);
        assert_eq!(ended.code, Some(0), "{ended}");
        assert_eq!(ended.stdout, "the signature matches\n");
    }
    let compact = signature(&now, "{\"id\":\"1\"}");
    let old = signature("1684439316", "{\"id\": \"1\"}");
    for (secret, signature, timestamp, said) in [
        (key, &compact, &*now, "The body was signed as compact JSON"),
        (
            ["--secret-env", "QUOTED_KEY"],
            &genuine,
            &now,
            "The secret has quotation marks",
        ),
        (
            key,
            &old,
            "1684439316",
            "--tolerance-secs 0 judges the rest",
        ),
        (
            ["--secret-env", "NO_KEY"],
            &genuine,
            &now,
            "NO_KEY is not set",
        ),
    ] {
        let ended = verify(secret, signature, timestamp, body);
        assert_eq!(ended.code, Some(1), "{ended}");
        assert!(ended.stderr.contains(said), "no \"{said}\"\n{ended}");
        assert!(
            !format!("{ended}").contains(SECRET),
            "shows the secret\n{ended}"
        );
    }
    let ended = landfall.run(["verify", "--signature", &genuine, "--timestamp", &now, body]);
    assert_eq!(ended.code, Some(2), "a secret must be given\n{ended}");
}
