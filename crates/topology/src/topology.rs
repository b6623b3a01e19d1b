use std::fmt;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use landfall_core::{Listeners, Resource, Shutdown, listen_advice};
use metrics::counter;
use tokio::time::timeout;

use crate::BufferType;
use crate::api::{self, Api};
use crate::build::Built;
use crate::config::{Config, ConfigError, SinkOuter};
use crate::metrics::Metrics;
use crate::overview::Overview;
use crate::readiness::Readiness;
use crate::running::{LANDING_TIME, RunError, Running};
use crate::taps::Taps;

/// How long sources and what they have handed on may take to come to an end.
const DRAINING_TIME: Duration = Duration::from_secs(6);

/// A pipeline whose components are built and hold their resources, ready to run.
pub struct Topology {
    api: TcpListener,
    listeners: Listeners,
    overview: Overview,
    readiness: Readiness,
    config: Config,
    built: Built,
}

impl Topology {
    /// Builds every component of `config`: sockets are bound, journals opened, and stores reached. A remote store behind a disk
    /// buffer is only reached once the pipeline runs, as it may be away for a while.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that could not be built.
    pub async fn build(config: Config) -> Result<Self, ConfigError> {
        // Components look their counters up when they are built.
        api::record_metrics();
        let listeners = Listeners::default();
        let overview = Overview::new(&config.api);
        let api = bind(config.api.address).map_err(|problem| format!("api: {problem}"));
        let built = Built::of(&config, None, &listeners, &overview).await;
        match (api, built) {
            (Ok(api), Ok(built)) => Ok(Self {
                api,
                listeners,
                overview,
                readiness: Readiness::default(),
                config,
                built,
            }),
            (api, built) => {
                let built = built.err().map(|error| error.0);
                let problems = api.err().into_iter().chain(built.into_iter().flatten());
                Err(ConfigError(problems.collect()))
            }
        }
    }

    /// Tries what [`Topology::build`] would do, and lets everything go again: binds ports, reaches stores.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that would fail.
    pub async fn check(config: Config) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        for (holder, resource) in config.resources() {
            if let Resource::Port(address) = resource
                && let Err(problem) = bind(address)
            {
                problems.push(format!("{holder}: {problem}"));
            }
        }
        let on_disk = |sink: &SinkOuter| sink.buffer.r#type == BufferType::Disk;
        if config.sinks.values().any(on_disk)
            && let Err(error) = try_directory(&config.data_dir)
        {
            let data_dir = config.data_dir.display();
            problems.push(format!("data_dir: {data_dir} cannot be written: {error}"));
        }
        for (id, source) in &config.sources {
            if let Err(error) = source.config.healthcheck().await {
                problems.push(format!("sources.{id}: {error}"));
            }
        }
        for (id, transform) in &config.transforms {
            if let Err(error) = transform.config.build() {
                problems.push(format!("transforms.{id}: {error}"));
            }
        }
        for (id, sink) in &config.sinks {
            if let Err(error) = sink.config.healthcheck().await {
                problems.push(format!("sinks.{id}: {error}"));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError(problems))
        }
    }

    /// What `/metrics` shows, for whoever takes it elsewhere.
    pub fn metrics(&self) -> Metrics {
        Metrics(self.readiness.clone())
    }

    /// Runs until `shutdown`: sources stop and finish what is in hand, then sinks land what is open.
    ///
    /// # Errors
    /// [`RunError`] when a component ended by itself; the others have then been stopped in the same order.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), RunError> {
        self.run_reloading(shutdown, stream::pending()).await
    }

    /// As [`run`](Self::run), and takes over each configuration that comes from `configs`.
    ///
    /// What has changed is replaced, what has not keeps its connections and its buffer. No connection is refused meanwhile,
    /// and a sink's disk buffer goes on taking events. If anything of a configuration cannot be built, nothing of it is taken
    /// over, and the warnings of `/ready` say why, as they do for an error in its place.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_reloading(
        self,
        mut shutdown: Shutdown,
        configs: impl Stream<Item = Result<Config, ConfigError>>,
    ) -> Result<(), RunError> {
        let readiness = self.readiness;
        let api = Api {
            config: self.config.api.clone(),
            readiness: readiness.clone(),
            overview: self.overview,
            taps: Taps::default(),
        };
        let mut running = Running::new(self.config, self.built, self.listeners, &api);
        // First, so that nobody is told otherwise whom the api answers.
        readiness.set_running(true);
        let api = tokio::spawn(serve_api(self.api, api));

        // Before they count, or nobody who asks whether they grow would see the first time.
        let reloaded = counter!("config_reloaded_total");
        let rejected = counter!("config_reload_rejected_total");
        let mut configs = std::pin::pin!(configs.fuse());
        let early = loop {
            tokio::select! {
                () = shutdown.wait() => break None,
                failed = running.failed() => break Some(failed),
                Some(config) = configs.next() => {
                    let prepared = async {
                        let config = config?;
                        let built = running.prepare(&config).await?;
                        Ok::<_, ConfigError>((config, built))
                    };
                    let prepared = tokio::select! {
                        prepared = prepared => prepared,
                        () = shutdown.wait() => break None,
                    };
                    let (error, outcome) = match prepared {
                        Ok((config, built)) => {
                            let replaced = running.replace(config, built);
                            tokio::select! {
                                () = replaced => {}
                                () = shutdown.wait() => break None,
                                failed = running.failed() => break Some(failed),
                            }
                            tracing::info!("the configuration was reloaded");
                            (None, &reloaded)
                        }
                        Err(error) => {
                            tracing::error!("the configuration was not reloaded, the old one stays in use: {error}");
                            (Some(error), &rejected)
                        }
                    };
                    readiness.set_reload_error(error);
                    outcome.increment(1);
                }
            }
        };
        readiness.set_running(false);
        tracing::info!("stopping: finishing what is in hand");
        if timeout(DRAINING_TIME, running.drain()).await.is_err() {
            tracing::warn!(
                "some deliveries found no room in time; their senders were not told that they are safe"
            );
        }
        if timeout(LANDING_TIME, running.land()).await.is_err() {
            tracing::warn!(
                "some events were not landed in time; they are landed after the next start"
            );
        }
        running.stop().await;
        api.abort();
        early.map_or(Ok(()), Err)
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topology")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Creates `directory` and a file in it. Both go away again: whoever tries may be another user than the one who runs.
fn try_directory(directory: &Path) -> std::io::Result<()> {
    let missing = directory.ancestors().take_while(|path| !path.is_dir());
    let missing: Vec<_> = missing.collect();
    std::fs::create_dir_all(directory)?;
    let probe = directory.join(".landfall-probe");
    let tried = std::fs::write(&probe, "landfall").and_then(|()| std::fs::remove_file(probe));
    // What holds anything by now, somebody needs.
    let _ = missing.into_iter().try_for_each(std::fs::remove_dir);
    tried
}

fn bind(address: std::net::SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        let advice = listen_advice(&error);
        format!("cannot listen on {address}: {error}; {advice}")
    })
}

async fn serve_api(listener: TcpListener, api: Api) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!("health and metrics are on http://{address}");
    }
    if let Err(error) = api::serve(listener, api).await {
        tracing::error!(%error, "health and metrics are not served");
    }
}

#[cfg(test)]
mod tests;
