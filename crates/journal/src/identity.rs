use std::{fmt, io};

use crate::{
    OpenError,
    disk::{self, Disk, IDENTITY},
};

/// The format version that this crate writes.
pub(crate) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"LFJOURID";
const LEN: usize = 52;

/// What makes a journal this one: its public id, and the salt that keeps senders from forging records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: [u8; 16],
    pub(crate) salt: [u8; 16],
}

/// Why bytes state no identity or segment header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Damaged,
    Newer(u32),
}

impl Identity {
    pub(crate) fn generate() -> io::Result<Self> {
        let (mut id, mut salt) = ([0; 16], [0; 16]);
        getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut salt))?;
        Ok(Self { id, salt })
    }

    pub(crate) fn load(disk: &dyn Disk) -> io::Result<Result<Self, Unreadable>> {
        match disk::read_all(disk, IDENTITY) {
            Ok(bytes) => Ok(Self::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(Unreadable::Damaged)),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn store(&self, disk: &dyn Disk) -> io::Result<()> {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.id);
        bytes[32..48].copy_from_slice(&self.salt);
        seal(&mut bytes);
        disk::replace(disk, "", IDENTITY, &bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        check(bytes, MAGIC, LEN)?;
        Ok(Self {
            id: array(bytes, 16),
            salt: array(bytes, 32),
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The salt must not reach a log.
        f.debug_struct("Identity")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Unreadable {
    pub(crate) fn refuse_newer(&self) -> Result<(), OpenError> {
        match *self {
            Self::Damaged => Ok(()),
            Self::Newer(found) => Err(OpenError::Version {
                found,
                known: VERSION,
            }),
        }
    }
}

/// Ends a header with the CRC32C of what precedes it.
pub(crate) fn seal(header: &mut [u8]) {
    let (body, crc) = header.split_at_mut(header.len() - 4);
    crc.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
}

/// Checks magic, checksum and version, which every header has at the same places.
pub(crate) fn check(bytes: &[u8], magic: &[u8; 8], len: usize) -> Result<(), Unreadable> {
    if bytes.len() < len || &bytes[..8] != magic {
        return Err(Unreadable::Damaged);
    }
    let crc = u32::from_le_bytes(array(bytes, len - 4));
    if crc != crc32c::crc32c(&bytes[..len - 4]) {
        return Err(Unreadable::Damaged);
    }
    match u32::from_le_bytes(array(bytes, 8)) {
        VERSION => Ok(()),
        newer => Err(Unreadable::Newer(newer)),
    }
}

/// The `N` bytes at `at`, which the caller has checked to be there.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
