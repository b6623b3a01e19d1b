mod part;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use part::Part;

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every event of the delivery is safe: it survives the loss of this process.
    Durable,
    /// At least one event of the delivery may not be safe; the sender should send it again.
    Refused(Refusal),
}

/// Why a delivery was not made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The buffer is at its size limit.
    Full,
    /// An event is larger than the buffer can ever take: sending it again is of no use.
    TooLarge,
    /// The disk or the store refused it.
    Failed,
    /// The acknowledgement was dropped without an answer: the receiver is gone.
    Unanswered,
}

/// The duty to say how a delivery ended.
///
/// Answering consumes it. Dropping it unanswered is an answer too: [`Refusal::Unanswered`].
pub struct Ack {
    reply: Option<Reply>,
    /// Dropped with the answer; of a split one with that of the last part, since each of them has the events.
    held: Option<Arc<dyn Send + Sync>>,
}

enum Reply {
    Channel(oneshot::Sender<Outcome>),
    Callback(Box<dyn FnOnce(Outcome) + Send + Sync>),
    Part(Part),
}

impl Ack {
    /// An acknowledgement and the future of its answer.
    pub fn channel() -> (Self, Answer) {
        let (sender, receiver) = oneshot::channel();
        (Self::new(Reply::Channel(sender)), Answer(receiver))
    }

    /// An acknowledgement that calls `answered` exactly once. The callback must not block.
    pub fn callback(answered: impl FnOnce(Outcome) + Send + Sync + 'static) -> Self {
        Self::new(Reply::Callback(Box::new(answered)))
    }

    fn new(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            held: None,
        }
    }

    /// Keeps `what`, such as the permit for the memory that the delivery takes up, until there is an answer; of a
    /// [`split`](Self::split) acknowledgement, until every part has one. What was kept before stays.
    pub fn hold(&mut self, what: impl Send + Sync + 'static) {
        self.held = Some(Arc::new((self.held.take(), what)));
    }

    /// Says that every event of the delivery is safe.
    pub fn durable(self) {
        self.answer(Outcome::Durable);
    }

    /// Says that the delivery could not be made safe.
    pub fn refuse(self, refusal: Refusal) {
        self.answer(Outcome::Refused(refusal));
    }

    /// Gives the answer.
    pub fn answer(mut self, outcome: Outcome) {
        self.reply(outcome);
    }

    /// Waits until nobody waits for the answer any more, so that the delivery can be dropped: whoever asked went away, or
    /// another part of a [`split`](Self::split) acknowledgement was refused. May never come, also when nobody waits.
    pub async fn abandoned(&mut self) {
        poll_fn(|cx| self.poll_abandoned(cx)).await;
    }

    fn poll_abandoned(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.reply {
            Some(Reply::Channel(sender)) => sender.poll_closed(cx),
            Some(Reply::Part(part)) => part.poll_abandoned(cx),
            Some(Reply::Callback(_)) | None => Poll::Pending,
        }
    }

    /// Splits the duty into `parts`: the whole is durable once all parts are, and refused as soon as one is.
    ///
    /// Splitting into no parts is a refusal, since nobody will have kept the events.
    pub fn split(self, parts: usize) -> Vec<Self> {
        if parts == 1 {
            return vec![self];
        }
        let held = self.held.clone();
        let part = |part| Self {
            reply: Some(Reply::Part(part)),
            held: held.clone(),
        };
        part::split(self, parts).into_iter().map(part).collect()
    }

    fn reply(&mut self, outcome: Outcome) {
        match self.reply.take() {
            // Nobody waits any more: the client went away, and will send again.
            Some(Reply::Channel(sender)) => drop(sender.send(outcome)),
            Some(Reply::Callback(answered)) => answered(outcome),
            Some(Reply::Part(part)) => part.answer(outcome),
            None => {}
        }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        self.reply(Outcome::Refused(Refusal::Unanswered));
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ack")
    }
}

/// The answer to come from an [`Ack`].
#[derive(Debug)]
pub struct Answer(oneshot::Receiver<Outcome>);

impl Future for Answer {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|received| received.unwrap_or(Outcome::Refused(Refusal::Unanswered)))
    }
}
