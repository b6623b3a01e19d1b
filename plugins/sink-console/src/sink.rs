use std::io::{self, Write as _};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use landfall_core::{BuildError, Component, Delivery, Sink, SinkConfig, SinkContext, SinkError};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::task::spawn_blocking;

use crate::line;

/// Deliveries that are written in one go.
const DELIVERIES_AT_A_TIME: usize = 256;

/// Writes events to standard output, a line of JSON each. It keeps nothing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {}

impl Component for ConsoleConfig {}

#[async_trait]
impl SinkConfig for ConsoleConfig {
    async fn build(&self, context: SinkContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(ConsoleSink { context }))
    }

    /// A line that was written may still be lost with the program that reads it.
    fn can_acknowledge(&self) -> bool {
        false
    }

    async fn healthcheck(&self) -> Result<(), BuildError> {
        Ok(())
    }
}

#[derive(Debug)]
struct ConsoleSink {
    context: SinkContext,
}

#[async_trait]
impl Sink for ConsoleSink {
    async fn run(self: Box<Self>, input: BoxStream<'static, Delivery>) -> Result<(), SinkError> {
        let mut input = input.ready_chunks(DELIVERIES_AT_A_TIME);
        while let Some(deliveries) = input.next().await {
            // Whoever reads slowly holds up this thread alone, and with it all who wait for an answer.
            let written = spawn_blocking(move || write(deliveries));
            let events = written
                .await
                .map_err(|error| SinkError::new(error.to_string()).with_source(error))?
                .map_err(|error| {
                    let problem = format!("cannot write to standard output: {error}");
                    SinkError::new(problem).with_source(error)
                })?;
            metrics::counter!("component_sent_events_total", &self.context.labels())
                .increment(events);
        }
        Ok(())
    }
}

/// Writes all events, acknowledges them, and says how many they were.
fn write(deliveries: Vec<Delivery>) -> io::Result<u64> {
    let events = || deliveries.iter().flat_map(|delivery| &delivery.events);
    let lines: Vec<u8> = events().flat_map(|event| line(&event.body)).collect();
    let count = events().count() as u64;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&lines)?;
    stdout.flush()?;
    for delivery in deliveries {
        delivery.ack.durable();
    }
    Ok(count)
}
