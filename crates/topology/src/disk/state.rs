use std::fs::File;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use landfall_core::StateStore;

/// The journal's blobs, as a sink sees them.
#[derive(Debug)]
pub(super) struct State {
    pub(super) blobs: landfall_journal::State,
    /// The journal's.
    pub(super) directory: PathBuf,
}

#[async_trait]
impl StateStore for State {
    async fn put(&self, name: &str, value: Bytes) -> io::Result<()> {
        self.blobs.put(name, value).await
    }

    async fn get(&self, name: &str) -> io::Result<Option<Bytes>> {
        Ok(self.blobs.get(name).await?.map(Bytes::from))
    }

    async fn list(&self) -> io::Result<Vec<String>> {
        self.blobs.list().await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.blobs.rename(from, to).await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.blobs.remove(name).await
    }

    fn scratch(&self) -> io::Result<Option<File>> {
        tempfile::tempfile_in(&self.directory).map(Some)
    }
}
