//! Nothing that was answered 2xx is lost or doubled, whenever and wherever the process is killed.
//!
//! The real binary takes events from several senders while it is killed and started again. A sender sends each event
//! until it is answered 200, so that an event whose answer was lost with the process comes twice. In the end every event
//! must stand in the Parquet files exactly once.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

mod lake;
mod load;

use std::collections::HashMap;
use std::path::PathBuf;

use landfall_testkit::{Landfall, SIGNED, config};

use crate::lake::landed_ids;
use crate::load::{Load, SECRET, finish, kill_at_random_moments, kill_at_steps};

/// Small batches, and partitions by the hundred, so that each step of a landing is under way most of the time.
const SINK: &str = "batch = { max_events = 60, timeout_secs = 1 }";

/// How often the process is killed at a random moment. `LANDFALL_CRASH_ROUNDS` sets another number for a long run.
fn rounds() -> usize {
    let rounds = std::env::var("LANDFALL_CRASH_ROUNDS").ok();
    rounds.map_or(25, |rounds| {
        rounds.parse().expect("LANDFALL_CRASH_ROUNDS is a number")
    })
}

#[test]
fn no_event_is_lost_or_doubled_when_killed_at_random_moments() {
    let (landfall, config) = prepare();
    let load = Load::start("event", landfall.source());
    let landfall = kill_at_random_moments(landfall, &config, &load, rounds());
    finish(landfall, &config, load, landed);
}

#[test]
fn no_event_is_lost_or_doubled_when_killed_at_any_step() {
    let (landfall, config) = prepare();
    let load = Load::start("event", landfall.source());
    let points = [
        "journal.write",
        "journal.write:30",
        "journal.sync",
        "journal.sync:30",
        "journal.synced",
        "journal.synced:30",
        "plan",
        "planned",
        "planned:3",
        "file",
        "file:2",
        "uploaded",
        "landed",
        "landed:3",
        "cursor.write",
        "cursor.written",
    ];
    let landfall = kill_at_steps(landfall, &config, &points);
    finish(landfall, &config, load, landed);
}

fn prepare() -> (Landfall, PathBuf) {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = landfall.write("landfall.toml", &config(SIGNED, SINK));
    (landfall, config)
}

fn landed(landfall: &Landfall) -> HashMap<String, usize> {
    landed_ids(&landfall.dir().join("lake"))
}
