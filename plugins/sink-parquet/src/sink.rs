use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use landfall_core::{
    Ack, Activity, Delivery, Event, Outcome, Position, Refusal, Sink, SinkContext, SinkError,
    Timestamp, log, log_seldom,
};
use tokio::time::{Instant, sleep_until};

use crate::batch::{Admission, Batch, Closed, Landing, PushError};
use crate::dedupe::{Index, Key};
use crate::encoder::Encoder;
use crate::lake::Lake;
use crate::landing::{self, persist};
use crate::plan::{Content, LANDED, PENDING, Plan, PlannedFile, Plans};
use crate::scratch::Scratch;
use crate::store::{code, explain};
use crate::{BatchConfig, ParquetConfig, PartitionTemplate};

/// Deliveries that are taken in one go.
const DELIVERIES_AT_A_TIME: usize = 256;

/// The sink: one batch is open at a time, and landed as a whole.
#[derive(Debug)]
pub(crate) struct ParquetSink {
    lake: Lake,
    template: Arc<PartitionTemplate>,
    limits: BatchConfig,
    timeout: Duration,
    window: Duration,
    max_ids: usize,
    context: SinkContext,
}

/// The sink at work.
struct Worker {
    sink: ParquetSink,
    scratch: Scratch,
    encoder: Encoder,
    /// `None` behind a memory buffer: nothing outlives the process, so there is nothing to resume.
    plans: Option<Plans>,
    /// Events up to here have landed in an earlier run and are only acknowledged.
    landed: Option<Position>,
    /// A batch of an earlier run, to be completed before any other.
    pending: Option<Pending>,
    open: Open,
    /// The position of the next event that comes without one.
    next_position: u64,
}

/// A batch that an earlier run had planned, and of which not all files are in the lake.
struct Pending {
    plan: Plan,
    /// Its files that are.
    standing: Vec<PlannedFile>,
    /// How often each event of the others is still to come; `None` where the plan was damaged and does not say.
    expected: Option<HashMap<Key, usize>>,
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
            lake: lake.for_sink(&context),
            template: Arc::new(config.partition.clone()),
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
                // The rest of a planned batch has not come yet; it is landed whole after the next start.
                None if worker.pending.is_some() => return Ok(()),
                None => return worker.land().await,
            }
        }
    }
}

impl Worker {
    async fn resume(sink: ParquetSink) -> Result<Self, SinkError> {
        let seldom = sink.lake.seldom();
        let scratch = Scratch::new(sink.context.state.clone(), seldom.clone());
        let index = Index::new(sink.window, sink.max_ids, scratch.clone(), seldom.clone());
        let encoder = Encoder::start(index);
        let encoder =
            encoder.map_err(|error| SinkError::new(format!("no thread to encode in: {error}")))?;
        let mut worker = Self {
            encoder,
            plans: None,
            landed: None,
            pending: None,
            open: Open::new(scratch.clone()),
            next_position: 0,
            scratch,
            sink,
        };
        let Some(state) = worker.sink.context.state.clone() else {
            return Ok(worker);
        };
        if !worker.sink.lake.is_local() {
            worker.sink.lake.probe_later(&worker.sink.context.home_id);
        }
        worker.sink.lake.wait_for_predecessor().await;
        worker.sink.lake.abort_leftovers().await;
        let seldom = worker.sink.lake.seldom().clone();
        let mut plans = Plans::new(state, worker.sink.window, seldom);
        let list = || plans.list();
        let (landed, pending) = persist(&worker.sink.lake, "list the batch plans", list).await;
        // One after the other, so that the start takes no more memory than what follows.
        for mut plan in landed {
            let read = || plans.read(LANDED, &plan);
            plan.content = persist(&worker.sink.lake, "read a batch plan", read).await;
            plans.remember(&plan);
            worker.landed = worker.landed.max(Some(plan.span.last));
            restore(&worker.encoder, plan.content).await?;
        }
        if let Some(mut plan) = pending {
            let read = || plans.read(PENDING, &plan);
            plan.content = persist(&worker.sink.lake, "read a batch plan", read).await;
            let labels = worker.sink.lake.seldom().labels();
            log!(
                labels,
                info,
                span = %plan.span,
                "finishing a batch that an earlier run had planned"
            );
            let content = plan.content.as_ref();
            let oldest = content.map(|content| content.received.0);
            worker.sink.lake.health().report_oldest(oldest);
            let files = content.map_or(&[][..], |content| &content.files);
            let standing = landing::standing(&worker.sink.lake, files).await;
            if content.is_some() && standing.len() == files.len() {
                landing::note_landed(&worker.sink.lake, &mut plans, &plan).await;
                worker.sink.lake.health().report_oldest(None);
                worker.landed = Some(plan.span.last);
                restore(&worker.encoder, plan.content).await?;
            } else {
                worker.pending = Some(Pending::new(plan, standing));
            }
        }
        worker.plans = Some(plans);
        Ok(worker)
    }

    /// Fills the open batch with `deliveries`, and lands it whenever it is full.
    async fn take(&mut self, deliveries: Vec<Delivery>) -> Result<(), SinkError> {
        let caught_up = deliveries.iter().any(|delivery| delivery.events.is_empty());
        let mut queue = self.queue(deliveries);
        while let Some(item) = queue.front() {
            let mut pending = self.pending.take();
            if pending.is_none() {
                let due = Due::new(item.event.received_at, self.sink.timeout);
                self.open.due.get_or_insert(due);
            }
            let mut open = std::mem::take(&mut self.open);
            let limits = self.sink.limits.clone();
            let template = Arc::clone(&self.sink.template);
            let activity = self.sink.context.activity.clone();
            let fill = move |index: &mut Index| {
                let full = open.fill(
                    &mut queue,
                    pending.as_mut(),
                    &template,
                    &limits,
                    index,
                    &activity,
                )?;
                Ok::<_, PushError>((open, queue, pending, full))
            };
            let full;
            (self.open, queue, self.pending, full) = self.encoder.run(fill).await??;
            self.sink.lake.health().report_oldest(self.oldest());
            let overdue = |due: Due| due.at_last <= Instant::now();
            if full || self.open.due.is_some_and(overdue) || self.holds_only_duplicates() {
                self.land().await?;
            }
        }
        // The rest of the planned batch would have come by now: the buffer has lost it.
        if caught_up && self.pending.is_some() {
            self.land().await?;
        }
        Ok(())
    }

    /// Gives each event its position, and passes over what an earlier run has landed.
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

    /// When the oldest event was accepted that is yet to land.
    fn oldest(&self) -> Option<Timestamp> {
        let planned = self.pending.as_ref();
        let planned = planned.and_then(|pending| pending.plan.content.as_ref());
        let planned = planned.map(|content| content.received.0);
        planned.or_else(|| self.open.batch.oldest())
    }

    /// Whether all that the open batch could do is answer. What it answers for has landed.
    fn holds_only_duplicates(&self) -> bool {
        self.pending.is_none() && self.open.batch.len() == 0
    }

    /// Lands the open batch and answers for it.
    async fn land(&mut self) -> Result<(), SinkError> {
        let next = Open::new(self.scratch.clone());
        let Open { batch, acks, .. } = std::mem::replace(&mut self.open, next);
        let mut pending = self.pending.take();
        let own = &self.sink.context.writer_id;
        let (span, writer) = match (&mut pending, batch.span()) {
            (Some(pending), _) => (pending.plan.span, pending.writer(&batch, own)),
            (None, Some(span)) => (span, own.clone()),
            (None, None) => return Ok(()),
        };
        let began = Instant::now();
        let name = writer.clone();
        let close = move |_: &mut Index| batch.close(&name, span);
        let closed = self.encoder.run(close).await?.map_err(PushError::Encode)?;

        let lake = &self.sink.lake;
        let outcome = match &mut self.plans {
            Some(plans) => {
                if let Some(pending) = pending {
                    let (plan, files) = pending.complete(lake, &closed).await;
                    landing::land(lake, plans, &plan, &files).await;
                    restore(&self.encoder, plan.content).await?;
                } else if !closed.files.is_empty() {
                    let content = Some(content(&closed, Vec::new()));
                    let plan = Plan {
                        span,
                        writer,
                        content,
                    };
                    landing::land(lake, plans, &plan, &closed.files).await;
                }
                Outcome::Durable
            }
            None => match landing::land_or_refuse(lake, &closed.files).await {
                Ok(()) => {
                    lake.health().report(None);
                    Outcome::Durable
                }
                Err(error) => {
                    lake.metrics().failed(code(&error));
                    let problem = format!("the store refused a batch: {}", explain(&error));
                    lake.health().report(Some(problem));
                    log_seldom!(
                        lake.seldom(),
                        "refused_batch",
                        warn,
                        error = explain(&error),
                        "the store refused a batch"
                    );
                    // Its events will be sent again, and must not be taken for duplicates then.
                    let keys: Vec<_> = closed.keys().collect();
                    let forget = move |index: &mut Index| index.forget(keys);
                    self.encoder.run(forget).await?.map_err(PushError::Index)?;
                    Outcome::Refused(Refusal::Failed)
                }
            },
        };
        if outcome == Outcome::Durable {
            landing::report(lake, &closed, began.elapsed());
        }
        lake.health().report_oldest(None);
        for ack in acks {
            ack.answer(outcome);
        }
        Ok(())
    }
}

impl Pending {
    fn new(plan: Plan, standing: Vec<PlannedFile>) -> Self {
        let expected = plan.content.as_ref().map(|content| {
            let mut expected = HashMap::new();
            let missing = content.files.iter().filter(|file| !standing.contains(file));
            for key in missing.flat_map(|file| &*file.keys) {
                *expected.entry(*key).or_default() += 1;
            }
            expected
        });
        Self {
            plan,
            standing,
            expected,
        }
    }

    /// What the names of the missing files begin with: as they were planned, so that the same files come of it. If they come
    /// out otherwise, because the version or the partitions are others now, `own`: a planned name could be that of
    /// a file that stands.
    fn writer(&self, batch: &Batch, own: &str) -> String {
        let planned = &self.plan.writer;
        let stands = |name: String| self.standing.iter().any(|file| file.name == name);
        let collides = batch.names(planned, self.plan.span).any(stands);
        if collides {
            own.to_owned()
        } else {
            planned.clone()
        }
    }

    /// The plan and the files that complete it, given what the buffer still had of the missing ones.
    async fn complete(self, lake: &Lake, closed: &Closed) -> (Plan, Vec<Landing>) {
        let lost: usize = self.expected.iter().flat_map(HashMap::values).sum();
        if lost > 0 {
            log!(
                lake.seldom().labels(),
                error,
                span = %self.plan.span,
                lost,
                "events of a planned batch cannot be read from the buffer any more"
            );
        }
        let mut completed = content(closed, self.standing);
        if let Some(planned) = &self.plan.content {
            completed.received = planned.received;
        }
        let plan = Plan {
            content: Some(completed),
            ..self.plan
        };
        let mut files = closed.files.clone();
        if self.expected.is_none() {
            // The plan did not say which files it was of: those that were made again and stand are.
            let made = plan
                .content
                .as_ref()
                .map_or(&[][..], |content| &content.files);
            let standing = landing::standing(lake, made).await;
            files.retain(|file| !standing.iter().any(|standing| standing.name == file.name));
        }
        (plan, files)
    }
}

/// Makes the events of a batch that has landed known for duplicates.
async fn restore(encoder: &Encoder, content: Option<Content>) -> Result<(), SinkError> {
    let Some(content) = content else {
        return Ok(());
    };
    let restore = move |index: &mut Index| index.restore(content.keys(), content.received);
    encoder.run(restore).await
}

/// What a plan says of `closed`, and of files of the same batch that stand already.
fn content(closed: &Closed, standing: Vec<PlannedFile>) -> Content {
    let made = closed.files.iter().map(|file| PlannedFile {
        name: file.name.clone(),
        keys: Arc::clone(&file.keys),
    });
    let mut files = standing;
    files.extend(made);
    Content {
        received: closed.received,
        files,
    }
}

impl Open {
    fn new(scratch: Scratch) -> Self {
        Self {
            batch: Batch::new(scratch),
            ..Self::default()
        }
    }

    /// Moves events from `queue` into the batch until the batch is full; says whether it is. A batch that was planned ends
    /// with the planned position, and nowhere else.
    fn fill(
        &mut self,
        queue: &mut VecDeque<Item>,
        pending: Option<&mut Pending>,
        template: &PartitionTemplate,
        limits: &BatchConfig,
        index: &mut Index,
        activity: &Activity,
    ) -> Result<bool, PushError> {
        let last = pending.as_ref().map(|pending| pending.plan.span.last);
        let mut admission = match pending.and_then(|pending| pending.expected.as_mut()) {
            Some(expected) => Admission::Planned(expected),
            None => Admission::New(index),
        };
        while let Some(item) = queue.pop_front() {
            if last.is_some_and(|last| last < item.position) {
                queue.push_front(item);
                return Ok(true);
            }
            self.batch.push(
                &item.event,
                item.position,
                template,
                &mut admission,
                Some(activity),
            )?;
            self.acks.extend(item.ack);
            let full = match last {
                Some(last) => last == item.position,
                None => self.batch.is_full(limits),
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
        let waited = Timestamp::now().since(received_at);
        let now = Instant::now();
        Self {
            when_idle: now + timeout.saturating_sub(waited),
            at_last: now + timeout,
        }
    }
}

impl From<PushError> for SinkError {
    fn from(error: PushError) -> Self {
        Self::new(error.to_string()).with_source(error)
    }
}

#[cfg(test)]
pub(crate) mod tests;
