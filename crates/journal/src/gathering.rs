use std::time::Duration;

/// Decides whether the committer waits a little for more records before it writes a group.
///
/// A write with its fsync takes some 50 us of CPU, whether one record is in it or a hundred. While many come, a short pause
/// brings as many more, which then share one fsync. While few come it would only make them wait: so there is none, and it is
/// given up for some time where it brings little, as with a few senders that all wait for the group already.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    /// Records in the group before.
    last: u64,
    /// Groups that are still to be written without a pause.
    without: u32,
}

impl Gathering {
    /// How long a pause is at most.
    pub(crate) const PAUSE: Duration = Duration::from_millis(1);
    /// Records that end it: more would make what an fsync costs each of them hardly less.
    pub(crate) const ENOUGH: u64 = 48;
    /// Records in a group from which on a pause is tried.
    const MANY: u64 = 8;
    /// Records that a pause must bring to be worth it, if it does not end with enough.
    const WORTH: u64 = 16;
    /// Groups after a pause that was not, until there is another.
    const WITHOUT: u32 = 64;

    /// Whether to pause now, when so many records are there.
    pub(crate) fn pays(&mut self, records: u64) -> bool {
        let tries = self.without == 0;
        self.without = self.without.saturating_sub(1);
        tries && self.last >= Self::MANY && records < Self::ENOUGH
    }

    /// There were so many records before a pause, and so many after it.
    pub(crate) fn paused(&mut self, before: u64, after: u64) {
        if after < Self::ENOUGH && after - before < Self::WORTH {
            self.without = Self::WITHOUT;
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
        let mut gathering = Gathering::default();
        assert!(!gathering.pays(1), "nothing is known yet");
        gathering.taken(Gathering::MANY - 1);
        assert!(!gathering.pays(1));
        gathering.taken(Gathering::MANY);
        assert!(!gathering.pays(Gathering::ENOUGH));
        assert!(gathering.pays(1));
        gathering.paused(1, 1 + Gathering::WORTH);
        assert!(gathering.pays(1));
        gathering.paused(Gathering::ENOUGH - 1, Gathering::ENOUGH);
        assert!(gathering.pays(1));
        gathering.paused(1, Gathering::WORTH);
        assert!((0..Gathering::WITHOUT).all(|_| !gathering.pays(1)));
        assert!(gathering.pays(1));
    }
}
