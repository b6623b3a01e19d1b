mod waiting;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::OptionFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use futures::{FutureExt as _, StreamExt as _};
use landfall_core::{
    Ack, Delivery, DeliveryReceiver, DeliverySender, Event, Labels, Outcome, Position, Refusal,
    Seldom, Shutdown, StateStore, Timestamp, log_seldom,
};
use landfall_journal::{AppendError, Journal, OnSync, Options, Reader, Record, Ticket};
use metrics::histogram;
use tokio::time::{sleep, timeout};

use self::waiting::Waiting;
use crate::readiness::Readiness;
use crate::{BufferConfig, WhenFull};

/// The journal's one reader.
const CURSOR: &str = "sink";

/// Appends that may wait for their fsync at the same time, and deliveries that are taken in one go.
const APPENDS_AT_A_TIME: usize = 16 * 1024;
const DELIVERIES_AT_A_TIME: usize = 256;

/// What one delivery to the sink may hold, and how many may wait for it.
const EVENTS_A_DELIVERY: usize = 1024;
const BYTES_A_DELIVERY: usize = 1024 * 1024;
pub(crate) const DELIVERIES_AHEAD: usize = 2;

/// Between reads of what comes in: what came meanwhile is read, delivered and looked into together, in a few hops between
/// threads instead of a few for each fsync.
const READING_PAUSE: Duration = Duration::from_millis(20);

/// Before what a sink refused is delivered again.
const REDELIVERY_PAUSE: Duration = Duration::from_secs(1);

/// A durable buffer: deliveries are acknowledged once they are fsynced, and given to the sink from disk.
#[derive(Clone, Debug)]
pub(crate) struct DiskBuffer {
    journal: Journal,
    directory: PathBuf,
    /// Whether deliveries wait for room. It may change while the buffer is in use.
    waits: Arc<AtomicBool>,
    waiting: Waiting,
    seldom: Seldom,
}

impl DiskBuffer {
    pub(crate) async fn open(
        directory: &Path,
        config: &BufferConfig,
        labels: &Labels,
    ) -> Result<Self, String> {
        let fsync_time = histogram!("landfall_journal_fsync_seconds", labels);
        let seldom = Seldom::new(labels.clone());
        let options = Options {
            on_sync: OnSync::new(move |took| fsync_time.record(took)),
            seldom: seldom.clone(),
            max_bytes: config.max_size,
            ..Options::default()
        };
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", directory.display());
        let journal = Journal::open(directory, options).await;
        let journal = journal.map_err(|error| failed(&error))?;
        // Now rather than when the sink begins, so that a disk that refuses it is known at the start.
        let cursor = journal.reader(CURSOR).await;
        let cursor = cursor.map_err(|error| failed(&error))?;
        let backlog = cursor.position()..journal.end();
        let buffer = Self {
            waiting: Waiting::count(directory, backlog),
            journal,
            directory: directory.to_owned(),
            waits: Arc::default(),
            seldom,
        };
        buffer.adjust(config);
        Ok(buffer)
    }

    /// Takes over what can change while the buffer is in use: `when_full`, and a `max_size` that is raised.
    pub(crate) fn adjust(&self, config: &BufferConfig) {
        self.waits
            .store(config.when_full == WhenFull::Block, Relaxed);
        self.journal.raise_max_bytes(config.max_size);
    }

    /// Tells this data directory from all others.
    pub(crate) fn home_id(&self) -> String {
        let id = self.journal.id();
        let (short, _) = id.split_at(8);
        hex::encode(short)
    }

    pub(crate) fn state(&self) -> Arc<dyn StateStore> {
        Arc::new(State {
            blobs: self.journal.state(),
            directory: self.directory.clone(),
        })
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How many events the sink has not answered for; `None` while those of earlier runs are being counted.
    pub(crate) fn events(&self) -> Option<u64> {
        self.waiting.left(self.journal.stats().appended_records)
    }

    /// Appends what comes to the journal. At the end of `input` it closes the journal.
    pub(crate) async fn write(self, input: DeliveryReceiver, id: String, readiness: Readiness) {
        let writer = Writer {
            buffer: self,
            readiness,
            id,
        };
        writer.run(input).await;
    }

    /// Delivers what is in the journal to `out`, in order, and moves its cursor as deliveries are acknowledged; at `stop`, or
    /// the end of a journal that is closed, until all that were made are answered.
    ///
    /// # Errors
    /// The journal holds what this release cannot read.
    pub(crate) async fn read(self, out: DeliverySender, stop: Shutdown) -> Result<(), String> {
        let reader = loop {
            match self.journal.reader(CURSOR).await {
                Ok(reader) => break reader,
                Err(error) => {
                    log_seldom!(
                        &self.seldom,
                        "read_cursor",
                        warn,
                        %error,
                        "cannot read the journal's cursor; trying again"
                    );
                    sleep(REDELIVERY_PAUSE).await;
                }
            }
        };
        let (waiting, seldom) = (self.waiting.clone(), self.seldom.clone());
        drop(self);
        read(reader, out, stop, &waiting, &seldom).await
    }
}

/// Whether a journal lives in `directory`.
pub(crate) fn is_journal(directory: &Path) -> bool {
    directory.join("identity").is_file()
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

async fn read(
    mut reader: Reader,
    out: DeliverySender,
    mut stop: Shutdown,
    waiting: &Waiting,
    seldom: &Seldom,
) -> Result<(), String> {
    let mut out = Some(out);
    // Whether what an earlier run had left has been delivered.
    let mut caught_up = false;
    let mut pause = Duration::ZERO;
    // In the order of the journal, since the cursor can only move over what is acknowledged without a gap.
    let mut unanswered = FuturesOrdered::new();
    while out.is_some() || !unanswered.is_empty() {
        let start = reader.position();
        tokio::select! {
            biased;
            Some(answered) = unanswered.next(), if !unanswered.is_empty() => {
                let (durable, refused) = settle(answered, &mut unanswered, waiting);
                if let Some(end) = durable
                    && let Err(error) = reader.commit(end).await
                {
                    log_seldom!(
                        seldom,
                        "move_cursor",
                        warn,
                        %error,
                        "cannot move the journal's cursor; it moves with the next batch"
                    );
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
            () = stop.wait(), if out.is_some() => out = None,
            records = next(&mut reader, caught_up, pause), if out.is_some() => {
                let records = match records {
                    Ok(records) => records,
                    Err(error) => {
                        log_seldom!(
                            seldom,
                            "read",
                            warn,
                            %error,
                            "cannot read the journal; trying again"
                        );
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
                pause = pause_after(&records);
                let events: Option<Vec<_>> = records.iter().map(decode_record).collect();
                let events = events.ok_or(
                    "the journal holds a record of a newer version: use the release that wrote it",
                )?;
                let (ack, answer) = Ack::channel();
                let (end, records) = (reader.position(), records.len());
                unanswered.push_back(answer.map(move |outcome| Answered { start, end, records, outcome }));
                if let Some(out) = &out {
                    out.send(Delivery::new(events, ack)).await;
                }
            }
        }
    }
    Ok(())
}

/// Waits for records once the reader has caught up; until then none means that there are no more.
async fn next(reader: &mut Reader, caught_up: bool, pause: Duration) -> io::Result<Vec<Record>> {
    // Of a closed journal no more will come, and a sink that refuses all at once must not keep its end from being seen.
    let _ = timeout(pause, reader.closed()).await;
    if caught_up {
        reader.next(EVENTS_A_DELIVERY, BYTES_A_DELIVERY).await
    } else {
        reader.try_next(EVENTS_A_DELIVERY, BYTES_A_DELIVERY).await
    }
}

/// How long to wait before more is read: not at all if `records` were as many as could be, so that there is more already.
fn pause_after(records: &[Record]) -> Duration {
    let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
    let is_full = records.len() == EVENTS_A_DELIVERY || bytes >= BYTES_A_DELIVERY / 2;
    if is_full {
        Duration::ZERO
    } else {
        READING_PAUSE
    }
}

/// How the delivery of a stretch of the journal ended.
struct Answered {
    start: Position,
    end: Position,
    records: usize,
    outcome: Outcome,
}

/// Takes all answers that are there: up to where everything is durable, and from where something was refused.
fn settle<F: Future<Output = Answered>>(
    first: Answered,
    unanswered: &mut FuturesOrdered<F>,
    waiting: &Waiting,
) -> (Option<Position>, Option<Position>) {
    let mut durable = None;
    let mut answered = Some(first);
    while let Some(Answered {
        start,
        end,
        records,
        outcome,
    }) = answered
    {
        if outcome != Outcome::Durable {
            return (durable, Some(start));
        }
        durable = Some(end);
        waiting.answered(records);
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
struct State {
    blobs: landfall_journal::State,
    /// The journal's.
    directory: PathBuf,
}

#[async_trait]
impl StateStore for State {
    async fn put(&self, name: &str, value: Bytes) -> io::Result<()> {
        self.blobs.put(name, value).await
    }

    async fn get(&self, name: &str) -> io::Result<Option<Bytes>> {
        Ok(self.blobs.get(name).await?.map(Bytes::from))
    }

    async fn list(&self) -> io::Result<Vec<String>> {
        self.blobs.list().await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.blobs.rename(from, to).await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.blobs.remove(name).await
    }

    fn scratch(&self) -> io::Result<Option<File>> {
        tempfile::tempfile_in(&self.directory).map(Some)
    }
}

#[cfg(test)]
mod tests;
