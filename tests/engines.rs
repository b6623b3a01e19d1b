//! Six query engines read what landed, and agree with answers that were written down by hand.
//!
//! The queries are those of `examples/queries`, run as they stand. The events are those of `engines/events.jsonl`, which
//! hold what engines could differ in: scores as text, times at both ends of a day and in the hour that comes twice in New
//! York, lists with several answers, with none and with null, users without a name. Beside them lie the documented
//! samples, in the files that each released version made of them: files with fewer columns stay readable with new ones.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

mod lake;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use landfall_testkit::{
    Landfall, Request, SIGNED, Signal, config, files_below, python, workspace_root,
};

use crate::lake::landed_ids;

const SECRET: &str = "a secret only of this test";

/// Small batches: seven of them, and a file of each for every day in it.
const SINK: &str = "batch = { max_events = 10, timeout_secs = 1 }";

const ENGINES: [&str; 6] = [
    "clickhouse",
    "datafusion",
    "duckdb",
    "polars",
    "pyarrow",
    "spark",
];

#[test]
fn every_engine_answers_every_question_as_expected() {
    let landfall = land(&events());
    let lake = landfall.dir().join("lake");
    let queries = workspace_root().join("examples/queries");
    let answers = workspace_root().join("tests/engines/answers.json");

    let mut folders: Vec<_> = fs::read_dir(&queries)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(
        folders, ENGINES,
        "each folder is of an engine that is asked"
    );

    let failed: Vec<_> = thread::scope(|scope| {
        let ask = |engine: &str| {
            let arguments = [
                "--engine",
                engine,
                "--queries",
                &text(&queries),
                "--answers",
                &text(&answers),
                "--lake",
                &text(&lake),
            ];
            println!("{}", python("ask_engine.py", arguments).trim_end());
        };
        let asked = ENGINES.map(|engine| (engine, scope.spawn(move || ask(engine))));
        // Each thread has said what was wrong when it panicked, so one engine hides no other.
        asked
            .into_iter()
            .filter_map(|(engine, thread)| thread.join().is_err().then_some(engine))
            .collect()
    });
    assert!(failed.is_empty(), "not as expected: {failed:?}, see above");
}

/// The lines of the fixture.
fn events() -> Vec<String> {
    let lines = workspace_root().join("tests/engines/events.jsonl");
    let lines = fs::read_to_string(lines).unwrap();
    lines.lines().map(str::to_owned).collect()
}

/// Copies the files of released versions into the lake, and returns how many events they hold.
fn add_released(lake: &Path) -> usize {
    let released = workspace_root().join("tests/released");
    for file in files_below(&released, ".parquet") {
        let below_version: PathBuf = file
            .strip_prefix(&released)
            .unwrap()
            .iter()
            .skip(1)
            .collect();
        let copy = lake.join(below_version);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, &copy).unwrap();
    }
    landed_ids(lake).values().sum()
}

/// Sends each event twice, waits until all are in files, and stops.
fn land(events: &[String]) -> Landfall {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = landfall.write("landfall.toml", &config(SIGNED, SINK));
    let released = add_released(&landfall.dir().join("lake"));
    assert_eq!(released, 13, "the documented samples");
    let mut instance = landfall.start(&config);
    let post = |event: &String| {
        let answer = Request::post("/webhooks/appcues")
            .signed(SECRET, event.as_bytes())
            .body(event.as_bytes())
            .send(instance.source());
        assert_eq!(answer.status, 200, "{} for {event}", answer.text());
    };
    // Some copies fall into the batch of the first, some into a later one.
    for part in events.chunks(25) {
        part.iter().for_each(post);
        part.iter().for_each(post);
    }
    events.iter().for_each(post);

    let lake = instance.dir().join("lake");
    let landed = |lake: &Path| landed_ids(lake).values().sum::<usize>();
    let expected = released + events.len();
    instance.wait_until("all events are in files", |_| landed(&lake) >= expected);
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");

    assert_eq!(landed(&lake), expected, "an event was doubled");
    let files = files_below(&lake.join("events"), ".parquet");
    assert!(
        files.len() >= 15,
        "too few files to test reading many: {files:?}"
    );
    landfall
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
