//! The `landfall` command.

mod cli;
mod demo;
mod journal;
mod run;
mod schema;
mod send;
mod validate;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use landfall_topology::ConfigError;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Journal};

/// The configuration is wrong: `EX_CONFIG` of sysexits.h.
const EXIT_CONFIG: u8 = 78;

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().into_command();
    start_logging(if matches!(command, Command::Run { .. }) {
        "info"
    } else {
        "warn"
    });
    let result = match command {
        Command::Run { config } => run::run(config.as_deref()).await,
        Command::Demo { dir } => demo::demo(dir).await,
        Command::Send(send) => send::send(send).await,
        Command::Validate { config } => validate::validate(config.as_deref()).await,
        Command::Schema { dialect, uri } => schema::print(dialect, &uri),
        Command::Journal(Journal::Inspect { dir }) => journal::print_inspection(&dir),
        Command::Journal(Journal::Export { dir }) => journal::write_export(&dir),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut <Cli as clap::CommandFactory>::command(),
                "landfall",
                &mut io::stdout(),
            );
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe, such as `head`, has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<ConfigError>() {
                ExitCode::from(EXIT_CONFIG)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Logs go to standard error: for people on a terminal, as JSON lines anywhere else.
fn start_logging(default: &str) {
    let filter =
        EnvFilter::try_from_env("LANDFALL_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if io::stderr().is_terminal() {
        logs.with_target(false).init();
    } else {
        logs.json().flatten_event(true).init();
    }
}
