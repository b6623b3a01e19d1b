//! What Landfall is measured with: `cargo xtask bench` builds and runs it, and `docs/performance.md` says what the numbers
//! mean.

mod requests;
mod traffic;

mod connection;
mod load;
mod server;

mod lake;
mod process;
mod run;

mod bare;
mod floor;
// What the floor encodes with is the sink's own writer, not a copy of its settings.
#[path = "../../../plugins/sink-parquet/src/file.rs"]
#[expect(dead_code, reason = "the sink needs more of it")]
mod file;

mod arguments;
mod bench;
mod machine;
mod percentiles;
mod report;
mod vector;

mod chart;
mod scale;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::requests::Requests;
use crate::traffic::{USERS, bodies};

mod batch {
    /// As in the sink.
    pub(crate) const ROWS_PER_GROUP: usize = 32 * 1024;
}

#[derive(Debug, Parser)]
#[command(name = "landfall-bench", about = arguments::ABOUT, after_help = arguments::EXAMPLES)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    let Arguments {
        command,
        loads,
        common,
    } = Cli::parse().arguments;
    let done = match command {
        None => bench::run(&loads, &common),
        Some(Command::Scale(scale)) => scale::run(&scale, &common),
        Some(Command::Bare { address, file }) => bare::serve(address, file.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nlandfall-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
