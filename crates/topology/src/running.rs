//! The components that run, and how some of them are replaced while the others go on.

mod ended;
mod sink;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use landfall_core::{
    Listeners, Resource, Shutdown, ShutdownTrigger, Transform, delivery_channel, labels, log,
};
use metrics::counter;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::ended::{Ended, ended, flatten, log_failure};
use self::sink::RunningSink;
use crate::api::Api;
use crate::build::{Built, BuiltSource};
use crate::config::{Config, ConfigError, SinkOuter, SourceOuter};
use crate::disk::{DiskBuffer, is_journal};
use crate::fan_out::{Branch, Output, fan_out};
use crate::overview::Overview;
use crate::readiness::Readiness;
use crate::taps::Taps;
use crate::{BufferType, WhenFull};

pub use self::ended::RunError;

/// Deliveries that wait between a source and its buffers, and before a sink without a disk buffer.
const IN_FLIGHT: usize = 1024;

/// How long sinks may go on landing once their input has ended. What is not landed by then stays in its buffer.
pub(crate) const LANDING_TIME: Duration = Duration::from_secs(5);

/// Components as they run.
pub(crate) struct Running {
    config: Config,
    listeners: Listeners,
    readiness: Readiness,
    overview: Overview,
    taps: Taps,
    sources: BTreeMap<String, RunningSource>,
    sinks: BTreeMap<String, RunningSink>,
    /// Of components that finish what they have, and end then. Dropping one would end it at once.
    leaving: Vec<ShutdownTrigger>,
    /// Sources and what they hand their deliveries to.
    receiving: JoinSet<Ended>,
    /// Sinks and their buffers.
    landing: JoinSet<Ended>,
}

struct RunningSource {
    stop: ShutdownTrigger,
    /// Where its deliveries go, those of a predecessor that is still stopping too.
    branches: watch::Sender<Vec<Branch>>,
}

impl Running {
    /// Starts what was built of `config`, which is all of it.
    pub(crate) fn new(config: Config, built: Built, listeners: Listeners, api: &Api) -> Self {
        warn_of_orphans(&config);
        api.overview.set(&config);
        let mut running = Self {
            config,
            listeners,
            readiness: api.readiness.clone(),
            overview: api.overview.clone(),
            taps: api.taps.clone(),
            sources: BTreeMap::new(),
            sinks: BTreeMap::new(),
            leaving: Vec::new(),
            receiving: JoinSet::new(),
            landing: JoinSet::new(),
        };
        for (id, sink) in built.sinks {
            drop(running.start_sink(id, sink, None));
        }
        for (id, source) in built.sources {
            let branches = running.branches(&id, &running.config, &built.transforms);
            running.start_source(id, source, watch::Sender::new(branches));
        }
        running
    }

    /// Whether a source with this name and these settings runs.
    pub(crate) fn has_source(&self, id: &str, outer: &SourceOuter) -> bool {
        let running = self.config.sources.get(id);
        running.is_some_and(|running| running.fingerprint == outer.fingerprint)
    }

    /// Whether a sink with this name and these settings runs.
    pub(crate) fn has_sink(&self, id: &str, outer: &SinkOuter) -> bool {
        let running = self.config.sinks.get(id);
        running.is_some_and(|running| running.fingerprint == outer.fingerprint)
    }

    /// The disk buffer of the sink with this name.
    pub(crate) fn buffer(&self, id: &str) -> Option<DiskBuffer> {
        self.sinks.get(id)?.buffer.clone()
    }

    /// Builds what is other in `config`. Nothing changes yet, and dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// [`ConfigError`] says why it is not possible to go on with `config`.
    pub(crate) async fn prepare(&self, config: &Config) -> Result<Built, ConfigError> {
        let problems = self.need_a_restart(config);
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        let built = Built::of(config, Some(self), &self.listeners, &self.overview).await;
        if built.is_err() {
            self.close_unused_listeners();
        }
        built
    }

    /// What is other in `config` and cannot change while events are taken.
    fn need_a_restart(&self, config: &Config) -> Vec<String> {
        let old = &self.config;
        let mut changed = Vec::new();
        if config.data_dir != old.data_dir {
            changed.push("data_dir".to_owned());
        }
        if config.api != old.api {
            changed.push("api".to_owned());
        }
        for (id, new) in &config.sinks {
            let Some(old) = old.sinks.get(id) else {
                continue;
            };
            if new.buffer.r#type != old.buffer.r#type {
                changed.push(format!("sinks.{id}.buffer.type"));
            } else if new.buffer.max_size < old.buffer.max_size {
                // The segments that there are could be larger than all that it allows.
                changed.push(format!("sinks.{id}.buffer.max_size (which became less)"));
            }
        }
        let needs = |setting| format!("{setting}: a change of it takes a restart");
        changed.into_iter().map(needs).collect()
    }

    /// Goes on with `config`, of which `built` was [prepared](Self::prepare). The result waits until each new sink has begun,
    /// and need not be awaited for that.
    pub(crate) fn replace(
        &mut self,
        config: Config,
        built: Built,
    ) -> impl Future<Output = ()> + use<> {
        let mut beginning = Vec::new();
        for (id, sink) in built.sinks {
            log!(
                &sink.labels,
                info,
                "sinks.{id} is started with the new configuration"
            );
            let old = self.sinks.remove(&id);
            beginning.push(self.start_sink(id, sink, old));
        }
        let removed = self
            .sinks
            .extract_if(.., |id, _| !config.sinks.contains_key(id));
        for (id, sink) in removed {
            log!(
                &sink.labels,
                info,
                "sinks.{id} is no longer configured; it lands what it holds and ends"
            );
            self.leaving.push(sink.stop);
        }
        for (id, outer) in &config.sinks {
            if let Some(buffer) = self.buffer(id) {
                buffer.adjust(&outer.buffer);
            }
        }
        for (id, source) in &self.sources {
            // What a source that goes still brings, goes where it went.
            if config.sources.contains_key(id) {
                let branches = self.branches(id, &config, &built.transforms);
                source.branches.send_replace(branches);
            }
        }
        for (id, source) in built.sources {
            log!(
                &source.labels,
                info,
                "sources.{id} is started with the new configuration"
            );
            let old = self.sources.remove(&id);
            let branches = match &old {
                Some(old) => old.branches.clone(),
                None => watch::Sender::new(self.branches(&id, &config, &built.transforms)),
            };
            // Before the old one stops, so that somebody accepts all the time.
            self.start_source(id, source, branches);
            if let Some(old) = old {
                old.stop.hand_over();
                // Dropping it would take that back.
                self.leaving.push(old.stop);
            }
        }
        // Dropping what stops them stops them.
        self.sources.retain(|id, _| config.sources.contains_key(id));
        self.overview.set(&config);
        self.config = config;
        self.close_unused_listeners();
        join_all(beginning).map(drop)
    }

    /// Where the events of the source or transform `id` go.
    fn branches(
        &self,
        id: &String,
        config: &Config,
        transforms: &BTreeMap<String, Arc<dyn Transform>>,
    ) -> Vec<Branch> {
        let through = config.transforms.iter();
        let through = through.filter(|(_, outer)| outer.inputs.contains(id));
        let through = through.filter_map(|(next, _)| {
            let transform = Arc::clone(transforms.get(next)?);
            Some(Branch::Transform {
                id: next.clone(),
                transform,
                next: self.branches(next, config, transforms),
            })
        });
        let into = config.sinks.iter();
        let into = into.filter(|(_, outer)| outer.inputs.contains(id));
        let into = into.filter_map(|(sink, outer)| {
            let buffer = &outer.buffer;
            Some(Branch::Sink(Output {
                received: counter!(
                    "component_received_events_total",
                    &labels(sink, "sink", &outer.r#type)
                ),
                id: sink.clone(),
                sender: self.sinks.get(sink)?.input.clone(),
                // A disk buffer takes deliveries as they come, and itself refuses what it has no room for.
                waits: buffer.r#type == BufferType::Disk || buffer.when_full == WhenFull::Block,
            }))
        });
        through.chain(into).collect()
    }

    /// Starts a source and what hands on its deliveries.
    fn start_source(
        &mut self,
        id: String,
        built: BuiltSource,
        branches: watch::Sender<Vec<Branch>>,
    ) {
        let BuiltSource { labels, source } = built;
        let (sender, receiver) = delivery_channel(IN_FLIGHT);
        let fan_out = fan_out(
            id.clone(),
            receiver,
            branches.subscribe(),
            counter!("component_sent_events_total", &labels),
            self.taps.clone(),
        );
        self.receiving.spawn(fan_out.map(Ok));
        let (stop, stopped) = Shutdown::new();
        let component = format!("sources.{id}");
        self.receiving.spawn(async move {
            let result = source.run(sender, stopped.clone()).await;
            ended(labels, component, result, stopped.is_triggered())
        });
        self.sources.insert(id, RunningSource { stop, branches });
    }

    fn close_unused_listeners(&self) {
        let resources = self.config.resources();
        self.listeners.retain(|address| {
            let held = Resource::Port(address);
            resources.iter().any(|(_, resource)| *resource == held)
        });
    }

    /// Waits until a component ends that should have gone on.
    pub(crate) async fn failed(&mut self) -> RunError {
        loop {
            let ended = tokio::select! {
                Some(ended) = self.receiving.join_next() => ended,
                Some(ended) = self.landing.join_next() => ended,
                else => std::future::pending().await,
            };
            if let Err(error) = flatten(ended) {
                return error;
            }
        }
    }

    /// Stops the sources, and waits until they have finished what is in hand and it has found its place in the buffers.
    pub(crate) async fn drain(&mut self) {
        self.listeners.retain(|_| false);
        for source in self.sources.values() {
            source.stop.trigger();
        }
        while let Some(ended) = self.receiving.join_next().await {
            log_failure(ended);
        }
    }

    /// Ends the input of the sinks, and waits until they have landed what they have.
    pub(crate) async fn land(&mut self) {
        // Else what did not find its place in time would hold the input open.
        self.receiving.shutdown().await;
        self.sources.clear();
        let sinks = std::mem::take(&mut self.sinks).into_values();
        self.leaving.extend(sinks.map(|sink| sink.stop));
        while let Some(ended) = self.landing.join_next().await {
            log_failure(ended);
        }
    }

    /// Ends what still runs.
    pub(crate) async fn stop(mut self) {
        self.receiving.shutdown().await;
        self.landing.shutdown().await;
    }
}

/// Events that were accepted for a sink which is no longer configured would wait for ever, and nobody would know.
fn warn_of_orphans(config: &Config) {
    let folders = std::fs::read_dir(&config.data_dir).into_iter().flatten();
    for folder in folders
        .flatten()
        .filter(|folder| is_journal(&folder.path()))
    {
        let name = folder.file_name();
        if !config.sinks.keys().any(|id| name == **id) {
            tracing::error!(
                journal = %folder.path().display(),
                "no sink uses this journal; `landfall journal inspect` shows whether it holds events"
            );
        }
    }
}
