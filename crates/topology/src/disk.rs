use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join_all;
use futures::stream::{BoxStream, FuturesOrdered};
use futures::{FutureExt as _, StreamExt as _};
use landfall_core::{
    Ack, Delivery, DeliveryReceiver, DeliverySender, Event, Outcome, Position, Refusal, StateStore,
    Timestamp, delivery_channel,
};
use landfall_journal::{AppendError, Journal, Options, Reader, Record};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::readiness::Readiness;
use crate::topology::Ended;
use crate::{BufferConfig, WhenFull};

/// The journal's one reader.
const CURSOR: &str = "sink";

/// Appends that may wait for their fsync at the same time.
const APPENDS_AT_A_TIME: usize = 16 * 1024;

/// What one delivery to the sink may hold, and how many may wait for it.
const EVENTS_A_DELIVERY: usize = 1024;
const BYTES_A_DELIVERY: usize = 1024 * 1024;
const DELIVERIES_AHEAD: usize = 2;

/// Before what a sink refused is delivered again.
const REDELIVERY_PAUSE: Duration = Duration::from_secs(1);

/// A durable buffer: deliveries are acknowledged once they are fsynced, and given to the sink from disk.
#[derive(Debug)]
pub(crate) struct DiskBuffer {
    journal: Journal,
    reader: Reader,
    when_full: WhenFull,
    max_size: u64,
}

impl DiskBuffer {
    pub(crate) async fn open(directory: &Path, config: &BufferConfig) -> Result<Self, String> {
        let options = Options {
            max_bytes: config.max_size,
            ..Options::default()
        };
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", directory.display());
        let journal = Journal::open(directory, options).await;
        let journal = journal.map_err(|error| failed(&error))?;
        let reader = journal
            .reader(CURSOR)
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self {
            journal,
            reader,
            when_full: config.when_full,
            max_size: config.max_size,
        })
    }

    /// Tells this data directory from all others.
    pub(crate) fn home_id(&self) -> String {
        let id = self.journal.id();
        let (short, _) = id.split_at(8);
        hex::encode(short)
    }

    pub(crate) fn state(&self) -> Arc<dyn StateStore> {
        Arc::new(State(self.journal.state()))
    }

    /// Begins to take deliveries from `input`; what is journaled comes out of the stream, in order.
    ///
    /// When `input` ends, the stream goes on to the end of the journal and ends too.
    pub(crate) fn start(
        self,
        id: &str,
        input: DeliveryReceiver,
        readiness: &Readiness,
        running: &mut JoinSet<Ended>,
    ) -> BoxStream<'static, Delivery> {
        readiness.watch_journal(id, self.journal.clone(), self.max_size);
        let (sender, output) = delivery_channel(DELIVERIES_AHEAD);
        let writer = Writer {
            journal: self.journal,
            when_full: self.when_full,
            readiness: readiness.clone(),
            id: id.to_owned(),
        };
        let name = format!("sinks.{id}.buffer");
        running.spawn(async move {
            writer.run(input).await;
            (name, Ok(()))
        });
        let name = format!("sinks.{id}.buffer");
        running.spawn(async move { (name, read(self.reader, sender).await) });
        output.boxed()
    }
}

/// Whether a journal lives in `directory`.
pub(crate) fn is_journal(directory: &Path) -> bool {
    directory.join("identity").is_file()
}

/// Appends what comes to the journal.
struct Writer {
    journal: Journal,
    when_full: WhenFull,
    readiness: Readiness,
    id: String,
}

impl Writer {
    async fn run(self, input: DeliveryReceiver) {
        let accept = |Delivery { events, mut ack }| {
            let writer = &self;
            async move {
                let appends = try_join_all(events.iter().map(|event| writer.append(event)));
                let appended = tokio::select! {
                    biased;
                    appended = appends => appended,
                    // Else deliveries whose senders have given up would gather while the buffer is full.
                    () = ack.abandoned() => return,
                };
                match appended {
                    Ok(_) => ack.durable(),
                    Err(error) => ack.refuse(writer.refusal(&error)),
                }
            }
        };
        input.for_each_concurrent(APPENDS_AT_A_TIME, accept).await;
        // Tells the reader that nothing more will come.
        self.journal.close().await;
    }

    async fn append(&self, event: &Event) -> Result<Position, AppendError> {
        let head = encode_head(event.received_at);
        let parts: [&[u8]; 2] = [&head, &event.body];
        match self.journal.append(&parts).await {
            Err(AppendError::Full) if self.when_full == WhenFull::Block => {
                let _blocked = self.readiness.blocked(&self.id);
                self.journal.append_waiting(&parts).await
            }
            appended => appended,
        }
    }

    fn refusal(&self, error: &AppendError) -> Refusal {
        if let AppendError::TooLarge { .. } = error {
            return Refusal::TooLarge;
        }
        self.readiness.refused(&self.id, error);
        match error {
            AppendError::Full => Refusal::Full,
            _ => Refusal::Failed,
        }
    }
}

/// Delivers what is in the journal, and moves its cursor as deliveries are acknowledged.
async fn read(mut reader: Reader, out: DeliverySender) -> Result<(), String> {
    let mut out = Some(out);
    // Whether what an earlier run had left has been delivered.
    let mut caught_up = false;
    // In the order of the journal, since the cursor can only move over what is acknowledged without a gap.
    let mut unanswered = FuturesOrdered::new();
    while out.is_some() || !unanswered.is_empty() {
        let start = reader.position();
        tokio::select! {
            biased;
            Some(answered) = unanswered.next(), if !unanswered.is_empty() => {
                let (durable, refused) = settle(answered, &mut unanswered);
                if let Some(end) = durable
                    && let Err(error) = reader.commit(end).await
                {
                    tracing::warn!(%error, "cannot move the journal's cursor; it moves with the next batch");
                }
                if let Some(start) = refused {
                    if out.as_ref().is_none_or(DeliverySender::is_closed) {
                        return Ok(());
                    }
                    unanswered = FuturesOrdered::new();
                    sleep(REDELIVERY_PAUSE).await;
                    reader.seek(start);
                }
            }
            records = next(&mut reader, caught_up), if out.is_some() => {
                let records = match records {
                    Ok(records) => records,
                    Err(error) => {
                        tracing::warn!(%error, "cannot read the journal; trying again");
                        sleep(REDELIVERY_PAUSE).await;
                        continue;
                    }
                };
                if records.is_empty() && caught_up {
                    // The journal is closed and read to its end: the sink's input ends too.
                    out = None;
                    continue;
                }
                caught_up |= records.is_empty();
                let events: Option<Vec<_>> = records.iter().map(decode_record).collect();
                let events = events.ok_or(
                    "the journal holds a record of a newer version: use the release that wrote it",
                )?;
                let (ack, answer) = Ack::channel();
                let end = reader.position();
                unanswered.push_back(answer.map(move |outcome| Answered { start, end, outcome }));
                if let Some(out) = &out {
                    out.send(Delivery::new(events, ack)).await;
                }
            }
        }
    }
    Ok(())
}

/// Waits for records once the reader has caught up; until then none means that there are no more.
async fn next(reader: &mut Reader, caught_up: bool) -> io::Result<Vec<Record>> {
    if caught_up {
        reader.next(EVENTS_A_DELIVERY, BYTES_A_DELIVERY).await
    } else {
        reader.try_next(EVENTS_A_DELIVERY, BYTES_A_DELIVERY).await
    }
}

/// How the delivery of a stretch of the journal ended.
struct Answered {
    start: Position,
    end: Position,
    outcome: Outcome,
}

/// Takes all answers that are there: up to where everything is durable, and from where something was refused.
fn settle<F: Future<Output = Answered>>(
    first: Answered,
    unanswered: &mut FuturesOrdered<F>,
) -> (Option<Position>, Option<Position>) {
    let mut durable = None;
    let mut answered = Some(first);
    while let Some(Answered {
        start,
        end,
        outcome,
    }) = answered
    {
        if outcome != Outcome::Durable {
            return (durable, Some(start));
        }
        durable = Some(end);
        answered = unanswered.next().now_or_never().flatten();
    }
    (durable, None)
}

/// What stands before the body in a record: the version of this layout, then `received_at` in milliseconds since the
/// Unix epoch, little-endian.
const RECORD_VERSION: u8 = 1;
const HEAD_LENGTH: usize = 9;

fn encode_head(received_at: Timestamp) -> [u8; HEAD_LENGTH] {
    let mut head = [RECORD_VERSION; HEAD_LENGTH];
    head[1..].copy_from_slice(&received_at.as_millis().to_le_bytes());
    head
}

/// The event in a record of a sink's journal; `None` if another version wrote it.
pub fn decode_record(record: &Record) -> Option<Event> {
    let (head, _) = record.payload.split_first_chunk::<HEAD_LENGTH>()?;
    let [RECORD_VERSION, millis @ ..] = *head else {
        return None;
    };
    Some(Event {
        received_at: Timestamp::from_millis(i64::from_le_bytes(millis)),
        body: record.payload.slice(HEAD_LENGTH..),
        position: Some(record.position),
    })
}

/// The journal's blobs, as a sink sees them.
#[derive(Debug)]
struct State(landfall_journal::State);

#[async_trait]
impl StateStore for State {
    async fn put(&self, name: &str, value: Bytes) -> io::Result<()> {
        self.0.put(name, value).await
    }

    async fn get(&self, name: &str) -> io::Result<Option<Bytes>> {
        Ok(self.0.get(name).await?.map(Bytes::from))
    }

    async fn list(&self) -> io::Result<Vec<String>> {
        self.0.list().await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to).await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name).await
    }
}

#[cfg(test)]
mod tests;
