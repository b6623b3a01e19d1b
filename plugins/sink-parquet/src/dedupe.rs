use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use landfall_appcues::AppcuesEvent;
use sha2::{Digest, Sha256};

/// The window is kept in this many generations; the oldest is dropped as a whole once it is past the window.
const GENERATIONS: u32 = 8;

/// Identifies an event: 8 bytes for account and id, 8 bytes for the body, each of a SHA-256.
///
/// The id alone is no identity: Appcues' own samples share one between an NPS score and its feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    identity: u64,
    content: u64,
}

impl Key {
    /// The length of [`Key::to_bytes`].
    pub(crate) const LENGTH: usize = 16;

    /// The key of a body; what is no event is told by its bytes alone.
    pub(crate) fn new(body: &[u8], event: Option<&AppcuesEvent<'_>>) -> Self {
        let content = leading_u64(&Sha256::digest(body));
        let identity = event.map_or(content, |event| {
            let mut identity = Sha256::new();
            identity.update(event.account_id().unwrap_or_default().as_bytes());
            identity.update([0]);
            identity.update(event.id().as_bytes());
            leading_u64(&identity.finalize())
        });
        Self { identity, content }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Neither the id nor the bytes.
    Never,
    /// The id, with other bytes: another event.
    SameId,
    /// This very event.
    Duplicate,
}

/// The keys of the events that were taken within the window. Memory: 20 to 40 bytes an event, at most `max_ids` events.
///
/// Age is measured by the monotonic clock, so that a step of the wall clock neither ends nor stretches the window.
#[derive(Debug)]
pub(crate) struct Index {
    generations: VecDeque<Generation>,
    window: Duration,
    max_ids: usize,
}

#[derive(Debug)]
struct Generation {
    expires: Instant,
    keys: HashTable<Key>,
}

impl Index {
    /// An empty index. A `window` of zero turns it off: every key is new.
    pub(crate) fn new(window: Duration, max_ids: usize) -> Self {
        Self {
            generations: VecDeque::new(),
            window,
            max_ids,
        }
    }

    /// Adds `key` unless it is a duplicate.
    pub(crate) fn insert(&mut self, key: Key) -> Seen {
        if self.window.is_zero() {
            return Seen::Never;
        }
        let now = Instant::now();
        while let Some(oldest) = self.generations.front()
            && oldest.expires <= now
        {
            self.generations.pop_front();
        }
        let mut seen = Seen::Never;
        for Generation { keys, .. } in &self.generations {
            if keys.find(key.identity, |known| *known == key).is_some() {
                return Seen::Duplicate;
            }
            let same_id = |known: &Key| known.identity == key.identity;
            if keys.find(key.identity, same_id).is_some() {
                seen = Seen::SameId;
            }
        }
        self.generation(now + self.window).add(key);
        seen
    }

    /// Adds keys that were taken `age` ago. Older ones must be restored before newer ones.
    pub(crate) fn restore(&mut self, keys: impl IntoIterator<Item = Key>, age: Duration) {
        if let Some(left) = self.window.checked_sub(age)
            && !self.window.is_zero()
        {
            let generation = self.generation(Instant::now() + left);
            for key in keys {
                generation.add(key);
            }
        }
    }

    /// Takes `keys` back: their events were not landed after all, and must be taken when they come again.
    pub(crate) fn forget(&mut self, keys: &[Key]) {
        for generation in &mut self.generations {
            for key in keys {
                if let Ok(entry) = generation
                    .keys
                    .find_entry(key.identity, |known| known == key)
                {
                    entry.remove();
                }
            }
        }
    }

    /// The newest generation if its keys may stay until `expires`, else a new one.
    fn generation(&mut self, expires: Instant) -> &mut Generation {
        let share = self.max_ids / GENERATIONS as usize;
        let fits = |last: &Generation| last.expires >= expires && last.keys.len() <= share;
        if !self.generations.back().is_some_and(fits) {
            self.make_room(share);
            // The keys that join within one slot from now stay their whole window too.
            let expires = expires + self.window / GENERATIONS;
            self.generations.push_back(Generation {
                expires,
                keys: HashTable::new(),
            });
        }
        let newest = self.generations.len() - 1;
        &mut self.generations[newest]
    }

    fn make_room(&mut self, share: usize) {
        let held = |generations: &VecDeque<Generation>| -> usize {
            generations
                .iter()
                .map(|generation| generation.keys.len())
                .sum()
        };
        while !self.generations.is_empty() && held(&self.generations) + share > self.max_ids {
            tracing::warn!(
                max_ids = self.max_ids,
                "more events within the window than deduplicate.max_ids: the oldest are forgotten early"
            );
            self.generations.pop_front();
        }
    }
}

impl Generation {
    fn add(&mut self, key: Key) {
        self.keys
            .insert_unique(key.identity, key, |known| known.identity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn key(identity: u64, content: u64) -> Key {
        Key { identity, content }
    }

    #[test]
    fn the_same_bytes_are_a_duplicate_and_the_same_id_with_other_bytes_is_not() {
        let mut index = Index::new(DAY, 1000);
        assert_eq!(index.insert(key(1, 1)), Seen::Never);
        assert_eq!(index.insert(key(1, 1)), Seen::Duplicate);
        assert_eq!(index.insert(key(1, 2)), Seen::SameId);
        assert_eq!(index.insert(key(2, 1)), Seen::Never);
    }

    #[test]
    fn a_forgotten_key_is_new_again() {
        let mut index = Index::new(DAY, 1000);
        index.insert(key(1, 1));
        index.insert(key(1, 2));
        index.forget(&[key(1, 1)]);
        assert_eq!(index.insert(key(1, 1)), Seen::SameId);
        assert_eq!(index.insert(key(1, 2)), Seen::Duplicate);
    }

    #[test]
    fn restored_keys_are_known_unless_they_are_past_the_window() {
        let mut index = Index::new(DAY, 1000);
        index.restore([key(1, 1)], DAY * 2);
        index.restore([key(2, 2)], DAY / 2);
        assert_eq!(index.insert(key(1, 1)), Seen::Never);
        assert_eq!(index.insert(key(2, 2)), Seen::Duplicate);
    }

    #[test]
    fn a_window_of_zero_knows_nothing() {
        let mut index = Index::new(Duration::ZERO, 1000);
        index.insert(key(1, 1));
        assert_eq!(index.insert(key(1, 1)), Seen::Never);
    }

    #[test]
    fn keys_expire_with_the_window() {
        let mut index = Index::new(Duration::from_millis(1), 1000);
        index.insert(key(1, 1));
        let begun = Instant::now();
        while index.insert(key(1, 1)) == Seen::Duplicate {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
    }

    #[test]
    fn memory_is_bounded_by_forgetting_the_oldest() {
        let mut index = Index::new(DAY, 800);
        for id in 0..10_000 {
            index.insert(key(id, id));
        }
        let held: usize = index.generations.iter().map(|g| g.keys.len()).sum();
        assert!((600..=1000).contains(&held), "{held}");
        assert_eq!(index.insert(key(9_999, 9_999)), Seen::Duplicate);
        assert_eq!(index.insert(key(0, 0)), Seen::Never);
    }

    #[test]
    fn a_key_survives_its_written_form() {
        let key = key(u64::MAX - 1, 7);
        assert_eq!(Key::from_bytes(key.to_bytes()), key);
    }
}
