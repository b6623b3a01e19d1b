//! From the journal to the sink.

use std::io;
use std::time::Duration;

use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use landfall_core::{
    Ack, Delivery, DeliverySender, Outcome, Position, Seldom, Shutdown, log_seldom,
};
use landfall_journal::{Reader, Record};
use tokio::time::{sleep, timeout};

use super::record::decode_record;
use super::waiting::Waiting;
use super::{CURSOR, DiskBuffer};

/// What one delivery to the sink may hold, and how many may wait for it.
const EVENTS_A_DELIVERY: usize = 1024;
const BYTES_A_DELIVERY: usize = 1024 * 1024;
pub(crate) const DELIVERIES_AHEAD: usize = 2;

/// Between reads of what comes in: what came meanwhile is read, delivered and looked into together, in a few hops between
/// threads instead of a few for each fsync.
const READING_PAUSE: Duration = Duration::from_millis(20);

/// Before what a sink refused is delivered again.
const REDELIVERY_PAUSE: Duration = Duration::from_secs(1);

impl DiskBuffer {
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
