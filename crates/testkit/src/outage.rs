use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A directory that is out of reach for a while: a file stands in its place, so that not even root can use it.
///
/// Ends when it is dropped.
#[derive(Debug)]
pub struct Outage {
    directory: PathBuf,
    aside: PathBuf,
}

impl Outage {
    /// Puts a file in the place of `directory`, in one step: a program that makes missing directories finds no moment
    /// at which it is missing.
    ///
    /// # Panics
    /// If there is no such directory, or its file system cannot exchange two names.
    #[track_caller]
    pub fn of(directory: &Path) -> Self {
        let aside = directory.with_extension("away");
        std::fs::write(&aside, "in the place of a directory").expect("writing beside a directory");
        let outage = Self {
            directory: directory.to_owned(),
            aside,
        };
        outage.exchange();
        outage
    }

    /// Puts the directory back.
    pub fn end(self) {}

    fn exchange(&self) {
        renameat_with(
            CWD,
            &self.directory,
            CWD,
            &self.aside,
            RenameFlags::EXCHANGE,
        )
        .expect("exchanging a directory with a file");
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.exchange();
        std::fs::remove_file(&self.aside).expect("removing the file that stood for a directory");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_directory_cannot_be_used_until_its_outage_ends() {
        let dir = tempfile::tempdir().unwrap();
        let lake = dir.path().join("lake");
        fs::create_dir(&lake).unwrap();
        fs::write(lake.join("kept"), "").unwrap();
        let outage = Outage::of(&lake);
        assert!(fs::create_dir_all(lake.join("events")).is_err());
        outage.end();
        assert!(lake.join("kept").is_file());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
