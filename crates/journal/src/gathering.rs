use std::time::Duration;

/// Decides whether the committer waits a little for more records before it writes a group.
///
/// A write with its fsync takes some 50 to 70 us of CPU, whether one record is in it or a hundred. While many come, a short pause
/// brings as many more, which then share one fsync. While few come it would only make them wait: so there is none, and it is
/// given up for some time where it brings little, as with a few senders that all wait for the group already.
#[derive(Debug)]
pub(crate) struct Gathering {
    /// Records in the group before.
    last: u64,
    /// Records that end a pause.
    enough: u64,
    /// Groups until what was learned from a pause is forgotten.
    learned: u32,
    /// Whether there are no pauses until then.
    without: bool,
}

impl Gathering {
    /// How long a pause is at most.
    pub(crate) const PAUSE: Duration = Duration::from_millis(1);
    /// Records that end it in any case: more would make what an fsync costs each of them hardly less.
    const ENOUGH: u64 = 48;
    /// Records in a group from which on a pause is tried.
    const MANY: u64 = 8;
    /// Records that a pause must bring to be worth it, if it does not end with enough.
    const WORTH: u64 = 16;
    /// For how many groups it counts what a pause has brought.
    const LEARNED: u32 = 64;

    pub(crate) fn new() -> Self {
        Self {
            last: 0,
            enough: Self::ENOUGH,
            learned: 0,
            without: false,
        }
    }

    /// How many records to wait for now, when so many are there; `None` if it does not pay to wait.
    pub(crate) fn wanted(&mut self, records: u64) -> Option<u64> {
        if self.learned == 0 {
            (self.enough, self.without) = (Self::ENOUGH, false);
        }
        self.learned = self.learned.saturating_sub(1);
        let pays = !self.without && self.last >= Self::MANY && records < self.enough;
        pays.then_some(self.enough)
    }

    /// There were so many records before a pause, and so many after it.
    pub(crate) fn paused(&mut self, before: u64, after: u64) {
        if after < self.enough {
            // It took its whole time. Perhaps all who append were waiting, so that it must not be for more the next time.
            self.enough = after;
            self.without = after - before < Self::WORTH;
            self.learned = Self::LEARNED;
        }
    }

    /// A group of so many records is written.
    pub(crate) fn taken(&mut self, records: u64) {
        self.last = records;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_pause_only_while_many_come_and_not_again_at_once_when_it_brought_little() {
        let mut gathering = Gathering::new();
        assert_eq!(gathering.wanted(1), None, "nothing is known yet");
        gathering.taken(Gathering::MANY - 1);
        assert_eq!(gathering.wanted(1), None);
        gathering.taken(Gathering::MANY);
        assert_eq!(gathering.wanted(Gathering::ENOUGH), None);
        assert_eq!(gathering.wanted(1), Some(Gathering::ENOUGH));
        gathering.paused(Gathering::ENOUGH - 1, Gathering::ENOUGH);
        assert_eq!(gathering.wanted(1), Some(Gathering::ENOUGH));
        gathering.paused(1, Gathering::WORTH);
        assert!((0..Gathering::LEARNED).all(|_| gathering.wanted(1).is_none()));
        assert_eq!(gathering.wanted(1), Some(Gathering::ENOUGH));
    }

    #[test]
    fn where_all_who_append_wait_it_ends_when_they_are_there() {
        let mut gathering = Gathering::new();
        gathering.taken(Gathering::MANY);
        let all = Gathering::WORTH + 2;
        gathering.paused(1, all);
        assert_eq!(gathering.wanted(1), Some(all));
        assert_eq!(gathering.wanted(all), None);
        let learned = (2..Gathering::LEARNED).all(|_| gathering.wanted(1) == Some(all));
        assert!(learned);
        assert_eq!(
            gathering.wanted(1),
            Some(Gathering::ENOUGH),
            "there may be more by now"
        );
    }
}
