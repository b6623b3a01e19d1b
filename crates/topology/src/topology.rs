use std::collections::BTreeMap;
use std::fmt;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use landfall_core::{
    Delivery, DeliveryReceiver, DeliverySender, Health, Listeners, Resource, Shutdown, Sink,
    SinkContext, Source, SourceContext, delivery_channel,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::api;
use crate::config::{Config, ConfigError, SinkOuter};
use crate::disk::{DiskBuffer, is_journal};
use crate::readiness::Readiness;
use crate::{BufferType, WhenFull};

/// Deliveries that wait between a source and its buffers.
const IN_FLIGHT: usize = 1024;

/// How long sources and what they have handed on may take to come to an end.
const DRAINING_TIME: Duration = Duration::from_secs(6);

/// How long sinks may go on landing once their input has ended. What is not landed by then stays in its buffer.
const LANDING_TIME: Duration = Duration::from_secs(5);

/// A pipeline whose components are built and hold their resources, ready to run.
pub struct Topology {
    api: TcpListener,
    sources: BTreeMap<String, Box<dyn Source>>,
    sinks: BTreeMap<String, BuiltSink>,
}

struct BuiltSink {
    inputs: Vec<String>,
    when_full: WhenFull,
    /// `None` where deliveries wait in memory, in the channel to the sink itself.
    buffer: Option<DiskBuffer>,
    health: Health,
    sink: Box<dyn Sink>,
}

/// The way from a source into a sink's buffer.
struct Output {
    sender: DeliverySender,
    waits: bool,
}

/// A pipeline stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error("{component} ended: {reason}")]
pub struct RunError {
    component: String,
    reason: String,
}

/// How a component ended: its name, and why if it failed.
pub(crate) type Ended = (String, Result<(), String>);

impl Topology {
    /// Builds every component of `config`: sockets are bound, stores are reached.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that could not be built.
    pub async fn build(config: Config) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut sources = BTreeMap::new();
        let mut sinks = BTreeMap::new();

        let api =
            bind(config.api.address).map_err(|problem| problems.push(format!("api: {problem}")));
        for (id, outer) in config.sinks {
            match build_sink(&id, outer, &config.data_dir).await {
                Ok(sink) => {
                    sinks.insert(id, sink);
                }
                Err(problem) => problems.push(format!("sinks.{id}: {problem}")),
            }
        }
        for (id, outer) in config.sources {
            let context = SourceContext {
                id: id.clone(),
                listeners: Listeners::default(),
            };
            match outer.config.build(context).await {
                Ok(source) => {
                    sources.insert(id, source);
                }
                Err(error) => problems.push(format!("sources.{id}: {error}")),
            }
        }
        if problems.is_empty() {
            warn_of_orphans(&config.data_dir, &sinks);
        }
        match api {
            Ok(api) if problems.is_empty() => Ok(Self {
                api,
                sources,
                sinks,
            }),
            _ => Err(ConfigError(problems)),
        }
    }

    /// Tries what [`Topology::build`] would do, and lets everything go again: binds ports, reaches stores.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that would fail.
    pub async fn check(config: Config) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        for (_, resource) in config.resources() {
            if let Resource::Port(address) = resource
                && let Err(problem) = bind(address)
            {
                problems.push(problem);
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

    /// Runs until `shutdown`: sources stop and finish what is in hand, then sinks land what is open.
    ///
    /// # Errors
    /// [`RunError`] when a component ended by itself; the others have then been stopped in the same order.
    pub async fn run(self, mut shutdown: Shutdown) -> Result<(), RunError> {
        let readiness = Readiness::default();
        let api = tokio::spawn(serve_api(self.api, readiness.clone()));

        let mut running_sinks = JoinSet::new();
        let mut outputs: BTreeMap<String, Vec<Output>> = BTreeMap::new();
        for (id, built) in self.sinks {
            let (sender, receiver) = delivery_channel(IN_FLIGHT);
            for input in built.inputs {
                let output = Output {
                    sender: sender.clone(),
                    // A disk buffer takes deliveries as they come, and itself refuses what it has no room for.
                    waits: built.buffer.is_some() || built.when_full == WhenFull::Block,
                };
                outputs.entry(input).or_default().push(output);
            }
            readiness.watch_sink(&id, built.health);
            let input = match built.buffer {
                Some(buffer) => buffer.start(&id, receiver, &readiness, &mut running_sinks),
                None => receiver.boxed(),
            };
            let sink = built.sink;
            running_sinks.spawn(async move {
                let result = sink.run(input).await;
                (
                    format!("sinks.{id}"),
                    result.map_err(|error| error.to_string()),
                )
            });
        }

        let (stop, stopped) = Shutdown::new();
        let mut running_sources = JoinSet::new();
        for (id, source) in self.sources {
            let (sender, receiver) = delivery_channel(IN_FLIGHT);
            let fan_out = fan_out(receiver, outputs.remove(&id).unwrap_or_default());
            let name = format!("sources.{id}");
            running_sources.spawn(async move {
                fan_out.await;
                (name, Ok(()))
            });
            let stopped = stopped.clone();
            running_sources.spawn(async move {
                let result = source.run(sender, stopped).await;
                (
                    format!("sources.{id}"),
                    result.map_err(|error| error.to_string()),
                )
            });
        }
        drop(outputs);

        readiness.set_running(true);
        let early = tokio::select! {
            () = shutdown.wait() => None,
            Some(ended) = running_sources.join_next() => Some(ended),
            Some(ended) = running_sinks.join_next() => Some(ended),
        };
        readiness.set_running(false);
        tracing::info!("stopping: finishing what is in hand");
        stop.trigger();
        let drained = async {
            while let Some(ended) = running_sources.join_next().await {
                log_failure(ended);
            }
        };
        if timeout(DRAINING_TIME, drained).await.is_err() {
            tracing::warn!(
                "some deliveries found no room in time; their senders were not told that they are safe"
            );
            running_sources.shutdown().await;
        }
        let landed = async {
            while let Some(ended) = running_sinks.join_next().await {
                log_failure(ended);
            }
        };
        if timeout(LANDING_TIME, landed).await.is_err() {
            tracing::warn!(
                "some events were not landed in time; they are landed after the next start"
            );
            running_sinks.shutdown().await;
        }
        api.abort();
        match early {
            None => Ok(()),
            Some(ended) => {
                let (component, result) = flatten(ended);
                let reason = result
                    .err()
                    .unwrap_or_else(|| "it was not asked to".to_owned());
                Err(RunError { component, reason })
            }
        }
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topology")
            .field("sources", &self.sources.keys())
            .field("sinks", &self.sinks.keys())
            .finish_non_exhaustive()
    }
}

async fn build_sink(id: &str, outer: SinkOuter, data_dir: &Path) -> Result<BuiltSink, String> {
    let directory = data_dir.join(id);
    let buffer = match outer.buffer.r#type {
        BufferType::Disk => Some(DiskBuffer::open(&directory, &outer.buffer).await?),
        BufferType::Memory if is_journal(&directory) => {
            return Err(format!(
                "buffer.type: memory would leave what was accepted in the journal {} behind; run with disk until it has \
                 landed, then move the directory away",
                directory.display()
            ));
        }
        BufferType::Memory => None,
    };
    let health = Health::default();
    let home_id = match &buffer {
        Some(buffer) => buffer.home_id(),
        None => random_id()?,
    };
    let context = SinkContext {
        id: id.to_owned(),
        // The part of this life tells copies of one data directory apart.
        writer_id: format!("{home_id}{}", &random_id()?[..8]),
        home_id,
        state: buffer.as_ref().map(DiskBuffer::state),
        health: health.clone(),
    };
    let sink = outer.config.build(context).await;
    Ok(BuiltSink {
        inputs: outer.inputs,
        when_full: outer.buffer.when_full,
        buffer,
        health,
        sink: sink.map_err(|error| error.to_string())?,
    })
}

/// Events that were accepted for a sink which is no longer configured would wait for ever, and nobody would know.
fn warn_of_orphans(data_dir: &Path, sinks: &BTreeMap<String, BuiltSink>) {
    let folders = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    for folder in folders.filter(|folder| is_journal(&folder.path())) {
        let name = folder.file_name();
        if !sinks.keys().any(|id| name == **id) {
            tracing::error!(
                journal = %folder.path().display(),
                "no sink uses this journal; `landfall journal inspect` shows whether it holds events"
            );
        }
    }
}

/// Creates `directory`, and a file in it that goes away again.
fn try_directory(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let probe = directory.join(".landfall-probe");
    std::fs::write(&probe, "landfall")?;
    std::fs::remove_file(probe)
}

/// Gives every delivery to each of `outputs`; it is durable once it is so in all of them.
async fn fan_out(mut deliveries: DeliveryReceiver, outputs: Vec<Output>) {
    while let Some(Delivery { events, ack }) = deliveries.next().await {
        for (output, ack) in outputs.iter().zip(ack.split(outputs.len())) {
            let delivery = Delivery::new(events.clone(), ack);
            if output.waits {
                output.sender.send(delivery).await;
            } else {
                output.sender.try_send(delivery);
            }
        }
    }
}

fn flatten(ended: Result<Ended, tokio::task::JoinError>) -> Ended {
    ended.unwrap_or_else(|panic| ("a component".to_owned(), Err(panic.to_string())))
}

fn log_failure(ended: Result<Ended, tokio::task::JoinError>) {
    if let (component, Err(error)) = flatten(ended) {
        tracing::error!(component, error, "ended with an error");
    }
}

fn bind(address: std::net::SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        format!("cannot listen on {address}: {error}; is another process using it?")
    })
}

async fn serve_api(listener: TcpListener, readiness: Readiness) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!("health and metrics are on http://{address}");
    }
    if let Err(error) = api::serve(listener, readiness).await {
        tracing::error!(%error, "health and metrics are not served");
    }
}

fn random_id() -> Result<String, String> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| format!("no randomness from the system: {error}"))?;
    Ok(hex::encode(id))
}
