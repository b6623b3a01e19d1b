use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// One webhook request that was accepted: its bytes, and when they came.
///
/// The body is kept byte for byte from the socket to the `payload` column; whoever needs its fields parses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the source accepted the event, by this machine's clock.
    pub received_at: Timestamp,
    /// The request body, exactly as it was sent.
    pub body: Bytes,
    /// Where the event stands in the durable buffer it was read from; `None` when it came straight from a source.
    pub position: Option<Position>,
}

impl Event {
    /// An event that comes straight from a source.
    pub fn new(received_at: Timestamp, body: impl Into<Bytes>) -> Self {
        Self {
            received_at,
            body: body.into(),
            position: None,
        }
    }
}

/// A place in a durable log: the number of bytes before it since the log was created.
///
/// Positions only grow, over restarts and repairs too, and no two records ever share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position with `bytes` bytes before it, as [`get`](Self::get) gave it.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes before this position, to store or to name files with.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// What the system clock says now.
    pub fn now() -> Self {
        let now = SystemTime::now();
        let millis = now.duration_since(UNIX_EPOCH).map_or_else(
            |before| -(before.duration().as_millis() as i64),
            |after| after.as_millis() as i64,
        );
        Self(millis)
    }

    /// The time `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// How long it is since `earlier`; zero if that is later, as with a clock that was set back.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// Milliseconds since the Unix epoch; negative before it.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}
