use std::process::Command;

use landfall_testkit::services::{Venv, directory};

use crate::services;
use crate::step::{run, workspace_root};

/// Draws the README's chart from traffic that is made up, landed and queried for it.
pub(crate) fn draw() -> anyhow::Result<()> {
    services::install()?;
    let root = workspace_root()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(
        Command::new(cargo)
            // Of the whole workspace, so that dependencies have the features that they were built with.
            .args(["build", "--workspace", "--bin", "landfall"])
            .current_dir(&root),
        "Repair what the compiler names above.",
    )?;
    // Beside this program, which cargo builds in the same profile.
    let landfall = std::env::current_exe()?.with_file_name("landfall");
    let charts = root.join("docs/charts");
    run(
        Command::new(Venv::inside(&directory()?).python())
            .arg(charts.join("draw.py"))
            .arg("--landfall")
            .arg(landfall)
            .arg("--out")
            .arg(charts.join("quarter.svg")),
        "What went wrong stands above.",
    )
}
