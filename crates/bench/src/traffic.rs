use landfall_traffic::Plan;

/// Whose events are sent.
pub(crate) const USERS: u32 = 20_000;

/// A Monday and a Tuesday: weekends are quiet.
const DAYS: u32 = 2;
const FIRST_DAY_MS: i64 = 1_780_272_000_000;

/// Bodies of realistic events, of all types that Appcues documents and more, of two days of `users`, in the order in which they are sent; the same each time.
///
/// With [`USERS`] these are more than two row groups of each day, so that what comes again with another id finds no copy of
/// itself among the rows that it is encoded with.
pub(crate) fn bodies(users: u32) -> Vec<String> {
    let plan = Plan {
        days: DAYS,
        users,
        seed: 9,
        first_day: FIRST_DAY_MS,
    };
    let requests = landfall_traffic::requests(&plan);
    requests.into_iter().map(|request| request.body).collect()
}
