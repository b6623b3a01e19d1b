//! The `landfall` command as a library, for a command of your own with components of your own beside Landfall's.
//!
//! The `main.rs` of such a command is all there is to write, but for the component itself:
//!
//! ```no_run
//! use std::process::ExitCode;
//! # mod telegraph {
//! #     use landfall_core::{BuildError, Component, Delivery, Sink, SinkConfig, SinkContext, SinkError};
//! #     use futures::stream::{BoxStream, StreamExt as _};
//! #     /// Wires events away.
//! #     #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
//! #     pub struct TelegraphConfig {}
//! #     impl Component for TelegraphConfig {}
//! #     #[async_trait::async_trait]
//! #     impl SinkConfig for TelegraphConfig {
//! #         async fn build(&self, _: SinkContext) -> Result<Box<dyn Sink>, BuildError> { Ok(Box::new(Telegraph)) }
//! #         async fn healthcheck(&self) -> Result<(), BuildError> { Ok(()) }
//! #     }
//! #     struct Telegraph;
//! #     #[async_trait::async_trait]
//! #     impl Sink for Telegraph {
//! #         async fn run(self: Box<Self>, mut input: BoxStream<'static, Delivery>) -> Result<(), SinkError> {
//! #             while let Some(delivery) = input.next().await { drop(delivery); }
//! #             Ok(())
//! #         }
//! #     }
//! # }
//! use telegraph::TelegraphConfig; // implements SinkConfig, Deserialize and JsonSchema
//!
//! fn main() -> ExitCode {
//!     landfall::main(landfall::components().sink::<TelegraphConfig>("telegraph"))
//! }
//! ```
//!
//! Everything that the command says about components (`list`, `schema --config`, `generate-config`, `validate`) then knows
//! the new one too, from its settings' [`JsonSchema`](https://docs.rs/schemars).

mod backfill;
mod cli;
mod demo;
mod doctor;
mod generate;
mod generate_config;
mod graph;
mod import;
mod journal;
mod list;
mod man;
mod remote;
mod replay;
mod run;
mod schema;
mod send;
mod source;
mod tap;
mod telemetry;
mod top;
mod validate;
mod verify;

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use landfall_sink_console::ConsoleConfig;
use landfall_sink_parquet::ParquetConfig;
use landfall_sink_vector::VectorSinkConfig;
use landfall_source_appcues::AppcuesConfig;
use landfall_source_vector::VectorSourceConfig;
use landfall_topology::{ConfigError, Registry};
use landfall_transform_filter::FilterConfig;
use landfall_transform_redact::RedactConfig;

use crate::cli::{Cli, Command, ConfigFiles, Journal};
use crate::remote::Remote;
use crate::telemetry::Telemetry;

/// The configuration is wrong: `EX_CONFIG` of sysexits.h.
const EXIT_CONFIG: u8 = 78;

/// The components that come with Landfall.
pub fn components() -> Registry {
    Registry::default()
        .source::<AppcuesConfig>("appcues")
        .source::<VectorSourceConfig>("vector")
        .transform::<FilterConfig>("filter")
        .transform::<RedactConfig>("redact")
        .sink::<ConsoleConfig>("console")
        .sink::<ParquetConfig>("parquet")
        .sink::<VectorSinkConfig>("vector")
}

/// Does what the command line asks for, with the components of `registry`, and returns the exit code: 0 done, 1 failure,
/// 78 configuration. Wrong arguments end the process with 2.
///
/// It starts the runtime and the logs, so that it is called once, and not from within a runtime.
pub fn main(registry: Registry) -> ExitCode {
    let cli = Cli::parse();
    let result = tokio::runtime::Runtime::new()
        .context("cannot start the runtime")
        .and_then(|runtime| {
            let result = runtime.block_on(async {
                let telemetry = match cli.command {
                    None | Some(Command::Run { .. }) => Telemetry::of_environment(),
                    _ => Telemetry::default(),
                };
                telemetry.start_log(match cli.command {
                    // The store's client logs each of its small retries, without end; what is behind them we say ourselves.
                    None | Some(Command::Run { .. } | Command::Source { .. }) => {
                        "info,object_store=warn"
                    }
                    _ => "warn",
                });
                execute(cli, registry, telemetry).await
            });
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
            if let Some(ConfigError(problems)) = error.downcast_ref() {
                // Each at the beginning of its line, as `file:line:`, where editors look for that.
                eprintln!("{}", problems.join("\n"));
                return ExitCode::from(EXIT_CONFIG);
            }
            eprintln!("error: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

async fn execute(cli: Cli, registry: Registry, telemetry: Telemetry) -> anyhow::Result<()> {
    let registry = &registry;
    let paths = |config| cli.config.with(config);
    let load = |config| run::load(&paths(config), registry);
    let run = Command::Run {
        config: ConfigFiles::default(),
        watch_config: false,
    };
    match cli.command.unwrap_or(run) {
        Command::Run {
            config,
            watch_config,
        } => run::run(&paths(config), watch_config, registry, telemetry).await,
        Command::Source { config, .. } => source::write_to_stdout(load(config)?).await,
        Command::Demo { dir } => demo::demo(dir, registry).await,
        Command::Generate(generate) => generate::generate(generate),
        Command::Send(send) => send::send(send).await,
        Command::Verify(args) => verify::verify(&args),
        Command::Tap { config, args } => {
            let remote = Remote::of(&args.instance, &paths(config), registry)?;
            tap::tap(&args, &remote).await
        }
        Command::Top { config, args } => {
            let remote = Remote::of(&args.instance, &paths(config), registry)?;
            top::top(&args, &remote).await
        }
        Command::Validate {
            config,
            no_environment,
        } => validate::validate(&paths(config), no_environment, registry).await,
        Command::Doctor { config, format } => {
            doctor::examine(&paths(config), format, registry).await
        }
        Command::Schema { config: true, .. } => schema::print_of_config(registry),
        Command::Schema { dialect, uri, .. } => schema::print(dialect, &uri),
        Command::List { format } => list::print(registry, format),
        Command::Graph { config, format } => graph::print(&load(config)?, format),
        Command::GenerateConfig { pipeline } => generate_config::print(registry, &pipeline),
        Command::Import {
            config,
            files,
            lake,
        } => import::import(&load(config)?, &lake, files).await,
        Command::Replay { config, lake, .. } => {
            replay::replay_quarantine(&load(config)?, &lake).await
        }
        Command::Journal(Journal::Inspect { dir }) => journal::print_inspection(&dir),
        Command::Journal(Journal::Export { dir }) => journal::write_export(&dir),
        Command::Man { out } => man::write(out.as_deref()),
        Command::Completions { shell } => man::print_completions(shell),
    }
}

/// The error and its causes, without those that it tells of itself.
fn told(error: &anyhow::Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    let told = causes.reduce(|told, cause| match told.contains(&cause) {
        true => told,
        false => format!("{told}: {cause}"),
    });
    told.unwrap_or_default()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = anyhow!("the disk is full");
        let error = cause.context("cannot write: the disk is full; free some space");
        let all = error.context("sinks.lake ended");
        assert_eq!(
            told(&all),
            "sinks.lake ended: cannot write: the disk is full; free some space"
        );
    }
}
