use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::object_store::installed;
use crate::{ObjectStore, Process, free_address};

/// An S3-compatible store that takes no notice of conditions on a put, as some do: rclone before a directory. It has the
/// bucket and the keys of [`ObjectStore`]. Killed when dropped.
#[derive(Debug)]
pub struct LenientStore {
    // Before its folder: the process must not outlive it.
    _process: Process,
    dir: TempDir,
    address: SocketAddr,
}

impl LenientStore {
    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// If it is not installed, or does not listen within a minute.
    #[track_caller]
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("making a temporary folder");
        std::fs::create_dir(dir.path().join(ObjectStore::BUCKET)).expect("making the bucket");
        let address = free_address();
        let keys = format!("{},{}", ObjectStore::ACCESS_KEY, ObjectStore::SECRET_KEY);
        let mut command = Command::new(installed("rclone"));
        command
            // The developer's own settings have no say.
            .args(["--config", "", "serve", "s3", "--auth-key", &keys])
            .args(["--addr", &address.to_string()])
            .arg(dir.path());
        let mut process = Process::spawn(&mut command);
        process.wait_until("rclone listens", |_| TcpStream::connect(address).is_ok());
        Self {
            _process: process,
            dir,
            address,
        }
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client calls its endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The folder in which everything below `prefix` stands as files.
    pub fn directory(&self, prefix: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(ObjectStore::BUCKET).join(prefix)
    }
}
