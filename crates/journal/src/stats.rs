use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::Position;

/// Bytes of the log that hold no record and should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the unreadable bytes begin.
    pub position: Position,
    /// How many there are.
    pub len: u64,
    /// Where in the log the damage is.
    pub kind: DamageKind,
}

/// Where in the log damage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// A segment's header. Its records are not affected.
    Header,
    /// Between two records, or before the first.
    Middle,
    /// After the last whole record of the newest segment: what a crash in the middle of a write leaves.
    Tail,
    /// The bytes are not there at all, or zero up to the segment's end: a file was cut, removed or never arrived on disk.
    Missing,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "a segment's header",
            Self::Middle => "between records",
            Self::Tail => "a torn tail",
            Self::Missing => "missing",
        })
    }
}

/// What a journal holds and has done since it was opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes that the segments take on disk.
    pub bytes: u64,
    /// Those of them that the slowest reader has not committed.
    pub uncommitted_bytes: u64,
    /// Number of segments.
    pub segments: usize,
    /// Where the durable log ends.
    pub end: Position,
    /// Committed position of each reader.
    pub cursors: BTreeMap<String, Position>,
    /// Records acknowledged.
    pub appended_records: u64,
    /// Bytes of these, with record headers and padding.
    pub appended_bytes: u64,
    /// Damaged places found.
    pub damages: u64,
    /// How many of these were torn tails.
    pub torn_tails: u64,
    /// Bytes in all damaged places but torn tails, of which nothing was acknowledged.
    pub damaged_bytes: u64,
    /// Times that records were made durable.
    pub fsyncs: u64,
    /// Time spent on that.
    pub fsync_total: Duration,
    /// Time that the last one took.
    pub fsync_last: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) appended_records: AtomicU64,
    pub(crate) appended_bytes: AtomicU64,
    pub(crate) damages: AtomicU64,
    pub(crate) torn_tails: AtomicU64,
    pub(crate) damaged_bytes: AtomicU64,
    pub(crate) fsyncs: AtomicU64,
    pub(crate) fsync_total_nanos: AtomicU64,
    pub(crate) fsync_last_nanos: AtomicU64,
}

impl Counters {
    pub(crate) fn appended(&self, records: u64, bytes: u64) {
        self.appended_records.fetch_add(records, Relaxed);
        self.appended_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn synced(&self, took: Duration) {
        let nanos = took.as_nanos() as u64;
        self.fsyncs.fetch_add(1, Relaxed);
        self.fsync_total_nanos.fetch_add(nanos, Relaxed);
        self.fsync_last_nanos.store(nanos, Relaxed);
    }

    pub(crate) fn damaged(&self, damage: &Damage) {
        self.damages.fetch_add(1, Relaxed);
        if damage.kind == DamageKind::Tail {
            self.torn_tails.fetch_add(1, Relaxed);
        } else {
            self.damaged_bytes.fetch_add(damage.len, Relaxed);
        }
    }
}
