use std::fmt;

/// A place in the log: the number of bytes before it since the journal was created.
///
/// Positions only grow, over restarts and repairs too, and no two records ever share one: with the
/// [journal's id](crate::Journal::id) a position names a record for good.
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
