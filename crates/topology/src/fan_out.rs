//! The way of deliveries from a source, through transforms, into the buffers of sinks.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use landfall_core::{
    Delivery, DeliveryReceiver, DeliverySender, Event, Outcome, Refusal, Transform,
};
use tokio::sync::watch;

/// Deliveries that may wait for room at the same time, each holding up no other.
const WAITING: usize = 1024;

/// Where the events of a source or a transform go.
pub(crate) enum Branch {
    /// Into the buffer of a sink.
    Sink(Output),
    /// Through a transform, and on.
    Transform(Arc<dyn Transform>, Vec<Branch>),
}

/// The way into a sink's buffer.
#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) sender: DeliverySender,
    /// Whether a delivery waits when there is no room; else it is refused.
    pub(crate) waits: bool,
}

/// Gives every delivery to each of the branches that there are when it comes; it is durable once it is so in all of them.
///
/// A branch without room keeps the others waiting for nothing: only its own deliveries wait for it, as long as somebody waits
/// for their answers.
pub(crate) async fn fan_out(
    mut deliveries: DeliveryReceiver,
    branches: watch::Receiver<Vec<Branch>>,
) {
    let mut waiting = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(delivery) = deliveries.next(), if waiting.len() < WAITING => {
                for (output, delivery) in routed(delivery, &branches.borrow()) {
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
fn routed(delivery: Delivery, branches: &[Branch]) -> Vec<(&Output, Delivery)> {
    let mut parts = Vec::with_capacity(branches.len());
    route(delivery.events, branches, &mut parts);
    if parts.is_empty() {
        // All was left out on purpose.
        delivery.ack.answer(Outcome::Durable);
        return Vec::new();
    }
    let acks = delivery.ack.split(parts.len());
    let deliver = |((output, events), ack)| (output, Delivery::new(events, ack));
    parts.into_iter().zip(acks).map(deliver).collect()
}

fn route<'a>(
    events: Vec<Event>,
    branches: &'a [Branch],
    parts: &mut Vec<(&'a Output, Vec<Event>)>,
) {
    let Some((last, others)) = branches.split_last() else {
        return;
    };
    for branch in others {
        route_into(events.clone(), branch, parts);
    }
    route_into(events, last, parts);
}

fn route_into<'a>(
    events: Vec<Event>,
    branch: &'a Branch,
    parts: &mut Vec<(&'a Output, Vec<Event>)>,
) {
    match branch {
        Branch::Sink(output) => parts.push((output, events)),
        Branch::Transform(transform, next) => {
            let events = events.into_iter();
            let events: Vec<_> = events
                .filter_map(|event| transform.transform(event))
                .collect();
            if !events.is_empty() {
                route(events, next, parts);
            }
        }
    }
}
