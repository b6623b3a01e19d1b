use std::process::Command;

use landfall_testkit::services::{Venv, directory};

use crate::services;
use crate::step::{build_landfall, run, workspace_root};

/// Draws the README's chart from traffic that is made up, landed and queried for it.
pub(crate) fn draw() -> anyhow::Result<()> {
    services::install()?;
    let landfall = build_landfall()?;
    let charts = workspace_root()?.join("docs/charts");
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
