use std::time::Duration;

use landfall_core::Timestamp;
use metrics::{SharedString, counter, histogram};

use crate::batch::{Closed, Tally};

/// What a sink counts. Its series carry the sink's name, and are the same whatever it lands on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    component_id: SharedString,
}

impl Metrics {
    pub(crate) fn of(component_id: &str) -> Self {
        let component_id = component_id.to_owned().into();
        Self { component_id }
    }

    /// A batch is in the lake.
    pub(crate) fn landed(&self, closed: &Closed) {
        let Tally {
            events,
            quarantined,
            duplicates,
            same_id,
        } = closed.tally;
        let files = closed.files.len() as u64;
        for (name, count) in [
            ("component_sent_events_total", events + quarantined),
            ("component_sent_bytes_total", closed.byte_size() as u64),
            ("landfall_landed_files_total", files),
            ("landfall_duplicate_events_total", duplicates),
            ("landfall_same_id_events_total", same_id),
            ("landfall_quarantined_events_total", quarantined),
        ] {
            counter!(name, "component_id" => self.component_id.clone()).increment(count);
        }
        if files > 0 {
            // A clock that was set back must not tell of a negative time.
            let waited = Timestamp::now().as_millis() - closed.received.0.as_millis();
            self.record(
                "landfall_landing_lag_seconds",
                waited.max(0) as f64 / 1000.0,
            );
        }
    }

    /// One file was put, in parts or as a whole.
    pub(crate) fn put(&self, took: Duration) {
        self.record("landfall_put_seconds", took.as_secs_f64());
    }

    /// An attempt failed, and another will be made.
    pub(crate) fn failed(&self, code: &'static str) {
        counter!(
            "component_errors_total",
            "component_id" => self.component_id.clone(),
            "error_type" => "landing_failed",
            "error_code" => code
        )
        .increment(1);
    }

    fn record(&self, name: &'static str, seconds: f64) {
        histogram!(name, "component_id" => self.component_id.clone()).record(seconds);
    }
}
