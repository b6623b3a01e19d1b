//! The workspace's own commands, run as `cargo xtask <command>`.

mod api;
mod bench;
mod chart;
mod debian;
mod deny;
mod deps;
mod dist;
mod docs;
mod fuzz;
mod picture;
mod services;
mod stages;
mod step;
mod test;
mod transforms;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

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
    /// Install what the tests need, then check format, lints and documentation, run all tests, and fuzz for seconds
    Test,
    #[command(about = bench::ABOUT, after_help = bench::EXAMPLES)]
    Bench(bench::Arguments),
    /// Count the instructions that each stage takes for an event, and compare them with crates/stages/baseline.json
    Stages {
        /// Make what is counted the baseline
        #[arg(long)]
        save: bool,
    },
    /// Look for inputs from outside that break what reads them, with libFuzzer
    Fuzz {
        /// A target of fuzz/fuzz_targets; all of them, one after the other, without it
        target: Option<String>,
        /// How long each is fuzzed
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Write the parts of docs/ and examples/ that follow from the code: tables of options, columns and event types, the schema
    Docs {
        /// Only say whether they are as they should be, which `cargo xtask test` does too
        #[arg(long)]
        check: bool,
    },
    /// Draw the README's chart anew: made-up traffic, landed and asked through the views
    Chart,
    /// Take the README's picture of the console anew: made-up traffic for some minutes, and a browser that looks at it
    Picture,
    /// Build what is handed out: a tarball, and a Debian package with a systemd unit
    Dist {
        /// The folder that it goes to; `packages` in the target directory without it
        #[arg(long)]
        out: Option<PathBuf>,
        /// Only pack what `cargo build` has built, and install, upgrade and purge it below a folder; `cargo xtask test` does too
        #[arg(long, conflicts_with = "out")]
        check: bool,
    },
    /// Compare what each way of embedding pulls in with the table in docs/embedding.md
    Deps,
    /// Measure what the transforms take for an event, in a release build: cargo run --release -p xtask -- transforms
    Transforms,
    /// Look for changes of the public API that break those who build on it, with cargo-semver-checks
    Api {
        /// The revision to compare with, such as the tag of a release
        baseline: String,
    },
    /// What the tests need beside Rust
    #[command(subcommand)]
    Services(ServicesCommand),
}

#[derive(Debug, Subcommand)]
enum ServicesCommand {
    /// Install it below the target directory, unless it is there already
    Install,
    /// Start an S3-compatible object store, and end it with Ctrl-C
    Start,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        XtaskCommand::Test => test::run_all(),
        XtaskCommand::Bench(arguments) => bench::measure(&arguments),
        XtaskCommand::Fuzz { target, seconds } => {
            fuzz::run_long(target.as_deref(), Duration::from_secs(seconds))
        }
        XtaskCommand::Stages { save: true } => stages::save(),
        XtaskCommand::Stages { save: false } => stages::check(),
        XtaskCommand::Docs { check } => docs::write(check),
        XtaskCommand::Chart => chart::draw(),
        XtaskCommand::Picture => picture::take(),
        XtaskCommand::Dist { check: true, .. } => dist::check(),
        XtaskCommand::Dist { out, .. } => dist::pack(out),
        XtaskCommand::Deps => deps::check(),
        XtaskCommand::Api { baseline } => api::check(&baseline),
        XtaskCommand::Transforms => transforms::measure(),
        XtaskCommand::Services(ServicesCommand::Install) => services::install(),
        XtaskCommand::Services(ServicesCommand::Start) => services::start(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ncargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
