use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use landfall_appcues::{AppcuesEvent, NotAnEvent};
use landfall_core::{Activity, Event, Fate, Position, Timestamp};
use landfall_table::{EventsBuilder, QuarantineBuilder};
use parquet::errors::{ParquetError, Result};

use crate::BatchConfig;
use crate::dedupe::{Index, Key, Seen};
use crate::encoded::{Encoded, EncodedWriter};
use crate::file::File;
use crate::partition::{PartitionTemplate, date};
use crate::plan::Span;
use crate::scratch::Scratch;

/// Rows that are sorted and encoded together. More would compress a little better and hold more memory.
pub(crate) const ROWS_PER_GROUP: usize = 32 * 1024;

/// Rows in memory, in all partitions, from which on half a row group is enough to be encoded.
const MOST_ROWS: usize = ROWS_PER_GROUP + ROWS_PER_GROUP / 4;

/// A row group is also ended at this size, far below the 2 GiB that one Arrow string column can hold.
const BYTES_PER_GROUP: usize = 64 * 1024 * 1024;

/// About what an open partition takes beside its rows: builders for all columns, and its name.
const BYTES_PER_PARTITION: usize = 32 * 1024;

/// The open batch: for each partition, a file that is being encoded.
///
/// The same events in the same order give the same files, byte for byte.
#[derive(Default)]
pub(crate) struct Batch {
    /// By their folders below the lake's root.
    events: BTreeMap<String, Partition<EventsBuilder>>,
    quarantine: BTreeMap<String, Partition<QuarantineBuilder>>,
    /// Where the folder of an event is written, so that finding its partition allocates nothing.
    folder: String,
    span: Option<Span>,
    received: Option<(Timestamp, Timestamp)>,
    /// About what it takes: rows as they were appended, and what of the files is encoded.
    bytes: usize,
    /// Rows that are not encoded.
    rows: usize,
    tally: Tally,
    scratch: Scratch,
}

/// What became of the events of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) quarantined: u64,
    pub(crate) duplicates: u64,
    /// Events whose id had come before with other bytes. They are landed.
    pub(crate) same_id: u64,
}

impl Tally {
    /// All that land, as what they are or in quarantine.
    pub(crate) fn rows(self) -> u64 {
        self.events + self.quarantined
    }
}

/// A batch that is closed: its files, encoded, and what is needed to answer for them.
pub(crate) struct Closed {
    pub(crate) files: Vec<Landing>,
    /// When the first and the last of its events were accepted.
    pub(crate) received: (Timestamp, Timestamp),
    pub(crate) tally: Tally,
}

/// A file with its name below the lake's root.
#[derive(Clone)]
pub(crate) struct Landing {
    pub(crate) name: String,
    pub(crate) content: Encoded,
    /// The keys of the events in it.
    pub(crate) keys: Arc<[Key]>,
}

/// Which events belong into a batch.
pub(crate) enum Admission<'a> {
    /// Those that the index does not know.
    New(&'a mut Index),
    /// Those that were planned, as often as they were.
    Planned(&'a mut HashMap<Key, usize>),
    /// All of them.
    All,
}

impl Admission<'_> {
    fn seen(&mut self, key: Key, received_at: Timestamp) -> io::Result<Seen> {
        Ok(match self {
            Self::New(index) => index.insert(key, received_at)?,
            Self::Planned(keys) => match keys.get_mut(&key) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    Seen::Never
                }
                _ => Seen::Duplicate,
            },
            Self::All => Seen::Never,
        })
    }
}

/// An event could not be taken into a batch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    #[error("cannot encode Parquet: {0}")]
    Encode(#[from] ParquetError),
    /// It is in vain to go on: what is remembered of events is not whole any more.
    #[error(
        "cannot tell whether an event has come before: {0}; see to the disk of data_dir and start again, nothing is lost"
    )]
    Index(#[from] io::Error),
}

impl Batch {
    /// An empty batch. What is encoded of it goes into files of `scratch`.
    pub(crate) fn new(scratch: Scratch) -> Self {
        Self {
            scratch,
            ..Self::default()
        }
    }

    /// Adds one event, which stands at `position`, if it is admitted, and tells whoever watches.
    pub(crate) fn push(
        &mut self,
        event: &Event,
        position: Position,
        template: &PartitionTemplate,
        admission: &mut Admission<'_>,
        activity: Option<&Activity>,
    ) -> Result<(), PushError> {
        let first = self.span.map_or(position, |span| span.first);
        self.span = Some(Span {
            first,
            last: position,
        });
        let parsed = AppcuesEvent::parse(&event.body);
        let key = Key::new(&event.body, parsed.as_ref().ok());
        let seen = admission.seen(key, event.received_at)?;
        if let Some(activity) = activity {
            tell(activity, event, &parsed, seen == Seen::Duplicate);
        }
        match seen {
            Seen::Duplicate => {
                self.tally.duplicates += 1;
                return Ok(());
            }
            Seen::SameId => self.tally.same_id += 1,
            Seen::Never => {}
        }
        let (first, last) = self
            .received
            .unwrap_or((event.received_at, event.received_at));
        self.received = Some((first.min(event.received_at), last.max(event.received_at)));
        match parsed {
            Ok(parsed) => {
                self.tally.events += 1;
                template.render(&parsed, &mut self.folder);
                if !self.events.contains_key(&self.folder) {
                    self.events
                        .insert(self.folder.clone(), Partition::default());
                }
                if let Some(partition) = self.events.get_mut(&self.folder) {
                    self.rows -= partition.rows.len();
                    partition.keys.push(key);
                    partition.rows.append(&parsed, event.received_at);
                    let is_much = self.rows + partition.rows.len() > MOST_ROWS;
                    let grown = partition.settle(is_much, &self.scratch)?;
                    self.rows += partition.rows.len();
                    self.bytes = self.bytes.saturating_add_signed(grown);
                }
            }
            Err(reason) => {
                self.tally.quarantined += 1;
                let folder = format!("quarantine/date={}", date(event.received_at));
                let partition = self.quarantine.entry(folder).or_default();
                partition.keys.push(key);
                let rows = &mut partition.rows;
                rows.append(event.received_at, reason.reason(), &event.body);
                let grown = partition.settle(false, &self.scratch)?;
                self.bytes = self.bytes.saturating_add_signed(grown);
            }
        }
        Ok(())
    }

    /// Events in the batch, without the duplicates.
    pub(crate) fn len(&self) -> u64 {
        self.tally.rows()
    }

    /// Files that are being encoded.
    pub(crate) fn partitions(&self) -> usize {
        self.events.len() + self.quarantine.len()
    }

    /// When the first of its events was accepted; `None` if it holds none.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.received.map(|(oldest, _)| oldest)
    }

    /// Whether it is to be closed.
    pub(crate) fn is_full(&self, limits: &BatchConfig) -> bool {
        self.len() >= limits.max_events as u64
            || self.bytes >= limits.max_bytes
            || self.partitions() > limits.max_files
    }

    /// The positions of the first and last event that were pushed, duplicates included; `None` if there was none.
    pub(crate) fn span(&self) -> Option<Span> {
        self.span
    }

    /// The names that its files will have.
    pub(crate) fn names(&self, writer: &str, span: Span) -> impl Iterator<Item = String> {
        let folders = self.events.keys().chain(self.quarantine.keys());
        folders.map(move |folder| format!("{folder}/{writer}-{span}.parquet"))
    }

    /// Encodes what is left and names the files after `writer` and `span`.
    pub(crate) fn close(self, writer: &str, span: Span) -> Result<Closed> {
        let names: Vec<_> = self.names(writer, span).collect();
        let metadata = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("writer", writer.to_owned()),
            ("first_position", span.first.to_string()),
            ("last_position", span.last.to_string()),
        ];
        let events = self
            .events
            .into_values()
            .map(|partition| partition.finish(&self.scratch, &metadata));
        let quarantine = self.quarantine.into_values();
        let quarantine = quarantine.map(|partition| partition.finish(&self.scratch, &metadata));
        let mut files = Vec::with_capacity(names.len());
        for (name, finished) in names.into_iter().zip(events.chain(quarantine)) {
            let (content, keys) = finished?;
            files.push(Landing {
                name,
                content,
                keys,
            });
        }
        let never = Timestamp::from_millis(0);
        Ok(Closed {
            files,
            received: self.received.unwrap_or((never, never)),
            tally: self.tally,
        })
    }
}

impl Closed {
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.files.iter().flat_map(|file| file.keys.iter().copied())
    }

    /// The sum of the files, in bytes.
    pub(crate) fn byte_size(&self) -> usize {
        self.files.iter().map(|file| file.content.len()).sum()
    }
}

/// Says what becomes of `event`.
fn tell(
    activity: &Activity,
    event: &Event,
    parsed: &std::result::Result<AppcuesEvent<'_>, NotAnEvent>,
    is_duplicate: bool,
) {
    let (event_type, account_id, fate) = match parsed {
        Ok(parsed) => (parsed.event_type(), parsed.account_id(), Fate::Accepted),
        Err(reason) => ("no event", None, Fate::Quarantined(reason.to_string())),
    };
    let fate = if is_duplicate { Fate::Duplicate } else { fate };
    activity.saw(event, event_type, account_id.as_deref(), fate);
}

/// Rows that gather until they are a row group.
trait Rows: Default {
    /// That of their file.
    fn schema() -> SchemaRef;
    fn len(&self) -> usize;
    fn byte_size(&self) -> usize;
    fn take(&mut self) -> arrow_array::RecordBatch;
}

impl Rows for EventsBuilder {
    fn schema() -> SchemaRef {
        Arc::clone(landfall_table::schema())
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn byte_size(&self) -> usize {
        self.byte_size()
    }

    fn take(&mut self) -> arrow_array::RecordBatch {
        self.finish()
    }
}

impl Rows for QuarantineBuilder {
    fn schema() -> SchemaRef {
        Arc::clone(landfall_table::quarantine_schema())
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn byte_size(&self) -> usize {
        self.byte_size()
    }

    fn take(&mut self) -> arrow_array::RecordBatch {
        self.finish()
    }
}

/// One file of the batch: the row groups that are encoded, and the rows that will be the next.
#[derive(Default)]
struct Partition<R> {
    rows: R,
    file: Option<File<EncodedWriter>>,
    keys: Vec<Key>,
    /// What it took when it was last settled.
    settled: usize,
}

impl<R: Rows> Partition<R> {
    /// Encodes the rows if they are a row group: a whole one or, where so much is in memory, half. Returns by how much the
    /// partition has grown, in bytes.
    fn settle(&mut self, is_much: bool, scratch: &Scratch) -> Result<isize> {
        let enough = if is_much {
            ROWS_PER_GROUP / 2
        } else {
            ROWS_PER_GROUP
        };
        if self.rows.len() >= enough || self.rows.byte_size() >= BYTES_PER_GROUP {
            self.encode_rows(scratch)?;
        }
        let before = self.settled;
        self.settled = BYTES_PER_PARTITION
            + self.rows.byte_size()
            + self.file.as_ref().map_or(0, File::byte_size)
            + size_of_val(self.keys.as_slice());
        Ok(self.settled.wrapping_sub(before).cast_signed())
    }

    fn encode_rows(&mut self, scratch: &Scratch) -> Result<()> {
        let rows = self.rows.take();
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let encoded = EncodedWriter::new(scratch.clone());
                self.file.insert(File::create(R::schema(), encoded)?)
            }
        };
        file.write_row_group(rows)
    }

    fn finish(
        mut self,
        scratch: &Scratch,
        metadata: &[(&str, String)],
    ) -> Result<(Encoded, Arc<[Key]>)> {
        if self.rows.len() > 0 || self.file.is_none() {
            self.encode_rows(scratch)?;
        }
        let content = match self.file {
            Some(file) => file.finish(metadata)?.finish(),
            None => Encoded::default(),
        };
        Ok((content, self.keys.into()))
    }
}

#[cfg(test)]
mod tests;
