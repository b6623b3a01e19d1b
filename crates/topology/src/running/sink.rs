//! How a sink begins, and gives its place to another.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use futures::future::{BoxFuture, OptionFuture, Shared};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, stream};
use landfall_core::{
    Delivery, DeliverySender, Labels, Shutdown, ShutdownTrigger, delivery_channel,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::ended::{RunError, ended};
use super::{IN_FLIGHT, LANDING_TIME, Running};
use crate::build::BuiltSink;
use crate::disk::{DELIVERIES_AHEAD, DiskBuffer};

pub(super) struct RunningSink {
    pub(super) labels: Labels,
    pub(super) input: DeliverySender,
    pub(super) buffer: Option<DiskBuffer>,
    /// Ends what comes out of the disk buffer.
    pub(super) stop: ShutdownTrigger,
    task: AbortHandle,
    /// Closed once the sink and what reads for it are gone.
    gone: mpsc::Receiver<Infallible>,
}

impl Running {
    /// Starts a sink, which begins once the `old` one, whose place it takes, is gone. The result waits for that.
    pub(super) fn start_sink(
        &mut self,
        id: String,
        built: BuiltSink,
        old: Option<RunningSink>,
    ) -> Shared<BoxFuture<'static, ()>> {
        let BuiltSink {
            labels,
            buffer,
            health,
            sink,
        } = built;
        // What waits for the disk buffer goes on doing so.
        let input = old.as_ref().filter(|old| old.buffer.is_some());
        let input = input.map(|old| old.input.clone());
        let old_is_gone = OptionFuture::from(old.map(RunningSink::retire));
        let old_is_gone = old_is_gone.map(drop).boxed().shared();
        let begins = old_is_gone.clone();
        let (alive, gone) = mpsc::channel(1);
        let (stop, stopped) = Shutdown::new();
        let watched = self
            .readiness
            .watch(&id, labels.clone(), health, buffer.clone());

        let (input, deliveries) = match &buffer {
            None => {
                let (sender, receiver) = delivery_channel(IN_FLIGHT);
                (sender, receiver.boxed())
            }
            Some(buffer) => {
                let input = input.unwrap_or_else(|| {
                    let (sender, receiver) = delivery_channel(IN_FLIGHT);
                    let write = buffer
                        .clone()
                        .write(receiver, id.clone(), self.readiness.clone());
                    self.landing.spawn(write.map(Ok));
                    sender
                });
                let (out, deliveries) = delivery_channel(DELIVERIES_AHEAD);
                let (buffer, component) = (buffer.clone(), format!("sinks.{id}.buffer"));
                let labels = labels.clone();
                let (old_is_gone, alive) = (old_is_gone.clone(), alive.clone());
                self.landing.spawn(async move {
                    old_is_gone.await;
                    let result = buffer.read(out, stopped).await;
                    drop(alive);
                    result.map_err(|reason| RunError {
                        labels: labels.into(),
                        component,
                        reason: reason.into(),
                    })
                });
                (input, deliveries.boxed())
            }
        };
        let component = format!("sinks.{id}");
        let of_task = labels.clone();
        let task = self.landing.spawn(async move {
            old_is_gone.await;
            let (deliveries, at_end) = noting_its_end(deliveries);
            let result = sink.run(deliveries).await;
            drop((watched, alive));
            ended(of_task, component, result, at_end.load(Relaxed))
        });
        let sink = RunningSink {
            labels,
            input,
            buffer,
            stop,
            task,
            gone,
        };
        self.sinks.insert(id, sink);
        begins
    }
}

impl RunningSink {
    /// Ends the input of the sink, and waits until it has landed what it has, or gives it up: then its successor lands what is
    /// in the disk buffer.
    async fn retire(self) {
        let Self {
            input,
            buffer,
            stop,
            task,
            mut gone,
            ..
        } = self;
        stop.trigger();
        drop((input, buffer));
        if timeout(LANDING_TIME, gone.recv()).await.is_err() {
            task.abort();
            gone.recv().await;
        }
    }
}

/// What comes from `deliveries`, and whether it has come to its end.
fn noting_its_end(
    deliveries: BoxStream<'static, Delivery>,
) -> (BoxStream<'static, Delivery>, Arc<AtomicBool>) {
    let at_end = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&at_end);
    let end = stream::once(async move { note.store(true, Relaxed) });
    let deliveries = deliveries.chain(end.filter_map(|()| std::future::ready(None)));
    (deliveries.boxed(), at_end)
}
