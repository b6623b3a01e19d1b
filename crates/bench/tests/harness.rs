//! The whole benchmark with little load, so that it cannot rot between two releases.

#![expect(clippy::unwrap_used, reason = "an unmet expectation is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use landfall_testkit::{Ended, Process, files_below};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(300);

/// Runs it, and returns what it wrote down.
fn measure(dir: &Path, args: &[&str]) -> (Ended, Value) {
    let exe = Path::new(env!("CARGO_BIN_EXE_landfall-bench"));
    let landfall = exe.with_file_name("landfall");
    assert!(
        landfall.is_file(),
        "first `cargo build`, or test the whole workspace: there is no {}",
        landfall.display()
    );
    let mut command = Command::new(exe);
    command.args(args).args(["--quick", "--dir"]).arg(dir);
    let ended = Process::spawn(&mut command).wait(LIMIT);
    assert_eq!(ended.code, Some(0), "{ended}");
    let files = files_below(dir, ".json");
    assert_eq!(files.len(), 1, "{files:?}");
    let report = fs::read(&files[0]).unwrap();
    (ended, serde_json::from_slice(&report).unwrap())
}

/// How many it is of `most` depends on how fast the machine is.
#[track_caller]
fn assert_all_landed(run: &Value, most: u64) {
    let accepted = run["accepted"].as_u64().unwrap();
    assert!((1..=most).contains(&accepted), "{run:#}");
    assert_eq!(run["landed"], accepted, "{run:#}");
}

#[test]
fn a_run_of_each_load_into_each_lake_is_printed_and_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--connections", "2", "--rates", "200", "--events", "300"];
    let (ended, report) = measure(dir.path(), &args);

    // What is quick enough takes no time at all, in microseconds or in the steps of a process's clock.
    let fsync = report["machine"]["fsync_ms"]["p50"].as_f64();
    assert!(fsync.is_some() && report["floor"]["http"].is_number());
    let floor = ["parse", "columns", "encode"].map(|part| report["floor"][part].as_f64());
    assert!(floor.iter().all(|part| part.unwrap() > 0.0), "{floor:?}");

    let bare = report["bare"].as_array().unwrap();
    assert_eq!(bare.len(), 2);
    for run in bare {
        assert!(run["answer_ms"]["p50"].as_f64().unwrap() > 0.0, "{run:#}");
    }

    let runs = report["runs"].as_array().unwrap();
    let of = |run: &Value| (run["into"].clone(), run["rate"].clone());
    let expected = [
        ("directory".into(), Value::Null),
        ("directory".into(), 200.into()),
        ("S3".into(), Value::Null),
        ("S3".into(), 200.into()),
    ];
    assert_eq!(runs.iter().map(of).collect::<Vec<_>>(), expected);
    for run in runs {
        assert_all_landed(run, 300);
        let numbers = [
            &run["answer_ms"]["p999"],
            &run["cpu_to_floor"],
            &run["memory_mib"]["peak"],
            &run["lake_bytes_per_event_typed"],
        ];
        assert!(
            numbers.iter().all(|number| number.as_f64().unwrap() > 0.0),
            "{run:#}"
        );
        let journal = run["journal_bytes_per_byte"].as_f64().unwrap();
        assert!((0.9..1.2).contains(&journal), "{run:#}");
    }
    // Each has a line of its own, and nothing went wrong that such a line would end with.
    let lines = ended.stdout.lines();
    assert_eq!(
        lines.filter(|line| line.starts_with("landfall ")).count(),
        4,
        "{ended}"
    );
    assert!(!ended.stdout.contains("refused"), "{ended}");
}

#[test]
fn backlogs_are_drained_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "scale",
        "--backlogs",
        "50000,100000",
        "--cores",
        "1",
        "--partitions",
        "10",
    ];
    let growth = ["--growth", "25000", "--rate", "500"];
    let (_, report) = measure(dir.path(), &[&args[..], &growth[..]].concat());

    let drains = report["drains"].as_array().unwrap();
    let of = |drain: &Value| (drain["events"].as_u64(), drain["partitions"].as_u64());
    let expected = [(1000, 1), (2000, 1), (20_000, 10)].map(|(a, b)| (Some(a), Some(b)));
    assert_eq!(drains.iter().map(of).collect::<Vec<_>>(), expected);
    for drain in drains {
        for number in [
            "journal_bytes",
            "started_in_ms",
            "events_per_core_sec",
            "peak_mib",
        ] {
            assert!(drain[number].as_f64().unwrap() > 0.0, "{number}: {drain:#}");
        }
    }
    assert_all_landed(&report["growth"]["run"], 500);
    let charts = files_below(dir.path(), ".svg");
    let chart = fs::read_to_string(&charts[0]).unwrap();
    assert_eq!(chart.matches("<polyline").count(), 3);
    // Journals and lakes are gone.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}
