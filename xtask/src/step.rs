use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};

/// The folder of the workspace's `Cargo.toml`.
///
/// Cargo says where this package is when it runs it. What it said when it compiled is not asked for: a target
/// directory that several checkouts share may hold the executable of another one.
pub(crate) fn workspace_root() -> anyhow::Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = PathBuf::from(package).parent().map(PathBuf::from);
    root.context("xtask lies one folder below the workspace's root")
}

/// Cargo, of the toolchain that runs this program, in the workspace.
pub(crate) fn cargo() -> anyhow::Result<Command> {
    let program = std::env::var_os("CARGO").context("run this as `cargo xtask`")?;
    let mut cargo = Command::new(program);
    cargo.current_dir(workspace_root()?);
    Ok(cargo)
}

/// The target directory that this program lies in.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directory = program.ancestors().nth(2).map(Path::to_owned);
    directory.context("run this as `cargo xtask`")
}

/// Announces `title`, does `work`, and says how long it took.
pub(crate) fn announced(
    title: &str,
    work: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Duration> {
    println!("\n==> {title}");
    // The children write to the same stream: what is announced must be there before.
    std::io::stdout().flush()?;
    let started = Instant::now();
    work()?;
    let took = started.elapsed();
    println!("    done in {}", readable(took));
    Ok(took)
}

/// Runs `command` with this process's output; an exit code other than 0 is an error that ends with `advice`.
pub(crate) fn run(command: &mut Command, advice: &str) -> anyhow::Result<()> {
    let status = command
        .status()
        .map_err(|error| anyhow!("`{}` does not start: {error}. {advice}", written(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status}). {advice}", written(command));
    }
    Ok(())
}

/// Builds the `landfall` command in the profile of this program, and says where it is.
pub(crate) fn build_landfall() -> anyhow::Result<PathBuf> {
    run(
        cargo()?
            // Of the whole workspace, so that dependencies have the features that they were built with.
            .args(["build", "--workspace", "--bin", "landfall"]),
        "Repair what the compiler names above.",
    )?;
    Ok(std::env::current_exe()?.with_file_name("landfall"))
}

/// A time as people say it: `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn readable(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

fn written(command: &Command) -> String {
    let program = command.get_program();
    // Cargo is known here by its full path, which nobody would type.
    let program = std::path::Path::new(program).file_name().unwrap_or(program);
    std::iter::once(program)
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_say_them() {
        let written = [400, 12_700, 185_000].map(|millis| readable(Duration::from_millis(millis)));
        assert_eq!(written, ["0.4 s", "12 s", "3 min 05 s"]);
    }

    #[test]
    fn a_failed_command_is_named_with_the_advice() {
        let error = run(
            Command::new("/bin/sh").args(["-c", "exit 3"]),
            "Do this next.",
        );
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("`sh -c exit 3` failed"), "{error}");
        assert!(error.ends_with("Do this next."), "{error}");
    }
}
