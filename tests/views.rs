//! The analyst's views give what plain loops over the generated traffic of six weeks give.
//!
//! `landfall generate` makes the requests, the service lands them, `landfall schema` prints the views, and three engines
//! run them as they are printed. What is expected is computed in `python/check_views.py`, from the requests alone.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

mod lake;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use landfall_testkit::{Landfall, Request, Signal, config, files_below, python, workspace_root};
use serde_json::{Value, json};

use crate::lake::landed_ids;

const SECRET: &str = "a secret only of this test";

/// The requests are of another time, so their age is not looked at.
const SOURCE: &str =
    r#"signature = { secrets = ["${APPCUES_WEBHOOK_SECRET}"], tolerance_secs = 0 }"#;

const DIALECTS: [&str; 6] = [
    "duckdb",
    "clickhouse",
    "spark",
    "athena",
    "bigquery",
    "snowflake",
];

#[test]
fn the_views_answer_as_plain_loops_over_the_requests_do() {
    let landfall = new_landfall();
    let requests = generate(&landfall, "requests");
    let landfall = land(landfall, &requests);
    let lake = landfall.dir().join("lake");

    let failed: Vec<_> = thread::scope(|scope| {
        let ask = |engine: &str| {
            let sql = print_sql(&landfall, engine, &lake);
            let arguments = [
                "--engine".as_ref(),
                engine.as_ref(),
                "--sql".as_ref(),
                sql.as_os_str(),
                "--requests".as_ref(),
                requests.as_os_str(),
            ];
            println!("{}", python("check_views.py", arguments).trim_end());
        };
        let asked = ["duckdb", "clickhouse", "spark"]
            .map(|engine| (engine, scope.spawn(move || ask(engine))));
        asked
            .into_iter()
            .filter_map(|(engine, thread)| thread.join().is_err().then_some(engine))
            .collect()
    });
    assert!(failed.is_empty(), "not as expected: {failed:?}, see above");
}

#[test]
fn each_dialect_is_one_to_a_parser_of_it() {
    let landfall = new_landfall();
    let lake = Path::new("s3://bucket/lake");
    let files = DIALECTS.map(|dialect| print_sql(&landfall, dialect, lake));
    python("parse_dialects.py", files);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let landfall = new_landfall();
    let read = |directory: PathBuf| {
        let files = files_below(&directory, ".jsonl");
        let texts: Vec<_> = files
            .iter()
            .map(|file| {
                (
                    file.file_name().map(OsStr::to_owned),
                    fs::read(file).unwrap(),
                )
            })
            .collect();
        texts
    };
    let first = read(generate(&landfall, "first"));
    assert_eq!(first, read(generate(&landfall, "second")));
    let ended = landfall.run([
        "generate", "--days", "40", "--users", "15", "--seed", "6", "--out", "other",
    ]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_ne!(first, read(landfall.dir().join("other")));
}

#[test]
fn what_was_generated_can_be_sent() {
    let landfall = new_landfall();
    let config = landfall.write("landfall.toml", &config(SOURCE, "batch.timeout_secs = 1"));
    let mut instance = landfall.start(&config);
    let landfall = instance.landfall();
    let ended = landfall.run(["generate", "--days", "3", "--users", "5", "--out", "few"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let few = landfall.dir().join("few");
    let bodies: HashSet<_> = lines(&few)
        .iter()
        .map(|line| body(line).to_owned())
        .collect();
    assert!(bodies.len() > 20, "only {} events", bodies.len());

    let url = format!("http://{}/webhooks/appcues", instance.source());
    let files = files_below(&few, ".jsonl");
    let mut send = vec!["send", "--url", &url, "--secret", SECRET];
    send.extend(files.iter().map(|file| file.to_str().unwrap()));
    let ended = landfall.run(send);
    assert_eq!(ended.code, Some(0), "{ended}");
    let lake = instance.dir().join("lake");
    let landed = || landed_ids(&lake).values().sum::<usize>();
    instance.wait_until("all events are in files", |_| landed() >= bodies.len());
    assert_eq!(landed(), bodies.len());
}

fn new_landfall() -> Landfall {
    Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET)
}

/// Makes the requests, in a directory of this name.
fn generate(landfall: &Landfall, name: &str) -> PathBuf {
    let ended = landfall.run([
        "generate", "--days", "40", "--users", "15", "--seed", "5", "--out", name,
    ]);
    assert_eq!(ended.code, Some(0), "{ended}");
    landfall.dir().join(name)
}

/// The lines of all files of a directory.
fn lines(requests: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    for file in files_below(requests, ".jsonl") {
        let text = fs::read_to_string(file).unwrap();
        lines.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    lines
}

fn body(line: &Value) -> &str {
    line["body"].as_str().unwrap()
}

/// What `landfall schema` prints, in a file that is named after the dialect.
fn print_sql(landfall: &Landfall, dialect: &str, lake: &Path) -> PathBuf {
    let lake = lake.to_str().unwrap();
    let ended = landfall.run(["schema", "--dialect", dialect, "--uri", lake]);
    assert_eq!(ended.code, Some(0), "{ended}");
    landfall.write(&format!("{dialect}.sql"), &ended.stdout)
}

/// Posts the requests as they are written, and those at the edges of the views' rules beside them, until all are in files.
fn land(landfall: Landfall, requests: &Path) -> Landfall {
    let edges = fs::read_to_string(workspace_root().join("tests/views/edges.jsonl")).unwrap();
    let edges: String = edges
        .lines()
        .map(|body| format!("{}\n", json!({"body": body})))
        .collect();
    fs::write(requests.join("edges.jsonl"), edges).unwrap();

    let config = landfall.write("landfall.toml", &config(SOURCE, "batch.timeout_secs = 1"));
    let mut instance = landfall.start(&config);
    let mut bodies = HashSet::new();
    for line in lines(requests) {
        let body = body(&line);
        let request = Request::post("/webhooks/appcues");
        let request = match line["headers"].as_object() {
            Some(headers) => headers.iter().fold(request, |request, (name, value)| {
                request.header(name, value.as_str().unwrap())
            }),
            None => request.signed(SECRET, body.as_bytes()),
        };
        let answer = request.body(body.as_bytes()).send(instance.source());
        assert_eq!(answer.status, 200, "{} for {line}", answer.text());
        bodies.insert(body.to_owned());
    }
    assert!(bodies.len() > 1000, "only {} events", bodies.len());
    let landed = |lake: &Path| landed_ids(lake).values().sum::<usize>();
    let lake = instance.dir().join("lake");
    instance.wait_until("all events are in files", |_| landed(&lake) >= bodies.len());
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(landed(&lake), bodies.len(), "an event was doubled");
    landfall
}
