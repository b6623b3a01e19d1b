mod read;
mod record;
mod state;
mod waiting;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use landfall_core::{Labels, Seldom, StateStore};
use landfall_journal::{Journal, OnSync, Options};
use metrics::histogram;

use self::state::State;
use self::waiting::Waiting;
use crate::{BufferConfig, WhenFull};

pub(crate) use self::read::DELIVERIES_AHEAD;
pub use self::record::decode_record;

/// The journal's one reader.
const CURSOR: &str = "sink";

/// A durable buffer: deliveries are acknowledged once they are fsynced, and given to the sink from disk.
#[derive(Clone, Debug)]
pub(crate) struct DiskBuffer {
    journal: Journal,
    directory: PathBuf,
    /// Whether deliveries wait for room. It may change while the buffer is in use.
    waits: Arc<AtomicBool>,
    waiting: Waiting,
    seldom: Seldom,
}

impl DiskBuffer {
    pub(crate) async fn open(
        directory: &Path,
        config: &BufferConfig,
        labels: &Labels,
    ) -> Result<Self, String> {
        let fsync_time = histogram!("landfall_journal_fsync_seconds", labels);
        let seldom = Seldom::new(labels.clone());
        let options = Options {
            on_sync: OnSync::new(move |took| fsync_time.record(took)),
            seldom: seldom.clone(),
            max_bytes: config.max_size,
            ..Options::default()
        };
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", directory.display());
        let journal = Journal::open(directory, options).await;
        let journal = journal.map_err(|error| failed(&error))?;
        // Now rather than when the sink begins, so that a disk that refuses it is known at the start.
        let cursor = journal.reader(CURSOR).await;
        let cursor = cursor.map_err(|error| failed(&error))?;
        let backlog = cursor.position()..journal.end();
        let buffer = Self {
            waiting: Waiting::count(directory, backlog),
            journal,
            directory: directory.to_owned(),
            waits: Arc::default(),
            seldom,
        };
        buffer.adjust(config);
        Ok(buffer)
    }

    /// Takes over what can change while the buffer is in use: `when_full`, and a `max_size` that is raised.
    pub(crate) fn adjust(&self, config: &BufferConfig) {
        self.waits
            .store(config.when_full == WhenFull::Block, Relaxed);
        self.journal.raise_max_bytes(config.max_size);
    }

    /// Tells this data directory from all others.
    pub(crate) fn home_id(&self) -> String {
        let id = self.journal.id();
        let (short, _) = id.split_at(8);
        hex::encode(short)
    }

    pub(crate) fn state(&self) -> Arc<dyn StateStore> {
        Arc::new(State {
            blobs: self.journal.state(),
            directory: self.directory.clone(),
        })
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How many events the sink has not answered for; `None` while those of earlier runs are being counted.
    pub(crate) fn events(&self) -> Option<u64> {
        self.waiting.left(self.journal.stats().appended_records)
    }
}

/// Whether a journal lives in `directory`.
pub(crate) fn is_journal(directory: &Path) -> bool {
    directory.join("identity").is_file()
}

#[cfg(test)]
mod tests;
