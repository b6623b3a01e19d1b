use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;

use crate::{Ack, Event, Refusal};

/// One or more events that share one acknowledgement.
#[derive(Debug)]
pub struct Delivery {
    /// The events, in the order in which they were accepted.
    pub events: Vec<Event>,
    /// The duty to say when all of them are safe.
    pub ack: Ack,
}

impl Delivery {
    /// A delivery of `events`, answered through `ack`.
    pub fn new(events: Vec<Event>, ack: Ack) -> Self {
        Self { events, ack }
    }
}

/// A bounded channel of deliveries: at most `capacity` wait in it.
pub fn delivery_channel(capacity: usize) -> (DeliverySender, DeliveryReceiver) {
    let (sender, receiver) = mpsc::channel(capacity);
    (DeliverySender(sender), DeliveryReceiver(receiver))
}

/// Where a source puts its deliveries.
#[derive(Clone, Debug)]
pub struct DeliverySender(mpsc::Sender<Delivery>);

impl DeliverySender {
    /// Hands `delivery` on, waiting while the channel is full. If the receiver is gone, the delivery is refused
    /// through its acknowledgement.
    pub async fn send(&self, delivery: Delivery) {
        if let Err(mpsc::error::SendError(delivery)) = self.0.send(delivery).await {
            delivery.ack.refuse(Refusal::Unanswered);
        }
    }

    /// Whether the receiver is gone, so that everything sent would be refused.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// As [`send`](Self::send), but refuses the delivery as [`Refusal::Full`] instead of waiting.
    pub fn try_send(&self, delivery: Delivery) {
        match self.0.try_send(delivery) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(delivery)) => delivery.ack.refuse(Refusal::Full),
            Err(mpsc::error::TrySendError::Closed(delivery)) => {
                delivery.ack.refuse(Refusal::Unanswered);
            }
        }
    }
}

/// The other end: a stream that ends when every sender is gone.
#[derive(Debug)]
pub struct DeliveryReceiver(mpsc::Receiver<Delivery>);

impl Stream for DeliveryReceiver {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.0.poll_recv(cx)
    }
}
