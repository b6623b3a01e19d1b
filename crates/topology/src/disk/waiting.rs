use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use landfall_core::Position;
use landfall_journal::export;
use tokio::task::spawn_blocking;

/// How many events of a journal wait for its sink. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// What earlier runs had left.
    found: OnceLock<u64>,
    /// Those that the sink has answered for since.
    answered: AtomicU64,
}

impl Waiting {
    /// Counts what stands in `backlog` in the background: a journal knows bytes, and is opened without being read.
    pub(super) fn count(directory: &Path, backlog: Range<Position>) -> Self {
        let waiting = Self::default();
        if backlog.is_empty() {
            let _ = waiting.0.found.set(0);
            return waiting;
        }
        let (directory, counts) = (directory.to_owned(), Arc::clone(&waiting.0));
        spawn_blocking(move || {
            let Ok(records) = export(directory) else {
                return;
            };
            let records = records.map_while(Result::ok);
            let records = records.take_while(|record| record.position < backlog.end);
            let found = records.filter(|record| record.position >= backlog.start);
            let _ = counts.found.set(found.count() as u64);
        });
        waiting
    }

    /// The sink has answered for so many.
    pub(super) fn answered(&self, events: usize) {
        self.0.answered.fetch_add(events as u64, Relaxed);
    }

    /// How many are left when `appended` came since the journal was opened.
    pub(super) fn left(&self, appended: u64) -> Option<u64> {
        let all = self.0.found.get()? + appended;
        Some(all.saturating_sub(self.0.answered.load(Relaxed)))
    }
}
