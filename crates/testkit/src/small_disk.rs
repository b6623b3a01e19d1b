use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Set in a test that was started again in a namespace of its own, where it may mount.
const NAMESPACE: &str = "LANDFALL_TEST_NAMESPACE";

/// A file system in memory that is full after a few mebibytes. Unmounted when dropped, also by a test that fails.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Runs `test` with a new disk of `mebibytes`.
    ///
    /// Who may not mount gets a namespace of their own, in which the whole test, `name` as its harness prints it, is run
    /// again. If the system forbids that too, `test` is given no disk, and standard error says so, also where the harness keeps
    /// what a test prints.
    ///
    /// # Panics
    /// As `test` does.
    #[track_caller]
    pub fn with(mebibytes: usize, name: &str, test: impl FnOnce(Option<&SmallDisk>)) {
        match Self::mount(mebibytes) {
            Ok(disk) => test(Some(&disk)),
            Err(refused) => match run_again(name) {
                Some(again) => assert_passed(&again),
                None => {
                    // Not by `eprintln`, which the harness keeps to itself.
                    let _ = writeln!(
                        io::stderr(),
                        "{name}: not tested on a full disk, since none can be mounted here: {refused}"
                    );
                    test(None);
                }
            },
        }
    }

    fn mount(mebibytes: usize) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let size = format!("size={mebibytes}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output()?;
        if mount.status.success() {
            Ok(Self(dir))
        } else {
            Err(io::Error::other(
                String::from_utf8_lossy(&mount.stderr).into_owned(),
            ))
        }
    }

    /// Its root.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the space that is left, until what is returned is dropped.
    ///
    /// # Panics
    /// If writing ends for another reason than lack of space.
    #[track_caller]
    pub fn fill(&self) -> Ballast {
        let ballast = Ballast(self.path().join("ballast"));
        let mut file = File::create(&ballast.0).expect("creating a file on the small disk");
        let full = loop {
            // A page at a time, so that not even one is left.
            if let Err(error) = file.write_all(&[0xba; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that this test left behind would keep it busy.
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.path().display());
        }
    }
}

/// Somebody else's file on a [`SmallDisk`]. Removed when dropped.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        // It fails if the disk is gone already.
        drop(fs::remove_file(&self.0));
    }
}

fn run_again(name: &str) -> Option<Output> {
    if std::env::var_os(NAMESPACE).is_some() {
        return None;
    }
    let may = Command::new("unshare").args(["-rm", "true"]).output();
    if !may.is_ok_and(|may| may.status.success()) {
        return None;
    }
    let this = std::env::current_exe().expect("the running test's own program");
    let again = Command::new("unshare")
        .arg("-rm")
        .arg(this)
        .args(["--exact", name, "--nocapture"])
        .env(NAMESPACE, "1")
        .output();
    Some(again.expect("unshare has just worked"))
}

#[track_caller]
fn assert_passed(again: &Output) {
    let stdout = String::from_utf8_lossy(&again.stdout);
    assert!(
        // Success alone could mean that no test has this name.
        again.status.success() && stdout.contains("1 passed"),
        "failed in a namespace of its own\n{stdout}\n{}",
        String::from_utf8_lossy(&again.stderr)
    );
}
