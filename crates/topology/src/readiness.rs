use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use landfall_core::{Health, Timestamp};
use landfall_journal::Journal;
use metrics::{counter, gauge};

/// A refused delivery makes the service unready for so long; whether the cause is gone only shows with the next one.
const REFUSAL_SHOWS: Duration = Duration::from_secs(5);

/// Whether events would be accepted now, and if not, why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    running: bool,
    sinks: BTreeMap<String, Health>,
    journals: BTreeMap<String, Watched>,
}

#[derive(Debug)]
struct Watched {
    journal: Journal,
    max_size: u64,
    refused: Option<(Instant, String)>,
    /// Deliveries that wait for room.
    blocked: usize,
}

/// A delivery that waits for room in a buffer, while this is held.
#[derive(Debug)]
pub(crate) struct Blocked {
    readiness: Readiness,
    id: String,
}

impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(watched) = self.readiness.state().journals.get_mut(&self.id) {
            watched.blocked -= 1;
        }
    }
}

impl Readiness {
    /// Says whether the sources take requests.
    pub(crate) fn set_running(&self, running: bool) {
        self.state().running = running;
    }

    /// From now on what sink `id` says of itself is shown.
    pub(crate) fn watch_sink(&self, id: &str, health: Health) {
        self.state().sinks.insert(id.to_owned(), health);
    }

    /// From now on the journal of sink `id` has a say.
    pub(crate) fn watch_journal(&self, id: &str, journal: Journal, max_size: u64) {
        let watched = Watched {
            journal,
            max_size,
            refused: None,
            blocked: 0,
        };
        self.state().journals.insert(id.to_owned(), watched);
    }

    /// A delivery waits for room in the journal of sink `id`, until the result is dropped.
    pub(crate) fn blocked(&self, id: &str) -> Blocked {
        if let Some(watched) = self.state().journals.get_mut(id) {
            watched.blocked += 1;
        }
        Blocked {
            readiness: self.clone(),
            id: id.to_owned(),
        }
    }

    /// The journal of sink `id` refused a delivery.
    pub(crate) fn refused(&self, id: &str, error: &dyn Display) {
        if let Some(watched) = self.state().journals.get_mut(id) {
            let error = error.to_string();
            let shown = |(since, text): &(Instant, String)| {
                since.elapsed() < REFUSAL_SHOWS && *text == error
            };
            if !watched.refused.as_ref().is_some_and(shown) {
                tracing::warn!(sink = id, error, "events are refused");
                watched.refused = Some((Instant::now(), error));
            }
        }
    }

    /// Why events would not be accepted now; empty when they would.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let state = self.state();
        let mut reasons = Vec::new();
        if !state.running {
            reasons.push("the service is starting or stopping".to_owned());
        }
        for (id, watched) in &state.journals {
            let held = watched.journal.stats().bytes;
            if held >= watched.max_size || watched.blocked > 0 {
                reasons.push(format!("sinks.{id}: the buffer is full with {held} bytes"));
            } else if let Some((since, error)) = &watched.refused
                && since.elapsed() < REFUSAL_SHOWS
            {
                reasons.push(format!("sinks.{id}: {error}"));
            }
        }
        reasons
    }

    /// What keeps accepted events from landing. They are kept, so that it is no reason to refuse more.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let state = self.state();
        let problems = state.sinks.iter().filter_map(|(id, health)| {
            let problem = health.problem()?;
            Some(format!("sinks.{id}: {problem}"))
        });
        problems.collect()
    }

    /// Sets the gauges of sinks and journals to what they are now.
    pub(crate) fn export_metrics(&self) {
        let now = Timestamp::now().as_millis();
        for (id, health) in &self.state().sinks {
            let oldest = health.oldest().map_or(now, Timestamp::as_millis);
            let age = now.saturating_sub(oldest).max(0) as f64 / 1000.0;
            gauge!("landfall_oldest_unlanded_age_seconds", "component_id" => id.clone()).set(age);
        }
        for (id, watched) in &self.state().journals {
            let stats = watched.journal.stats();
            let labels = [("component_id", id.clone())];
            gauge!("buffer_byte_size", &labels).set(stats.bytes as f64);
            gauge!("landfall_journal_unlanded_bytes", &labels).set(stats.uncommitted_bytes as f64);
            gauge!("landfall_journal_damaged_bytes", &labels).set(stats.damaged_bytes as f64);
            counter!("landfall_journal_events_total", &labels).absolute(stats.appended_records);
            counter!("landfall_journal_fsyncs_total", &labels).absolute(stats.fsyncs);
            gauge!("landfall_journal_fsync_seconds", &labels).set(stats.fsync_last.as_secs_f64());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
