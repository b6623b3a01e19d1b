use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Process;
use crate::services::{self, Venv};

const LIMIT: Duration = Duration::from_secs(120);

/// The folder that holds the workspace's `Cargo.toml`.
pub fn workspace_root() -> PathBuf {
    let this_crate = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = this_crate.ancestors().nth(2);
    root.expect("this crate lies two folders below the workspace's root")
        .to_owned()
}

/// Runs `tests/python/<script>` with the tests' own Python environment, and returns what it printed.
///
/// # Panics
/// If the environment is not installed, or the script fails: then with all that it said.
#[track_caller]
pub fn python<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> String {
    let services = services::directory().expect("the folder of the tests' services");
    let interpreter = match Venv::inside(&services).installed_python() {
        Ok(interpreter) => interpreter,
        Err(not_installed) => panic!("{not_installed}"),
    };
    let mut command = Command::new(interpreter);
    command
        .arg(workspace_root().join("tests/python").join(script))
        .args(args)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let ended = Process::spawn(&mut command).wait(LIMIT);
    assert_eq!(ended.code, Some(0), "{script} failed\n{ended}");
    ended.stdout
}
