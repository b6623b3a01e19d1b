use std::{io, sync::Arc};

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process (or another part of this one) has the journal open.
    #[error(
        "another process has this journal open: stop it, or give this one a directory of its own"
    )]
    Locked,
    /// A newer release wrote it.
    #[error(
        "the journal has format version {found}, this release reads up to {known}: use the release that wrote it"
    )]
    Version {
        /// The version that the directory states.
        found: u32,
        /// The newest version that this release understands.
        known: u32,
    },
    /// The identity is lost or another journal's, so that no record could be checked. Nothing was changed.
    #[error("{0}: restore the file `identity`, or move the directory away to start anew")]
    Identity(&'static str),
    /// The file system refused.
    #[error("cannot open the journal: {0}")]
    Io(#[from] io::Error),
}

/// Why a record was not acknowledged. It may be on disk all the same, but was never promised.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The journal holds [`max_bytes`](crate::Options::max_bytes); readers have to commit first.
    #[error("the journal is full: it holds max_bytes until its readers commit")]
    Full,
    /// The file system has no space left, or too little to restore the journal's reserve.
    #[error("the disk is full: free some space and the journal resumes by itself")]
    DiskFull,
    /// The record can never fit.
    #[error("a record of {len} bytes exceeds the limit of {max} bytes")]
    TooLarge {
        /// Bytes in the refused payload.
        len: usize,
        /// Bytes in the largest payload that the options allow.
        max: usize,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// The file system refused; the next append tries again in a new segment.
    #[error("the journal could not be written: {0}")]
    Io(Arc<io::Error>),
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) {
            Self::DiskFull
        } else {
            Self::Io(Arc::new(error))
        }
    }
}

/// Whether the file system or a quota on it ran out of space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
