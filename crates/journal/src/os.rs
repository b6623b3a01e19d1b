use std::{
    any::Any,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::disk::{Disk, DiskFile, STEP};

/// The operating system's file system.
#[derive(Debug)]
pub(crate) struct OsDisk {
    root: PathBuf,
}

impl OsDisk {
    pub(crate) fn new(root: impl AsRef<Path>) -> Self {
        Self {
            root: root.as_ref().to_owned(),
        }
    }
}

impl Disk for OsDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        let path = self.root.join(dir);
        if path.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&path)?;
        // A directory is an entry of its parent: without this the journal itself could vanish with the power.
        for parent in path.ancestors().skip(1) {
            let parent = if parent == Path::new("") {
                Path::new(".")
            } else {
                parent
            };
            match File::open(parent) {
                Ok(parent) => parent.sync_all()?,
                // Not ours to read, so not ours to have created.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.root.join(dir))? {
            let entry = entry?;
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => {
                    // The journal's own names are ASCII; whatever else lies here is not its business.
                    if let Ok(name) = entry.file_name().into_string() {
                        files.push((name, metadata.len()));
                    }
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(files)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::open(self.root.join(name))?))
    }

    fn open_write(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.root.join(name);
        Ok(Arc::new(
            OpenOptions::new().read(true).write(true).open(path)?,
        ))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::create_new(self.root.join(name))?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        let file = OpenOptions::new().write(true).open(&path);
        fs::remove_file(path)?;
        // It is gone. What it took is freed here, or else by whoever closes it last, in one go.
        let _ = file.and_then(|file| shrink(&file));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.root.join(dir))?.sync_all()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn Any + Send + Sync>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Cuts a file that has no name any more down to nothing, step by step.
fn shrink(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    let is_nameless = metadata.nlink() == 0;
    let mut len = if is_nameless { metadata.len() } else { 0 };
    while len > 0 {
        len = len.saturating_sub(STEP as u64);
        file.set_len(len)?;
    }
    Ok(())
}

impl DiskFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)?;
        match self.metadata()?.nlink() {
            0 => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "somebody has removed the file",
            )),
            _ => Ok(()),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_file_is_freed_at_once_unless_it_has_another_name() {
        let directory = tempfile::tempdir().unwrap();
        let disk = OsDisk::new(directory.path());
        for other_name in [false, true] {
            let file = disk.create("a").unwrap();
            file.write_at(b"end", 2 * STEP as u64).unwrap();
            let len = file.size().unwrap();
            if other_name {
                fs::hard_link(directory.path().join("a"), directory.path().join("b")).unwrap();
            }
            disk.remove("a").unwrap();
            let left = if other_name { len } else { 0 };
            assert_eq!(file.size().unwrap(), left);
        }
    }
}
