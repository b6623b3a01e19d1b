use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::stream;
use landfall_core::{Shutdown, ShutdownTrigger};
use landfall_topology::{
    Config, ConfigError, Fingerprint, Format, Registry, Topology, fingerprint_of_files,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::block_in_place;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::telemetry::Telemetry;

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

/// How often the files are looked at, and how long they must then have been the same: nobody should read half a file.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) async fn run(
    config: &[PathBuf],
    watch: bool,
    registry: &Registry,
    telemetry: Telemetry,
) -> anyhow::Result<()> {
    allow_many_files();
    outlive_file_limit();
    // Before they are read, so that no change is missed.
    let changes = Changes::of(config, watch)?;
    let built = Topology::build(load_and_warn(config, registry)?).await;
    let topology = built.map_err(|error| error.located(config))?;
    let (trigger, shutdown) = Shutdown::new();
    trigger_on_signals(Arc::new(trigger))?;
    let configs = stream::unfold(changes, |mut changes| async {
        changes.next().await;
        let config = block_in_place(|| load_and_warn(config, registry));
        Some((config, changes))
    });
    let metrics = topology.metrics();
    let running = topology.run_reloading(shutdown, configs);
    telemetry.watch(metrics, running).await?;
    Ok(())
}

/// Beyond `ulimit -f` a write then fails, as on a full disk, where the signal would end the process.
fn outlive_file_limit() {
    let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
}

fn load_and_warn(paths: &[PathBuf], registry: &Registry) -> Result<Config, ConfigError> {
    let config = load(paths, registry)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

/// Lets SIGTERM and SIGINT trigger the end; a second one ends the process at once.
pub(crate) fn trigger_on_signals(trigger: Arc<ShutdownTrigger>) -> anyhow::Result<()> {
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
    Ok(())
}

/// When the configuration is to be read again.
struct Changes<'a> {
    hangup: Signal,
    files: Option<Files<'a>>,
}

/// Files that are watched, and what was in them.
struct Files<'a> {
    paths: &'a [PathBuf],
    ticks: Interval,
    read: Fingerprint,
    seen: Fingerprint,
}

impl<'a> Changes<'a> {
    fn of(paths: &'a [PathBuf], watch: bool) -> anyhow::Result<Self> {
        let hangup = signal(SignalKind::hangup()).context("cannot listen for signals")?;
        let files = watch.then(|| {
            let read = fingerprint_of_files(paths);
            let mut ticks = interval(WATCH_INTERVAL);
            // Two looks one right after the other would take half a file for one that holds still.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Files {
                paths,
                ticks,
                read,
                seen: read,
            }
        });
        Ok(Self { hangup, files })
    }

    /// Waits for SIGHUP, or until watched files have changed and hold still.
    async fn next(&mut self) {
        let Some(files) = &mut self.files else {
            self.hangup.recv().await;
            return;
        };
        loop {
            let asked = tokio::select! {
                _ = self.hangup.recv() => true,
                _ = files.ticks.tick() => false,
            };
            let before = files.seen;
            files.seen = block_in_place(|| fingerprint_of_files(files.paths));
            if asked || (files.seen == before && files.seen != files.read) {
                files.read = files.seen;
                return;
            }
        }
    }
}

/// Every connection takes a file descriptor, and the usual soft limit is only 1024: takes all that the system allows.
pub(crate) fn allow_many_files() {
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
