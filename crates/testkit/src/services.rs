//! Where the programs live that tests need beside Landfall. `cargo xtask services install` puts them there.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

/// Names another folder for the services than the one below cargo's target directory.
pub const SERVICES_VARIABLE: &str = "LANDFALL_SERVICES";

/// The folder of the services: `$LANDFALL_SERVICES`, else `services` in cargo's target directory.
///
/// The target directory is found from the running executable, which lies inside it, so that `CARGO_TARGET_DIR` and
/// `build.target-dir` need no reading.
///
/// # Errors
/// `NotFound` if the executable was copied out of a target directory.
pub fn directory() -> io::Result<PathBuf> {
    if let Some(directory) = env::var_os(SERVICES_VARIABLE) {
        return Ok(directory.into());
    }
    let executable = env::current_exe()?;
    below_target(&executable).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "{} is in no cargo target directory; set {SERVICES_VARIABLE}",
                executable.display()
            ),
        )
    })
}

/// What cargo writes into the root of a target directory. The tag is missing where somebody else made the directory.
const MARKS: [&str; 2] = ["CACHEDIR.TAG", ".rustc_info.json"];

fn below_target(executable: &Path) -> Option<PathBuf> {
    executable
        .ancestors()
        .find(|ancestor| MARKS.iter().any(|mark| ancestor.join(mark).is_file()))
        .map(|target| target.join("services"))
}

/// The Python environment inside the services folder.
#[derive(Clone, Debug)]
pub struct Venv(PathBuf);

impl Venv {
    /// The environment inside the folder `services`, installed or not.
    pub fn inside(services: &Path) -> Self {
        Self(services.join("venv"))
    }

    /// The environment's own folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The environment's interpreter.
    pub fn python(&self) -> PathBuf {
        self.0.join("bin").join("python")
    }

    /// The file that is written last by an installation, and says what was installed.
    pub fn stamp(&self) -> PathBuf {
        self.0.join("installed.txt")
    }

    /// The interpreter, if the environment was installed to the end.
    ///
    /// # Errors
    /// [`NotInstalled`] if it was not.
    pub fn installed_python(&self) -> Result<PathBuf, NotInstalled> {
        if self.stamp().is_file() {
            Ok(self.python())
        } else {
            Err(NotInstalled(self.0.clone()))
        }
    }
}

/// The Python environment is not there, or its installation did not end.
#[derive(Debug, thiserror::Error)]
#[error(
    "the tests' Python environment is not installed at {}: run `cargo xtask services install`",
    .0.display()
)]
pub struct NotInstalled(PathBuf);

/// A Chromium and the driver through which tests speak to it.
#[derive(Clone, Debug)]
pub struct Chromium {
    /// The browser's program.
    pub browser: PathBuf,
    /// That of `chromedriver`.
    pub driver: PathBuf,
    /// Where packages were unpacked, if it is not the machine's own.
    root: Option<PathBuf>,
}

impl Chromium {
    /// The folder inside the folder `services` that holds it where the machine has none.
    pub fn folder(services: &Path) -> PathBuf {
        services.join("chromium")
    }

    /// The machine's own, else the one that was installed inside the folder `services`.
    ///
    /// # Errors
    /// [`NoBrowser`] if there is neither.
    pub fn find(services: &Path) -> Result<Self, NoBrowser> {
        let on_path = |name: &str| {
            let folders = env::var_os("PATH").unwrap_or_default();
            let mut files = env::split_paths(&folders).map(|folder| folder.join(name));
            files.find(|file| file.is_file())
        };
        if let (Some(browser), Some(driver)) = (on_path("chromium"), on_path("chromedriver")) {
            let root = None;
            return Ok(Self {
                browser,
                driver,
                root,
            });
        }
        let root = Self::folder(services).join("root");
        let browser = root.join("usr/lib/chromium/chromium");
        let driver = root.join("usr/bin/chromedriver");
        // The folder is given its name once all is in it.
        if !(browser.is_file() && driver.is_file()) {
            return Err(NoBrowser(root));
        }
        let root = Some(root);
        Ok(Self {
            browser,
            driver,
            root,
        })
    }

    /// What its processes need in their environment.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let Some(root) = &self.root else {
            return Vec::new();
        };
        let fonts = root.with_file_name("fonts.conf");
        vec![
            ("LD_LIBRARY_PATH", root.with_file_name("libraries")),
            ("FONTCONFIG_FILE", fonts),
        ]
    }
}

/// There is no browser.
#[derive(Debug, thiserror::Error)]
#[error(
    "neither the commands chromium and chromedriver are there nor {}: run `cargo xtask services install`",
    .0.display()
)]
pub struct NoBrowser(PathBuf);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_lie_in_the_target_directory_that_holds_the_executable() {
        for mark in MARKS {
            let target = tempfile::tempdir().unwrap();
            std::fs::write(target.path().join(mark), "").unwrap();
            let expected = Some(target.path().join("services"));
            for executable in [
                "debug/xtask",
                "debug/deps/main_job-0123",
                "x86_64-unknown-linux-musl/release/deps/main_job-0123",
            ] {
                assert_eq!(below_target(&target.path().join(executable)), expected);
            }
        }
    }

    #[test]
    fn a_venv_without_its_stamp_is_not_installed() {
        let services = tempfile::tempdir().unwrap();
        let venv = Venv::inside(services.path());
        let error = venv.installed_python().unwrap_err().to_string();
        assert!(error.contains("cargo xtask services install"), "{error}");

        std::fs::create_dir(venv.path()).unwrap();
        std::fs::write(venv.stamp(), "").unwrap();
        assert_eq!(venv.installed_python().unwrap(), venv.python());
    }
}
