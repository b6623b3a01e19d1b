use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::{
    Journal,
    disk::{self, Disk, STATE, path},
    journal::blocking,
};

/// Small named files beside the log, for what has to survive with it: plans, indexes.
///
/// Every change is durable when it returns and whole after a crash. On a full disk the journal gives up its
/// [reserve](crate::Options::reserve_bytes) for them. What they hold is the caller's affair, checksums included.
#[derive(Clone, Debug)]
pub struct State(pub(crate) Journal);

impl State {
    /// Creates or replaces a blob. Costs two fsyncs.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is no plain file name, otherwise whatever the file system says. After an error the
    /// blob has either its old or its new contents.
    pub async fn put(&self, name: &str, contents: impl Into<Bytes>) -> io::Result<()> {
        let (name, contents) = (name.to_owned(), contents.into());
        let shared = self.0.shared();
        blocking(move || {
            shared
                .reserve
                .with(|| shared.states.put(&*shared.disk, &name, &contents))
        })
        .await?
    }

    /// The contents of a blob, if there is one of that name.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is no plain file name, otherwise whatever the file system says.
    pub async fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        disk::check_name(name)?;
        let name = path(STATE, name);
        let shared = self.0.shared();
        blocking(move || match disk::read_all(&*shared.disk, &name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            contents => contents.map(Some),
        })
        .await?
    }

    /// All names, sorted.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub async fn list(&self) -> io::Result<Vec<String>> {
        let shared = self.0.shared();
        blocking(move || list(&*shared.disk)).await?
    }

    /// Removes a blob; it is no error if there is none. Costs one fsync.
    ///
    /// # Errors
    /// Whatever the file system says; the blob may then be there or not.
    pub async fn remove(&self, name: &str) -> io::Result<()> {
        disk::check_name(name)?;
        let name = path(STATE, name);
        let shared = self.0.shared();
        blocking(move || {
            let _turn = shared.states.lock();
            match shared.disk.remove(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => shared.disk.sync_dir(STATE),
            }
        })
        .await?
    }

    /// Renames a blob over whatever has the new name. Costs one fsync.
    ///
    /// # Errors
    /// `NotFound` if there is no such blob, `InvalidInput` for a name that is no plain file name, otherwise whatever the file
    /// system says.
    pub async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        disk::check_name(from)?;
        disk::check_name(to)?;
        let (from, to) = (path(STATE, from), path(STATE, to));
        let shared = self.0.shared();
        blocking(move || {
            let rename = || {
                let _turn = shared.states.lock();
                shared.disk.rename(&from, &to)?;
                shared.disk.sync_dir(STATE)
            };
            shared.reserve.with(rename)
        })
        .await?
    }
}

/// Lets changes to state files happen one at a time, as two of one name would share a temporary file.
#[derive(Debug, Default)]
pub(crate) struct States(Mutex<()>);

impl States {
    pub(crate) fn put(&self, disk: &dyn Disk, name: &str, contents: &[u8]) -> io::Result<()> {
        disk::check_name(name)?;
        let _turn = self.lock();
        disk::replace(disk, STATE, name, contents)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn list(disk: &dyn Disk) -> io::Result<Vec<String>> {
    let names = disk.list(STATE)?.into_iter().map(|(name, _)| name);
    let mut names: Vec<_> = names
        .filter(|name| disk::check_name(name).is_ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}
