use std::collections::{HashMap, HashSet, VecDeque};
use std::error::Error;
use std::fmt;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use bytes::Bytes;
use landfall_appcues::{AppcuesEvent, NotAnEvent, OTHER};
use landfall_core::{BuildError, Event, Position, Timestamp};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use tokio::task::spawn_blocking;

use crate::batch::{Admission, Batch, PushError};
use crate::dedupe::Key;
use crate::lake::Lake;
use crate::landing::upload;
use crate::{BatchConfig, ParquetConfig, PartitionTemplate};

/// An export need not be in the order of time, and would be cut into tiny files by a limit made for live traffic.
const MIN_MAX_FILES: usize = 1000;

/// Events that go into the batch together, off the reactor.
const AT_A_TIME: usize = 64;

/// Lands events that came by another way than a source: from a bulk export, or out of the quarantine.
///
/// An event of which the lake holds a copy is passed over, so that what was cut off is simply done again. Copies are looked for
/// in the folder that the event would land in; their keys stay in memory, some 20 to 40 bytes for each event of these folders.
pub struct Backfill {
    lake: Lake,
    template: PartitionTemplate,
    limits: BatchConfig,
    copies: Copies,
    writer: String,
    /// Of events that will land elsewise, such as those that wait in a journal.
    awaited: HashSet<Key>,
    /// Of what stands in the lake, by folder.
    landed: HashMap<String, HashSet<Key>>,
    batch: Batch,
    /// What is to go into the batch, and where it would stand in a journal.
    waiting: VecDeque<(Event, Position)>,
    pushed: u64,
}

/// What makes two events of one account and one id copies of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// The same bytes.
    SameBytes,
    /// The same event type, and if that is [`OTHER`] the same name: an export writes an event otherwise than a webhook.
    SameType,
}

impl Copies {
    fn key(self, event: &AppcuesEvent<'_>) -> Key {
        let account = event.account_id().unwrap_or_default();
        let content = match self {
            Self::SameBytes => event.body(),
            Self::SameType if event.event_type() == OTHER => event.name(),
            Self::SameType => event.event_type(),
        };
        Key::of(&account, event.id(), content.as_bytes())
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It lands with the batch that is open.
    Taken,
    /// The lake holds a copy, or will.
    Copy,
}

/// A backfill ended early. What has landed stays; doing it again lands the rest.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BackfillError(String);

/// A body in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantined {
    /// When it was accepted.
    pub received_at: Timestamp,
    /// Its bytes.
    pub body: Bytes,
}

impl Backfill {
    /// A backfill of the lake that `config` names.
    ///
    /// # Errors
    /// [`BuildError`] if the lake cannot be written to.
    pub async fn open(config: &ParquetConfig, copies: Copies) -> Result<Self, BuildError> {
        let mut id = [0; 12];
        getrandom::fill(&mut id)
            .map_err(|error| BuildError::new(format!("no randomness from the system: {error}")))?;
        let writer = hex::encode(id);
        let lake = Lake::open(config)?;
        let probe = lake.probe(&writer).await;
        probe.map_err(|error| BuildError::new(error.problem))?;
        let mut limits = config.batch.clone();
        limits.max_files = limits.max_files.max(MIN_MAX_FILES);
        Ok(Self {
            lake,
            template: config.partition.clone(),
            limits,
            copies,
            writer,
            awaited: HashSet::new(),
            landed: HashMap::new(),
            batch: Batch::default(),
            waiting: VecDeque::new(),
            pushed: 0,
        })
    }

    /// Passes over copies of `body` from now on, since it will land in another way.
    pub fn expect(&mut self, body: &[u8]) {
        if let Ok(event) = AppcuesEvent::parse(body) {
            self.awaited.insert(self.copies.key(&event));
        }
    }

    /// Lands `event` with the next batch, unless it has a copy. Batches are landed as they fill.
    ///
    /// # Errors
    /// `Ok(Err(_))` if the body is no event. [`BackfillError`] if a file of the lake cannot be read, or events not be encoded.
    pub async fn push(
        &mut self,
        event: &Event,
    ) -> Result<Result<Pushed, NotAnEvent>, BackfillError> {
        let parsed = match AppcuesEvent::parse(&event.body) {
            Ok(parsed) => parsed,
            Err(reason) => return Ok(Err(reason)),
        };
        let key = self.copies.key(&parsed);
        if self.awaited.contains(&key) {
            return Ok(Ok(Pushed::Copy));
        }
        let mut folder = String::new();
        self.template.render(&parsed, &mut folder);
        if !self.landed.contains_key(&folder) {
            let keys = self.keys_below(&folder).await?;
            self.landed.insert(folder.clone(), keys);
        }
        let is_new = self.landed.entry(folder).or_default().insert(key);
        if !is_new {
            return Ok(Ok(Pushed::Copy));
        }
        self.pushed += 1;
        let position = Position::new(self.pushed);
        self.waiting.push_back((event.clone(), position));
        if self.waiting.len() == AT_A_TIME {
            self.fill().await?;
        }
        Ok(Ok(Pushed::Taken))
    }

    /// Lands what is left.
    ///
    /// # Errors
    /// [`BackfillError`] if it cannot be encoded. A store that is away is waited for.
    pub async fn finish(mut self) -> Result<(), BackfillError> {
        self.fill().await?;
        self.land().await
    }

    /// The files of the quarantine.
    ///
    /// # Errors
    /// [`BackfillError`] if the quarantine cannot be listed.
    pub async fn quarantine_files(&self) -> Result<Vec<String>, BackfillError> {
        self.files_below("quarantine").await
    }

    /// The bodies in a file of the quarantine.
    ///
    /// # Errors
    /// [`BackfillError`] if the file cannot be read.
    pub async fn quarantined(&self, file: &str) -> Result<Vec<Quarantined>, BackfillError> {
        let rows = |batch: &RecordBatch| {
            let times = batch.column_by_name("received_at")?;
            let times = times.as_primitive_opt::<TimestampMillisecondType>()?;
            let bodies = batch.column_by_name("payload")?.as_binary_opt::<i32>()?;
            let row = |row| Quarantined {
                received_at: Timestamp::from_millis(times.value(row)),
                body: Bytes::copy_from_slice(bodies.value(row)),
            };
            Some((0..batch.num_rows()).map(row).collect::<Vec<_>>())
        };
        self.read(file, &["received_at", "payload"], rows).await
    }

    /// Adds what waits to the batch, which is landed as often as it is full.
    async fn fill(&mut self) -> Result<(), BackfillError> {
        while !self.waiting.is_empty() {
            let mut batch = std::mem::take(&mut self.batch);
            let mut waiting = std::mem::take(&mut self.waiting);
            let (template, limits) = (self.template.clone(), self.limits.clone());
            let add = move || {
                while let Some((event, position)) = waiting.pop_front() {
                    batch.push(&event, position, &template, &mut Admission::All, None)?;
                    if batch.is_full(&limits) {
                        break;
                    }
                }
                Ok((batch, waiting))
            };
            let failed = |error: PushError| BackfillError(error.to_string());
            (self.batch, self.waiting) = off_the_reactor(move || add().map_err(failed)).await?;
            if self.batch.is_full(&self.limits) {
                self.land().await?;
            }
        }
        Ok(())
    }

    async fn land(&mut self) -> Result<(), BackfillError> {
        let batch = std::mem::take(&mut self.batch);
        let Some(span) = batch.span() else {
            return Ok(());
        };
        let writer = self.writer.clone();
        let failed = |error| BackfillError(format!("cannot encode Parquet: {error}"));
        let close = move || batch.close(&writer, span).map_err(failed);
        let closed = off_the_reactor(close).await?;
        upload(&self.lake, &closed.files).await;
        Ok(())
    }

    /// The keys of all events that have landed below `folder`. They are read anew from the bodies: an older version may have
    /// given the events other types.
    async fn keys_below(&self, folder: &str) -> Result<HashSet<Key>, BackfillError> {
        let (mut keys, copies) = (HashSet::new(), self.copies);
        for file in self.files_below(folder).await? {
            let rows = move |batch: &RecordBatch| {
                let bodies = batch.column_by_name("payload")?.as_string_opt::<i32>()?;
                let events = bodies
                    .iter()
                    .filter_map(|body| AppcuesEvent::parse(body?.as_bytes()).ok());
                Some(events.map(|event| copies.key(&event)).collect())
            };
            keys.extend(self.read(&file, &["payload"], rows).await?);
        }
        Ok(keys)
    }

    async fn files_below(&self, folder: &str) -> Result<Vec<String>, BackfillError> {
        let files = self.lake.files_below(folder).await;
        files.map_err(|error| BackfillError(format!("cannot list {folder}: {error}")))
    }

    /// What `rows` makes of the `columns` of a file.
    async fn read<T: Send + 'static>(
        &self,
        file: &str,
        columns: &'static [&'static str],
        rows: impl Fn(&RecordBatch) -> Option<Vec<T>> + Send + 'static,
    ) -> Result<Vec<T>, BackfillError> {
        let content = self.lake.get(file).await;
        let file = file.to_owned();
        let failed =
            move |error: &dyn fmt::Display| BackfillError(format!("cannot read {file}: {error}"));
        let content = content.map_err(|error| failed(&error))?;
        off_the_reactor(move || decode(content, columns, rows).map_err(|error| failed(&error)))
            .await
    }
}

fn decode<T>(
    content: Bytes,
    columns: &[&str],
    rows: impl Fn(&RecordBatch) -> Option<Vec<T>>,
) -> Result<Vec<T>, Box<dyn Error>> {
    // By Parquet's own types: a program that joined files may have noted other ones of Arrow, such as large strings.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(content, options)?;
    let mask = ProjectionMask::columns(reader.parquet_schema(), columns.iter().copied());
    let mut read = Vec::new();
    for batch in reader.with_projection(mask).build()? {
        read.extend(rows(&batch?).ok_or("its columns are not Landfall's")?);
    }
    Ok(read)
}

async fn off_the_reactor<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackfillError> + Send + 'static,
) -> Result<T, BackfillError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(BackfillError(format!("a task ended early: {error}"))))
}

impl fmt::Debug for Backfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backfill")
            .field("lake", &self.lake)
            .field("copies", &self.copies)
            .finish_non_exhaustive()
    }
}
