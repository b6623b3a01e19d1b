//! The `landfall` command.

mod backfill;
mod cli;
mod demo;
mod generate;
mod import;
mod journal;
mod replay;
mod run;
mod schema;
mod send;
mod validate;
mod verify;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use landfall_topology::ConfigError;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Journal};

/// The configuration is wrong: `EX_CONFIG` of sysexits.h.
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let is_service = matches!(cli.command, None | Some(Command::Run));
    start_logging(if is_service { "info" } else { "warn" });
    let result = tokio::runtime::Runtime::new()
        .context("cannot start the runtime")
        .and_then(|runtime| {
            let result = runtime.block_on(execute(cli));
            // Without waiting for file operations that hang, as they do on a network file system that is gone. Nothing
            // that was answered 2xx needs them to end.
            runtime.shutdown_background();
            result
        });
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

async fn execute(cli: Cli) -> anyhow::Result<()> {
    let config = cli.config.as_deref();
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => run::run(config).await,
        Command::Demo { dir } => demo::demo(dir).await,
        Command::Generate(generate) => generate::generate(generate),
        Command::Send(send) => send::send(send).await,
        Command::Verify(args) => verify::verify(&args),
        Command::Validate { no_environment } => validate::validate(config, no_environment).await,
        Command::Schema { dialect, uri } => schema::print(dialect, &uri),
        Command::Import { files, sink } => import::import(config, sink.as_deref(), files).await,
        Command::Replay { sink, .. } => replay::replay_quarantine(config, sink.as_deref()).await,
        Command::Journal(Journal::Inspect { dir }) => journal::print_inspection(&dir),
        Command::Journal(Journal::Export { dir }) => journal::write_export(&dir),
        Command::Completions { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "landfall", &mut script);
            io::stdout().write_all(&script)?;
            Ok(())
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
