//! From the sources into the journal.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use futures::future::OptionFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use landfall_core::{Ack, Delivery, DeliveryReceiver, Event, Position, Refusal, log_seldom};
use landfall_journal::{AppendError, Ticket};

use super::DiskBuffer;
use super::record::encode_head;
use crate::readiness::Readiness;

/// Appends that may wait for their fsync at the same time, and deliveries that are taken in one go.
const APPENDS_AT_A_TIME: usize = 16 * 1024;
const DELIVERIES_AT_A_TIME: usize = 256;

impl DiskBuffer {
    /// Appends what comes to the journal. At the end of `input` it closes the journal.
    pub(crate) async fn write(self, input: DeliveryReceiver, id: String, readiness: Readiness) {
        let writer = Writer {
            buffer: self,
            readiness,
            id,
        };
        writer.run(input).await;
    }
}

/// Appends what comes to the journal.
struct Writer {
    buffer: DiskBuffer,
    readiness: Readiness,
    id: String,
}

impl Writer {
    async fn run(self, input: DeliveryReceiver) {
        let mut input = input.ready_chunks(DELIVERIES_AT_A_TIME);
        // In the order in which they are written, so that there is one to wait for.
        let mut joined = VecDeque::new();
        let mut waiting = FuturesUnordered::new();
        let mut open = true;
        while open || !joined.is_empty() || !waiting.is_empty() {
            let room = joined.len() + waiting.len() < APPENDS_AT_A_TIME;
            let first: Option<&(Ticket, Ack)> = joined.front();
            let written = OptionFuture::from(first.map(|(ticket, _)| ticket.position()));
            tokio::select! {
                biased;
                Some(_) = written => {
                    while let Some(appended) = joined.front().and_then(|(ticket, _)| ticket.now()) {
                        if let Some((_, ack)) = joined.pop_front() {
                            self.answer(ack, appended);
                        }
                    }
                }
                Some(()) = waiting.next(), if !waiting.is_empty() => {}
                deliveries = input.next(), if open && room => {
                    open = deliveries.is_some();
                    for (event, ack) in deliveries.into_iter().flatten().flat_map(parts) {
                        match self.join(&event).now_or_never() {
                            Some(Ok(ticket)) => joined.push_back((ticket, ack)),
                            Some(Err(error)) if !self.waits_after(&error) => {
                                self.answer(ack, Err(error));
                            }
                            Some(Err(_)) | None => waiting.push(self.wait(event, ack)),
                        }
                    }
                }
            }
        }
        // Tells the reader that nothing more will come.
        drop(waiting);
        self.buffer.journal.close().await;
    }

    async fn join(&self, event: &Event) -> Result<Ticket, AppendError> {
        let head = encode_head(event.received_at);
        self.buffer.journal.join(&[&head, &event.body]).await
    }

    /// Appends an event for which there is no room yet, while somebody waits for the answer. Else events whose senders have
    /// given up would gather.
    async fn wait(&self, event: Event, mut ack: Ack) {
        let head = encode_head(event.received_at);
        let parts: [&[u8]; 2] = [&head, &event.body];
        let append = async {
            let journal = &self.buffer.journal;
            match journal.append(&parts).await {
                Err(error) if self.waits_after(&error) => {
                    let _blocked = self.readiness.blocked(&self.id);
                    journal.append_waiting(&parts).await
                }
                appended => appended,
            }
        };
        tokio::select! {
            biased;
            appended = append => self.answer(ack, appended),
            () = ack.abandoned() => {}
        }
    }

    /// Whether an event is to wait for what it could not have at once.
    fn waits_after(&self, error: &AppendError) -> bool {
        matches!(error, AppendError::Full) && self.buffer.waits.load(Relaxed)
    }

    fn answer(&self, ack: Ack, appended: Result<Position, AppendError>) {
        match appended {
            Ok(_) => ack.durable(),
            Err(error) => ack.refuse(self.refusal(&error)),
        }
    }

    fn refusal(&self, error: &AppendError) -> Refusal {
        if let AppendError::TooLarge { .. } = error {
            return Refusal::TooLarge;
        }
        self.readiness.refused(&self.id, error);
        let (refusal, kind) = match error {
            AppendError::Full => (Refusal::Full, "full"),
            _ => (Refusal::Failed, "not_journaled"),
        };
        log_seldom!(&self.buffer.seldom, kind, warn, %error, "events are refused");
        refusal
    }
}

/// The events of a delivery, each with its part of the duty to answer.
fn parts(Delivery { events, ack }: Delivery) -> impl Iterator<Item = (Event, Ack)> {
    let acks = if events.is_empty() {
        ack.durable();
        Vec::new()
    } else {
        ack.split(events.len())
    };
    events.into_iter().zip(acks)
}
