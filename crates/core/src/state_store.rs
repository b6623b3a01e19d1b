use std::fmt;
use std::fs::File;
use std::io;

use async_trait::async_trait;
use bytes::Bytes;

/// Small named values that survive the process, kept beside a sink's durable buffer.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Writes `value` under `name`, replacing what was there. Atomic, and durable when it returns.
    ///
    /// # Errors
    /// The disk's error; the old value, if any, is then still there.
    async fn put(&self, name: &str, value: Bytes) -> io::Result<()>;

    /// The value under `name`, if there is one.
    ///
    /// # Errors
    /// The disk's error.
    async fn get(&self, name: &str) -> io::Result<Option<Bytes>>;

    /// All names, sorted.
    ///
    /// # Errors
    /// The disk's error.
    async fn list(&self) -> io::Result<Vec<String>>;

    /// Gives a value another name, atomically and durably.
    ///
    /// # Errors
    /// The disk's error.
    async fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a value; one that is not there is no error.
    ///
    /// # Errors
    /// The disk's error.
    async fn remove(&self, name: &str) -> io::Result<()>;

    /// An empty file to write and read, for what need not be held in memory. It has no name and is gone once it is closed,
    /// however the process ends. `None` where there is no disk for it.
    ///
    /// It blocks for as long as a file takes to open.
    ///
    /// # Errors
    /// The disk's error.
    fn scratch(&self) -> io::Result<Option<File>> {
        Ok(None)
    }
}
