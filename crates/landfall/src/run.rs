use std::path::PathBuf;

use anyhow::Context as _;
use futures::stream;
use landfall_core::Shutdown;
use landfall_topology::{Config, ConfigError, Format, Registry, Topology};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// What runs when no configuration file is given.
const DEFAULT_CONFIG: &str = r#"
[sources.appcues]
type = "appcues"
signature.secrets = ["${APPCUES_WEBHOOK_SECRET}"]

[sinks.lake]
type = "parquet"
inputs = ["appcues"]
uri = "./lake"
"#;

pub(crate) async fn run(config: &[PathBuf], registry: &Registry) -> anyhow::Result<()> {
    allow_many_files();
    let topology = Topology::build(load(config, registry)?).await?;
    let (trigger, shutdown) = Shutdown::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        trigger.trigger();
        // Whoever asks a second time does not want to wait. Nothing that was answered 2xx needs the rest.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(1);
    });
    let hangup = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    let reloads = stream::unfold(hangup, |mut hangup| async {
        hangup.recv().await?;
        Some((load(config, registry), hangup))
    });
    topology.run_reloading(shutdown, reloads).await?;
    Ok(())
}

/// Every connection takes a file descriptor, and the usual soft limit is only 1024: takes all that the system allows.
fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// The configuration in the files and directories at `paths`; without any the default one.
pub(crate) fn load(paths: &[PathBuf], registry: &Registry) -> Result<Config, ConfigError> {
    match paths {
        [] => parse(DEFAULT_CONFIG, Format::Toml, registry),
        paths => Config::load(paths, registry),
    }
}

pub(crate) fn parse(
    text: &str,
    format: Format,
    registry: &Registry,
) -> Result<Config, ConfigError> {
    Config::parse(text, format, registry, &|name| std::env::var(name).ok())
}
