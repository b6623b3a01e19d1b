//! What stands between a source and a sink: events are left out and redacted before anything is written, on whichever way
//! they come.

#![expect(clippy::unwrap_used, reason = "an unmet expectation is a failed test")]

use std::fs;

use landfall_appcues::SAMPLES;
use landfall_testkit::{
    Ended, Instance, Landfall, Request, SIGNED, Signal, files_below, get, python, workspace_root,
};
use serde_json::json;

const SECRET: &str = "a secret only of this test";
const KEY: &str = "a key only of this test";

/// Stands for everything that is personal.
const MARKER: &str = "jo.marker@mail.example";

/// Sinks write when the service stops.
const SINK: &str = "batch.timeout_secs = 3600";

/// What stands before the sink `lake`, and a sink beside it that gets the events as they are.
const TRANSFORMS: &str = r#"
[transforms.wanted]
type = "filter"
inputs = ["appcues"]
event_types.deny = ["checklist_shown"]

[transforms.private]
type = "redact"
inputs = ["wanted"]
key = "${REDACT_KEY}"
paths."attributes.email" = "drop"

[sinks.all]
type = "parquet"
inputs = ["appcues"]
uri = "{dir}/all"
batch.timeout_secs = 3600
"#;

fn config() -> String {
    let unchanged = landfall_testkit::config(SIGNED, SINK);
    unchanged.replace(r#"["appcues"]"#, r#"["private"]"#) + TRANSFORMS
}

/// Bodies that hold the marker in many ways, and are events.
fn personal_events() -> Vec<String> {
    let event = |id: usize, members: &str| {
        format!(r#"{{"id":"{id}","name":"appcues:nps_score","timestamp":1684439316293,"account_id":"1",{members}}}"#)
            .replace("MARKER", MARKER)
    };
    let members = [
        r#""user_id":"MARKER","context":{"url":"https://app.example/users/MARKER/edit"}"#,
        r#""us\u0065r_id":"MARKER","user_id":null,"x":{"MARKER":["of MARKER"]}"#,
        r#""user_id":{"email":"MARKER"},"attributes":{"score":"MARKER","userId":"MARKER"}"#,
        r#""attributes":{"feedback":"call MARKER","feedback":["MARKER"]}"#,
        r#""attributes":"{\"feedback\":\"call MARKER\"}""#,
        r#""attributes":{"email":"MARKER","interaction":{"response":[{"label":"Who?","value":"MARKER"}]}}"#,
        r#""attributes":{"interaction":"MARKER"},"context":{"url":"/a?email=MARKER"}"#,
        r#""identity":{"email":"MARKER"},"context":{"url":"https://MARKER:pw@app.example/#MARKER"}"#,
    ];
    let events = members.iter().enumerate();
    events.map(|(id, members)| event(id, members)).collect()
}

/// Bodies that hold the marker and are none.
fn broken_bodies() -> Vec<Vec<u8>> {
    let bodies = [
        format!("{{\"user_id\":\"{MARKER}").into_bytes(),
        format!("[\"{MARKER}\"]").into_bytes(),
        format!("{{\"user_id\":\"{MARKER}\"}}").into_bytes(),
        [b"\xff", MARKER.as_bytes()].concat(),
    ];
    bodies.into()
}

fn prepare(config: &str) -> Landfall {
    let landfall = Landfall::new(env!("CARGO_BIN_EXE_landfall"))
        .env("APPCUES_WEBHOOK_SECRET", SECRET)
        .env("REDACT_KEY", KEY);
    landfall.write("landfall.toml", config);
    landfall
}

fn start(landfall: Landfall) -> Instance {
    let config = landfall.dir().join("landfall.toml");
    landfall.start(&config)
}

fn accept(instance: &Instance, body: &[u8]) {
    let request = Request::post("/webhooks/appcues").signed(SECRET, body);
    let answer = request.body(body).send(instance.source());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn land(instance: Instance) -> (Ended, Landfall) {
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    (ended, landfall)
}

/// In how many rows below `folder` the marker stands, and how many there are.
fn marked_rows(landfall: &Landfall, folder: &str) -> (usize, usize) {
    let folder = landfall.dir().join(folder).display().to_string();
    serde_json::from_str(&python("find_text.py", [&folder, MARKER])).unwrap()
}

/// The files below `folder` in which the marker stands as it is.
fn marked_files(landfall: &Landfall, folder: &str) -> usize {
    let files = files_below(&landfall.dir().join(folder), "");
    let is_marked = |content: Vec<u8>| {
        content
            .windows(MARKER.len())
            .any(|part| part == MARKER.as_bytes())
    };
    files
        .into_iter()
        .filter(|file| is_marked(fs::read(file).unwrap()))
        .count()
}

#[test]
fn personal_data_is_in_neither_the_journal_nor_the_lake_nor_what_the_service_says() {
    let instance = start(prepare(&config()));
    let (events, broken) = (personal_events(), broken_bodies());
    let bodies = events.iter().map(String::as_bytes);
    for body in bodies.chain(broken.iter().map(Vec::as_slice)) {
        accept(&instance, body);
    }
    let metrics = get(instance.api(), "/metrics").unwrap();
    assert!(!metrics.text().contains(MARKER));
    let said = instance.stderr();
    // All is in the journals now, and nothing anywhere else.
    let landfall = instance.kill();
    assert!(!said.contains(MARKER), "{said}");
    assert_eq!(marked_files(&landfall, "data/lake"), 0);
    assert!(marked_files(&landfall, "data/all") > 0);

    let (ended, landfall) = land(start(landfall));
    assert!(!ended.stderr.contains(MARKER), "{ended}");
    assert_eq!(marked_rows(&landfall, "lake/events"), (0, events.len()));
    assert_eq!(marked_rows(&landfall, "lake/quarantine"), (0, broken.len()));
    assert_eq!(
        marked_rows(&landfall, "all"),
        (events.len() + broken.len(), events.len() + broken.len())
    );
    assert_eq!(
        marked_files(&landfall, "lake") + marked_files(&landfall, "data/lake"),
        0
    );

    // What is replayed comes out of a lake that is not redacted, as one is that was filled before.
    let quarantine = landfall.dir().join("lake/quarantine");
    fs::remove_dir_all(&quarantine).unwrap();
    fs::rename(landfall.dir().join("all/events"), &quarantine).unwrap();
    let ended = landfall.run([
        "replay",
        "--quarantine",
        "--config",
        "landfall.toml",
        "--sink",
        "lake",
    ]);
    assert!(!format!("{ended}").contains(MARKER), "{ended}");
    assert_eq!(
        marked_rows(&landfall, "lake/events"),
        (0, events.len()),
        "{ended}"
    );
}

#[test]
fn the_documented_events_land_without_what_is_personal_and_without_what_is_left_out() {
    let instance = start(prepare(&config()));
    for sample in &SAMPLES {
        accept(&instance, sample.body);
    }
    // And once more: a copy meets the same fate.
    for sample in &SAMPLES {
        accept(&instance, sample.body);
    }
    let count = |metric: &str, component: &str| {
        instance.metric_with(metric, &format!("component_id=\"{component}\""))
    };
    assert_eq!(count("component_received_events_total", "wanted"), 26.0);
    assert_eq!(count("component_discarded_events_total", "wanted"), 2.0);
    assert_eq!(
        instance.metric_with("component_discarded_events_total", "intentional=\"true\""),
        2.0
    );
    assert_eq!(count("component_sent_events_total", "wanted"), 24.0);
    assert_eq!(count("component_sent_events_total", "private"), 24.0);
    let (_, landfall) = land(instance);
    check_redacted(&landfall);
    assert_eq!(marked_rows(&landfall, "all"), (0, 13));
}

fn check_redacted(landfall: &Landfall) {
    let lake = landfall.dir().join("lake").display().to_string();
    let samples = workspace_root()
        .join("crates/appcues/samples")
        .display()
        .to_string();
    python("check_redacted.py", [&lake, &samples, KEY]);
}

#[test]
fn an_export_is_imported_through_the_transforms_before_the_sink() {
    let landfall = prepare(&config());
    let lines = SAMPLES.iter().map(|sample| {
        let event: serde_json::Value = serde_json::from_slice(sample.body).unwrap();
        event.to_string()
    });
    let mut lines: Vec<_> = lines.chain(personal_events()).collect();
    lines.push(format!("broken {MARKER}"));
    fs::write(landfall.dir().join("export"), lines.join("\n")).unwrap();
    for (landed, passed_over) in [(12 + 8, 0), (0, 12 + 8)] {
        let ended = landfall.run([
            "import",
            "--config",
            "landfall.toml",
            "--sink",
            "lake",
            "export",
        ]);
        assert_eq!(ended.code, Some(1), "{ended}");
        for line in [
            format!("landed           {landed}\n"),
            format!("passed over      {passed_over} "),
            "left out         1 by the transforms before the sink\n".to_owned(),
            "no event         1: not_json (export:22)\n".to_owned(),
        ] {
            assert!(ended.stdout.contains(&line), "{line}{ended}");
        }
        assert!(!format!("{ended}").contains(MARKER), "{ended}");
    }
    assert_eq!(marked_rows(&landfall, "lake"), (0, 12 + 8));

    // What was imported and what the service gets later are copies of each other still.
    let instance = start(landfall);
    for event in &personal_events() {
        accept(&instance, event.as_bytes());
    }
    let ended = instance.landfall().run([
        "import",
        "--config",
        "landfall.toml",
        "--sink",
        "lake",
        "export",
    ]);
    assert!(ended.stdout.starts_with("landed           0\n"), "{ended}");
}

#[test]
fn where_ways_differ_a_backfill_asks_which_one_is_meant() {
    let landfall = prepare(&config().replace(
        r#"inputs = ["private"]"#,
        r#"inputs = ["private", "appcues"]"#,
    ));
    fs::write(landfall.dir().join("export"), personal_events().join("\n")).unwrap();
    let import = |through: &[&str]| {
        let args = [
            "import",
            "--config",
            "landfall.toml",
            "--sink",
            "lake",
            "export",
        ];
        landfall.run(args.iter().chain(through))
    };
    let ways = "\n  appcues -> lake\n  appcues -> wanted -> private -> lake\n";
    for (through, said) in [
        (
            &[][..],
            "events reach the sink through different transforms; choose a way with --through and a name that is on it alone:",
        ),
        (
            &["--through", "other"],
            "no way to the sink leads through \"other\":",
        ),
    ] {
        let ended = import(through);
        assert_eq!(ended.code, Some(1), "{ended}");
        assert!(
            ended.stderr.contains(&format!("error: {said}{ways}")),
            "{ended}"
        );
        assert!(files_below(&landfall.dir().join("lake"), "").is_empty());
    }
    let ended = import(&["--through", "wanted"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(marked_rows(&landfall, "lake"), (0, 8));
    // The sink itself names the source: as it is.
    fs::remove_dir_all(landfall.dir().join("lake")).unwrap();
    let ended = import(&["--through", "appcues"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(marked_rows(&landfall, "lake"), (8, 8));
}

#[test]
fn what_is_wrong_with_transforms_is_said_at_once_and_no_key() {
    let landfall = prepare(
        &config()
            .replace("checklist_shown", "checklist_show")
            .replace("${REDACT_KEY}", "hunter2")
            .replace("attributes.email", "$..name"),
    );
    let ended = landfall.run(["validate", "--no-environment", "--config", "landfall.toml"]);
    assert_eq!(ended.code, Some(78), "{ended}");
    for said in [
        "transforms.wanted.event_types.deny[0]: there is no event type \"checklist_show\"; did you mean checklist_shown?",
        "transforms.private.key: must have at least 16 bytes",
        "transforms.private.paths.$..name: this is also the name of every event",
    ] {
        assert!(ended.stderr.contains(said), "{said}\n{ended}");
    }
    assert!(!ended.stderr.contains("hunter2"), "{ended}");
    let missing = json!(landfall.dir().join("nowhere"));
    landfall.write(
        "landfall.toml",
        &config().replace("key = \"${REDACT_KEY}\"", &format!("key_file = {missing}")),
    );
    let config = landfall.dir().join("landfall.toml");
    let ended = landfall.run(["run", "--config", &config.display().to_string()]);
    assert_eq!(ended.code, Some(78), "{ended}");
    assert!(
        ended
            .stderr
            .contains("transforms.private: key_file: cannot read"),
        "{ended}"
    );
}
