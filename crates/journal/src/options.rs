use std::{fmt, sync::Arc, time::Duration};

use landfall_core::Seldom;

use crate::segment::{HEADER, record_len};

/// Limits of a journal. They can change from one opening to the next.
#[derive(Clone, Debug)]
pub struct Options {
    /// A segment that reached this many bytes gets a successor. Space is freed by whole segments. Default 32 MiB.
    pub segment_bytes: u64,
    /// The most that all segments may take together, records on their way included. Default: no limit.
    ///
    /// Segments, records and the pending buffer are each held to a quarter of it, so that a journal whose readers have
    /// committed everything always has room for the next record.
    pub max_bytes: u64,
    /// The largest payload that is accepted. Default 16 MiB.
    pub max_record_bytes: usize,
    /// How many bytes may wait for the next fsync; further appends wait for it to begin. The same again is in memory while
    /// it is being written. Default 8 MiB.
    pub max_pending_bytes: usize,
    /// Bytes that are set aside so that a full disk cannot keep readers from making progress; 0 sets none aside. Default
    /// 16 MiB.
    pub reserve_bytes: u64,
    /// How long to wait between attempts to set the reserve aside again. Default 100 ms.
    pub reserve_retry: Duration,
    /// Told how long each fsync took. Default: nobody.
    pub on_sync: OnSync,
    /// Whose journal it is, as its lines in the log say. Default: nobody's.
    pub seldom: Seldom,
}

/// What is called after each fsync, by the thread that all appends wait for: it must not block.
#[derive(Clone)]
pub struct OnSync(Arc<dyn Fn(Duration) + Send + Sync>);

impl OnSync {
    /// Calls `observe`.
    pub fn new(observe: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    pub(crate) fn tell(&self, took: Duration) {
        (self.0)(took);
    }
}

impl Default for OnSync {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for OnSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnSync")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 32 << 20,
            max_bytes: u64::MAX,
            max_record_bytes: 16 << 20,
            max_pending_bytes: 8 << 20,
            reserve_bytes: 16 << 20,
            reserve_retry: Duration::from_millis(100),
            on_sync: OnSync::default(),
            seldom: Seldom::default(),
        }
    }
}

impl Options {
    /// Brings the limits into the proportions that [`max_bytes`](Self::max_bytes) describes.
    pub(crate) fn balanced(mut self) -> Self {
        let quarter = (self.max_bytes / 4).saturating_sub(HEADER as u64);
        // Positions, record lengths and permits are counted in 32 bits within a group.
        let quarter = quarter.min(1 << 30);
        let largest = (quarter as usize).saturating_sub(record_len(0)) & !3;
        self.segment_bytes = self.segment_bytes.min(quarter);
        self.max_record_bytes = self.max_record_bytes.min(largest);
        self.max_pending_bytes = self.max_pending_bytes.clamp(1, (quarter as usize).max(1));
        self
    }
}
