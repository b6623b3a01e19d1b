use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use landfall_journal::Journal;

/// A refused delivery makes the service unready for so long; whether the cause is gone only shows with the next one.
const REFUSAL_SHOWS: Duration = Duration::from_secs(5);

/// Whether events would be accepted now, and if not, why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    running: bool,
    journals: BTreeMap<String, Watched>,
}

#[derive(Debug)]
struct Watched {
    journal: Journal,
    max_size: u64,
    refused: Option<(Instant, String)>,
}

impl Readiness {
    /// Says whether the sources take requests.
    pub(crate) fn set_running(&self, running: bool) {
        self.state().running = running;
    }

    /// From now on the journal of sink `id` has a say.
    pub(crate) fn watch_journal(&self, id: &str, journal: Journal, max_size: u64) {
        let watched = Watched {
            journal,
            max_size,
            refused: None,
        };
        self.state().journals.insert(id.to_owned(), watched);
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
            if held >= watched.max_size {
                reasons.push(format!("sinks.{id}: the buffer is full with {held} bytes"));
            } else if let Some((since, error)) = &watched.refused
                && since.elapsed() < REFUSAL_SHOWS
            {
                reasons.push(format!("sinks.{id}: {error}"));
            }
        }
        reasons
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
