//! The way of deliveries from a source, through transforms, into the buffers of sinks.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use landfall_core::{
    Delivery, DeliveryReceiver, DeliverySender, Event, Outcome, Refusal, Transform,
};
use metrics::Counter;
use tokio::sync::watch;

use crate::taps::Taps;

/// Deliveries that may wait for room at the same time, each holding up no other.
const WAITING: usize = 1024;

/// Where the events of a source or a transform go.
pub(crate) enum Branch {
    /// Into the buffer of a sink.
    Sink(Output),
    /// Through a transform, and on.
    Transform {
        id: String,
        transform: Arc<dyn Transform>,
        next: Vec<Branch>,
    },
}

/// The way into a sink's buffer.
pub(crate) struct Output {
    pub(crate) id: String,
    pub(crate) received: Counter,
    pub(crate) sender: DeliverySender,
    /// Whether a delivery waits when there is no room; else it is refused.
    pub(crate) waits: bool,
}

/// Gives every delivery of source `id` to each of the branches that there are when it comes; it is durable once it is so in
/// all of them.
///
/// A branch without room keeps the others waiting for nothing: only its own deliveries wait for it, as long as somebody waits
/// for their answers.
pub(crate) async fn fan_out(
    id: String,
    mut deliveries: DeliveryReceiver,
    branches: watch::Receiver<Vec<Branch>>,
    sent: Counter,
    taps: Taps,
) {
    let mut waiting = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(delivery) = deliveries.next(), if waiting.len() < WAITING => {
                sent.increment(delivery.events.len() as u64);
                taps.show(&id, &delivery.events);
                for (output, delivery) in routed(delivery, &branches.borrow(), &taps) {
                    match output.sender.offer(delivery) {
                        Ok(()) => {}
                        Err(delivery) if output.waits => {
                            let sender = output.sender.clone();
                            waiting.push(async move { sender.send(delivery).await });
                        }
                        Err(delivery) => delivery.ack.refuse(Refusal::Full),
                    }
                }
            }
            Some(()) = waiting.next(), if !waiting.is_empty() => {}
            else => break,
        }
    }
}

/// What each output gets of a delivery, with its part of the duty to answer.
fn routed<'a>(
    delivery: Delivery,
    branches: &'a [Branch],
    taps: &Taps,
) -> Vec<(&'a Output, Delivery)> {
    let mut parts = Vec::with_capacity(branches.len());
    route(delivery.events, branches, taps, &mut parts);
    if parts.is_empty() {
        // All was left out on purpose.
        delivery.ack.answer(Outcome::Durable);
        return Vec::new();
    }
    let acks = delivery.ack.split(parts.len());
    let deliver = |((output, events), ack)| (output, Delivery::new(events, ack));
    parts.into_iter().zip(acks).map(deliver).collect()
}

type Parts<'a> = Vec<(&'a Output, Vec<Event>)>;

fn route<'a>(events: Vec<Event>, branches: &'a [Branch], taps: &Taps, parts: &mut Parts<'a>) {
    let Some((last, others)) = branches.split_last() else {
        return;
    };
    for branch in others {
        route_into(events.clone(), branch, taps, parts);
    }
    route_into(events, last, taps, parts);
}

fn route_into<'a>(events: Vec<Event>, branch: &'a Branch, taps: &Taps, parts: &mut Parts<'a>) {
    match branch {
        Branch::Sink(output) => {
            output.received.increment(events.len() as u64);
            taps.show(&output.id, &events);
            parts.push((output, events));
        }
        Branch::Transform {
            id,
            transform,
            next,
        } => {
            let events = events.into_iter();
            let events: Vec<_> = events
                .filter_map(|event| transform.transform(event))
                .collect();
            if !events.is_empty() {
                taps.show(id, &events);
                route(events, next, taps, parts);
            }
        }
    }
}
