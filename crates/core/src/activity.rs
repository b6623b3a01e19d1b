use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::{Event, Timestamp};

/// How far back it goes, and how much of it is kept.
const MINUTES: usize = 60;
const EVENTS: usize = 100;
const FILES: usize = 50;
const REFUSALS: usize = 50;
const REFUSALS_OF_A_KIND: usize = 20;

/// Of what was accepted in a second only the first few are kept: nobody could read as fast as they would go by.
const EVENTS_A_SECOND: usize = 20;

/// What of an account's name is kept, in bytes, and how large a body may be to be kept: senders choose both.
const ACCOUNT_BYTES: usize = 64;
const BODY_BYTES: usize = 32 * 1024;

/// What a component has done of late, as it says itself, for whoever watches. Clones share it.
///
/// It takes no more than a fixed amount of memory however much happens. Each time costs a lock and a look-up or two.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    past: Arc<Mutex<Past>>,
    keeps_bodies: bool,
}

/// The last hour, or less of it where more has happened than is kept.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// What there was in each minute in which there was something, by the number of minutes since the Unix epoch.
    pub minutes: BTreeMap<i64, Minute>,
    /// The last events that were looked into, oldest first.
    pub events: VecDeque<SeenEvent>,
    /// The last files that were landed, oldest first.
    pub files: VecDeque<LandedFile>,
    /// The last refusals of each kind, by its code.
    pub refusals: BTreeMap<&'static str, RefusedRequests>,
    /// The second of the last event, since the Unix epoch, and how many that were accepted in it are kept.
    second: (i64, usize),
}

/// What happened in a minute.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Minute {
    /// Requests that were answered that their events are safe.
    pub answered: u64,
    /// The events in these requests.
    pub received: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// How many requests were answered within so many microseconds, and not within half of that: powers of two.
    pub answer_times: BTreeMap<u64, u64>,
    /// Events of each type that were accepted in this minute, in alphabetical order.
    pub events: BTreeMap<&'static str, u64>,
    /// How many of these are kept apart, since they are no events.
    pub quarantined: u64,
}

/// An event that a sink has looked into.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SeenEvent {
    /// Tells it from all others of the component, also those of an earlier process. It grows.
    pub number: i64,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// A name of a closed list.
    pub event_type: &'static str,
    /// Whose it is, if it says so, cut short if it is long. The sender chose it.
    pub account_id: String,
    /// What became of it.
    pub fate: Fate,
    /// Its body, if bodies are kept and it is not larger than 32 KiB.
    pub body: Option<Bytes>,
}

/// What becomes of an event that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It lands.
    Accepted,
    /// It has come before and does not land again.
    Duplicate,
    /// It is no event, for this reason, and is kept apart.
    Quarantined(String),
}

impl Fate {
    /// A stable name: `accepted`, `duplicate` or `quarantined`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Quarantined(_) => "quarantined",
        }
    }
}

/// A file that was landed.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RefusedRequests {
    /// Why the last of them was, and what to mend.
    pub why: String,
    /// How many there were since the component was first built.
    pub count: u64,
    /// The last of them, oldest first.
    pub last: VecDeque<RefusedRequest>,
}

/// A request that was refused.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RefusedRequest {
    /// When.
    pub at: Timestamp,
    /// Where it came from, if that is known.
    pub peer: Option<IpAddr>,
}

impl Activity {
    /// One that also keeps the bodies of the last events, 3.2 MiB of them at most.
    pub fn with_bodies() -> Self {
        Self {
            keeps_bodies: true,
            ..Self::default()
        }
    }

    /// A request with `events` was answered, `took` after it had come, that they are safe.
    pub fn answered(&self, took: Duration, events: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX >> 1);
        let within = micros.max(1).checked_next_power_of_two().unwrap_or(micros);
        let now = Timestamp::now();
        self.update(|past| {
            if let Some(minute) = past.minute(now) {
                minute.answered += 1;
                minute.received += events;
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
            if past.refusals.len() == REFUSALS && !past.refusals.contains_key(code) {
                return;
            }
            let refusals = past.refusals.entry(code).or_default();
            refusals.why = why;
            refusals.count += 1;
            if refusals.last.len() == REFUSALS_OF_A_KIND {
                refusals.last.pop_front();
            }
            refusals.last.push_back(RefusedRequest { at, peer });
        });
    }

    /// An event was looked into; `event_type` is a name of a closed list.
    pub fn saw(
        &self,
        event: &Event,
        event_type: &'static str,
        account_id: Option<&str>,
        fate: Fate,
    ) {
        let received_at = event.received_at;
        self.update(|past| {
            if let Some(minute) = past.minute(received_at) {
                *minute.events.entry(event_type).or_default() += 1;
                minute.quarantined += u64::from(matches!(fate, Fate::Quarantined(_)));
            }
            if fate == Fate::Accepted && !past.has_room(received_at) {
                return;
            }
            let account_id = account_id.unwrap_or_default();
            let account_id = &account_id[..account_id.floor_char_boundary(ACCOUNT_BYTES)];
            let is_kept = self.keeps_bodies && event.body.len() <= BODY_BYTES;
            let last = past.events.back().map(|last| last.number);
            let seen = SeenEvent {
                number: last.map_or_else(|| Timestamp::now().as_millis(), |last| last + 1),
                received_at,
                event_type,
                account_id: account_id.to_owned(),
                fate,
                // A copy: the event's may be part of a block of many.
                body: is_kept.then(|| Bytes::copy_from_slice(&event.body)),
            };
            if past.events.len() == EVENTS {
                past.events.pop_front();
            }
            past.events.push_back(seen);
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
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    /// Whether one more that was accepted `at` this time is kept.
    fn has_room(&mut self, at: Timestamp) -> bool {
        let second = at.as_millis().div_euclid(1000);
        if self.second.0 != second {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        self.second.1 <= EVENTS_A_SECOND
    }

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

    fn event(at: i64, body: impl Into<Bytes>) -> Event {
        Event::new(Timestamp::from_millis(at), body)
    }

    #[test]
    fn an_hour_of_minutes_and_the_last_events_are_kept_however_many_there_are() {
        let activity = Activity::default();
        for at in 0..200 {
            let event = event(at * MINUTE, "{}");
            activity.saw(&event, "some", Some("account"), Fate::Accepted);
        }
        activity.saw(&event(0, "{}"), "late", None, Fate::Duplicate);
        let past = activity.past();
        assert_eq!(past.minutes.len(), MINUTES);
        assert_eq!(past.minutes.keys().next(), Some(&140));
        assert_eq!(past.minutes[&199].events["some"], 1);
        assert_eq!(past.events.len(), EVENTS);
        assert!(past.events.iter().is_sorted_by_key(|event| event.number));
        let last = past.events.back().unwrap();
        assert_eq!((last.event_type, &last.fate), ("late", &Fate::Duplicate));
        assert_eq!(last.account_id, "");
    }

    #[test]
    fn of_a_second_all_are_counted_and_a_few_that_were_accepted_kept_with_all_others() {
        let activity = Activity::default();
        for at in 0..1000 {
            activity.saw(&event(at, "{}"), "some", None, Fate::Accepted);
        }
        activity.saw(&event(999, "{}"), "some", None, Fate::Duplicate);
        activity.saw(&event(1000, "{}"), "some", None, Fate::Accepted);
        let past = activity.past();
        assert_eq!(past.minutes[&0].events["some"], 1002);
        assert_eq!(past.events.len(), EVENTS_A_SECOND + 2);
    }

    #[test]
    fn bodies_are_kept_only_where_they_are_asked_for_and_only_small_ones() {
        for (activity, expected) in [
            (Activity::default(), None),
            (Activity::with_bodies(), Some("{}".into())),
        ] {
            activity.saw(&event(0, "{}"), "some", None, Fate::Accepted);
            let large = vec![b' '; BODY_BYTES + 1];
            activity.saw(&event(0, large), "some", None, Fate::Accepted);
            let bodies = activity.past().events.into_iter().map(|event| event.body);
            assert_eq!(bodies.collect::<Vec<_>>(), [expected, None]);
        }
    }

    #[test]
    fn what_senders_choose_is_cut_short() {
        let activity = Activity::default();
        let long = "ä".repeat(1000);
        activity.saw(&event(0, "{}"), "some", Some(&long), Fate::Accepted);
        assert_eq!(activity.past().events[0].account_id, long[..ACCOUNT_BYTES]);
    }

    #[test]
    fn refusals_of_one_kind_keep_no_other_from_being_seen() {
        let activity = Activity::default();
        activity.refused("rare", "mend this".to_owned(), None);
        for _ in 0..1000 {
            activity.refused("common", "mend that".to_owned(), None);
        }
        let past = activity.past();
        let [common, rare] = ["common", "rare"].map(|code| &past.refusals[code]);
        assert_eq!((rare.count, rare.last.len()), (1, 1));
        assert_eq!(
            (common.count, common.last.len()),
            (1000, REFUSALS_OF_A_KIND)
        );
        assert_eq!(common.why, "mend that");
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
