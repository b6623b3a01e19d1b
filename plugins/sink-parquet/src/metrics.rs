use std::time::Duration;

use landfall_core::{Activity, Labels, SinkContext, Timestamp};
use metrics::{counter, histogram};

use crate::batch::{Closed, Tally};

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
        metrics.count(Tally::default(), 0, 0);
        metrics
    }

    fn count(&self, tally: Tally, files: u64, bytes: u64) {
        for (name, count) in [
            ("component_sent_events_total", tally.rows()),
            ("component_sent_bytes_total", bytes),
            ("landfall_landed_files_total", files),
            ("landfall_duplicate_events_total", tally.duplicates),
            ("landfall_same_id_events_total", tally.same_id),
            ("landfall_quarantined_events_total", tally.quarantined),
        ] {
            counter!(name, &self.labels).increment(count);
        }
    }

    /// A batch is in the lake, `took` after it was closed.
    pub(crate) fn landed(&self, closed: &Closed, took: Duration) {
        for file in &closed.files {
            let (rows, bytes) = (file.keys.len() as u64, file.content.len() as u64);
            self.activity.landed(file.name.clone(), rows, bytes);
        }
        let files = closed.files.len() as u64;
        self.count(closed.tally, files, closed.byte_size() as u64);
        if files > 0 {
            let waited = Timestamp::now().since(closed.received.0);
            self.record("landfall_landing_lag_seconds", waited.as_secs_f64());
            self.record("landfall_batch_seconds", took.as_secs_f64());
            self.record("landfall_batch_events", closed.tally.rows() as f64);
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
