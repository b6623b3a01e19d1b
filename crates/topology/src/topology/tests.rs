use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt as _, future};
use landfall_core::{
    BuildError, Component, Delivery, DeliverySender, Sink, SinkConfig, SinkContext, SinkError,
    Source, SourceConfig, SourceContext, SourceError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Notify;

use super::*;
use crate::{Format, Registry};

static SINK_GIVES_WAY: Notify = Notify::const_new();
static SOURCE_ENDED: Notify = Notify::const_new();
static SINK_LANDED: AtomicBool = AtomicBool::new(false);

/// A source that may end by itself when a sink gives way to another.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
struct StubSource {
    fails: bool,
}

/// A sink that, if it is the first of two, has landed when the source has ended.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
struct StubSink {
    is_first: bool,
}

impl Component for StubSource {}
impl Component for StubSink {}

#[async_trait]
impl SourceConfig for StubSource {
    async fn build(&self, _: SourceContext) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Source for StubSource {
    async fn run(
        self: Box<Self>,
        _: DeliverySender,
        mut stop: Shutdown,
    ) -> Result<(), SourceError> {
        tokio::select! {
            () = stop.wait() => {}
            () = SINK_GIVES_WAY.notified(), if self.fails => {}
        }
        SOURCE_ENDED.notify_one();
        Ok(())
    }
}

#[async_trait]
impl SinkConfig for StubSink {
    async fn build(&self, _: SinkContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(self.clone()))
    }

    async fn healthcheck(&self) -> Result<(), BuildError> {
        Ok(())
    }
}

#[async_trait]
impl Sink for StubSink {
    async fn run(self: Box<Self>, input: BoxStream<'static, Delivery>) -> Result<(), SinkError> {
        input.for_each(|_| future::ready(())).await;
        if self.is_first {
            SINK_GIVES_WAY.notify_one();
            SOURCE_ENDED.notified().await;
            SINK_LANDED.store(true, Relaxed);
        }
        Ok(())
    }
}

fn config(fails: bool, is_first: bool) -> Config {
    let registry = Registry::default()
        .source::<StubSource>("stub")
        .sink::<StubSink>("stub");
    let text = format!(
        r#"
        api.address = "127.0.0.1:0"
        [sources.in]
        type = "stub"
        fails = {fails}
        [sinks.out]
        type = "stub"
        inputs = ["in"]
        is_first = {is_first}
        buffer.type = "memory"
        "#
    );
    Config::parse(&text, Format::Toml, &registry, &|_| None).unwrap()
}

/// Runs a pipeline until it ends while its sink is replaced.
async fn end_during_reload(fails: bool) -> Result<(), RunError> {
    SINK_LANDED.store(false, Relaxed);
    let topology = Topology::build(config(fails, true)).await.unwrap();
    let (trigger, shutdown) = Shutdown::new();
    let configs = stream::once(future::ready(Ok(config(fails, false))));
    let running = topology.run_reloading(shutdown, configs);
    let stop = async {
        if !fails {
            SINK_GIVES_WAY.notified().await;
            trigger.trigger();
        }
    };
    future::join(running, stop).map(|(ended, ())| ended).await
}

#[tokio::test]
async fn a_stop_and_a_failure_do_not_wait_for_a_sink_that_is_replaced() {
    end_during_reload(false).await.unwrap();
    assert!(SINK_LANDED.load(Relaxed));
    let failed = end_during_reload(true).await.unwrap_err();
    assert!(failed.to_string().starts_with("sources.in"), "{failed}");
    assert!(SINK_LANDED.load(Relaxed));
}
