use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use landfall_appcues::AppcuesEvent;
use landfall_core::{Seldom, Timestamp, log_seldom};
use sha2::{Digest, Sha256};

/// The window is kept in this many generations; the oldest is dropped as a whole once it is past the window.
const GENERATIONS: u32 = 8;

/// Identifies an event: 8 bytes for account and id, 8 bytes for the body, each of a SHA-256.
///
/// The id alone is no identity: Appcues' own samples share one between an NPS score and its feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    fn touch(&mut self, now: Instant, received_at: Timestamp) {
        self.touched = now;
        self.first = self.first.min(received_at);
        self.last = self.last.max(received_at);
    }

    pub(crate) fn is_over(&self, now: Instant, received_at: Timestamp, window: Duration) -> bool {
        now.duration_since(self.touched) > window && self.distance(received_at) > window
    }

    /// How far `time` lies outside of the group.
    pub(crate) fn distance(&self, time: Timestamp) -> Duration {
        let before = self.first.as_millis().saturating_sub(time.as_millis());
        let after = time.as_millis().saturating_sub(self.last.as_millis());
        Duration::from_millis(u64::try_from(before.max(after)).unwrap_or(0))
    }
}

/// The keys of the events that were taken within the window. Memory: 20 to 40 bytes an event, at most `max_ids` events.
#[derive(Debug)]
pub(crate) struct Index {
    generations: VecDeque<Generation>,
    window: Duration,
    max_ids: usize,
    seldom: Seldom,
}

#[derive(Debug)]
struct Generation {
    opened: Instant,
    age: Remembered,
    keys: HashTable<Key>,
}

impl Index {
    /// An empty index. A `window` of zero turns it off: every key is new.
    pub(crate) fn new(window: Duration, max_ids: usize, seldom: Seldom) -> Self {
        Self {
            generations: VecDeque::new(),
            window,
            max_ids,
            seldom,
        }
    }

    /// Adds the key of an event that was accepted at `received_at`, unless it is a duplicate.
    pub(crate) fn insert(&mut self, key: Key, received_at: Timestamp) -> Seen {
        if self.window.is_zero() {
            return Seen::Never;
        }
        let now = Instant::now();
        self.generations
            .retain(|generation| !generation.age.is_over(now, received_at, self.window));
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
        self.generation(now, received_at).add(key);
        seen
    }

    /// Adds the keys of events of which the first and the last were accepted at `received`; those of older events first.
    pub(crate) fn restore(
        &mut self,
        keys: impl IntoIterator<Item = Key>,
        (first, last): (Timestamp, Timestamp),
    ) {
        if self.window.is_zero() {
            return;
        }
        let now = Instant::now();
        for key in keys {
            let generation = self.generation(now, first);
            generation.age.touch(now, last);
            generation.add(key);
        }
    }

    /// Takes `keys` back: their events were not landed after all, and must be taken when they come again.
    pub(crate) fn forget(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            for generation in &mut self.generations {
                if let Ok(entry) = generation
                    .keys
                    .find_entry(key.identity, |known| *known == key)
                {
                    entry.remove();
                }
            }
        }
    }

    /// The newest generation, or a new one where that is full or has been open for its share of the window.
    fn generation(&mut self, now: Instant, received_at: Timestamp) -> &mut Generation {
        let share = self.max_ids / GENERATIONS as usize;
        let slot = self.window / GENERATIONS;
        let is_open = |newest: &Generation| {
            newest.keys.len() <= share && now.duration_since(newest.opened) <= slot
        };
        if !self.generations.back().is_some_and(is_open) {
            self.make_room(share);
            self.generations.push_back(Generation {
                opened: now,
                age: Remembered::new(received_at, received_at),
                keys: HashTable::new(),
            });
        }
        let newest = self.generations.len() - 1;
        let newest = &mut self.generations[newest];
        newest.age.touch(now, received_at);
        newest
    }

    fn make_room(&mut self, share: usize) {
        let held = |generations: &VecDeque<Generation>| -> usize {
            generations
                .iter()
                .map(|generation| generation.keys.len())
                .sum()
        };
        while !self.generations.is_empty() && held(&self.generations) + share > self.max_ids {
            log_seldom!(
                &self.seldom,
                "max_ids",
                warn,
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
    const HOUR: i64 = 60 * 60 * 1000;

    fn key(identity: u64, content: u64) -> Key {
        Key { identity, content }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Waits, a moment, until the monotonic clock has passed the window.
    fn outlive(window: Duration) {
        let begun = Instant::now();
        while begun.elapsed() <= window {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_same_bytes_are_a_duplicate_and_the_same_id_with_other_bytes_is_not() {
        let mut index = Index::new(DAY, 1000, Seldom::default());
        assert_eq!(index.insert(key(1, 1), at(0)), Seen::Never);
        assert_eq!(index.insert(key(1, 1), at(0)), Seen::Duplicate);
        assert_eq!(index.insert(key(1, 2), at(0)), Seen::SameId);
        assert_eq!(index.insert(key(2, 1), at(0)), Seen::Never);
    }

    #[test]
    fn a_forgotten_key_is_new_again() {
        let mut index = Index::new(DAY, 1000, Seldom::default());
        index.insert(key(1, 1), at(0));
        index.insert(key(1, 2), at(0));
        index.forget([key(1, 1)]);
        assert_eq!(index.insert(key(1, 1), at(0)), Seen::SameId);
        assert_eq!(index.insert(key(1, 2), at(0)), Seen::Duplicate);
    }

    #[test]
    fn restored_keys_are_known() {
        let mut index = Index::new(DAY, 1000, Seldom::default());
        index.restore([key(2, 2)], (at(-30 * HOUR), at(-20 * HOUR)));
        assert_eq!(index.insert(key(2, 2), at(0)), Seen::Duplicate);
    }

    #[test]
    fn a_window_of_zero_knows_nothing() {
        let mut index = Index::new(Duration::ZERO, 1000, Seldom::default());
        index.insert(key(1, 1), at(0));
        assert_eq!(index.insert(key(1, 1), at(0)), Seen::Never);
    }

    #[test]
    fn keys_expire_once_both_clocks_are_past_the_window() {
        let window = Duration::from_millis(1);
        let mut index = Index::new(window, 1000, Seldom::default());
        index.insert(key(1, 1), at(0));
        outlive(window);
        assert_eq!(index.insert(key(1, 1), at(2)), Seen::Never);
    }

    #[test]
    fn a_wall_clock_that_steps_makes_no_duplicate_new() {
        let mut index = Index::new(DAY, 1000, Seldom::default());
        index.insert(key(1, 1), at(0));
        for step in [30 * HOUR, -30 * HOUR, 20 * 365 * 24 * HOUR] {
            assert_eq!(index.insert(key(1, 1), at(step)), Seen::Duplicate);
        }
    }

    #[test]
    fn an_event_that_waited_long_in_the_buffer_is_still_a_duplicate() {
        let window = Duration::from_millis(1);
        let mut index = Index::new(window, 1000, Seldom::default());
        index.insert(key(1, 1), at(0));
        outlive(window);
        assert_eq!(index.insert(key(1, 1), at(1)), Seen::Duplicate);
    }

    #[test]
    fn memory_is_bounded_by_forgetting_the_oldest() {
        let mut index = Index::new(DAY, 800, Seldom::default());
        for id in 0..10_000 {
            index.insert(key(id, id), at(0));
        }
        let held: usize = index.generations.iter().map(|g| g.keys.len()).sum();
        assert!((600..=1000).contains(&held), "{held}");
        assert_eq!(index.insert(key(9_999, 9_999), at(0)), Seen::Duplicate);
        assert_eq!(index.insert(key(0, 0), at(0)), Seen::Never);
    }

    #[test]
    fn a_key_survives_its_written_form() {
        let key = key(u64::MAX - 1, 7);
        assert_eq!(Key::from_bytes(key.to_bytes()), key);
    }
}
