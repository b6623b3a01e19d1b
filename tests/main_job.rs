//! The main job: signed Appcues webhooks are verified and land as Parquet, with every column.
//!
//! Neither the signatures nor the reading nor the expected values share anything with Landfall: Python's hmac signs,
//! DuckDB and pyarrow read, and `expected/events.json` was written by hand from the documented samples.

use std::path::Path;

use landfall_testkit::{Landfall, SIGNED, Signal, config, files_below, python, workspace_root};
use serde_json::Value;

const SECRET: &str = "a secret only of this test";

/// The batch closes with the last sample, or a second after the first.
const SINK: &str = "batch = { max_events = 13, timeout_secs = 1 }";

#[test]
fn the_documented_events_land_with_every_column_through_a_memory_buffer() {
    the_documented_events_land("memory");
}

#[test]
fn the_documented_events_land_with_every_column_through_a_disk_buffer() {
    the_documented_events_land("disk");
}

fn the_documented_events_land(buffer: &str) {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let sink = format!("{SINK}\nbuffer.type = \"{buffer}\"");
    let config = landfall.write("landfall.toml", &config(SIGNED, &sink));
    let instance = landfall.start(&config);
    let lake = instance.dir().join("lake");
    let samples = workspace_root().join("crates/appcues/samples");

    let url = format!("http://{}/webhooks/appcues", instance.source());
    let posted = python(
        "post_samples.py",
        [
            "--url",
            &url,
            "--secret",
            SECRET,
            "--samples",
            &text(&samples),
        ],
    );
    // Through memory, 200 says that the event is in a file already; through disk, that it is in the journal.
    let wait_secs = if buffer == "memory" { "0" } else { "30" };

    let posted: Value =
        serde_json::from_str(&posted).unwrap_or_else(|error| panic!("{error} in {posted}"));
    python(
        "check_landed.py",
        [
            "--lake",
            &text(&lake),
            "--samples",
            &text(&samples),
            "--expected",
            &text(&workspace_root().join("tests/expected")),
            "--received-from",
            &posted["posted_from"].to_string(),
            "--received-to",
            &posted["posted_to"].to_string(),
            "--wait-secs",
            wait_secs,
        ],
    );

    let landed = files_below(&lake, "");
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    let left = files_below(&landfall.dir().join("lake"), "");
    assert_eq!(left, landed, "stopping changed what had landed");
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
