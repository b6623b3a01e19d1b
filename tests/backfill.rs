//! Events that reach the lake by another way than the service: a bulk export, and bodies out of the quarantine.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

#[path = "lake.rs"]
mod lake;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{ArrayRef, LargeBinaryArray, RecordBatch};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use lake::landed_ids;
use landfall_appcues::SAMPLES;
use landfall_core::Timestamp;
use landfall_table::QuarantineBuilder;
use landfall_testkit::{Ended, Instance, Landfall, Request, SIGNED, Signal, config, python};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const SECRET: &str = "a secret only of this test";

/// What is accepted stays in the journal until the service stops.
const SINK: &str = "batch.timeout_secs = 3600";

fn prepare() -> Landfall {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    landfall.write("landfall.toml", &config(SIGNED, SINK));
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

fn import(landfall: &Landfall, file: &str) -> Ended {
    landfall.run(["import", "--config", "landfall.toml", file])
}

fn replay(landfall: &Landfall) -> Ended {
    landfall.run(["replay", "--quarantine", "--config", "landfall.toml"])
}

/// The documented event as an export may write it: keys in another order, attributes in a string, a text for a time.
fn exported(body: &[u8]) -> Value {
    let mut event: Value = serde_json::from_slice(body).unwrap();
    let millis = event["timestamp"].as_i64().unwrap();
    let time = jiff::Timestamp::from_millisecond(millis).unwrap();
    event["timestamp"] = json!(time.to_string());
    event["attributes"] = json!(event["attributes"].to_string());
    event["identity"] = json!({ "plan": "pro" });
    event
}

fn exported_samples() -> Vec<String> {
    let lines = SAMPLES
        .iter()
        .map(|sample| exported(sample.body).to_string());
    lines.collect()
}

/// How often each of Appcues' documented types has landed.
fn landed_types(landfall: &Landfall) -> HashMap<String, usize> {
    let lake = landfall.dir().join("lake/events");
    let sql = format!(
        "SELECT event_type, count(*) FROM read_parquet('{}/**/*.parquet') GROUP BY ALL",
        lake.display()
    );
    let rows: Vec<(String, usize)> = serde_json::from_str(&python("query.py", [sql])).unwrap();
    rows.into_iter().collect()
}

fn each_once() -> HashMap<String, usize> {
    let types = SAMPLES
        .iter()
        .map(|sample| (sample.event_type.to_owned(), 1));
    types.collect()
}

#[test]
fn an_export_lands_once_however_it_is_packed_and_however_often_it_is_imported() {
    let landfall = prepare();
    let (first, rest) = (exported_samples(), exported_samples());
    let plain = first[..5].join("\n");
    fs::write(landfall.dir().join("plain"), plain).unwrap();

    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    write!(gzip, "{}\n\n{}", rest[..9].join("\r\n"), rest[2]).unwrap();
    fs::write(landfall.dir().join("gzip"), gzip.finish().unwrap()).unwrap();

    let mut zip = ZipWriter::new(File::create(landfall.dir().join("zip")).unwrap());
    for (name, lines) in [("a/1.jsonl", &rest[5..10]), ("a/2.jsonl", &rest[10..])] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(lines.join("\n").as_bytes()).unwrap();
    }
    zip.finish().unwrap();

    for (file, landed) in [
        ("plain", 5),
        ("gzip", 4),
        ("zip", 4),
        ("zip", 0),
        ("plain", 0),
    ] {
        let ended = import(&landfall, file);
        assert_eq!(ended.code, Some(0), "{ended}");
        let expected = format!("landed           {landed}\n");
        assert!(ended.stdout.starts_with(&expected), "{file}: {ended}");
    }
    assert_eq!(landed_types(&landfall), each_once());
}

#[test]
fn what_other_programs_put_around_an_export_is_no_line_of_it() {
    let landfall = prepare();
    let lines = exported_samples();
    let marked = |lines: &[String]| format!("\u{feff}{}", lines.join("\n"));
    let file = |name: &str| File::create(landfall.dir().join(name)).unwrap();
    let joined = format!("{}\n{}", marked(&lines[..2]), marked(&lines[2..4]));
    write!(file("marked"), "{joined}").unwrap();

    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    write!(gzip, "{}", marked(&lines[4..])).unwrap();
    let mut zip = ZipWriter::new(file("of_macos"));
    for (name, content) in [
        ("export/.DS_Store", b"\0\0\0\x01Bud1\xff".as_slice()),
        ("export/1.jsonl.gz", &gzip.finish().unwrap()),
        ("__MACOSX/export/._1.jsonl.gz", b"\0\x05\x16\x07\xff"),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    ZipWriter::new(file("empty")).finish().unwrap();

    let files = ["marked", "of_macos", "empty"];
    let ended = landfall.run(["import", "--config", "landfall.toml"].iter().chain(&files));
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(landed_types(&landfall), each_once());
}

#[test]
fn unknown_events_of_one_id_are_told_apart_by_their_names() {
    let landfall = prepare();
    let event = |name: &str| format!(r#"{{"id":"1","name":"{name}","timestamp":1684439316293}}"#);
    let lines = ["survey_shown", "survey_closed", "survey_shown"].map(event);
    fs::write(landfall.dir().join("export"), lines.join("\n")).unwrap();
    for (landed, copies) in [(2, 1), (0, 3)] {
        let ended = import(&landfall, "export");
        assert_eq!(ended.code, Some(0), "{ended}");
        let expected = format!("landed           {landed}\npassed over      {copies} ");
        assert!(ended.stdout.starts_with(&expected), "{ended}");
    }
    assert_eq!(
        landed_types(&landfall),
        HashMap::from([("other".to_owned(), 2)])
    );
}

#[test]
fn imported_columns_are_those_of_the_webhook() {
    let (of_webhook, of_export) = (prepare(), prepare());
    let instance = start(of_webhook);
    for sample in &SAMPLES {
        accept(&instance, sample.body);
    }
    let (ended, of_webhook) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    fs::write(
        of_export.dir().join("export"),
        exported_samples().join("\n"),
    )
    .unwrap();
    let ended = import(&of_export, "export");
    assert_eq!(ended.code, Some(0), "{ended}");

    let rows = |landfall: &Landfall| {
        let lake = landfall.dir().join("lake/events");
        let sql = format!(
            "SELECT COLUMNS(c -> c NOT IN ('received_at', 'payload', 'filename'))
             FROM read_parquet('{}/**/*.parquet') ORDER BY event_type",
            lake.display()
        );
        let rows: Value = serde_json::from_str(&python("query.py", [sql])).unwrap();
        rows
    };
    assert_eq!(rows(&of_webhook), rows(&of_export));
}

#[test]
fn what_the_service_has_accepted_and_not_landed_is_not_imported_beside_it() {
    let landfall = prepare();
    fs::write(landfall.dir().join("export"), exported_samples().join("\n")).unwrap();
    let instance = start(landfall);
    for sample in &SAMPLES[..8] {
        accept(&instance, sample.body);
    }
    let ended = import(instance.landfall(), "export");
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.contains("landed           5\n"), "{ended}");
    assert!(ended.stdout.contains("passed over      8 "), "{ended}");

    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(landed_types(&landfall), each_once());
}

#[test]
fn what_landed_is_known_after_another_program_has_joined_the_files_too() {
    let landfall = prepare();
    fs::write(landfall.dir().join("export"), exported_samples().join("\n")).unwrap();
    assert_eq!(import(&landfall, "export").code, Some(0));
    let day = landfall.dir().join("lake/events/date=2023-05-18");
    let landed: Vec<_> = day.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    let day = day.display();
    // With Snappy, as most programs do.
    let join = format!("COPY (FROM read_parquet('{day}/*.parquet')) TO '{day}/joined.parquet'");
    python("query.py", [join]);
    for file in landed {
        fs::remove_file(file).unwrap();
    }
    let ended = import(&landfall, "export");
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.starts_with("landed           0\n"), "{ended}");
}

#[test]
fn lines_that_are_no_events_are_named_and_the_others_land() {
    let landfall = prepare();
    let lines = [
        r#"{"id":"a","name":"n","timestamp":1684439316}"#,
        "{broken",
        r#"{"id":"b","timestamp":1684439316}"#,
        r#"{"id":"c","name":"n","timestamp":"2023-05-18T19:48:36Z"}"#,
    ];
    fs::write(landfall.dir().join("export"), lines.join("\n")).unwrap();
    let ended = import(&landfall, "export");
    assert_eq!(ended.code, Some(1), "{ended}");
    for said in [
        "landed           2\n",
        "no event         1: no_name (export:3)\n",
        "no event         1: not_json (export:2)\n",
    ] {
        assert!(ended.stdout.contains(said), "{said}\n{ended}");
    }
    let landed = landed_ids(&landfall.dir().join("lake"));
    let expected = HashMap::from([("a".to_owned(), 1), ("c".to_owned(), 1)]);
    assert_eq!(landed, expected);
    // Both written as seconds and as text, they are of the same day.
    let day = landfall.dir().join("lake/events/date=2023-05-18");
    assert_eq!(fs::read_dir(day).unwrap().count(), 1);
}

#[test]
fn an_archive_that_breaks_off_is_an_error_and_can_be_imported_again_when_it_is_whole() {
    let landfall = prepare();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    let lines: Vec<_> = (0..2000)
        .map(|id| format!(r#"{{"id":"{id}","name":"n","timestamp":1684439316293}}"#))
        .collect();
    gzip.write_all(lines.join("\n").as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    fs::write(landfall.dir().join("export"), &whole[..whole.len() / 2]).unwrap();
    let ended = import(&landfall, "export");
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains("cannot read export"), "{ended}");

    fs::write(landfall.dir().join("export"), &whole).unwrap();
    assert_eq!(import(&landfall, "export").code, Some(0));
    let landed = landed_ids(&landfall.dir().join("lake"));
    assert_eq!(landed.len(), 2000);
    assert!(landed.values().all(|count| *count == 1));
}

#[test]
fn a_quarantined_body_that_is_an_event_by_now_is_landed_once() {
    let landfall = prepare();
    let received_at = Timestamp::from_millis(1_700_000_000_123);
    let mut rows = QuarantineBuilder::new();
    for body in [SAMPLES[0].body, b"still no event", SAMPLES[1].body] {
        rows.append(received_at, "of_an_older_version", body);
    }
    let folder = landfall.dir().join("lake/quarantine/date=2023-11-14");
    write_parquet(&folder, &rows.finish());

    for landed in [2, 0] {
        let ended = replay(&landfall);
        assert_eq!(ended.code, Some(0), "{ended}");
        let expected = format!("landed           {landed}\n");
        assert!(ended.stdout.starts_with(&expected), "{ended}");
        assert!(
            ended.stdout.contains("no event         1: not_json"),
            "{ended}"
        );
    }
    let sql = format!(
        "SELECT epoch_ms(received_at), payload FROM read_parquet('{}/**/*.parquet') ORDER BY event_type",
        landfall.dir().join("lake/events").display()
    );
    let rows: Vec<(i64, String)> = serde_json::from_str(&python("query.py", [sql])).unwrap();
    let bodies = [SAMPLES[0].body, SAMPLES[1].body];
    let mut expected = bodies.map(|body| (1_700_000_000_123, String::from_utf8_lossy(body).into()));
    expected.sort_by_key(|(_, body): &(i64, String)| body.contains("\"score\""));
    assert_eq!(rows, expected);
}

#[test]
fn a_file_of_the_quarantine_may_note_large_types_as_some_programs_do_that_join_files() {
    let landfall = prepare();
    let mut rows = QuarantineBuilder::new();
    rows.append(Timestamp::now(), "of_an_older_version", SAMPLES[0].body);
    let rows = rows.finish();
    let bodies = rows["payload"].as_binary::<i32>();
    let large = LargeBinaryArray::from_iter(bodies);
    let columns: [(_, ArrayRef); 2] = [
        ("received_at", rows["received_at"].clone()),
        ("payload", Arc::new(large)),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    write_parquet(&landfall.dir().join("lake/quarantine"), &rows);
    let ended = replay(&landfall);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.starts_with("landed           1\n"), "{ended}");
}

#[test]
fn a_damaged_file_of_the_quarantine_keeps_no_other_from_landing() {
    let landfall = prepare();
    let folder = landfall.dir().join("lake/quarantine");
    let mut rows = QuarantineBuilder::new();
    rows.append(Timestamp::now(), "of_an_older_version", SAMPLES[0].body);
    write_parquet(&folder, &rows.finish());
    fs::write(folder.join("0.parquet"), "no Parquet").unwrap();
    let ended = replay(&landfall);
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stdout.contains("landed           1\n"), "{ended}");
    let said = "cannot read quarantine/0.parquet: ";
    assert!(ended.stderr.contains(said), "{ended}");
}

#[test]
fn what_the_service_has_accepted_and_not_landed_is_not_replayed_beside_it() {
    let landfall = prepare();
    let mut rows = QuarantineBuilder::new();
    for sample in &SAMPLES {
        rows.append(Timestamp::now(), "of_an_older_version", sample.body);
    }
    write_parquet(&landfall.dir().join("lake/quarantine"), &rows.finish());
    let instance = start(landfall);
    for sample in &SAMPLES[..8] {
        accept(&instance, sample.body);
    }
    let ended = replay(instance.landfall());
    assert_eq!(ended.code, Some(0), "{ended}");

    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(landed_types(&landfall), each_once());
}

#[test]
fn what_the_service_has_dealt_with_is_replayed_though_it_is_still_in_the_journal() {
    let instance = start(prepare());
    accept(&instance, SAMPLES[0].body);
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    // As if it had been no event to the version that accepted it.
    fs::remove_dir_all(landfall.dir().join("lake/events")).unwrap();
    let mut rows = QuarantineBuilder::new();
    rows.append(Timestamp::now(), "of_an_older_version", SAMPLES[0].body);
    write_parquet(&landfall.dir().join("lake/quarantine"), &rows.finish());
    let ended = replay(&landfall);
    assert!(ended.stdout.starts_with("landed           1\n"), "{ended}");
}

fn write_parquet(folder: &Path, rows: &RecordBatch) {
    fs::create_dir_all(folder).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    let bytes = Bytes::from(writer.into_inner().unwrap());
    fs::write(folder.join("a.parquet"), bytes).unwrap();
}
