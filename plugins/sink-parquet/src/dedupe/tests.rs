use std::fs::File;

use proptest::prelude::*;

use super::*;
use crate::sink::tests::Kept;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: i64 = 60 * 60 * 1000;

fn key(identity: u64, content: u64) -> Key {
    Key { identity, content }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn index(window: Duration, max_ids: usize) -> Index {
    Index::new(window, max_ids, Scratch::default(), Seldom::default())
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
    let mut index = index(DAY, 1000);
    assert_eq!(index.insert(key(1, 1), at(0)).unwrap(), Seen::Never);
    assert_eq!(index.insert(key(1, 1), at(0)).unwrap(), Seen::Duplicate);
    assert_eq!(index.insert(key(1, 2), at(0)).unwrap(), Seen::SameId);
    assert_eq!(index.insert(key(2, 1), at(0)).unwrap(), Seen::Never);
}

#[test]
fn a_forgotten_key_is_new_again() {
    let mut index = index(DAY, 1000);
    index.insert(key(1, 1), at(0)).unwrap();
    index.insert(key(1, 2), at(0)).unwrap();
    index.forget([key(1, 1)]).unwrap();
    assert_eq!(index.insert(key(1, 1), at(0)).unwrap(), Seen::SameId);
    assert_eq!(index.insert(key(1, 2), at(0)).unwrap(), Seen::Duplicate);
}

#[test]
fn restored_keys_are_known() {
    let mut index = index(DAY, 1000);
    index.restore([key(2, 2)], (at(-30 * HOUR), at(-20 * HOUR)));
    assert_eq!(index.insert(key(2, 2), at(0)).unwrap(), Seen::Duplicate);
}

#[test]
fn a_window_of_zero_knows_nothing() {
    let mut index = index(Duration::ZERO, 1000);
    index.insert(key(1, 1), at(0)).unwrap();
    assert_eq!(index.insert(key(1, 1), at(0)).unwrap(), Seen::Never);
}

#[test]
fn keys_expire_once_both_clocks_are_past_the_window() {
    let window = Duration::from_millis(1);
    let mut index = index(window, 1000);
    index.insert(key(1, 1), at(0)).unwrap();
    outlive(window);
    assert_eq!(index.insert(key(1, 1), at(2)).unwrap(), Seen::Never);
}

#[test]
fn a_wall_clock_that_steps_makes_no_duplicate_new() {
    let mut index = index(DAY, 1000);
    index.insert(key(1, 1), at(0)).unwrap();
    for step in [30 * HOUR, -30 * HOUR, 20 * 365 * 24 * HOUR] {
        assert_eq!(index.insert(key(1, 1), at(step)).unwrap(), Seen::Duplicate);
    }
}

#[test]
fn an_event_that_waited_long_in_the_buffer_is_still_a_duplicate() {
    let window = Duration::from_millis(1);
    let mut index = index(window, 1000);
    index.insert(key(1, 1), at(0)).unwrap();
    outlive(window);
    assert_eq!(index.insert(key(1, 1), at(1)).unwrap(), Seen::Duplicate);
}

#[test]
fn memory_is_bounded_by_forgetting_the_oldest() {
    let mut index = index(DAY, 800);
    for id in 0..10_000 {
        index.insert(key(id, id), at(0)).unwrap();
    }
    let sealed: usize = index.sealed.iter().map(|g| g.keys.len()).sum();
    let held = sealed + index.open.keys.len();
    assert!((700..=800).contains(&held), "{held}");
    assert_eq!(
        index.insert(key(9_999, 9_999), at(0)).unwrap(),
        Seen::Duplicate
    );
    assert_eq!(index.insert(key(0, 0), at(0)).unwrap(), Seen::Never);
}

#[test]
fn a_key_survives_its_written_form() {
    let key = key(u64::MAX - 1, 7);
    assert_eq!(Key::from_bytes(key.to_bytes()), key);
}

#[test]
fn what_cannot_be_written_to_a_file_stays_in_memory() {
    let mut sealed = Sealed::new(vec![key(1, 1)]);
    let not_to_be_written = File::open("/dev/null").unwrap();
    assert!(sealed.move_to(not_to_be_written).is_err());
    assert_eq!(sealed.look_up(key(1, 1)).unwrap(), Seen::Duplicate);
}

#[test]
fn a_file_that_was_cut_short_or_overwritten_gives_no_answer() {
    let known = |at: u64| key(at << 32, 1);
    let mut sealed = Sealed::new((0..1000).map(known).collect());
    let file = tempfile::tempfile().unwrap();
    sealed.move_to(file.try_clone().unwrap()).unwrap();
    assert_eq!(sealed.look_up(known(900)).unwrap(), Seen::Duplicate);
    file.set_len(8000).unwrap();
    assert!(sealed.look_up(known(900)).is_err());
    assert_eq!(sealed.look_up(known(100)).unwrap(), Seen::Duplicate);
    file.set_len(16_000).unwrap();
    assert!(sealed.look_up(known(900)).is_err());
    assert!(sealed.keys().is_err());
}

/// The index as it is meant: generations of keys, of which each is looked at.
struct Model {
    open: Known,
    sealed: Vec<Known>,
    window: Duration,
    max_ids: usize,
}

struct Known {
    opened: Instant,
    age: Remembered,
    keys: Vec<Key>,
}

impl Model {
    fn insert(&mut self, now: Instant, key: Key, received_at: Timestamp) -> Seen {
        let is_over = |known: &Known| known.age.is_over(now, received_at, self.window);
        self.sealed.retain(|known| !is_over(known));
        if is_over(&self.open) {
            self.open.keys.clear();
        }
        let known = self.sealed.iter().chain([&self.open]);
        let known: Vec<_> = known.flat_map(|known| &known.keys).collect();
        if known.contains(&&key) {
            return Seen::Duplicate;
        }
        let same_id = known.iter().any(|known| known.identity == key.identity);
        self.add(now, key, (received_at, received_at));
        if same_id { Seen::SameId } else { Seen::Never }
    }

    fn add(&mut self, now: Instant, key: Key, received: (Timestamp, Timestamp)) {
        let share = self.max_ids / GENERATIONS as usize;
        let is_old = now.duration_since(self.open.opened) > self.window / GENERATIONS;
        let new = Known {
            opened: now,
            age: Remembered::new(received.0, received.1),
            keys: Vec::new(),
        };
        if self.open.keys.is_empty() {
            self.open = new;
        } else if is_old || self.open.keys.len() >= share {
            self.sealed.push(std::mem::replace(&mut self.open, new));
            let held =
                |sealed: &[Known]| sealed.iter().map(|known| known.keys.len()).sum::<usize>();
            while self.sealed.len() > 1 && held(&self.sealed) + share > self.max_ids {
                self.sealed.remove(0);
            }
        }
        self.open.age.touch(now, received);
        self.open.keys.push(key);
    }

    fn forget(&mut self, keys: &[Key]) {
        for known in self.sealed.iter_mut().chain([&mut self.open]) {
            known.keys.retain(|known| !keys.contains(known));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Key),
    Restore(Vec<Key>),
    Forget(Vec<Key>),
}

/// A step, and by how many milliseconds the monotonic clock and that of the events went on before it.
fn step() -> impl Strategy<Value = (Step, u64, i64)> {
    let key = || (0..40_u64, 0..3_u64).prop_map(|(id, content)| key(id << 58, content));
    let keys = || prop::collection::vec(key(), 0..8);
    let step = prop_oneof![
        20 => key().prop_map(Step::Insert),
        1 => keys().prop_map(Step::Restore),
        2 => keys().prop_map(Step::Forget),
    ];
    let went_on = prop_oneof![8 => Just(0), 4 => 0..10_u64, 1 => 0..150_u64];
    let received = prop_oneof![8 => Just(0), 4 => -5..10_i64, 1 => -200..200_i64];
    (step, went_on, received)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_index_says_what_a_list_of_generations_says(
        steps in prop::collection::vec(step(), 1..300),
        in_files in any::<bool>(),
    ) {
        let window = Duration::from_millis(100);
        let max_ids = 66;
        let scratch = if in_files { Kept::default().into_scratch() } else { Scratch::default() };
        let mut index = Index::new(window, max_ids, scratch, Seldom::default());
        let (mut now, mut received_at) = (Instant::now(), at(0));
        let open = Known {
            opened: now,
            age: Remembered::new(received_at, received_at),
            keys: Vec::new(),
        };
        let mut model = Model { open, sealed: Vec::new(), window, max_ids };
        for (step, went_on, later) in steps {
            now += Duration::from_millis(went_on);
            received_at = at(received_at.as_millis() + later);
            match step {
                Step::Insert(key) => {
                    let seen = index.insert_at(now, key, received_at).unwrap();
                    prop_assert_eq!(seen, model.insert(now, key, received_at));
                }
                Step::Restore(keys) => {
                    let received = (received_at, at(received_at.as_millis() + 3));
                    index.restore_at(now, keys.iter().copied(), received);
                    for key in keys {
                        model.add(now, key, received);
                    }
                }
                Step::Forget(keys) => {
                    index.forget(keys.iter().copied()).unwrap();
                    model.forget(&keys);
                }
            }
        }
        let sealed: Vec<_> = index.sealed.iter().map(|known| known.keys.len()).collect();
        let expected: Vec<_> = model.sealed.iter().map(|known| known.keys.len()).collect();
        prop_assert_eq!(sealed, expected);
    }

    #[test]
    fn sealed_keys_are_found_wherever_they_are_in_the_file(
        runs in prop::collection::vec((0..4_u64, prop_oneof![Just(256), 1..600_u64]), 1..5),
        in_file in any::<bool>(),
    ) {
        // Runs of one identity, which end before, at and behind the edges of blocks.
        let runs = runs.into_iter();
        let runs = runs.flat_map(|(id, length)| (0..length).map(move |at| key(id << 62, at * 2 + 1)));
        let mut keys: Vec<_> = runs.collect();
        keys.sort_unstable();
        keys.dedup();
        let mut sealed = Sealed::new(keys.iter().rev().copied().collect());
        if in_file {
            sealed.move_to(tempfile::tempfile().unwrap()).unwrap();
        }
        prop_assert_eq!(sealed.len(), keys.len());
        prop_assert_eq!(&sealed.keys().unwrap(), &keys);
        for known in &keys {
            prop_assert_eq!(sealed.look_up(*known).unwrap(), Seen::Duplicate);
            for content in [known.content - 1, known.content + 1] {
                let other = key(known.identity, content);
                prop_assert_eq!(sealed.look_up(other).unwrap(), Seen::SameId);
            }
            let unknown = key(known.identity + 1, known.content);
            prop_assert_eq!(sealed.look_up(unknown).unwrap(), Seen::Never);
        }
    }
}
