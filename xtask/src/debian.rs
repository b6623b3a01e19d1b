//! Programs of Debian's for who is no administrator.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::step::run;

/// Unpacks `packages`, and of what they need what this machine has not, into the folder `into`, by way of the folder `work`.
/// `help` says what to do where there is no Debian.
pub(crate) fn unpack(
    packages: &[&str],
    into: &Path,
    work: &Path,
    help: &str,
) -> anyhow::Result<()> {
    // An installation that was interrupted is done again.
    for folder in [into, work] {
        let _ = fs::remove_dir_all(folder);
    }
    fs::create_dir_all(into)?;
    for needed in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(work.join(needed))?;
    }
    let option = |name: &str, place: &str| format!("{name}={}", work.join(place).display());
    let options = [
        "Debug::NoLocking=1".to_owned(),
        "APT::Install-Recommends=false".to_owned(),
        "APT::Sandbox::User=".to_owned(),
        option("Dir::State::lists", "lists"),
        option("Dir::Cache", "cache"),
    ];
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.arg("-qq");
        for option in &options {
            command.args(["-o", option]);
        }
        run(command.args(args), help)
    };
    apt(&["update"])?;
    apt(&[&["install", "--download-only", "--yes"], packages].concat())?;
    for package in fs::read_dir(work.join("cache/archives"))? {
        let package = package?.path();
        if package
            .extension()
            .is_some_and(|extension| extension == "deb")
        {
            run(
                Command::new("dpkg-deb")
                    .arg("--extract")
                    .arg(&package)
                    .arg(into),
                "A package could not be unpacked; is the disk full?",
            )?;
        }
    }
    fs::remove_dir_all(work)?;
    Ok(())
}
