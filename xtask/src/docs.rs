use crate::step::{cargo, run};

/// Writes what in docs/ and examples/ follows from the code; or only says whether it does, as all tests do.
pub(crate) fn write(check: bool) -> anyhow::Result<()> {
    let mut command = cargo()?;
    command.args(["test", "--workspace", "--test", "docs"]);
    if !check {
        command.env("LANDFALL_BLESS", "1");
    }
    run(&mut command, "What is wrong is named above.")
}
