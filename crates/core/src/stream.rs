use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use futures::future::{Either, MaybeDone, maybe_done, select};
use futures::{FutureExt, Stream};
use tokio::task::JoinHandle;

use crate::{
    Delivery, DeliveryReceiver, Shutdown, ShutdownTrigger, Source, SourceError, delivery_channel,
};

/// Deliveries that may wait to be taken from the stream. Their senders wait with them.
const WAITING: usize = 64;

/// A running source as a stream of its deliveries, made by [`Source::into_stream`].
///
/// It ends when the source has ended and all its senders are answered. Dropping it stops the source gracefully: what
/// nobody has taken is refused, what was taken can still be acknowledged.
#[derive(Debug)]
pub struct SourceStream {
    deliveries: DeliveryReceiver,
    running: MaybeDone<JoinHandle<Result<(), SourceError>>>,
    /// Tells the source to stop when it is dropped.
    stop: ShutdownTrigger,
}

impl SourceStream {
    /// Runs `source` in a task of its own.
    pub(crate) fn start<S: Source + 'static>(source: S, mut shutdown: Shutdown) -> Self {
        let (out, deliveries) = delivery_channel(WAITING);
        let (stop, mut stopped) = Shutdown::new();
        let running = tokio::spawn(async move {
            let (stop_source, source_stops) = Shutdown::new();
            let run = Box::new(source).run(out, source_stops);
            let told = pin!(async {
                select(pin!(shutdown.wait()), pin!(stopped.wait())).await;
            });
            match select(run, told).await {
                Either::Left((ended, _)) => ended,
                Either::Right((_, run)) => {
                    stop_source.trigger();
                    run.await
                }
            }
        });
        Self {
            deliveries,
            running: maybe_done(running),
            stop,
        }
    }

    /// Stops the source if it runs still, refuses what nobody has taken from the stream, and waits until all senders are
    /// answered.
    ///
    /// # Errors
    /// Why the source ended, if it could never receive again.
    pub async fn finish(self) -> Result<(), SourceError> {
        let Self {
            deliveries,
            mut running,
            stop,
        } = self;
        stop.trigger();
        drop(deliveries);
        (&mut running).await;
        match Pin::new(&mut running).take_output() {
            Some(Err(error)) => {
                let panicked = format!("the source panicked: {error}");
                Err(SourceError::new(panicked).with_source(error))
            }
            Some(Ok(ended)) => ended,
            None => Ok(()),
        }
    }
}

impl Stream for SourceStream {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        if let Some(delivery) = ready!(Pin::new(&mut self.deliveries).poll_next(cx)) {
            return Poll::Ready(Some(delivery));
        }
        ready!(self.running.poll_unpin(cx));
        Poll::Ready(None)
    }
}
