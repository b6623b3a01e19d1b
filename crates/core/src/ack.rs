use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

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
    /// Dropped with the answer.
    held: Option<Box<dyn Send>>,
}

enum Reply {
    Channel(oneshot::Sender<Outcome>),
    Callback(Box<dyn FnOnce(Outcome) + Send>),
}

impl Ack {
    /// An acknowledgement and the future of its answer.
    pub fn channel() -> (Self, Answer) {
        let (sender, receiver) = oneshot::channel();
        (Self::new(Reply::Channel(sender)), Answer(receiver))
    }

    /// An acknowledgement that calls `answered` exactly once. The callback must not block.
    pub fn callback(answered: impl FnOnce(Outcome) + Send + 'static) -> Self {
        Self::new(Reply::Callback(Box::new(answered)))
    }

    fn new(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            held: None,
        }
    }

    /// Keeps `what`, such as the permit for the memory that the delivery takes up, until there is an answer.
    pub fn hold(&mut self, what: impl Send + 'static) {
        self.held = Some(Box::new(what));
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

    /// Waits until nobody waits for the answer any more, so that the delivery can be dropped. May never come, also when
    /// nobody does.
    pub async fn abandoned(&mut self) {
        match &mut self.reply {
            Some(Reply::Channel(sender)) => sender.closed().await,
            _ => std::future::pending().await,
        }
    }

    /// Splits the duty into `parts`: the whole is durable once all parts are, and refused as soon as one is.
    ///
    /// Splitting into no parts is a refusal, since nobody will have kept the events.
    pub fn split(self, parts: usize) -> Vec<Self> {
        if parts == 1 {
            return vec![self];
        }
        let whole = Arc::new(Mutex::new((Some(self), parts)));
        (0..parts)
            .map(|_| {
                let whole = Arc::clone(&whole);
                Self::callback(move |outcome| {
                    let mut state = whole.lock().unwrap_or_else(PoisonError::into_inner);
                    state.1 -= 1;
                    if (outcome != Outcome::Durable || state.1 == 0)
                        && let Some(ack) = state.0.take()
                    {
                        ack.answer(outcome);
                    }
                })
            })
            .collect()
    }

    fn reply(&mut self, outcome: Outcome) {
        match self.reply.take() {
            // Nobody waits any more: the client went away, and will send again.
            Some(Reply::Channel(sender)) => drop(sender.send(outcome)),
            Some(Reply::Callback(answered)) => answered(outcome),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(answer: &mut Answer) -> Option<Outcome> {
        answer.0.try_recv().ok()
    }

    #[test]
    fn a_split_ack_is_durable_only_when_every_part_is() {
        let (ack, mut answer) = Ack::channel();
        let mut parts = ack.split(3);
        parts.pop().unwrap().durable();
        parts.pop().unwrap().durable();
        assert_eq!(resolved(&mut answer), None);
        parts.pop().unwrap().durable();
        assert_eq!(resolved(&mut answer), Some(Outcome::Durable));
    }

    #[test]
    fn one_refused_part_refuses_the_whole_at_once() {
        let (ack, mut answer) = Ack::channel();
        let mut parts = ack.split(2);
        parts.pop().unwrap().refuse(Refusal::Full);
        let refused = Some(Outcome::Refused(Refusal::Full));
        assert_eq!(resolved(&mut answer), refused);
        parts.pop().unwrap().durable();
    }

    #[test]
    fn a_dropped_part_refuses_the_whole() {
        let (ack, mut answer) = Ack::channel();
        let mut parts = ack.split(2);
        parts.pop().unwrap().durable();
        drop(parts);
        let unanswered = Some(Outcome::Refused(Refusal::Unanswered));
        assert_eq!(resolved(&mut answer), unanswered);
    }

    #[test]
    fn splitting_into_nothing_refuses() {
        let (ack, mut answer) = Ack::channel();
        assert!(ack.split(0).is_empty());
        let unanswered = Some(Outcome::Refused(Refusal::Unanswered));
        assert_eq!(resolved(&mut answer), unanswered);
    }
}
