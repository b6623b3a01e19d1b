//! From settings to components that hold their resources.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::{
    Activity, Health, Labels, Listeners, Sink, SinkContext, Source, SourceContext, Transform,
    labels,
};
use tokio::time::timeout;

use crate::BufferType;
use crate::config::{Config, ConfigError, SinkOuter};
use crate::counted::Counted;
use crate::disk::{DiskBuffer, is_journal};
use crate::overview::Overview;
use crate::running::Running;

/// How long a sink that is to take another's place may take to show that it works.
const HEALTHCHECK_TIME: Duration = Duration::from_secs(30);

/// Components that are built and do not run yet: all transforms, and of the others those that do not run already.
pub(crate) struct Built {
    pub(crate) sources: BTreeMap<String, BuiltSource>,
    pub(crate) transforms: BTreeMap<String, Arc<dyn Transform>>,
    pub(crate) sinks: BTreeMap<String, BuiltSink>,
}

pub(crate) struct BuiltSource {
    pub(crate) labels: Labels,
    pub(crate) source: Box<dyn Source>,
}

pub(crate) struct BuiltSink {
    pub(crate) labels: Labels,
    /// `None` where deliveries wait in memory, in the channel to the sink itself.
    pub(crate) buffer: Option<DiskBuffer>,
    pub(crate) health: Health,
    pub(crate) sink: Box<dyn Sink>,
}

impl Built {
    /// Builds what `config` has and `running` has not in the same way.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that could not be built.
    pub(crate) async fn of(
        config: &Config,
        running: Option<&Running>,
        listeners: &Listeners,
        overview: &Overview,
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut built = Self {
            sources: BTreeMap::new(),
            transforms: BTreeMap::new(),
            sinks: BTreeMap::new(),
        };
        for (id, outer) in &config.sinks {
            if running.is_some_and(|running| running.has_sink(id, outer)) {
                continue;
            }
            let activity = overview.activity(id);
            match build_sink(id, outer, &config.data_dir, running, activity).await {
                Ok(sink) => drop(built.sinks.insert(id.clone(), sink)),
                Err(problem) => problems.push(format!("sinks.{id}: {problem}")),
            }
        }
        for (id, outer) in &config.transforms {
            match outer.config.build() {
                Ok(transform) => {
                    let counted = Arc::new(Counted::new(id, &outer.r#type, transform));
                    built.transforms.insert(id.clone(), counted);
                }
                Err(error) => problems.push(format!("transforms.{id}: {error}")),
            }
        }
        for (id, outer) in &config.sources {
            if running.is_some_and(|running| running.has_source(id, outer)) {
                continue;
            }
            let mut context = SourceContext::new(id, &outer.r#type);
            context.listeners = listeners.clone();
            context.activity = overview.activity(id);
            let labels = context.labels();
            match outer.config.build(context).await {
                Ok(source) => {
                    let source = BuiltSource { labels, source };
                    drop(built.sources.insert(id.clone(), source));
                }
                Err(error) => problems.push(format!("sources.{id}: {error}")),
            }
        }
        if problems.is_empty() {
            Ok(built)
        } else {
            Err(ConfigError(problems))
        }
    }
}

async fn build_sink(
    id: &str,
    outer: &SinkOuter,
    data_dir: &Path,
    running: Option<&Running>,
    activity: Activity,
) -> Result<BuiltSink, String> {
    if running.is_some() {
        // At the start a store may be away: events are kept until it is back. But a sink that works is only given up for one
        // that works too.
        let healthcheck = timeout(HEALTHCHECK_TIME, outer.config.healthcheck()).await;
        let healthcheck = healthcheck.map_err(|_| "its healthcheck takes too long".to_owned())?;
        healthcheck.map_err(|error| error.to_string())?;
    }
    let directory = data_dir.join(id);
    let labels = labels(id, "sink", &outer.r#type);
    let running = running.and_then(|running| running.buffer(id));
    let buffer = match (outer.buffer.r#type, running) {
        (BufferType::Disk, Some(buffer)) => Some(buffer),
        (BufferType::Disk, None) => {
            Some(DiskBuffer::open(&directory, &outer.buffer, &labels).await?)
        }
        (BufferType::Memory, _) if is_journal(&directory) => {
            return Err(format!(
                "buffer.type: memory would leave what was accepted in the journal {} behind; run with disk until it has \
                 landed, then move the directory away",
                directory.display()
            ));
        }
        (BufferType::Memory, _) => None,
    };
    let health = Health::default();
    let home_id = match &buffer {
        Some(buffer) => buffer.home_id(),
        None => random_id()?,
    };
    // The part of this life tells copies of one data directory apart.
    let writer_id = format!("{home_id}{}", &random_id()?[..8]);
    let mut context = SinkContext::new(id, &outer.r#type, &writer_id);
    context.home_id = home_id;
    context.state = buffer.as_ref().map(DiskBuffer::state);
    context.health = health.clone();
    context.activity = activity;
    let sink = outer.config.build(context).await;
    Ok(BuiltSink {
        labels,
        buffer,
        health,
        sink: sink.map_err(|error| error.to_string())?,
    })
}

fn random_id() -> Result<String, String> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| format!("no randomness from the system: {error}"))?;
    Ok(hex::encode(id))
}
