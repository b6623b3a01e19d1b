//! Events as an application with Appcues would send them: people who start flows and drop out, answer NPS surveys in each
//! of their three shapes and finish checklists, more on weekdays than on weekends; devices that were offline for hours,
//! clocks that are wrong and requests that come twice. The same [`Plan`] gives the same bytes.
//!
//! ```
//! use landfall_traffic::{Plan, requests};
//!
//! let plan = Plan { days: 7, users: 20, seed: 1, first_day: 1_780_272_000_000 };
//! let requests = requests(&plan);
//! assert!(requests.len() > 100);
//! assert_eq!(requests, landfall_traffic::requests(&plan));
//! ```

mod content;
mod person;
mod random;

pub use random::Random;

use person::Person;

const DAY_MS: i64 = 86_400_000;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many days it goes on.
    pub days: u32,
    /// How many people there are.
    pub users: u32,
    /// Another seed, other people.
    pub seed: u64,
    /// When it begins: midnight, UTC, in milliseconds since the epoch.
    pub first_day: i64,
}

/// A request as Appcues would send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it is sent, in milliseconds since the epoch. What an offline device held back is sent up to two days after the
    /// last of the plan's days.
    pub sent_at: i64,
    /// The body: one event as JSON.
    pub body: String,
}

/// All requests, in the order in which they are sent.
pub fn requests(plan: &Plan) -> Vec<Request> {
    let mut requests = Vec::new();
    for number in 0..plan.users {
        // Each has numbers of their own, so that one more user changes nothing for the others.
        let mut random = Random::new(plan.seed);
        let seed = random.next_u64() ^ u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut person = Person::new(Random::new(seed), number);
        for day in 0..i64::from(plan.days) {
            person.live_through(plan.first_day + day * DAY_MS, &mut requests);
        }
    }
    requests.sort_by(|a, b| (a.sent_at, &a.body).cmp(&(b.sent_at, &b.body)));
    requests
}
