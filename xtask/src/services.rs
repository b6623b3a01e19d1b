use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use landfall_testkit::services::{Venv, directory};

use crate::step::{run, workspace_root};

const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// Installs the Python environment of `tests/python` below the target directory, unless it is there already.
pub(crate) fn install() -> anyhow::Result<()> {
    let services = directory()?;
    fs::create_dir_all(&services).with_context(|| format!("creating {}", services.display()))?;

    // Two checkouts that share a target directory share the environment: one of them installs, the other waits.
    let lock = fs::File::create(services.join("install.lock"))?;
    lock.lock().context("waiting for another installation")?;

    let requirements = workspace_root()?.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("reading {}", requirements.display()))?;
    let venv = Venv::inside(&services);
    if is_installed(&venv, &wanted) {
        println!("    already installed: {}", venv.path().display());
        return Ok(());
    }

    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    run(
        Command::new(&python)
            .args(["-m", "venv", "--clear"])
            .arg(venv.path()),
        "Python 3.11 or newer with its venv module is needed (on Debian: apt-get install python3-venv). \
         Another interpreter than python3 can be named by PYTHON.",
    )?;
    run(
        Command::new(venv.python())
            .args([
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--quiet",
            ])
            .arg("--requirement")
            .arg(&requirements),
        "pip must reach a Python package index; it is used with the configuration that it has.",
    )?;
    // Last, so that an installation that was interrupted is done again.
    fs::write(venv.stamp(), stamp(&venv, &wanted)?)?;
    println!("    installed: {}", venv.path().display());
    Ok(())
}

fn is_installed(venv: &Venv, wanted: &str) -> bool {
    match (fs::read_to_string(venv.stamp()), stamp(venv, wanted)) {
        (Ok(have), Ok(want)) => have == want,
        _ => false,
    }
}

/// What an environment was made from. The version is the interpreter's of today: packages are installed for one
/// version, and a system's upgrade would leave the environment without them.
fn stamp(venv: &Venv, wanted: &str) -> anyhow::Result<String> {
    let version = version(&venv.python())?;
    Ok(format!("# {version}\n{wanted}"))
}

fn version(python: &Path) -> anyhow::Result<String> {
    let output = Command::new(python).arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
