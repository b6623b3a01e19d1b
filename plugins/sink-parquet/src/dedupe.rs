// Their paths are for who takes this file by its own.
#[path = "dedupe/filter.rs"]
mod filter;
#[path = "dedupe/sealed.rs"]
mod sealed;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use landfall_appcues::AppcuesEvent;
use landfall_core::{Seldom, Timestamp, log_seldom};
use sha2::{Digest, Sha256};

use self::sealed::Sealed;
use crate::scratch::Scratch;

/// The window is kept in this many generations; the oldest is dropped as a whole once it is past the window.
///
/// More of them take less memory while one is sealed, and each look-up longer. With the default `max_ids` the newest of 22 just fits
/// a hash table of 2^19 places.
const GENERATIONS: u32 = 22;

/// Identifies an event: 8 bytes for account and id, 8 bytes for the body, each of a SHA-256.
///
/// The id alone is no identity: Appcues' own samples share one between an NPS score and its feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    identity: u64,
    content: u64,
}

impl Key {
    /// The length of [`Key::to_bytes`].
    pub(crate) const LENGTH: usize = 16;

    /// The key of a body; what is no event is told by its bytes alone.
    pub(crate) fn new(body: &[u8], event: Option<&AppcuesEvent<'_>>) -> Self {
        match event {
            Some(event) => {
                let account = event.account_id().unwrap_or_default();
                Self::of(&account, event.id(), body)
            }
            None => {
                let content = leading_u64(&Sha256::digest(body));
                let identity = content;
                Self { identity, content }
            }
        }
    }

    /// The key of the event of this account and id that is told from others of the same id by `content`.
    pub(crate) fn of(account: &str, id: &str, content: &[u8]) -> Self {
        let mut identity = Sha256::new();
        identity.update(account.as_bytes());
        identity.update([0]);
        identity.update(id.as_bytes());
        Self {
            identity: leading_u64(&identity.finalize()),
            content: leading_u64(&Sha256::digest(content)),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let both = (u128::from(self.identity) << 64) | u128::from(self.content);
        both.to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        let both = u128::from_le_bytes(bytes);
        Self {
            identity: (both >> 64) as u64,
            content: both as u64,
        }
    }
}

fn leading_u64(digest: &[u8]) -> u64 {
    digest
        .iter()
        .take(8)
        .fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// What is known of an event's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// Neither the id nor the bytes.
    Never,
    /// The id, with other bytes: another event.
    SameId,
    /// This very event.
    Duplicate,
}

/// A group of events that is remembered for a window of time.
///
/// It is forgotten when two clocks agree that the window is past: the monotonic one since the group was last touched, and the
/// distance between the times at which its events and the present one were accepted. So neither a wall clock that steps
/// nor an event that waited long in the buffer makes a duplicate look new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembered {
    touched: Instant,
    first: Timestamp,
    last: Timestamp,
}

impl Remembered {
    /// A group of events that were accepted between `first` and `last`.
    pub(crate) fn new(first: Timestamp, last: Timestamp) -> Self {
        Self {
            touched: Instant::now(),
            first,
            last,
        }
    }

    fn touch(&mut self, now: Instant, (first, last): (Timestamp, Timestamp)) {
        self.touched = now;
        self.first = self.first.min(first);
        self.last = self.last.max(last);
    }

    pub(crate) fn is_over(&self, now: Instant, received_at: Timestamp, window: Duration) -> bool {
        now.duration_since(self.touched) > window && self.distance(received_at) > window
    }

    /// How far `time` lies outside of the group.
    pub(crate) fn distance(&self, time: Timestamp) -> Duration {
        self.first.since(time).max(time.since(self.last))
    }
}

/// The keys of the events that were taken within the window, of at most `max_ids` events.
///
/// Memory: 4 to 5 bytes an event where keys can be moved to scratch files, else up to 20.
#[derive(Debug)]
pub(crate) struct Index {
    /// The newest generation, to which keys are added, and when its first one was.
    open: Generation<HashTable<Key>>,
    opened: Instant,
    /// Those before it, oldest first.
    sealed: VecDeque<Generation<Sealed>>,
    window: Duration,
    max_ids: usize,
    scratch: Scratch,
    seldom: Seldom,
}

#[derive(Debug)]
struct Generation<K> {
    age: Remembered,
    keys: K,
}

impl Index {
    /// An empty index. A `window` of zero turns it off: every key is new.
    pub(crate) fn new(window: Duration, max_ids: usize, scratch: Scratch, seldom: Seldom) -> Self {
        let now = Timestamp::now();
        Self {
            open: Generation {
                age: Remembered::new(now, now),
                keys: HashTable::new(),
            },
            opened: Instant::now(),
            sealed: VecDeque::new(),
            window,
            max_ids,
            scratch,
            seldom,
        }
    }

    /// Adds the key of an event that was accepted at `received_at`, unless it is a duplicate.
    ///
    /// # Errors
    /// Keys that were moved to a file cannot be read.
    pub(crate) fn insert(&mut self, key: Key, received_at: Timestamp) -> io::Result<Seen> {
        self.insert_at(Instant::now(), key, received_at)
    }

    fn insert_at(&mut self, now: Instant, key: Key, received_at: Timestamp) -> io::Result<Seen> {
        if self.window.is_zero() {
            return Ok(Seen::Never);
        }
        let is_over = |age: &Remembered| age.is_over(now, received_at, self.window);
        // The oldest was touched before all others.
        let oldest = self.sealed.front();
        if oldest.is_some_and(|oldest| now.duration_since(oldest.age.touched) > self.window) {
            self.sealed.retain(|generation| !is_over(&generation.age));
        }
        if is_over(&self.open.age) {
            self.open.keys.clear();
        }
        let mut seen = look_up(&self.open.keys, key);
        for generation in &self.sealed {
            if seen == Seen::Duplicate {
                break;
            }
            seen = seen.max(generation.keys.look_up(key)?);
        }
        if seen != Seen::Duplicate {
            self.add(now, key, (received_at, received_at));
        }
        Ok(seen)
    }

    /// Adds the keys of events of which the first and the last were accepted at `received`; those of older events first.
    pub(crate) fn restore(
        &mut self,
        keys: impl IntoIterator<Item = Key>,
        received: (Timestamp, Timestamp),
    ) {
        self.restore_at(Instant::now(), keys, received);
    }

    fn restore_at(
        &mut self,
        now: Instant,
        keys: impl IntoIterator<Item = Key>,
        received: (Timestamp, Timestamp),
    ) {
        if self.window.is_zero() {
            return;
        }
        for key in keys {
            self.add(now, key, received);
        }
    }

    /// Takes `keys` back: their events were not landed after all, and must be taken when they come again.
    ///
    /// # Errors
    /// As of [`insert`](Self::insert).
    pub(crate) fn forget(&mut self, keys: impl IntoIterator<Item = Key>) -> io::Result<()> {
        let keys: HashSet<Key> = keys.into_iter().collect();
        self.open.keys.retain(|known| !keys.contains(known));
        for Generation { keys: sealed, .. } in &mut self.sealed {
            let mut holds_any = false;
            for key in &keys {
                holds_any |= sealed.look_up(*key)? == Seen::Duplicate;
            }
            if holds_any {
                let mut kept = sealed.keys()?;
                kept.retain(|known| !keys.contains(known));
                *sealed = seal(kept, &self.scratch);
            }
        }
        Ok(())
    }

    /// Adds `key` to the open generation, which is sealed before if it is full or has been open for its share of the window.
    fn add(&mut self, now: Instant, key: Key, received: (Timestamp, Timestamp)) {
        let share = self.max_ids / GENERATIONS as usize;
        let slot = self.window / GENERATIONS;
        if self.open.keys.len() >= share || now.duration_since(self.opened) > slot {
            self.seal_open(share);
        }
        let Generation { age, keys } = &mut self.open;
        if keys.is_empty() {
            self.opened = now;
            *age = Remembered::new(received.0, received.1);
        }
        age.touch(now, received);
        keys.insert_unique(key.identity, key, |known| known.identity);
    }

    /// Seals the open generation, and forgets the oldest ones where the next, of up to `share` keys, would be too much.
    fn seal_open(&mut self, share: usize) {
        if self.open.keys.is_empty() {
            return;
        }
        let held = |sealed: &VecDeque<Generation<Sealed>>| -> usize {
            sealed.iter().map(|generation| generation.keys.len()).sum()
        };
        let new = self.open.keys.len() + share;
        while !self.sealed.is_empty() && held(&self.sealed) + new > self.max_ids {
            log_seldom!(
                &self.seldom,
                "max_ids",
                warn,
                max_ids = self.max_ids,
                "more events within the window than deduplicate.max_ids: the oldest are forgotten early"
            );
            self.sealed.pop_front();
        }
        let keys = self.open.keys.drain().collect();
        self.sealed.push_back(Generation {
            age: self.open.age,
            keys: seal(keys, &self.scratch),
        });
    }
}

fn look_up(keys: &HashTable<Key>, key: Key) -> Seen {
    let same_id = |known: &Key| known.identity == key.identity;
    if keys.find(key.identity, |known| *known == key).is_some() {
        Seen::Duplicate
    } else if keys.find(key.identity, same_id).is_some() {
        Seen::SameId
    } else {
        Seen::Never
    }
}

/// Seals `keys`, in a file if there can be one.
fn seal(keys: Vec<Key>, scratch: &Scratch) -> Sealed {
    let mut sealed = Sealed::new(keys);
    if let Some(file) = scratch.file()
        && let Err(error) = sealed.move_to(file)
    {
        scratch.failed(&error);
    }
    sealed
}

#[cfg(test)]
#[path = "dedupe/tests.rs"]
mod tests;
