//! Whether what is public has changed in a way that breaks those who build on it.

use std::process::Command;

use crate::step::{cargo, run, target_directory, workspace_root};

const TOOL: &str = "cargo-semver-checks@0.51.0";

/// What others build on. The components are found by their settings' types, which are public too.
const PACKAGES: &[&str] = &[
    "landfall-core",
    "landfall-appcues",
    "landfall-topology",
    "landfall-source-appcues",
    "landfall-sink-parquet",
];

/// Compares the public API with that of the revision `baseline`, as far as cargo-semver-checks knows what breaks whom.
pub(crate) fn check(baseline: &str) -> anyhow::Result<()> {
    let tools = target_directory()?.join("tools");
    let program = tools.join("bin/cargo-semver-checks");
    if !program.is_file() {
        run(
            cargo()?
                .args(["install", "--locked", "--root"])
                .arg(&tools)
                .arg(TOOL),
            "It is built from cargo's registry, once: that takes some minutes.",
        )?;
    }
    let mut command = Command::new(program);
    command.args(["semver-checks", "--baseline-rev", baseline]);
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    run(
        command.current_dir(workspace_root()?),
        "Keep what is public as it was, or let the next release say by its version that it is not.",
    )
}
