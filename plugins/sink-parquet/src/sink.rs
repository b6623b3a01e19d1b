use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use landfall_core::{
    Ack, Delivery, Event, Outcome, Position, Refusal, Sink, SinkContext, SinkError, Timestamp,
    kill_point,
};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use crate::batch::{Batch, Closed, Landing, Tally};
use crate::dedupe::Index;
use crate::lake::{Lake, sentence};
use crate::plan::{Content, Plan, Plans, Restored, Span};
use crate::{BatchConfig, ParquetConfig};

/// Deliveries that are taken in one go.
const DELIVERIES_AT_A_TIME: usize = 256;

/// Files of one batch that are uploaded side by side.
const UPLOADS_AT_A_TIME: usize = 4;

/// The sink: one batch is open at a time, and landed as a whole.
#[derive(Debug)]
pub(crate) struct ParquetSink {
    lake: Lake,
    limits: BatchConfig,
    timeout: Duration,
    window: Duration,
    max_ids: usize,
    context: SinkContext,
}

/// The sink at work.
struct Worker {
    sink: ParquetSink,
    /// Locked only off the reactor.
    index: Arc<Mutex<Index>>,
    /// `None` behind a memory buffer: nothing outlives the process, so there is nothing to resume.
    plans: Option<Plans>,
    /// Events up to here have landed in an earlier run and are only acknowledged.
    landed: Option<Position>,
    /// A batch of an earlier run, to be filled with the same events and landed under the same names.
    pending: Option<Plan>,
    open: Open,
    /// The position of the next event that comes without one.
    next_position: u64,
}

/// The batch that is being filled, with what its landing will answer.
#[derive(Default)]
struct Open {
    batch: Batch,
    acks: Vec<Ack>,
    /// When the batch is to be landed though it is not full; `None` while it is empty.
    due: Option<Due>,
}

#[derive(Clone, Copy)]
struct Due {
    /// The first event has then waited as long as it may. Applies once no more input is at hand: a backlog is not cut
    /// into small files for being old.
    when_idle: Instant,
    /// Applies in any case.
    at_last: Instant,
}

/// An event, with the acknowledgement of its delivery if it is the delivery's last.
struct Item {
    event: Event,
    position: Position,
    ack: Option<Ack>,
}

impl ParquetSink {
    pub(crate) fn new(lake: Lake, config: &ParquetConfig, context: SinkContext) -> Self {
        let default = if context.state.is_some() { 300 } else { 1 };
        Self {
            lake,
            limits: config.batch.clone(),
            timeout: Duration::from_secs(config.batch.timeout_secs.unwrap_or(default)),
            window: Duration::from_secs(config.deduplicate.window_secs),
            max_ids: config.deduplicate.max_ids,
            context,
        }
    }
}

#[async_trait]
impl Sink for ParquetSink {
    async fn run(self: Box<Self>, input: BoxStream<'static, Delivery>) -> Result<(), SinkError> {
        let mut worker = Worker::resume(*self).await?;
        let mut input = input.ready_chunks(DELIVERIES_AT_A_TIME);
        loop {
            let due = worker.open.due.map(|due| due.when_idle);
            let deliveries = tokio::select! {
                biased;
                deliveries = input.next() => deliveries,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    worker.land().await?;
                    continue;
                }
            };
            match deliveries {
                Some(deliveries) => worker.take(deliveries).await?,
                // A plan of an earlier run is landed as it was made, or not yet.
                None if worker.pending.is_some() => return Ok(()),
                None => return worker.land().await,
            }
        }
    }
}

impl Worker {
    async fn resume(sink: ParquetSink) -> Result<Self, SinkError> {
        let mut index = Index::new(sink.window, sink.max_ids);
        let mut plans = None;
        let mut restored = Restored::default();
        if let Some(state) = &sink.context.state {
            let load = || Plans::load(Arc::clone(state), sink.window);
            let loaded = persist("read the batch plans", load).await;
            plans = Some(loaded.0);
            restored = loaded.1;
            let keys = std::mem::take(&mut restored.keys);
            let restore = move || {
                for (age, keys) in keys {
                    index.restore(keys, age);
                }
                index
            };
            index = blocking(restore).await?;
        }
        if let Some(plan) = &restored.pending {
            tracing::info!(span = %plan.span, "landing the batch that an earlier run had planned");
        }
        Ok(Self {
            index: Arc::new(Mutex::new(index)),
            plans,
            landed: restored.landed,
            pending: restored.pending,
            open: Open::default(),
            next_position: 0,
            sink,
        })
    }

    /// Fills the open batch with `deliveries`, and lands it whenever it is full.
    async fn take(&mut self, deliveries: Vec<Delivery>) -> Result<(), SinkError> {
        let mut queue = self.queue(deliveries);
        while let Some(item) = queue.front() {
            let cut = match &self.pending {
                Some(plan) => Cut::After(plan.span.last),
                None => Cut::Limits(self.sink.limits.clone()),
            };
            if self.pending.is_none() {
                let due = Due::new(item.event.received_at, self.sink.timeout);
                self.open.due.get_or_insert(due);
            }
            let mut open = std::mem::take(&mut self.open);
            let index = Arc::clone(&self.index);
            let fill = move || {
                let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
                let full = open.fill(&mut queue, &cut, &mut index)?;
                Ok((open, queue, full))
            };
            let full;
            (self.open, queue, full) = blocking(fill).await?.map_err(encoding)?;
            let overdue = |due: Due| due.at_last <= Instant::now();
            if full || self.open.due.is_some_and(overdue) || self.holds_only_duplicates() {
                self.land().await?;
            }
        }
        Ok(())
    }

    /// Gives each event its position, and drops what an earlier run has landed.
    fn queue(&mut self, deliveries: Vec<Delivery>) -> VecDeque<Item> {
        let mut queue = VecDeque::with_capacity(deliveries.len());
        for Delivery { events, ack } in deliveries {
            // Behind a disk buffer no batch is ever refused, and the last event answers for all. Otherwise each answers
            // for itself, since the delivery may end in another batch than it began in.
            let mut acks = match self.plans {
                None if !events.is_empty() => ack.split(events.len()),
                _ => vec![ack],
            };
            let mut left = events.len();
            for event in events {
                let position = event.position.unwrap_or_else(|| {
                    self.next_position += 1;
                    Position::new(self.next_position)
                });
                if self.landed.is_none_or(|landed| landed < position) {
                    let ack = if acks.len() == left { acks.pop() } else { None };
                    queue.push_back(Item {
                        event,
                        position,
                        ack,
                    });
                }
                left -= 1;
            }
            acks.into_iter().for_each(Ack::durable);
        }
        queue
    }

    /// Whether all that the open batch could do is answer. What it answers for has landed.
    fn holds_only_duplicates(&self) -> bool {
        self.pending.is_none() && self.open.batch.len() == 0
    }

    /// Lands the open batch and answers for it.
    async fn land(&mut self) -> Result<(), SinkError> {
        let Open { batch, acks, .. } = std::mem::take(&mut self.open);
        let pending = self.pending.take();
        let planned = pending.as_ref().map(|plan| plan.span);
        let Some(span) = planned.or(batch.span()) else {
            return Ok(());
        };
        let writer = self.sink.context.writer_id.clone();
        let close = move || batch.close(&writer, span);
        let closed = blocking(close).await?.map_err(encoding)?;

        let lake = &self.sink.lake;
        let outcome = match &mut self.plans {
            Some(plans) => {
                land_planned(lake, plans, pending, span, &closed).await;
                Outcome::Durable
            }
            None => match upload(lake, &closed.files).await {
                Ok(()) => Outcome::Durable,
                Err(error) => {
                    tracing::warn!(error = sentence(&error), "the store refused a batch");
                    // Its events will be sent again, and must not be taken for duplicates then.
                    let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
                    index.forget(&closed.keys);
                    Outcome::Refused(Refusal::Failed)
                }
            },
        };
        if outcome == Outcome::Durable {
            report(&closed);
        }
        for ack in acks {
            ack.answer(outcome);
        }
        Ok(())
    }
}

/// Where a batch ends.
enum Cut {
    /// With this position, and nowhere else: the batch was planned so.
    After(Position),
    Limits(BatchConfig),
}

impl Open {
    /// Moves events from `queue` into the batch until the batch is full; says whether it is.
    fn fill(
        &mut self,
        queue: &mut VecDeque<Item>,
        cut: &Cut,
        index: &mut Index,
    ) -> parquet::errors::Result<bool> {
        while let Some(item) = queue.pop_front() {
            if matches!(cut, Cut::After(last) if item.position > *last) {
                queue.push_front(item);
                return Ok(true);
            }
            self.batch.push(&item.event, item.position, index)?;
            self.acks.extend(item.ack);
            let full = match cut {
                Cut::After(last) => item.position == *last,
                Cut::Limits(limits) => {
                    self.batch.len() >= limits.max_events
                        || self.batch.bytes() >= limits.max_bytes
                        || self.batch.partitions() >= limits.max_files
                }
            };
            if full {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Due {
    /// For a batch whose first event was accepted at `received_at`. A clock that was set since can neither postpone the
    /// landing nor make it come before now.
    fn new(received_at: Timestamp, timeout: Duration) -> Self {
        let waited = Timestamp::now().as_millis() - received_at.as_millis();
        let waited = Duration::from_millis(u64::try_from(waited).unwrap_or(0));
        let now = Instant::now();
        Self {
            when_idle: now + timeout.saturating_sub(waited),
            at_last: now + timeout,
        }
    }
}

/// Lands a batch whatever it takes: its plan first, then its files, then the note that it has landed.
///
/// `pending` is the plan of an earlier run for the same events. Files it names and that are not made any more, because
/// this version tells events apart otherwise, are deleted: their events stand in the others.
async fn land_planned(
    lake: &Lake,
    plans: &mut Plans,
    pending: Option<Plan>,
    span: Span,
    closed: &Closed,
) {
    if pending.is_none() && closed.files.is_empty() {
        return;
    }
    let mut files: Vec<String> = closed.files.iter().map(|file| file.name.clone()).collect();
    let mut abandoned = pending.map_or_else(Vec::new, |plan| plan.content.files);
    abandoned.retain(|name| !files.contains(name));
    files.extend(abandoned.iter().cloned());
    let plan = Plan {
        span,
        content: Content {
            planned_at: Timestamp::now().as_millis(),
            encoder: env!("CARGO_PKG_VERSION").to_owned(),
            files,
        },
        keys: closed.keys.clone(),
    };
    kill_point("plan");
    persist("write a batch plan", || plans.begin(&plan)).await;
    kill_point("planned");
    persist("upload a batch", || upload(lake, &closed.files)).await;
    kill_point("uploaded");
    persist("delete a file", || lake.delete(&abandoned)).await;
    persist("record a landed batch", || plans.finish(&plan)).await;
    kill_point("landed");
    if let Err(error) = plans.expire(&plan).await {
        tracing::warn!(%error, "cannot remove an old batch plan; it is tried again with the next");
    }
}

async fn upload(lake: &Lake, files: &[Landing]) -> object_store::Result<()> {
    stream::iter(files)
        .map(Ok)
        .try_for_each_concurrent(UPLOADS_AT_A_TIME, async |file| {
            lake.put(&file.name, file.content.clone()).await?;
            kill_point("file");
            Ok(())
        })
        .await
}

/// Tries until it succeeds: an accepted event is never given up, whatever the disk or the store says.
async fn persist<T, E, F>(doing: &str, attempt: impl FnMut() -> F) -> T
where
    E: std::error::Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    let forever = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(30))
        .with_jitter()
        .without_max_times();
    let mut attempt = attempt;
    loop {
        let warn = |error: &E, wait: Duration| {
            tracing::warn!(error = sentence(error), retry_in = ?wait, "cannot {doing}");
            metrics::counter!("component_errors_total", "error_type" => "landing_failed")
                .increment(1);
        };
        if let Ok(done) = (&mut attempt).retry(forever).notify(warn).await {
            return done;
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SinkError> {
    spawn_blocking(work)
        .await
        .map_err(|error| SinkError(format!("encoding ended early: {error}")))
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn encoding(error: parquet::errors::ParquetError) -> SinkError {
    SinkError(format!("cannot encode Parquet: {error}"))
}

fn report(closed: &Closed) {
    let Tally {
        events,
        quarantined,
        duplicates,
        same_id,
    } = closed.tally;
    let bytes: usize = closed.files.iter().map(|file| file.content.len()).sum();
    metrics::counter!("component_sent_events_total").increment(events + quarantined);
    metrics::counter!("landfall_duplicate_events_total").increment(duplicates);
    metrics::counter!("landfall_same_id_events_total").increment(same_id);
    metrics::counter!("landfall_quarantined_events_total").increment(quarantined);
    let files = closed.files.len();
    if files == 0 {
        return;
    }
    tracing::info!(
        events,
        quarantined,
        duplicates,
        same_id,
        files,
        bytes,
        "landed a batch"
    );
}

#[cfg(test)]
mod tests;
