use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::join;
use landfall_core::{Shutdown, SinkConfig as _, SinkContext, SourceContext, delivery_channel};
use landfall_sink_console::ConsoleConfig;
use landfall_topology::{Config, ConfigError};
use tokio::task::JoinSet;

use crate::run::{allow_many_files, trigger_on_signals};

/// Deliveries that wait to be written.
const WAITING: usize = 1024;

/// Runs the sources of `config` and nothing else of it; what they receive is written to standard output, a line each.
pub(crate) async fn write_to_stdout(config: Config) -> anyhow::Result<()> {
    if !config.transforms.is_empty() {
        // Whoever redacts would not expect to read here what the transform takes away.
        let problem = "transforms: are not gone through by `landfall source`; give a sink of type console the transform as \
                       its input, and start `landfall run`";
        return Err(ConfigError(vec![problem.to_owned()]).into());
    }
    allow_many_files();
    let (trigger, shutdown) = Shutdown::new();
    let trigger = Arc::new(trigger);
    trigger_on_signals(Arc::clone(&trigger))?;

    let mut problems = Vec::new();
    let mut sources = Vec::new();
    for (id, outer) in config.sources {
        let context = SourceContext::new(&id, &outer.r#type);
        match outer.config.build(context).await {
            Ok(source) => sources.push(source),
            Err(error) => problems.push(format!("sources.{id}: {error}")),
        }
    }
    if !problems.is_empty() {
        return Err(ConfigError(problems).into());
    }
    let context = SinkContext::new("stdout", "console", "stdout");
    let console = ConsoleConfig::default().build(context).await?;

    let (out, deliveries) = delivery_channel(WAITING);
    let mut running = JoinSet::new();
    for source in sources {
        running.spawn(source.run(out.clone(), shutdown.clone()));
    }
    drop(out);
    let receiving = async {
        let mut received = Ok(());
        // One that ends by itself ends the others too.
        while let Some(ended) = running.join_next().await {
            trigger.trigger();
            received = received.and(ended?.map_err(anyhow::Error::from));
        }
        received
    };
    let writing = async {
        let written = console.run(deliveries.boxed()).await;
        // Whoever waits is told that nobody reads any more.
        trigger.trigger();
        written
    };
    let (received, written) = join(receiving, writing).await;
    written?;
    received
}
