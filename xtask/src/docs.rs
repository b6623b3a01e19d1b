use std::process::Command;

use crate::step::{run, workspace_root};

/// Writes what in docs/ and examples/ follows from the code; or only says whether it does, as all tests do.
pub(crate) fn write(check: bool) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["test", "--workspace", "--test", "docs"])
        .current_dir(workspace_root()?);
    if !check {
        command.env("LANDFALL_BLESS", "1");
    }
    run(&mut command, "What is wrong is named above.")
}
