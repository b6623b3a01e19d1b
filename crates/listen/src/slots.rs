use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::Gauge;
use tokio::sync::Notify;

/// A bounded number of slots. When all are taken, whoever has kept the others waiting longest loses theirs.
///
/// A slot is *idle* while its holder waits for a client, and only then can it be lost: so clients that send slowly, or
/// nothing, cannot keep out those who send what they have, however many they are.
#[derive(Clone)]
pub struct Slots(Arc<Shared>);

struct Shared {
    limit: usize,
    /// Shows how many are taken.
    gauge: Gauge,
    state: Mutex<State>,
    /// Somebody may find a slot now.
    room: Notify,
}

#[derive(Default)]
struct State {
    taken: usize,
    next_turn: u64,
    /// Whom to tell that their slot is lost; in the order in which they became idle.
    idle: BTreeMap<u64, Arc<Notify>>,
}

impl Slots {
    /// `limit` of them, all free. The gauge shows how many are taken.
    pub fn new(limit: usize, gauge: Gauge) -> Self {
        Self(Arc::new(Shared {
            limit,
            gauge,
            state: Mutex::default(),
            room: Notify::new(),
        }))
    }

    /// An idle slot: a free one, or else that of the longest idle. `None` while all are at work.
    pub fn try_take(&self) -> Option<Slot> {
        let mut state = self.0.state();
        if state.taken < self.0.limit {
            state.taken += 1;
            self.0.gauge.increment(1);
        } else {
            state.evict()?;
        }
        let evicted = Arc::new(Notify::new());
        let turn = state.idle(&evicted);
        Some(Slot(Arc::new(Place {
            shared: Arc::clone(&self.0),
            work: Mutex::new(Work {
                units: 0,
                turn: Some(turn),
            }),
            evicted,
        })))
    }

    /// As [`try_take`](Self::try_take), but waits while all are at work. For one caller at a time.
    pub async fn take(&self) -> Slot {
        loop {
            match self.try_take() {
                Some(slot) => return slot,
                None => self.0.room.notified().await,
            }
        }
    }

    /// Takes the slot of the longest idle away, for the sake of something else that they use up. Whether there was one.
    pub fn evict(&self) -> bool {
        let mut state = self.0.state();
        let evicted = state.evict().is_some();
        if evicted {
            self.0.give_back(&mut state);
        }
        evicted
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("limit", &self.0.limit)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, state: &mut State) {
        state.taken -= 1;
        self.gauge.decrement(1);
        self.room.notify_one();
    }
}

impl State {
    fn idle(&mut self, evicted: &Arc<Notify>) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.idle.insert(turn, Arc::clone(evicted));
        turn
    }

    fn evict(&mut self) -> Option<()> {
        let (_, evicted) = self.idle.pop_first()?;
        evicted.notify_one();
        Some(())
    }
}

/// One of [`Slots`], given back when dropped with all its work.
pub struct Slot(Arc<Place>);

struct Place {
    shared: Arc<Shared>,
    work: Mutex<Work>,
    evicted: Arc<Notify>,
}

struct Work {
    units: usize,
    /// The place in the order of the idle; `None` while at work.
    turn: Option<u64>,
}

impl Slot {
    /// Waits until the slot is lost to somebody else. For one caller at a time.
    pub async fn evicted(&self) {
        self.0.evicted.notified().await;
    }

    /// Begins a unit of work, during which the slot cannot be lost. `None` if it is lost already.
    pub fn begin(&self) -> Option<Working> {
        let mut work = self.0.work();
        if let Some(turn) = work.turn {
            self.0.shared.state().idle.remove(&turn)?;
            work.turn = None;
        }
        work.units += 1;
        drop(work);
        Some(Working(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

impl Place {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let turn = self.work().turn;
        let mut state = self.shared.state();
        // Who lost the slot has none to give back.
        if turn.is_none_or(|turn| state.idle.remove(&turn).is_some()) {
            self.shared.give_back(&mut state);
        }
    }
}

/// A unit of work in a slot, until dropped.
pub struct Working(Arc<Place>);

impl fmt::Debug for Working {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Working")
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut work = self.0.work();
        work.units -= 1;
        // Whoever holds nothing else than this work gives the slot back at once.
        if work.units == 0 && Arc::strong_count(&self.0) > 1 {
            work.turn = Some(self.0.shared.state().idle(&self.0.evicted));
            self.0.shared.room.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn is_lost(slot: &Slot) -> bool {
        slot.evicted().now_or_never().is_some()
    }

    #[test]
    fn the_longest_idle_loses_its_slot_to_the_next_who_comes() {
        let slots = Slots::new(2, Gauge::noop());
        let first = slots.try_take().unwrap();
        let second = slots.try_take().unwrap();
        let third = slots.try_take().unwrap();
        assert!(is_lost(&first) && first.begin().is_none());
        assert!(!is_lost(&second) && !is_lost(&third));
    }

    #[test]
    fn a_slot_at_work_is_not_lost_and_idle_anew_after_it() {
        let slots = Slots::new(2, Gauge::noop());
        let first = slots.try_take().unwrap();
        let second = slots.try_take().unwrap();
        let work = first.begin().unwrap();
        drop(second.begin());
        let third = slots.try_take().unwrap();
        assert!(is_lost(&second) && !is_lost(&first));
        drop(work);
        let _fourth = slots.try_take().unwrap();
        assert!(is_lost(&third) && !is_lost(&first));
    }

    #[test]
    fn there_is_no_slot_while_all_are_at_work_and_one_at_once_after_it() {
        let slots = Slots::new(1, Gauge::noop());
        let slot = slots.try_take().unwrap();
        let work = [slot.begin().unwrap(), slot.begin().unwrap()];
        assert!(slots.try_take().is_none());
        let mut waiting = Box::pin(slots.take());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(work);
        assert!(waiting.now_or_never().is_some());
    }

    #[test]
    fn slots_are_given_back_once_whether_lost_or_not() {
        let slots = Slots::new(2, Gauge::noop());
        let lost = slots.try_take().unwrap();
        let kept = slots.try_take().unwrap();
        let work = kept.begin().unwrap();
        let heir = slots.try_take().unwrap();
        drop((lost, heir, kept));
        assert_eq!(slots.0.state().taken, 1, "the work goes on");
        drop(work);
        assert_eq!(slots.0.state().taken, 0);
        assert!(!slots.evict(), "there is nobody");
        let lost = slots.try_take().unwrap();
        assert!(slots.evict() && is_lost(&lost));
        drop(lost);
        assert_eq!(slots.0.state().taken, 0);
    }
}
