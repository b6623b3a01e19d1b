use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Timestamp;

/// How far back it goes, and how much of it is kept.
const MINUTES: usize = 60;
const EVENTS: usize = 100;
const FILES: usize = 50;
const REFUSALS: usize = 50;

/// What of an account's name is kept, in bytes: senders choose it.
const ACCOUNT_BYTES: usize = 64;

/// What a component has done of late, as it says itself, for whoever watches. Clones share it.
///
/// It takes the same memory however much happens. Each time costs a lock and a look-up or two.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Mutex<Past>>);

/// The last hour, or less of it where more has happened than is kept.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// What there was in each minute in which there was something, by the number of minutes since the Unix epoch.
    pub minutes: BTreeMap<i64, Minute>,
    /// The last events that were looked into, oldest first.
    pub events: VecDeque<SeenEvent>,
    /// The last files that were landed, oldest first.
    pub files: VecDeque<LandedFile>,
    /// The last refusal of each kind, by its code.
    pub refusals: BTreeMap<&'static str, RefusedRequests>,
}

/// What happened in a minute.
#[derive(Clone, Debug, Default)]
pub struct Minute {
    /// Requests that were answered that their events are safe.
    pub answered: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// How many requests were answered within so many microseconds, and not within half of that: powers of two.
    pub answer_times: BTreeMap<u64, u64>,
    /// Events of each type that were accepted in this minute, in alphabetical order.
    pub events: BTreeMap<&'static str, u64>,
}

/// An event that a sink has looked into.
#[derive(Clone, Debug)]
pub struct SeenEvent {
    /// When it was accepted.
    pub received_at: Timestamp,
    /// A name of a closed list.
    pub event_type: &'static str,
    /// Whose it is, if it says so, cut short if it is long. The sender chose it.
    pub account_id: String,
    /// What became of it.
    pub fate: Fate,
}

/// What becomes of an event that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It lands.
    Accepted,
    /// It has come before and does not land again.
    Duplicate,
    /// It is no event, for this reason, and is kept apart.
    Quarantined(&'static str),
}

/// A file that was landed.
#[derive(Clone, Debug)]
pub struct LandedFile {
    /// When it was complete.
    pub landed_at: Timestamp,
    /// Its name within what the sink lands in.
    pub name: String,
    /// The events in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// Requests that were refused for the same reason.
#[derive(Clone, Debug)]
pub struct RefusedRequests {
    /// When the last of them came.
    pub at: Timestamp,
    /// Why, and what to mend.
    pub why: String,
    /// Where the last of them came from, if that is known.
    pub peer: Option<IpAddr>,
    /// How many there were since the component was first built.
    pub count: u64,
}

impl Activity {
    /// A request was answered, `took` after it had come, that its events are safe.
    pub fn answered(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX >> 1);
        let within = micros.max(1).checked_next_power_of_two().unwrap_or(micros);
        let now = Timestamp::now();
        self.update(|past| {
            if let Some(minute) = past.minute(now) {
                minute.answered += 1;
                *minute.answer_times.entry(within).or_default() += 1;
            }
        });
    }

    /// A request was refused; `code` is a name of a closed list.
    pub fn refused(&self, code: &'static str, why: String, peer: Option<IpAddr>) {
        let at = Timestamp::now();
        self.update(|past| {
            if let Some(minute) = past.minute(at) {
                minute.refused += 1;
            }
            let before = past.refusals.get(code).map_or(0, |refusal| refusal.count);
            let refusal = RefusedRequests {
                at,
                why,
                peer,
                count: before + 1,
            };
            if before > 0 || past.refusals.len() < REFUSALS {
                past.refusals.insert(code, refusal);
            }
        });
    }

    /// An event was looked into, that was accepted at `received_at`.
    pub fn saw(
        &self,
        received_at: Timestamp,
        event_type: &'static str,
        account_id: Option<&str>,
        fate: Fate,
    ) {
        let account_id = account_id.unwrap_or_default();
        let account_id = &account_id[..account_id.floor_char_boundary(ACCOUNT_BYTES)];
        self.update(|past| {
            if let Some(minute) = past.minute(received_at) {
                *minute.events.entry(event_type).or_default() += 1;
            }
            // What falls out leaves its memory to what comes in.
            let kept = past.events.len() == EVENTS;
            let oldest = if kept { past.events.pop_front() } else { None };
            let mut account = oldest.map(|event| event.account_id).unwrap_or_default();
            account.clear();
            account.push_str(account_id);
            past.events.push_back(SeenEvent {
                received_at,
                event_type,
                account_id: account,
                fate,
            });
        });
    }

    /// A file was landed.
    pub fn landed(&self, name: String, rows: u64, bytes: u64) {
        let landed_at = Timestamp::now();
        self.update(|past| {
            if past.files.len() == FILES {
                past.files.pop_front();
            }
            past.files.push_back(LandedFile {
                landed_at,
                name,
                rows,
                bytes,
            });
        });
    }

    /// What there is to tell.
    pub fn past(&self) -> Past {
        self.state().clone()
    }

    fn update(&self, change: impl FnOnce(&mut Past)) {
        change(&mut self.state());
    }

    fn state(&self) -> MutexGuard<'_, Past> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    /// The minute of `at`, unless it is too long ago.
    fn minute(&mut self, at: Timestamp) -> Option<&mut Minute> {
        let minute = at.as_millis().div_euclid(60_000);
        self.minutes.entry(minute).or_default();
        if self.minutes.len() > MINUTES {
            self.minutes.pop_first();
        }
        self.minutes.get_mut(&minute)
    }
}

impl Minute {
    /// Within how many microseconds `share` of the requests were answered, such as 0.99; `None` if there were none.
    pub fn answer_micros(&self, share: f64) -> Option<u64> {
        let wanted = (self.answered as f64 * share).ceil() as u64;
        let mut sum = 0;
        self.answer_times.iter().find_map(|(within, count)| {
            sum += count;
            (sum >= wanted).then_some(*within)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn an_hour_of_minutes_and_the_last_events_are_kept_however_many_there_are() {
        let activity = Activity::default();
        for at in 0..200 {
            let received_at = Timestamp::from_millis(at * MINUTE);
            activity.saw(received_at, "some", Some("account"), Fate::Accepted);
        }
        activity.saw(Timestamp::from_millis(0), "late", None, Fate::Duplicate);
        let past = activity.past();
        assert_eq!(past.minutes.len(), MINUTES);
        assert_eq!(past.minutes.keys().next(), Some(&140));
        assert_eq!(past.minutes[&199].events["some"], 1);
        assert_eq!(past.events.len(), EVENTS);
        let last = past.events.back().unwrap();
        assert_eq!((last.event_type, last.fate), ("late", Fate::Duplicate));
        assert_eq!(last.account_id, "");
    }

    #[test]
    fn what_senders_choose_is_cut_short() {
        let activity = Activity::default();
        let long = "ä".repeat(1000);
        activity.saw(Timestamp::now(), "some", Some(&long), Fate::Accepted);
        assert_eq!(activity.past().events[0].account_id, long[..ACCOUNT_BYTES]);
    }

    #[test]
    fn refusals_of_one_kind_are_one_entry_and_keep_no_other_from_being_seen() {
        let activity = Activity::default();
        activity.refused("rare", "mend this".to_owned(), None);
        for _ in 0..1000 {
            activity.refused("common", "mend that".to_owned(), None);
        }
        let past = activity.past();
        assert_eq!(past.refusals["rare"].count, 1);
        assert_eq!(past.refusals["common"].count, 1000);
    }

    #[test]
    fn answer_times_are_told_to_the_next_power_of_two() {
        let mut minute = Minute::default();
        assert_eq!(minute.answer_micros(0.5), None);
        minute.answered = 100;
        minute.answer_times = BTreeMap::from([(1024, 98), (65536, 2)]);
        assert_eq!(minute.answer_micros(0.5), Some(1024));
        assert_eq!(minute.answer_micros(0.99), Some(65536));
    }
}
