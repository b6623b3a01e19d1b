use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

/// The directories that files are being written into, once for each file.
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static ENDED: Condvar = Condvar::new();

/// A file that is being written into a local directory.
///
/// It goes on in its thread when the sink that has begun it is given up, as a reload does after some seconds. Who comes after
/// that sink must wait: the file may appear, and take a name, until then.
#[derive(Debug)]
pub(crate) struct Writing(PathBuf);

impl Writing {
    pub(crate) fn begin(directory: &Path) -> Self {
        let mut directories = DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner);
        directories.push(directory.to_owned());
        Self(directory.to_owned())
    }

    /// Blocks until no file is being written into `directory`.
    pub(crate) fn wait_until_none(directory: &Path) {
        let directories = DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner);
        let is_written =
            |directories: &mut Vec<PathBuf>| directories.iter().any(|written| written == directory);
        drop(ENDED.wait_while(directories, is_written));
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut directories = DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = directories.iter().position(|written| *written == self.0) {
            directories.swap_remove(own);
        }
        ENDED.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn who_comes_after_waits_for_all_files_of_its_directory_and_no_other() {
        let (own, other) = (Path::new("own"), Path::new("other"));
        let (_other, files) = (Writing::begin(other), [own, own].map(Writing::begin));
        let (waited, waits) = mpsc::channel();
        let waiting = thread::spawn(move || {
            Writing::wait_until_none(own);
            waited.send(())
        });
        for file in files {
            assert!(waits.try_recv().is_err());
            drop(file);
        }
        waiting.join().unwrap().unwrap();
        waits.recv().unwrap();
    }
}
