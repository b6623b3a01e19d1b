use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use landfall_core::{Health, Labels, Timestamp};
use landfall_journal::Journal;
use metrics::{counter, gauge};
use serde::Serialize;

use crate::ConfigError;
use crate::disk::DiskBuffer;

/// A refused delivery makes the service unready for so long; whether the cause is gone only shows with the next one.
const REFUSAL_SHOWS: Duration = Duration::from_secs(5);

/// As long after a sink without a buffer has failed: more than it may take to fail again, while its senders wait.
const FAILURE_SHOWS: Duration = Duration::from_secs(60);

/// Whether events would be accepted now, and if not, why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    running: bool,
    /// Why the last change of the configuration was not taken over.
    reload_error: Option<ConfigError>,
    sinks: BTreeMap<String, WatchedSink>,
}

#[derive(Debug, Default)]
struct WatchedSink {
    /// What its series carry.
    labels: Labels,
    health: Health,
    buffer: Option<DiskBuffer>,
    refused: Option<(Instant, String)>,
    /// Deliveries that wait for room.
    blocked: usize,
}

/// What a sink has still to land.
#[derive(Debug, Serialize)]
pub(crate) struct Backlog {
    /// When the oldest event of it was accepted, in milliseconds since the Unix epoch.
    oldest_at: Option<i64>,
    /// How many events of it are in the journal, if there is one and they were counted.
    events: Option<u64>,
    /// How many bytes.
    unlanded_bytes: Option<u64>,
    /// What the journal takes on disk, and may take.
    buffer_bytes: Option<u64>,
    max_bytes: Option<u64>,
}

/// A sink that has a say, until this is dropped or another takes its name.
#[derive(Debug)]
pub(crate) struct Watch {
    readiness: Readiness,
    id: String,
    health: Health,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.readiness.state();
        let is_own = |sink: &WatchedSink| sink.health == self.health;
        if state.sinks.get(&self.id).is_some_and(is_own)
            && let Some(sink) = state.sinks.remove(&self.id)
        {
            for name in GAUGES {
                gauge!(name, &sink.labels).set(0.0);
            }
        }
    }
}

/// What is exported of each sink, and is nothing once it is gone.
const GAUGES: [&str; 6] = [
    OLDEST_AGE,
    BUFFER_EVENTS,
    BUFFER_SIZE,
    BUFFER_MAX_SIZE,
    UNLANDED,
    DAMAGED,
];
const OLDEST_AGE: &str = "landfall_oldest_unlanded_age_seconds";
const BUFFER_EVENTS: &str = "buffer_events";
const BUFFER_MAX_SIZE: &str = "buffer_max_byte_size";
const BUFFER_SIZE: &str = "buffer_byte_size";
const UNLANDED: &str = "landfall_journal_unlanded_bytes";
const DAMAGED: &str = "landfall_journal_damaged_bytes";

/// A delivery that waits for room in a buffer, while this is held.
#[derive(Debug)]
pub(crate) struct Blocked {
    readiness: Readiness,
    id: String,
}

impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(sink) = self.readiness.state().sinks.get_mut(&self.id) {
            sink.blocked = sink.blocked.saturating_sub(1);
        }
    }
}

impl Readiness {
    /// Says whether the sources take requests.
    pub(crate) fn set_running(&self, running: bool) {
        self.state().running = running;
    }

    /// Says why the last change of the configuration was not taken over; `None` when it was.
    pub(crate) fn set_reload_error(&self, error: Option<ConfigError>) {
        self.state().reload_error = error;
    }

    /// What sink `id` and its journal say is shown until the result is dropped.
    pub(crate) fn watch(
        &self,
        id: &str,
        labels: Labels,
        health: Health,
        buffer: Option<DiskBuffer>,
    ) -> Watch {
        let mut state = self.state();
        // What waits for room in the journal goes on doing so when another sink reads from it.
        let sink = state.sinks.entry(id.to_owned()).or_default();
        sink.labels = labels;
        sink.health = health.clone();
        sink.buffer = buffer;
        Watch {
            readiness: self.clone(),
            id: id.to_owned(),
            health,
        }
    }

    /// A delivery waits for room in the journal of sink `id`, until the result is dropped.
    pub(crate) fn blocked(&self, id: &str) -> Blocked {
        if let Some(sink) = self.state().sinks.get_mut(id) {
            sink.blocked += 1;
        }
        Blocked {
            readiness: self.clone(),
            id: id.to_owned(),
        }
    }

    /// The journal of sink `id` refused a delivery.
    pub(crate) fn refused(&self, id: &str, error: &dyn Display) {
        if let Some(sink) = self.state().sinks.get_mut(id) {
            sink.refused = Some((Instant::now(), error.to_string()));
        }
    }

    /// Why events would not be accepted now; empty when they would.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let state = self.state();
        let mut reasons = Vec::new();
        if !state.running {
            reasons.push("the service is starting or stopping".to_owned());
        }
        for (id, sink) in &state.sinks {
            let Some(buffer) = &sink.buffer else {
                // Whoever sends waits for the sink itself.
                let age = sink.health.problem_age();
                if age.is_some_and(|age| age < FAILURE_SHOWS)
                    && let Some(problem) = sink.health.problem()
                {
                    reasons.push(format!("sinks.{id}: {problem}"));
                }
                continue;
            };
            let journal = buffer.journal();
            let held = journal.stats().bytes;
            if held >= journal.max_bytes() || sink.blocked > 0 {
                reasons.push(format!("sinks.{id}: the buffer is full with {held} bytes"));
            } else if let Some((since, error)) = &sink.refused
                && since.elapsed() < REFUSAL_SHOWS
            {
                reasons.push(format!("sinks.{id}: {error}"));
            }
        }
        reasons
    }

    /// What keeps accepted events from landing, and the configuration from being the one in the files. It is no reason to
    /// refuse events.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let state = self.state();
        let reload_error = state.reload_error.iter();
        let reload_error =
            reload_error.map(|error| format!("the configuration was not reloaded: {error}"));
        let problems = state.sinks.iter().filter_map(|(id, sink)| {
            let problem = sink.health.problem()?;
            Some(format!("sinks.{id}: {problem}"))
        });
        reload_error.chain(problems).collect()
    }

    /// What keeps sink `id` from landing.
    pub(crate) fn problem(&self, id: &str) -> Option<String> {
        self.state().sinks.get(id)?.health.problem()
    }

    /// What sink `id` has still to land.
    pub(crate) fn backlog(&self, id: &str) -> Option<Backlog> {
        let state = self.state();
        let sink = state.sinks.get(id)?;
        let journal = sink.buffer.as_ref().map(DiskBuffer::journal);
        let stats = journal.map(Journal::stats);
        let limit = journal.map(Journal::max_bytes);
        Some(Backlog {
            oldest_at: sink.health.oldest().map(Timestamp::as_millis),
            events: sink.buffer.as_ref().and_then(DiskBuffer::events),
            unlanded_bytes: stats.as_ref().map(|stats| stats.uncommitted_bytes),
            buffer_bytes: stats.as_ref().map(|stats| stats.bytes),
            max_bytes: limit,
        })
    }

    /// Sets the gauges of sinks and journals to what they are now.
    pub(crate) fn export_metrics(&self) {
        let ready = self.reasons().is_empty();
        gauge!("landfall_ready").set(f64::from(u8::from(ready)));
        let now = Timestamp::now();
        for sink in self.state().sinks.values() {
            let labels = &sink.labels;
            let age = now.since(sink.health.oldest().unwrap_or(now));
            gauge!(OLDEST_AGE, labels).set(age.as_secs_f64());
            let Some(buffer) = &sink.buffer else {
                continue;
            };
            let journal = buffer.journal();
            let stats = journal.stats();
            if let Some(events) = buffer.events() {
                gauge!(BUFFER_EVENTS, labels).set(events as f64);
            }
            gauge!(BUFFER_MAX_SIZE, labels).set(journal.max_bytes() as f64);
            gauge!(BUFFER_SIZE, labels).set(stats.bytes as f64);
            gauge!(UNLANDED, labels).set(stats.uncommitted_bytes as f64);
            gauge!(DAMAGED, labels).set(stats.damaged_bytes as f64);
            counter!("landfall_journal_events_total", labels).absolute(stats.appended_records);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
