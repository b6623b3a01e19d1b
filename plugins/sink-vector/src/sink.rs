use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures::StreamExt as _;
use futures::stream::{BoxStream, FuturesUnordered};
use landfall_core::{
    Ack, BuildError, Delivery, Event, Refusal, Seldom, Sink, SinkContext, SinkError, Timestamp,
    log_seldom,
};
use landfall_vector_proto::{EventWrapper, PushEventsRequest, frame};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{Client, Failure};
use crate::{BatchConfig, RequestConfig, VectorSinkConfig, to_log};

/// The sink: events wait in a queue until they are a batch, and batches are sent a few at a time.
#[derive(Debug)]
pub(crate) struct VectorSink {
    limits: BatchConfig,
    concurrency: usize,
    sender: Arc<Sender>,
}

/// What all batches are sent by.
#[derive(Debug)]
struct Sender {
    client: Client,
    request: RequestConfig,
    seldom: Seldom,
    context: SinkContext,
}

/// An event with its own part of its delivery's acknowledgement.
#[derive(Debug)]
struct Item {
    event: Event,
    ack: Ack,
    /// When it has waited for others as long as it may.
    due: Instant,
}

/// Events that are not in a batch yet.
#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
}

impl VectorSink {
    pub(crate) fn new(config: &VectorSinkConfig, context: SinkContext) -> Result<Self, BuildError> {
        Ok(Self {
            limits: config.batch.clone(),
            concurrency: config.request.concurrency,
            sender: Arc::new(Sender {
                client: Client::new(config)?,
                request: config.request.clone(),
                seldom: Seldom::new(context.labels()),
                context,
            }),
        })
    }
}

#[async_trait]
impl Sink for VectorSink {
    async fn run(
        self: Box<Self>,
        mut input: BoxStream<'static, Delivery>,
    ) -> Result<(), SinkError> {
        let mut queue = Queue::default();
        let mut sending = FuturesUnordered::new();
        // The oldest event of each batch that is being sent.
        let mut oldest = BTreeMap::new();
        let mut batches = 0_u64;
        let mut has_ended = false;
        while !(has_ended && queue.items.is_empty() && sending.is_empty()) {
            let is_full = queue.is_full(&self.limits);
            let due = match queue.items.front() {
                Some(_) if is_full || has_ended => Some(Instant::now()),
                first => first.map(|item| item.due),
            };
            tokio::select! {
                biased;
                Some(sent) = sending.next(), if !sending.is_empty() => {
                    oldest.remove(&sent);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)),
                    if due.is_some() && sending.len() < self.concurrency =>
                {
                    let batch = queue.take(&self.limits);
                    let sender = Arc::clone(&self.sender);
                    batches += 1;
                    let number = batches;
                    oldest.extend(batch.first().map(|item| (number, item.event.received_at)));
                    sending.push(async move {
                        sender.send(batch).await;
                        number
                    });
                }
                delivery = input.next(), if !is_full && !has_ended => match delivery {
                    Some(delivery) => queue.add(delivery, self.limits.timeout()),
                    None => has_ended = true,
                },
            }
            let waiting = oldest.values().copied().chain(queue.oldest());
            self.sender.context.health.report_oldest(waiting.min());
        }
        Ok(())
    }
}

impl Queue {
    fn add(&mut self, delivery: Delivery, timeout: Duration) {
        let Delivery { events, ack } = delivery;
        if events.is_empty() {
            return ack.durable();
        }
        let due = Instant::now() + timeout;
        let acks = ack.split(events.len());
        for (event, ack) in events.into_iter().zip(acks) {
            self.bytes += event.body.len();
            self.items.push_back(Item { event, ack, due });
        }
    }

    fn is_full(&self, limits: &BatchConfig) -> bool {
        self.items.len() >= limits.max_events || self.bytes >= limits.max_bytes
    }

    fn oldest(&self) -> Option<Timestamp> {
        Some(self.items.front()?.event.received_at)
    }

    /// The first events, as many as fit into a batch, and at least one.
    fn take(&mut self, limits: &BatchConfig) -> Vec<Item> {
        let mut bytes = 0;
        let items = self.items.iter().take(limits.max_events);
        let fitting = items.take_while(|item| {
            bytes += item.event.body.len();
            bytes <= limits.max_bytes
        });
        let count = fitting.count().max(1).min(self.items.len());
        let batch: Vec<_> = self.items.drain(..count).collect();
        self.bytes -= batch
            .iter()
            .map(|item| item.event.body.len())
            .sum::<usize>();
        batch
    }
}

impl Sender {
    /// Sends `batch` until the peer has answered OK for all of it. Behind a memory buffer its senders wait: they are told at
    /// once when it was not taken.
    async fn send(&self, mut batch: Vec<Item>) {
        let mut most = batch.len();
        let mut pauses = self.pauses();
        while !batch.is_empty() {
            let part = batch.iter().take(most);
            let events: Vec<_> = part.map(|item| item.event.clone()).collect();
            let count = events.len();
            match self.push(events).await {
                Ok(()) => {
                    self.context.health.report(None);
                    batch.drain(..count).for_each(|item| item.ack.durable());
                    pauses = self.pauses();
                }
                Err(failure) => {
                    self.note(&failure);
                    if failure.is_too_large && count > 1 {
                        most = count.div_ceil(2);
                    } else if self.context.state.is_some() {
                        sleep(pauses.next().unwrap_or_default()).await;
                    } else {
                        let items = batch.drain(..);
                        items.for_each(|item| item.ack.refuse(Refusal::Failed));
                    }
                }
            }
        }
    }

    async fn push(&self, events: Vec<Event>) -> Result<(), Failure> {
        let count = events.len();
        let bytes: usize = events.iter().map(|event| event.body.len()).sum();
        let compression = self.client.compression();
        let encode = move || {
            let events = events.iter().map(|event| EventWrapper::log(to_log(event)));
            let events = events.collect();
            frame::encode(&PushEventsRequest { events }, compression)
        };
        let frame = spawn_blocking(encode).await;
        let frame = frame
            .map_err(|error| Failure::new("internal", error.to_string()))?
            .map_err(|error| Failure::new("internal", error.to_string()))?;
        self.client.push(frame).await?;
        for (name, count) in [
            ("component_sent_events_total", count),
            ("component_sent_bytes_total", bytes),
        ] {
            metrics::counter!(name, &self.context.labels()).increment(count as u64);
        }
        Ok(())
    }

    fn pauses(&self) -> ExponentialBackoff {
        let initial = Duration::from_secs(self.request.retry_initial_backoff_secs);
        let longest = Duration::from_secs(self.request.retry_max_duration_secs);
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(initial.min(longest))
            .with_max_delay(longest)
            .without_max_times()
            .build()
    }

    fn note(&self, failure: &Failure) {
        let mut labels = self.context.labels().to_vec();
        labels.push(("error_type", "send_failed".to_owned()));
        labels.push(("error_code", failure.code.to_owned()));
        metrics::counter!("component_errors_total", &labels).increment(1);
        log_seldom!(
            &self.seldom,
            failure.code,
            warn,
            code = failure.code,
            "events were not taken: {failure}"
        );
        self.context.health.report(Some(failure.to_string()));
    }
}
