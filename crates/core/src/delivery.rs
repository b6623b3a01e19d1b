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
    /// Hands `delivery` on, waiting while the channel is full and somebody waits for its answer. If the receiver is gone, the
    /// delivery is refused through its acknowledgement.
    pub async fn send(&self, delivery: Delivery) {
        let Err(mut delivery) = self.offer(delivery) else {
            return;
        };
        let permit = tokio::select! {
            permit = self.0.reserve() => permit,
            () = delivery.ack.abandoned() => return,
        };
        match permit {
            Ok(permit) => permit.send(delivery),
            Err(_) => delivery.ack.refuse(Refusal::Unanswered),
        }
    }

    /// Hands `delivery` on, or gives it back while the channel is full. If the receiver is gone, the delivery is refused
    /// through its acknowledgement.
    ///
    /// # Errors
    /// The delivery, for which there is no room.
    pub fn offer(&self, delivery: Delivery) -> Result<(), Delivery> {
        match self.0.try_send(delivery) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(delivery)) => Err(delivery),
            Err(mpsc::error::TrySendError::Closed(delivery)) => {
                delivery.ack.refuse(Refusal::Unanswered);
                Ok(())
            }
        }
    }

    /// Whether the receiver is gone, so that everything sent would be refused.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
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
