//! The workspace's own commands, run as `cargo xtask <command>`.

mod services;
mod step;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Landfall's developer commands
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: XtaskCommand,
}

#[derive(Debug, Subcommand)]
enum XtaskCommand {
    /// Install what the tests need, then check format, lints and documentation and run all tests
    Test,
    /// What the tests need beside Rust
    #[command(subcommand)]
    Services(ServicesCommand),
}

#[derive(Debug, Subcommand)]
enum ServicesCommand {
    /// Install it below the target directory, unless it is there already
    Install,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        XtaskCommand::Test => test::run_all(),
        XtaskCommand::Services(ServicesCommand::Install) => services::install(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ncargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
