//! Killed whenever and wherever, with the lake on the store.

use landfall_testkit::{Landfall, ObjectStore};

use crate::load::{Load, finish, kill_at_random_moments, kill_at_steps};
use crate::{Lake, config, live_once_more, prepare};

/// Each step of a landing is under way most of the time.
const SMALL_BATCHES: &str = "batch.max_events = 60";

const ROUNDS: usize = 15;

#[test]
fn no_event_is_lost_or_doubled_when_killed_at_random_moments() {
    kill("crashes/random", |landfall, config, load| {
        kill_at_random_moments(landfall, config, load, ROUNDS)
    });
}

#[test]
fn no_event_is_lost_or_doubled_when_killed_at_any_step_of_a_landing() {
    let points = [
        "planned",
        "planned:3",
        "file",
        "file:2",
        "uploaded",
        "landed",
    ];
    kill("crashes/steps", |landfall, config, _| {
        kill_at_steps(landfall, config, &points)
    });
}

fn kill(prefix: &str, kill: impl FnOnce(Landfall, &std::path::Path, &Load) -> Landfall) {
    let store = ObjectStore::shared();
    let (landfall, config) = prepare(&config(&store.endpoint(), prefix, SMALL_BATCHES));
    let load = Load::start("event", landfall.source());
    let landfall = kill(landfall, &config, &load);
    let mut lake = Lake::new(prefix);
    let landfall = finish(landfall, &config, load, |_| lake.landed_ids(&store));
    live_once_more(landfall, &config);
    // `finish` has compared the events with what was accepted.
    let accepted: Vec<_> = lake.landed_ids(&store).into_keys().collect();
    lake.assert_holds_once(&store, &accepted);
}
