use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use landfall_core::{Seldom, kill_point, log};

use crate::{
    Position,
    disk::{self, CURSOR, Disk, DiskFile},
    identity::array,
    segment::MAX_BASE,
};

/// The slots lie in different pages, so that tearing one leaves the other whole.
const SLOT_DISTANCE: u64 = 4096;
const SLOT: usize = 20;
const FILE: usize = SLOT_DISTANCE as usize + SLOT;

/// A named reader's durable position: two slots, of which the valid one with the higher sequence counts.
///
/// Commits overwrite the other slot in place, which takes no space and can be torn without harm.
#[derive(Debug)]
pub(crate) struct Cursor {
    file: Arc<dyn DiskFile>,
    sequence: u64,
    position: u64,
}

impl Cursor {
    pub(crate) fn create(disk: &dyn Disk, name: &str, position: u64) -> io::Result<Self> {
        let mut bytes = [0; FILE];
        bytes[..SLOT].copy_from_slice(&slot(0, position));
        disk::replace(disk, "", &format!("{name}{CURSOR}"), &bytes)?;
        Ok(Self {
            file: disk.open_write(&format!("{name}{CURSOR}"))?,
            sequence: 0,
            position,
        })
    }

    /// Opens a cursor; `None` if neither slot is valid.
    fn open(disk: &dyn Disk, name: &str) -> io::Result<Option<Self>> {
        let file = disk.open_write(&format!("{name}{CURSOR}"))?;
        let latest = decode(&disk::read(&*file, 0, FILE)?);
        Ok(latest.map(|(sequence, position)| Self {
            file,
            sequence,
            position,
        }))
    }

    fn commit(&mut self, position: u64) -> io::Result<()> {
        // The sequence moves on with success only: until then the slot in doubt is the one to overwrite.
        let sequence = self.sequence + 1;
        let offset = sequence % 2 * SLOT_DISTANCE;
        kill_point("cursor.write");
        self.file.write_at(&slot(sequence, position), offset)?;
        self.file.sync_data()?;
        kill_point("cursor.written");
        (self.sequence, self.position) = (sequence, position);
        Ok(())
    }
}

fn slot(sequence: u64, position: u64) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&sequence.to_le_bytes());
    slot[8..16].copy_from_slice(&position.to_le_bytes());
    crate::identity::seal(&mut slot);
    slot
}

/// Sequence and position of the latest valid slot.
fn decode(bytes: &[u8]) -> Option<(u64, u64)> {
    let valid = [0, SLOT_DISTANCE as usize].into_iter().filter_map(|at| {
        let slot = bytes.get(at..at + SLOT)?;
        let (sequence, position) = (array(slot, 0), array(slot, 8));
        let (sequence, position) = (u64::from_le_bytes(sequence), u64::from_le_bytes(position));
        let valid = slot == self::slot(sequence, position) && position <= MAX_BASE;
        valid.then_some((sequence, position))
    });
    valid.max()
}

/// The position that a cursor file states, for the read-only tools.
pub(crate) fn load(disk: &dyn Disk, name: &str) -> io::Result<Option<u64>> {
    let bytes = disk::read_all(disk, &format!("{name}{CURSOR}"))?;
    Ok(decode(&bytes).map(|(_, position)| position))
}

/// All cursors of a journal.
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    /// Held over a commit's fsync, as commits of one reader have to wait for each other anyway.
    files: Mutex<BTreeMap<String, Cursor>>,
    /// The committed positions, which nobody waits for.
    positions: Mutex<BTreeMap<String, Position>>,
}

impl Cursors {
    pub(crate) fn open<'a>(
        disk: &dyn Disk,
        names: impl Iterator<Item = &'a str>,
        seldom: &Seldom,
    ) -> io::Result<Self> {
        let cursors = Self::default();
        for name in names {
            match Cursor::open(disk, name)? {
                Some(mut cursor) => {
                    // What was read may be in memory only, left by a commit whose fsync failed.
                    cursor.commit(cursor.position)?;
                    cursors.insert(&mut cursors.files(), name, cursor);
                }
                None => {
                    log!(
                        seldom.labels(),
                        error,
                        name,
                        "the cursor is damaged: its reader starts again at the oldest record"
                    );
                    cursors.insert(&mut cursors.files(), name, Cursor::create(disk, name, 0)?);
                }
            }
        }
        Ok(cursors)
    }

    /// The cursor's position; a new one is created at `start`.
    pub(crate) fn get_or_create(&self, disk: &dyn Disk, name: &str, start: u64) -> io::Result<u64> {
        let mut files = self.files();
        if let Some(cursor) = files.get(name) {
            return Ok(cursor.position);
        }
        let cursor = Cursor::create(disk, name, start)?;
        self.insert(&mut files, name, cursor);
        Ok(start)
    }

    /// Moves a cursor forward, durably; one that is there or further already stays.
    pub(crate) fn commit(&self, name: &str, position: u64) -> io::Result<()> {
        let mut files = self.files();
        let Some(cursor) = files.get_mut(name) else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no reader {name:?}"),
            ));
        };
        if cursor.position < position {
            cursor.commit(position)?;
            self.positions()
                .insert(name.to_owned(), Position::new(position));
        }
        Ok(())
    }

    pub(crate) fn remove(&self, disk: &dyn Disk, name: &str) -> io::Result<()> {
        let mut files = self.files();
        if files.contains_key(name) {
            disk.remove(&format!("{name}{CURSOR}"))?;
            disk.sync_dir("")?;
            files.remove(name);
            self.positions().remove(name);
        }
        Ok(())
    }

    /// The committed positions by name.
    pub(crate) fn positions(&self) -> MutexGuard<'_, BTreeMap<String, Position>> {
        self.positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Cursor>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, files: &mut BTreeMap<String, Cursor>, name: &str, cursor: Cursor) {
        self.positions()
            .insert(name.to_owned(), Position::new(cursor.position));
        files.insert(name.to_owned(), cursor);
    }
}
