//! The bytes of a segment: its header, and records within it. The tables are in the crate's documentation.

use std::{io, sync::Arc};

use bytes::Bytes;

use crate::{
    DamageKind, Position,
    disk::{self, Disk, DiskFile, segment_name},
    identity::{self, Identity, Unreadable, VERSION, array},
};

/// Bytes before the first record.
pub(crate) const HEADER: usize = 64;
/// Bytes before a record's payload.
pub(crate) const RECORD: usize = 12;

/// The last base that is believed, so that arithmetic on positions cannot overflow.
pub(crate) const MAX_BASE: u64 = 1 << 62;

const MAGIC: &[u8; 8] = b"LFJOURSG";
/// Bytes per read. Payloads are slices of these blocks, so one that is kept keeps its block in memory.
const BLOCK: usize = 256 * 1024;

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where the record begins: what [`append`](crate::Journal::append) returned.
    pub position: Position,
    /// Where whatever follows it begins: the position to [commit](crate::Reader::commit) once it is dealt with.
    pub end: Position,
    /// The appended bytes. A slice of a larger block: copy it to keep it for long.
    pub payload: Bytes,
}

/// Bytes that a record with a payload of `len` bytes takes, header and padding included.
pub(crate) const fn record_len(len: usize) -> usize {
    RECORD + len.next_multiple_of(4)
}

/// What a segment says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base: u64,
    /// Where the acknowledged bytes before this segment end. Whatever an earlier file holds at or beyond this
    /// position comes from a write that failed; whatever is missing before it was lost.
    pub(crate) previous_end: u64,
    pub(crate) identity: Identity,
}

impl Header {
    pub(crate) fn encode(&self, bytes: &mut [u8; HEADER]) {
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.base.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes[28..44].copy_from_slice(&self.identity.id);
        bytes[44..60].copy_from_slice(&self.identity.salt);
        identity::seal(bytes);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        identity::check(bytes, MAGIC, HEADER)?;
        let header = Self {
            base: u64::from_le_bytes(array(bytes, 12)),
            previous_end: u64::from_le_bytes(array(bytes, 20)),
            identity: Identity {
                id: array(bytes, 28),
                salt: array(bytes, 44),
            },
        };
        let sound = header.base <= MAX_BASE && header.previous_end <= header.base;
        sound.then_some(header).ok_or(Unreadable::Damaged)
    }

    /// Reads the header of the segment that is named after `base`; a header with another base is damaged.
    pub(crate) fn read(file: &dyn DiskFile, base: u64) -> io::Result<Result<Self, Unreadable>> {
        let header = Self::decode(&disk::read(file, 0, HEADER)?);
        Ok(header.and_then(|header| match header.base == base {
            true => Ok(header),
            false => Err(Unreadable::Damaged),
        }))
    }

    pub(crate) fn load(disk: &dyn Disk, base: u64) -> io::Result<Result<Self, Unreadable>> {
        Self::read(&*disk.open(&segment_name(base))?, base)
    }
}

/// Makes and checks the headers of one segment's records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal {
    salt: [u8; 16],
    base: u64,
    marker: [u8; 4],
}

impl Seal {
    pub(crate) fn new(identity: &Identity, base: u64) -> Self {
        let marker = crc32c::crc32c_append(crc32c::crc32c(&identity.salt), &base.to_le_bytes());
        Self {
            salt: identity.salt,
            base,
            // Zeros, which file systems leave where a write did not arrive, must not look like a record.
            marker: marker.max(1).to_le_bytes(),
        }
    }

    /// Completes the record headers in `records`, written by [`push_record`], for their place at `offset`.
    pub(crate) fn apply(&self, records: &mut [u8], offset: u64) {
        let mut at = 0;
        while at < records.len() {
            let len = u32::from_le_bytes(array(records, at + 4));
            let payload_crc = u32::from_le_bytes(array(records, at + 8));
            let crc = self.crc(payload_crc, len, offset + at as u64);
            records[at..at + 4].copy_from_slice(&self.marker);
            records[at + 8..at + RECORD].copy_from_slice(&crc.to_le_bytes());
            at += record_len(len as usize);
        }
    }

    /// The payload's checksum comes first, so that writers can compute it before they know the position.
    fn crc(&self, payload_crc: u32, len: u32, offset: u64) -> u32 {
        let mut tail = [0; 28];
        tail[..4].copy_from_slice(&len.to_le_bytes());
        tail[4..12].copy_from_slice(&(self.base + offset).to_le_bytes());
        tail[12..].copy_from_slice(&self.salt);
        crc32c::crc32c_append(payload_crc, &tail)
    }
}

/// Appends a record, whose header [`Seal::apply`] completes when its place is known.
pub(crate) fn push_record(records: &mut Vec<u8>, parts: &[&[u8]], len: usize, payload_crc: u32) {
    records.extend_from_slice(&[0; 4]);
    records.extend_from_slice(&(len as u32).to_le_bytes());
    records.extend_from_slice(&payload_crc.to_le_bytes());
    for part in parts {
        records.extend_from_slice(part);
    }
    records.resize(records.len().next_multiple_of(4), 0);
}

/// What lies at an offset of a segment.
#[derive(Debug)]
pub(crate) enum Found {
    Record(Record),
    /// No record up to `to`, where the next one begins or the segment ends.
    Damage {
        to: u64,
        kind: DamageKind,
    },
}

/// Finds the records of one segment file.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    pub(crate) file: Arc<dyn DiskFile>,
    seal: Seal,
    block: Bytes,
    /// Offset of `block` in the file.
    block_at: u64,
}

impl Scanner {
    pub(crate) fn new(file: Arc<dyn DiskFile>, identity: &Identity, base: u64) -> Self {
        Self {
            file,
            seal: Seal::new(identity, base),
            block: Bytes::new(),
            block_at: 0,
        }
    }

    /// What lies at offset `at`, where a record should begin, in a segment whose records end at offset `end`.
    pub(crate) fn next(&mut self, at: u64, end: u64) -> io::Result<Found> {
        match self.record(at, end)? {
            Some(record) => Ok(Found::Record(record)),
            None => self.resynchronise(at, end),
        }
    }

    fn record(&mut self, at: u64, end: u64) -> io::Result<Option<Record>> {
        let Some(header) = self.bytes(at, RECORD, end)? else {
            return Ok(None);
        };
        if header[..4] != self.seal.marker {
            return Ok(None);
        }
        let len = u32::from_le_bytes(array(&header, 4));
        let Some(record) = self.bytes(at, record_len(len as usize), end)? else {
            return Ok(None);
        };
        let payload = record.slice(RECORD..RECORD + len as usize);
        let crc = self.seal.crc(crc32c::crc32c(&payload), len, at);
        if header[8..] != crc.to_le_bytes() {
            return Ok(None);
        }
        let position = self.seal.base + at;
        Ok(Some(Record {
            position: Position::new(position),
            end: Position::new(position + record.len() as u64),
            payload,
        }))
    }

    /// Looks for the next record beyond `at`. The marker is secret, so that bytes from outside cannot make this
    /// compute checksums again and again.
    fn resynchronise(&mut self, at: u64, end: u64) -> io::Result<Found> {
        let mut blank = true;
        let mut from = at;
        while from < end {
            let rest = (end - from).min(BLOCK as u64) as usize;
            let Some(block) = self.bytes(from, rest, end)? else {
                break;
            };
            for (i, word) in block.chunks(4).enumerate() {
                let to = from + 4 * i as u64;
                if word == self.seal.marker && to > at && self.record(to, end)?.is_some() {
                    return Ok(Found::Damage {
                        to,
                        kind: DamageKind::Middle,
                    });
                }
                blank &= word.iter().all(|byte| *byte == 0);
            }
            from += rest as u64;
        }
        let kind = if blank {
            DamageKind::Missing
        } else {
            DamageKind::Tail
        };
        Ok(Found::Damage { to: end, kind })
    }

    /// The `len` bytes at `at`, or none if they would pass `end` or the file's.
    fn bytes(&mut self, at: u64, len: usize, end: u64) -> io::Result<Option<Bytes>> {
        if at + len as u64 > end {
            return Ok(None);
        }
        let held = self.block_at..=self.block_at + self.block.len() as u64;
        if !(held.contains(&at) && held.contains(&(at + len as u64))) {
            let wanted = len.max(BLOCK).min((end - at) as usize);
            self.block = disk::read(&*self.file, at, wanted)?.into();
            self.block_at = at;
        }
        let from = (at - self.block_at) as usize;
        Ok((from + len <= self.block.len()).then(|| self.block.slice(from..from + len)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_the_documentation_says() {
        let identity = Identity {
            id: [1; 16],
            salt: [2; 16],
        };
        let (mut header, base) = ([0; HEADER], 4096);
        let stated = Header {
            base,
            previous_end: 4000,
            identity,
        };
        stated.encode(&mut header);
        assert_eq!(Header::decode(&header).unwrap(), stated);
        let mut expected = b"LFJOURSG\x01\0\0\0\0\x10\0\0\0\0\0\0\xa0\x0f\0\0\0\0\0\0".to_vec();
        expected.extend([1; 16]);
        expected.extend([2; 16]);
        expected.extend(crc32c::crc32c(&expected).to_le_bytes());
        assert_eq!(header[..], expected);

        let mut records = Vec::new();
        push_record(&mut records, &[b"he", b"llo"], 5, crc32c::crc32c(b"hello"));
        Seal::new(&identity, base).apply(&mut records, HEADER as u64);
        let marker = [&[2; 16][..], &base.to_le_bytes()].concat();
        let checked = [b"hello\x05\0\0\0", &4160u64.to_le_bytes()[..], &[2; 16]].concat();
        let expected = [
            &crc32c::crc32c(&marker).to_le_bytes()[..],
            b"\x05\0\0\0",
            &crc32c::crc32c(&checked).to_le_bytes(),
            b"hello\0\0\0",
        ];
        assert_eq!(records, expected.concat());
    }

    #[test]
    fn a_header_that_claims_the_impossible_is_damaged() {
        for (base, previous_end) in [(MAX_BASE + 4, 0), (64, 128)] {
            let mut header = [0; HEADER];
            let identity = Identity {
                id: [1; 16],
                salt: [2; 16],
            };
            let impossible = Header {
                base,
                previous_end,
                identity,
            };
            impossible.encode(&mut header);
            assert_eq!(Header::decode(&header), Err(Unreadable::Damaged));
        }
    }
}
