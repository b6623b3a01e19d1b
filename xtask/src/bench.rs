use std::process::Command;

use crate::services;
use crate::step::{announced, cargo, run, target_directory};

// What the benchmark can be asked, from where it is asked: what is wrong is refused before anything is built.
#[path = "../../crates/bench/src/arguments.rs"]
#[expect(dead_code, reason = "the benchmark itself reads the rest")]
mod arguments;

use arguments::Destination;
pub(crate) use arguments::{ABOUT, Arguments, EXAMPLES};

/// Builds Landfall and what measures it, and measures.
pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let lands_in_store = arguments.loads.into.contains(&Destination::S3);
    if arguments.command.is_none() && lands_in_store {
        services::install()?;
    }
    let mut build = cargo()?;
    build.args([
        "build",
        "--release",
        "--package",
        "landfall",
        "--package",
        "landfall-bench",
    ]);
    announced("cargo build --release", || {
        run(&mut build, "Repair what cargo names above.")
    })?;
    // Behind `xtask bench`, as they were given.
    let given = std::env::args_os().skip(2);
    run(
        Command::new(target_directory()?.join("release/landfall-bench")).args(given),
        "What went wrong stands above.",
    )
}
