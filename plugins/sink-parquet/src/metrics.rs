use std::time::Duration;

use landfall_core::{Activity, Labels, SinkContext, Timestamp};
use metrics::{counter, histogram};

use crate::batch::{Closed, Tally};

/// What [`Metrics::count`] adds to.
const COUNTERS: [&str; 6] = [
    "component_sent_events_total",
    "component_sent_bytes_total",
    "landfall_landed_files_total",
    "landfall_duplicate_events_total",
    "landfall_same_id_events_total",
    "landfall_quarantined_events_total",
];

/// What a sink counts. Its series carry the sink's name, and are the same whatever it lands on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    labels: Labels,
    activity: Activity,
}

impl Metrics {
    pub(crate) fn of(context: &SinkContext) -> Self {
        let metrics = Self {
            labels: context.labels(),
            activity: context.activity.clone(),
        };
        // From the beginning, so that an alert sees the first quarantined event as an increase.
        metrics.count([0; 6]);
        metrics
    }

    /// Adds to the counters of events and files.
    fn count(&self, counts: [u64; 6]) {
        for (name, count) in COUNTERS.into_iter().zip(counts) {
            counter!(name, &self.labels).increment(count);
        }
    }

    /// A batch is in the lake, `took` after it was closed.
    pub(crate) fn landed(&self, closed: &Closed, took: Duration) {
        let Tally {
            events,
            quarantined,
            duplicates,
            same_id,
        } = closed.tally;
        for file in &closed.files {
            let (rows, bytes) = (file.keys.len() as u64, file.content.len() as u64);
            self.activity.landed(file.name.clone(), rows, bytes);
        }
        let files = closed.files.len() as u64;
        self.count([
            events + quarantined,
            closed.byte_size() as u64,
            files,
            duplicates,
            same_id,
            quarantined,
        ]);
        if files > 0 {
            // A clock that was set back must not tell of a negative time.
            let waited = Timestamp::now().as_millis() - closed.received.0.as_millis();
            self.record(
                "landfall_landing_lag_seconds",
                waited.max(0) as f64 / 1000.0,
            );
            self.record("landfall_batch_seconds", took.as_secs_f64());
            self.record("landfall_batch_events", (events + quarantined) as f64);
            for file in &closed.files {
                self.record("landfall_file_bytes", file.content.len() as f64);
            }
        }
    }

    /// One file was put, in parts or as a whole.
    pub(crate) fn put(&self, took: Duration) {
        self.record("landfall_put_seconds", took.as_secs_f64());
    }

    /// An attempt failed, and another will be made.
    pub(crate) fn failed(&self, code: &'static str) {
        let mut labels = self.labels.to_vec();
        labels.push(("error_type", "landing_failed".to_owned()));
        labels.push(("error_code", code.to_owned()));
        counter!("component_errors_total", &labels).increment(1);
    }

    fn record(&self, name: &'static str, value: f64) {
        histogram!(name, &self.labels).record(value);
    }
}
