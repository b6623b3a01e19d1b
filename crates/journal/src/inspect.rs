//! Reading a journal's directory without opening the journal: nothing is locked, nothing is changed.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use crate::{
    Damage, Disk, OpenError, Position, Record, cursor,
    disk::DiskFile,
    disk::{CURSOR, segment_base, segment_name},
    identity::Identity,
    os::OsDisk,
    segment::{Found, HEADER, Header, Scanner},
    segments::Segments,
    state,
    walk::{Step, Walk},
};

/// What a journal's directory holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// Format version.
    pub version: u32,
    /// The journal's public id.
    pub id: [u8; 16],
    /// Whether the file `identity` can be read; if not, the id comes from a segment's header.
    pub identity_intact: bool,
    /// Oldest first.
    pub segments: Vec<InspectedSegment>,
    /// Committed position by name; `None` if the cursor is damaged.
    pub cursors: BTreeMap<String, Option<Position>>,
    /// Names of the state files, sorted.
    pub states: Vec<String>,
}

/// One segment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InspectedSegment {
    /// Position of its first byte.
    pub base: Position,
    /// Length of its file in bytes.
    pub len: u64,
    /// Valid records.
    pub records: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Damaged places from this segment's base up to the next one's. In a journal that is open, the last may have a torn
    /// tail that is just being written.
    pub damages: Vec<Damage>,
}

/// Describes the journal in `dir`, reading all of it.
///
/// # Errors
/// [`OpenError::Version`] if a newer release wrote it; [`OpenError::Identity`] if neither the identity nor any segment's header
/// can be read; otherwise [`OpenError::Io`].
pub fn inspect(dir: impl AsRef<Path>) -> Result<Inspection, OpenError> {
    let disk = Arc::new(OsDisk::new(dir));
    let survey = Survey::new(disk.clone())?;
    let mut segments: Vec<_> = survey
        .segments
        .iter()
        .map(|(base, len)| InspectedSegment {
            base: Position::new(*base),
            len: *len,
            records: 0,
            payload_bytes: 0,
            damages: Vec::new(),
        })
        .collect();
    let mut walk = survey.walk();
    while let Some(step) = walk.step(survey.end())? {
        let position = match &step {
            Step::Record(record) => record.position,
            Step::Damage(damage) => damage.position,
        };
        let next = segments.partition_point(|segment| segment.base <= position);
        let Some(segment) = segments.get_mut(next.saturating_sub(1)) else {
            break;
        };
        match step {
            Step::Record(record) => {
                segment.records += 1;
                segment.payload_bytes += record.payload.len() as u64;
            }
            Step::Damage(damage) => segment.damages.push(damage),
        }
    }
    // What was removed meanwhile was not needed any more, and may have looked damaged.
    segments.retain(|segment| disk.open(&segment_name(segment.base.get())).is_ok());
    let mut cursors = BTreeMap::new();
    for (name, _) in disk.list("")? {
        if let Some(name) = name.strip_suffix(CURSOR) {
            cursors.insert(
                name.to_owned(),
                cursor::load(&*disk, name)?.map(Position::new),
            );
        }
    }
    Ok(Inspection {
        version: crate::identity::VERSION,
        id: survey.identity.id,
        identity_intact: survey.identity_intact,
        segments,
        cursors,
        states: state::list(&*disk).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(Vec::new()),
            _ => Err(error),
        })?,
    })
}

/// Reads every valid record in `dir`, oldest first, past all damage, for the day when everything else is broken.
///
/// Works while the journal is open; it may then return records that are not acknowledged yet, and ends at what was there when
/// it was called. What nobody needs any more may be missing or cut off.
///
/// # Errors
/// As [`inspect`].
pub fn export(dir: impl AsRef<Path>) -> Result<Export, OpenError> {
    let survey = Survey::new(Arc::new(OsDisk::new(dir)))?;
    let (walk, end) = (survey.walk(), survey.end());
    Ok(Export { walk, end })
}

/// An iterator over the records in a directory; see [`export`]. After an error the same place is tried again.
#[derive(Debug)]
pub struct Export {
    walk: Walk,
    end: u64,
}

impl Iterator for Export {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.walk.step(self.end) {
                Ok(Some(Step::Record(record))) => return Some(Ok(record)),
                Ok(Some(Step::Damage(_))) => {}
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The files of a journal that is not opened.
struct Survey {
    disk: Arc<dyn Disk>,
    identity: Identity,
    identity_intact: bool,
    segments: BTreeMap<u64, u64>,
}

impl Survey {
    fn new(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let files = disk.list("")?;
        let segments = files
            .iter()
            .filter_map(|(name, len)| Some((segment_base(name)?, *len)));
        let segments: BTreeMap<_, _> = segments.collect();
        let known = Identity::load(&*disk)?;
        let identity_intact = known.is_ok();
        let mut candidates = vec![known];
        for base in segments.keys() {
            if candidates.last().is_some_and(Result::is_ok) {
                break;
            }
            candidates.push(Header::load(&*disk, *base)?.map(|header| header.identity));
        }
        for unreadable in candidates
            .iter()
            .filter_map(|candidate| candidate.as_ref().err())
        {
            unreadable.refuse_newer()?;
        }
        let identity = candidates.into_iter().find_map(Result::ok);
        let identity = identity.ok_or(OpenError::Identity(
            "neither the identity nor any segment's header is readable",
        ))?;
        Ok(Self {
            disk,
            identity,
            identity_intact,
            segments,
        })
    }

    fn walk(&self) -> Walk {
        let segments = Segments::new(self.segments.iter().map(|(base, len)| (*base, *len)));
        let start = self.segments.keys().next().copied().unwrap_or(0);
        Walk::new(
            Arc::clone(&self.disk),
            self.identity,
            Arc::new(segments),
            start,
        )
    }

    fn end(&self) -> u64 {
        self.segments
            .last_key_value()
            .map_or(0, |(base, len)| base + len)
    }
}

/// The valid records in the bytes of one segment file, whose header must be intact; none otherwise.
///
/// Takes any bytes: this is what a fuzz target calls. The checksum of every record that it returns was checked.
pub fn read_segment(segment: &[u8]) -> Vec<Record> {
    let (mut at, end, mut records) = (HEADER as u64, segment.len() as u64, Vec::new());
    let Ok(header) = Header::decode(segment) else {
        return records;
    };
    let file = Arc::new(Image(segment.to_vec()));
    let mut scanner = Scanner::new(file, &header.identity, header.base);
    while at < end {
        match scanner.next(at, end) {
            Ok(Found::Record(record)) => {
                at = record.end.get() - header.base;
                records.push(record);
            }
            Ok(Found::Damage { to, .. }) => at = to,
            Err(_) => break,
        }
    }
    records
}

/// A file in memory, to read only.
#[derive(Debug)]
struct Image(Vec<u8>);

impl DiskFile for Image {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = self.0.get(offset as usize..).unwrap_or_default();
        let len = buffer.len().min(from.len());
        buffer[..len].copy_from_slice(&from[..len]);
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
