//! Any source as a stream of its deliveries.

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use landfall_core::{
    Ack, Answer, Delivery, DeliverySender, Event, Outcome, Refusal, Shutdown, Source, SourceError,
    Timestamp,
};
use tokio::sync::oneshot;

/// Sends two events one after the other, waits until it is stopped, and tells `answers` how they ended.
struct TwoEvents {
    answers: oneshot::Sender<Vec<Outcome>>,
    result: Result<(), SourceError>,
}

#[async_trait]
impl Source for TwoEvents {
    async fn run(
        self: Box<Self>,
        out: DeliverySender,
        mut shutdown: Shutdown,
    ) -> Result<(), SourceError> {
        let mut answers: Vec<Answer> = Vec::new();
        for body in ["one", "two"] {
            let (ack, answer) = Ack::channel();
            let event = Event::new(Timestamp::from_millis(0), body);
            out.send(Delivery::new(vec![event], ack)).await;
            answers.push(answer);
        }
        if self.result.is_ok() {
            shutdown.wait().await;
        }
        drop(out);
        let outcomes = futures::future::join_all(answers).await;
        self.answers.send(outcomes).ok();
        self.result
    }
}

fn two_events(result: Result<(), SourceError>) -> (TwoEvents, oneshot::Receiver<Vec<Outcome>>) {
    let (answers, receiver) = oneshot::channel();
    (TwoEvents { answers, result }, receiver)
}

const REFUSED: Outcome = Outcome::Refused(Refusal::Unanswered);

#[tokio::test]
async fn a_stream_ends_after_the_shutdown_when_every_delivery_has_been_answered() {
    let (source, answers) = two_events(Ok(()));
    let (trigger, shutdown) = Shutdown::new();
    let mut stream = source.into_stream(shutdown);
    let first = stream.next().await.unwrap();
    assert_eq!(first.events[0].body, "one");
    first.ack.durable();
    let second = stream.next().await.unwrap();
    trigger.trigger();
    tokio::task::yield_now().await;
    assert!(stream.next().now_or_never().is_none());
    second.ack.durable();
    assert!(stream.next().await.is_none());
    assert_eq!(answers.await.unwrap(), [Outcome::Durable; 2]);
    assert!(stream.next().await.is_none());
    stream.finish().await.unwrap();
}

#[tokio::test]
async fn dropping_the_stream_stops_the_source_and_refuses_only_what_was_not_taken() {
    let (source, answers) = two_events(Ok(()));
    let (_trigger, shutdown) = Shutdown::new();
    // As whoever has the source from its configuration has it.
    let source: Box<dyn Source> = Box::new(source);
    let mut stream = source.into_stream(shutdown);
    let first = stream.next().await.unwrap();
    drop(stream);
    first.ack.durable();
    assert_eq!(answers.await.unwrap(), [Outcome::Durable, REFUSED]);
}

#[tokio::test]
async fn a_stream_that_is_finished_says_why_its_source_ended() {
    for takes_all in [true, false] {
        let (source, _answers) = two_events(Err(SourceError::new("the wire is cut")));
        let (_trigger, shutdown) = Shutdown::new();
        let mut stream = source.into_stream(shutdown);
        if takes_all {
            while let Some(delivery) = stream.next().await {
                delivery.ack.durable();
            }
        }
        let error = stream.finish().await.unwrap_err();
        assert_eq!(error.to_string(), "the wire is cut");
    }
}
