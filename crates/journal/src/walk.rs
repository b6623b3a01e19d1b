use std::{io, sync::Arc};

use crate::{
    Damage, DamageKind, Position,
    disk::{self, Disk, segment_name},
    identity::Identity,
    segment::{Found, HEADER, Header, Record, Scanner},
    segments::Segments,
};

/// Goes through the log from segment to segment, past whatever is damaged.
///
/// Cheap to clone; a read that fails leaves it where it was.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    disk: Arc<dyn Disk>,
    identity: Identity,
    segments: Arc<Segments>,
    position: u64,
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    base: u64,
    /// Up to where the segment can be read without asking again whether it grew or ended.
    end: u64,
    /// Whether another segment follows, so that all up to `end` had been made durable.
    is_sealed: bool,
    scanner: Scanner,
}

/// What the walk came upon.
#[derive(Debug)]
pub(crate) enum Step {
    Record(Record),
    Damage(Damage),
}

impl Walk {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        identity: Identity,
        segments: Arc<Segments>,
        position: u64,
    ) -> Self {
        Self {
            disk,
            identity,
            segments,
            position,
            open: None,
        }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Makes `record` the next one again.
    pub(crate) fn back_to(&mut self, record: &Record) {
        self.position = record.position.get();
    }

    /// The next record or damage before `limit`, the position where the log ends.
    pub(crate) fn step(&mut self, limit: u64) -> io::Result<Option<Step>> {
        while self.position < limit {
            let here = |open: &&mut Open| (open.base..open.end).contains(&self.position);
            let Some(open) = self.open.as_mut().filter(here) else {
                match self.advance(limit)? {
                    Some(damage) => return Ok(Some(Step::Damage(damage))),
                    None => continue,
                }
            };
            let from = self.position - open.base;
            return Ok(Some(
                match open.scanner.next(from, open.end - open.base)? {
                    Found::Record(record) => {
                        self.position = record.end.get();
                        Step::Record(record)
                    }
                    Found::Damage { to, mut kind } => {
                        if open.is_sealed && kind == DamageKind::Tail {
                            kind = DamageKind::Middle;
                        }
                        let damage = Damage::new(self.position, open.base + to, kind);
                        self.position = open.base + to;
                        Step::Damage(damage)
                    }
                },
            ));
        }
        Ok(None)
    }

    /// The damaged bytes, to be set aside.
    pub(crate) fn damaged_bytes(&self, damage: &Damage) -> io::Result<Vec<u8>> {
        match &self.open {
            Some(open) if damage.kind != DamageKind::Missing => {
                let offset = damage.position.get() - open.base;
                disk::read(&*open.scanner.file, offset, damage.len as usize)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Opens the segment that holds the position, or moves the position to one that does.
    fn advance(&mut self, limit: u64) -> io::Result<Option<Damage>> {
        let Some((base, next)) = self.segments.around(self.position) else {
            return Ok(self.miss(limit));
        };
        if self.position < base {
            return self.cross(base);
        }
        let mut damage = None;
        if self.open.as_ref().is_none_or(|open| open.base != base) {
            damage = match self.enter(base) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Deleted behind this reader, or lost. What is missing shows at the next segment.
                    self.segments.remove(base);
                    return Ok(None);
                }
                entered => entered?,
            };
        }
        // A file can reach beyond the next segment's base, if cutting it did not last.
        let sealed = match next {
            Some(next) => self.previous_end(next)?.unwrap_or(next),
            None => limit,
        };
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let end = base + open.scanner.file.size()?;
        open.end = limit.min(sealed).min(end);
        open.is_sealed = next.is_some();
        if damage.is_some() || self.position < open.end {
            return Ok(damage);
        }
        match next {
            Some(next) if next < limit => self.cross(next),
            _ => Ok(self.miss(limit)),
        }
    }

    /// Opens a segment and reports its header if that is damaged; its records can be read all the same.
    fn enter(&mut self, base: u64) -> io::Result<Option<Damage>> {
        let file = self.disk.open(&segment_name(base))?;
        let header = Header::read(&*file, base)?;
        let damaged = !header.is_ok_and(|header| header.identity == self.identity);
        let len = file.size()?.min(HEADER as u64);
        self.open = Some(Open {
            base,
            end: base,
            is_sealed: false,
            scanner: Scanner::new(file, &self.identity, base),
        });
        self.position = self.position.max(base + HEADER as u64);
        Ok((damaged && len > 0).then(|| Damage::new(base, base + len, DamageKind::Header)))
    }

    /// Moves on to the segment at `base`, and reports the bytes before it that it says there were.
    fn cross(&mut self, base: u64) -> io::Result<Option<Damage>> {
        let end = self.previous_end(base)?;
        let missing = end.and_then(|end| self.miss(end));
        self.position = base;
        Ok(missing)
    }

    /// Where the acknowledged bytes before the segment at `base` end, if its header can tell.
    fn previous_end(&self, base: u64) -> io::Result<Option<u64>> {
        match Header::load(&*self.disk, base) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.segments.remove(base);
                Ok(None)
            }
            header => Ok(header?.ok().map(|header| header.previous_end)),
        }
    }

    /// Moves on to `end`, up to which there should have been bytes.
    fn miss(&mut self, end: u64) -> Option<Damage> {
        let from = self.position;
        self.position = from.max(end);
        (from < end).then(|| Damage::new(from, end, DamageKind::Missing))
    }
}

impl Damage {
    fn new(from: u64, to: u64, kind: DamageKind) -> Self {
        Self {
            position: Position::new(from),
            len: to - from,
            kind,
        }
    }
}
