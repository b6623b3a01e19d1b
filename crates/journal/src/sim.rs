//! A disk that fails as disks do, from one seed: the same seed and the same calls fail in the same way.
//!
//! It keeps what was written apart from what would survive a loss of power, and [`crash`](SimDisk::crash) returns what is found
//! after one.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Disk, DiskFile};

const SECTOR: usize = 512;

/// How often operations fail, each in 10,000. All zero is an honest disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Writes of which only the first part is done.
    pub short_write: u32,
    /// Writes, truncations, creations, removals and renames that are refused.
    pub failed_write: u32,
    /// Syncs that fail. As on Linux what they should have saved is then neither durable nor tried again.
    pub failed_sync: u32,
    /// Syncs that report success and do nothing.
    pub lying_sync: u32,
    /// Reads that fail.
    pub failed_read: u32,
}

/// A simulated disk; clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<World>>);

#[derive(Debug)]
struct World {
    random: u64,
    faults: Faults,
    capacity: u64,
    files: Vec<Contents>,
    /// Index into `files` by name, as processes see it.
    names: BTreeMap<String, usize>,
    /// The same as it would be found after a crash, if none of `changes` survived.
    durable_names: BTreeMap<String, usize>,
    /// Changes of names that no directory sync has covered yet, in order.
    changes: Vec<Change>,
    locked: bool,
}

#[derive(Clone, Debug)]
struct Change {
    dir: String,
    gone: Option<String>,
    there: Option<(String, usize)>,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    data: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors of `data` that the next sync would save.
    dirty: BTreeSet<usize>,
}

impl SimDisk {
    /// An empty, honest disk without end.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            random: seed,
            faults: Faults::default(),
            capacity: u64::MAX,
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            locked: false,
        })))
    }

    /// Makes operations fail from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.world().faults = faults;
    }

    /// How many bytes all files may take together.
    pub fn set_capacity(&self, bytes: u64) {
        self.world().capacity = bytes;
    }

    /// The disk as found after a loss of power: each sector and each change of a name that was not synced has survived or
    /// not. This disk goes on, for processes that do not know yet that they are dead.
    pub fn crash(&self) -> Self {
        let mut world = self.world();
        let mut names = world.durable_names.clone();
        // Metadata is journaled by every file system of today: what survives is a prefix.
        let changes = world.changes.len();
        let survivors = world.below(changes + 1);
        for change in &world.changes[..survivors] {
            change.apply(&mut names);
        }
        let mut files = world.files.clone();
        for file in &mut files {
            if file.data.len() != file.durable.len() && world.below(2) == 0 {
                file.durable.resize(file.data.len(), 0);
            }
            for sector in std::mem::take(&mut file.dirty) {
                if world.below(2) == 0 {
                    file.save(sector);
                }
            }
            file.data.clone_from(&file.durable);
        }
        let random = world.next();
        Self(Arc::new(Mutex::new(World {
            random,
            faults: world.faults,
            capacity: world.capacity,
            files,
            durable_names: names.clone(),
            names,
            changes: Vec::new(),
            locked: false,
        })))
    }

    /// Flips a random bit of a random file whose name ends with `suffix`, durably; returns the name and the byte's offset.
    pub fn flip_bit(&self, suffix: &str) -> Option<(String, usize)> {
        let mut world = self.world();
        let full = |(name, file): (&String, &usize)| {
            let used = name.ends_with(suffix) && !world.files[*file].data.is_empty();
            used.then(|| (name.clone(), *file))
        };
        let names: Vec<_> = world.names.iter().filter_map(full).collect();
        let (name, file) = names.get(world.below(names.len().max(1)))?.clone();
        let len = world.files[file].data.len();
        let at = world.below(len);
        let bit = 1 << world.below(8);
        let contents = &mut world.files[file];
        contents.data[at] ^= bit;
        if let Some(byte) = contents.durable.get_mut(at) {
            *byte ^= bit;
        }
        Some((name, at))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, index: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimFile {
            disk: self.clone(),
            index,
        })
    }
}

impl World {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn strikes(&mut self, rate: u32) -> bool {
        rate > 0 && self.below(10_000) < rate as usize
    }

    fn index(&self, name: &str) -> io::Result<usize> {
        let index = self.names.get(name).copied();
        index.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn free(&self) -> u64 {
        let used = self
            .names
            .values()
            .map(|file| self.files[*file].data.len() as u64);
        self.capacity.saturating_sub(used.sum())
    }

    fn change(&mut self, gone: Option<&str>, there: Option<(&str, usize)>) {
        let name = gone.or(there.map(|(name, _)| name)).unwrap_or_default();
        let change = Change {
            dir: dir(name).to_owned(),
            gone: gone.map(str::to_owned),
            there: there.map(|(name, file)| (name.to_owned(), file)),
        };
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, file)) = &self.there {
            names.insert(name.clone(), *file);
        }
    }
}

impl Contents {
    /// Makes one sector durable, as far as the durable file reaches.
    fn save(&mut self, sector: usize) {
        let from = sector * SECTOR;
        let to = (from + SECTOR).min(self.data.len()).min(self.durable.len());
        if from < to {
            self.durable[from..to].copy_from_slice(&self.data[from..to]);
        }
    }
}

fn dir(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(dir, _)| dir)
}

fn broken() -> io::Error {
    io::Error::other("simulated I/O error")
}

impl Disk for SimDisk {
    fn create_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, wanted: &str) -> io::Result<Vec<(String, u64)>> {
        let world = self.world();
        let names = world.names.iter().filter(|(name, _)| dir(name) == wanted);
        let entry = |(name, file): (&String, &usize)| {
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            (name, world.files[*file].data.len() as u64)
        };
        Ok(names.map(entry).collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let index = self.world().index(name)?;
        Ok(self.file(index))
    }

    fn open_write(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        let rate = world.faults.failed_write;
        if world.strikes(rate) {
            return Err(broken());
        }
        if world.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if world.free() == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        world.files.push(Contents::default());
        let index = world.files.len() - 1;
        world.change(None, Some((name, index)));
        drop(world);
        Ok(self.file(index))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world();
        let rate = world.faults.failed_write;
        if world.strikes(rate) {
            return Err(broken());
        }
        world.index(name)?;
        world.change(Some(name), None);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        let rate = world.faults.failed_write;
        if world.strikes(rate) {
            return Err(broken());
        }
        let index = world.index(from)?;
        world.change(Some(from), Some((to, index)));
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut world = self.world();
        let faults = world.faults;
        if world.strikes(faults.failed_sync) {
            return Err(broken());
        }
        if !world.strikes(faults.lying_sync) {
            let (synced, left) = world
                .changes
                .drain(..)
                .partition(|change: &Change| change.dir == dir);
            world.changes = left;
            for change in synced {
                change.apply(&mut world.durable_names);
            }
        }
        Ok(())
    }

    fn lock(&self, _: &str) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut world = self.world();
        if world.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        world.locked = true;
        Ok(Box::new(Lock(self.clone())))
    }
}

struct Lock(SimDisk);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.world().locked = false;
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    index: usize,
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.world().files[self.index].data.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.disk.world();
        let rate = world.faults.failed_read;
        if world.strikes(rate) {
            return Err(broken());
        }
        let data = &world.files[self.index].data;
        let data = data.get(offset as usize..).unwrap_or_default();
        let len = buffer.len().min(data.len());
        buffer[..len].copy_from_slice(&data[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        let faults = world.faults;
        if world.strikes(faults.failed_write) {
            return Err(broken());
        }
        let offset = offset as usize;
        let room = world.files[self.index].data.len() as u64 + world.free();
        let fits = (room.saturating_sub(offset as u64)).min(bytes.len() as u64) as usize;
        let error = if fits < bytes.len() {
            Some((fits, io::ErrorKind::StorageFull.into()))
        } else if world.strikes(faults.short_write) {
            Some((world.below(bytes.len() + 1), broken()))
        } else {
            None
        };
        let len = error.as_ref().map_or(bytes.len(), |(len, _)| *len);
        if len > 0 {
            let file = &mut world.files[self.index];
            let end = offset + len;
            file.data.resize(file.data.len().max(end), 0);
            file.data[offset..end].copy_from_slice(&bytes[..len]);
            file.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
        }
        error.map_or(Ok(()), |(_, error)| Err(error))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        let faults = world.faults;
        let (fails, lies) = (
            world.strikes(faults.failed_sync),
            world.strikes(faults.lying_sync),
        );
        let file = &mut world.files[self.index];
        if fails {
            file.dirty.clear();
            return Err(broken());
        }
        if !lies {
            file.durable.resize(file.data.len(), 0);
            for sector in std::mem::take(&mut file.dirty) {
                file.save(sector);
            }
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        let rate = world.faults.failed_write;
        if world.strikes(rate) {
            return Err(broken());
        }
        world.files[self.index].data.truncate(len as usize);
        Ok(())
    }
}
