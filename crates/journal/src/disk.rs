//! All that the journal asks of a file system, so that tests can put a failing one in its place.

use std::{any::Any, fmt, io, sync::Arc};

use crate::{Position, segment::MAX_BASE};

/// How many bytes of a file are made durable, or freed, in one go. Each fsync waits for what the disk is doing, and senders wait
/// for those of the log.
pub(crate) const STEP: usize = 1 << 20;

/// A directory that holds one journal. Names are relative to it; `/` separates the one level of folders, and `""`
/// is the directory itself.
///
/// Nothing but [`DiskFile::sync_data`] and [`sync_dir`](Self::sync_dir) makes anything durable.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a directory durably, unless it is there.
    fn create_dir(&self, dir: &str) -> io::Result<()>;
    /// Name and length of each file in a directory, in any order.
    fn list(&self, dir: &str) -> io::Result<Vec<(String, u64)>>;
    /// Opens a file to read.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file to read and write in place.
    fn open_write(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates an empty file; fails with `AlreadyExists` if the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Renames a file over whatever has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes creations, removals and renames in a directory durable.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Takes an exclusive lock, held until the returned guard is dropped; fails with `WouldBlock` if another has it.
    fn lock(&self, name: &str) -> io::Result<Box<dyn Any + Send + Sync>>;
}

/// An open file.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads into `buffer` from `offset` on and returns how many bytes there were, 0 only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes`. After an error any part of them may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes contents and length durable. After an error nothing written since the last success can be relied on,
    /// whatever a later call says. A file that has been removed cannot be made durable: it ends with the process.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts the file.
    fn truncate(&self, len: u64) -> io::Result<()>;
}

/// Reads up to `len` bytes from `offset` on; fewer only where the file ends.
pub(crate) fn read(file: &dyn DiskFile, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads a small file whole.
pub(crate) fn read_all(disk: &dyn Disk, name: &str) -> io::Result<Vec<u8>> {
    let file = disk.open(name)?;
    let len = file.size()?;
    read(&*file, 0, len as usize)
}

/// Gives a file in `dir` new contents, durably: after a crash it has either the old or the new ones, whole.
pub(crate) fn replace(disk: &dyn Disk, dir: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (tmp, name) = (path(dir, &format!("{name}{TMP}")), path(dir, name));
    let _ = disk.remove(&tmp);
    let written = disk.create(&tmp).and_then(|file| {
        for (number, step) in bytes.chunks(STEP).enumerate() {
            file.write_at(step, (number * STEP) as u64)?;
            file.sync_data()?;
        }
        disk.rename(&tmp, &name)?;
        disk.sync_dir(dir)
    });
    if written.is_err() {
        let _ = disk.remove(&tmp);
    }
    written
}

/// The name of a file in a folder.
pub(crate) fn path(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// Refuses names that could leave their folder or collide with the journal's own.
pub(crate) fn check_name(name: &str) -> io::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = (1..=128).contains(&name.len()) && name.chars().all(plain);
    if good && !name.starts_with('.') && !name.ends_with(TMP) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "{name:?} is no name: use 1 to 128 of A-Z a-z 0-9 . _ -, no leading dot, no trailing {TMP}"
        ),
    ))
}

pub(crate) const IDENTITY: &str = "identity";
pub(crate) const LOCK: &str = "lock";
pub(crate) const STATE: &str = "state";
pub(crate) const CURSOR: &str = ".cursor";
pub(crate) const TMP: &str = ".tmp";

/// The file name of the segment that begins at `base`. 20 digits hold any u64, so that names sort as positions do.
pub(crate) fn segment_name(base: u64) -> String {
    format!("{base:020}.seg")
}

/// The name under which the bytes damaged at `position` are kept.
pub(crate) fn damaged_name(position: Position) -> String {
    format!("{position:020}.damaged")
}

/// The base that a segment's file name states.
pub(crate) fn segment_base(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let base = digits.parse().ok()?;
    (segment_name(base) == name && base % 4 == 0 && base <= MAX_BASE).then_some(base)
}
