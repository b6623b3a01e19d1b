//! Events as they go by, for whoever watches.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall_core::Event;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Who may watch at a time.
const WATCHERS: usize = 8;

/// What waits for a watcher that is slow: events, and bytes of their bodies.
const EVENTS_AHEAD: usize = 1024;
const BYTES_AHEAD: usize = 4 * 1024 * 1024;

/// Where events are shown to those who watch. Costs a look at a counter while nobody does. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taps(Arc<State>);

#[derive(Debug, Default)]
struct State {
    watchers: Mutex<Vec<Watcher>>,
    count: AtomicUsize,
}

#[derive(Debug)]
struct Watcher {
    components: Vec<String>,
    sender: mpsc::Sender<Tapped>,
    room: Arc<Semaphore>,
    /// Events that it was too slow for since the last that it was shown.
    missed: u64,
}

/// An event that went by.
#[derive(Debug)]
pub(crate) struct Tapped {
    /// The component that it came out of, or the sink that it went into.
    pub(crate) component: String,
    pub(crate) event: Event,
    /// How many before it there was no room for.
    pub(crate) missed: u64,
    _room: OwnedSemaphorePermit,
}

impl Taps {
    /// What goes by at `components` from now on, as far as the receiver keeps up; `None` if too many watch already.
    pub(crate) fn watch(&self, components: Vec<String>) -> Option<mpsc::Receiver<Tapped>> {
        let (sender, receiver) = mpsc::channel(EVENTS_AHEAD);
        let mut watchers = self.watchers();
        watchers.retain(|watcher| !watcher.sender.is_closed());
        if watchers.len() == WATCHERS {
            return None;
        }
        watchers.push(Watcher {
            components,
            sender,
            room: Arc::new(Semaphore::new(BYTES_AHEAD)),
            missed: 0,
        });
        self.0.count.store(watchers.len(), Relaxed);
        Some(receiver)
    }

    /// Shows `events` to those who watch `component`.
    pub(crate) fn show(&self, component: &str, events: &[Event]) {
        if self.0.count.load(Relaxed) == 0 {
            return;
        }
        let mut watchers = self.watchers();
        watchers.retain(|watcher| !watcher.sender.is_closed());
        self.0.count.store(watchers.len(), Relaxed);
        let watching = |watcher: &&mut Watcher| watcher.components.iter().any(|id| id == component);
        for watcher in watchers.iter_mut().filter(watching) {
            for event in events {
                watcher.show(component, event);
            }
        }
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.0
            .watchers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    fn show(&mut self, component: &str, event: &Event) {
        let size = event.body.len().min(BYTES_AHEAD) as u32;
        let room = Arc::clone(&self.room).try_acquire_many_owned(size);
        let (Ok(room), Ok(place)) = (room, self.sender.try_reserve()) else {
            self.missed += 1;
            return;
        };
        place.send(Tapped {
            component: component.to_owned(),
            event: event.clone(),
            missed: std::mem::take(&mut self.missed),
            _room: room,
        });
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::Timestamp;

    use super::*;

    fn event(body: Vec<u8>) -> Event {
        Event::new(Timestamp::from_millis(0), body)
    }

    #[test]
    fn a_slow_watcher_misses_events_and_is_told_how_many() {
        let taps = Taps::default();
        let mut watched = taps.watch(vec!["in".to_owned()]).unwrap();
        let half = event(vec![b' '; BYTES_AHEAD / 2]);
        taps.show("out", std::slice::from_ref(&half));
        for _ in 0..5 {
            taps.show("in", std::slice::from_ref(&half));
        }
        for _ in 0..2 {
            let tapped = watched.try_recv().unwrap();
            assert_eq!((tapped.component.as_str(), tapped.missed), ("in", 0));
        }
        assert!(watched.try_recv().is_err());
        taps.show("in", &[event(b"{}".to_vec())]);
        assert_eq!(watched.try_recv().unwrap().missed, 3);
    }

    #[test]
    fn only_so_many_watch_at_a_time_and_those_who_went_count_no_more() {
        let taps = Taps::default();
        let mut watching: Vec<_> = (0..WATCHERS).map(|_| taps.watch(Vec::new())).collect();
        assert!(taps.watch(Vec::new()).is_none());
        watching.pop();
        assert!(taps.watch(Vec::new()).is_some());
        drop(watching);
        taps.show("in", &[]);
        assert_eq!(taps.0.count.load(Relaxed), 0);
    }
}
