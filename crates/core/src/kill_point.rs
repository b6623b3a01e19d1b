/// Ends the process here, with nothing flushed or dropped, if the environment variable `LANDFALL_KILL_AT` says so:
/// `name`, or `name:n` for the n-th time. Crash tests use it to hit each step of an event's way; release builds contain
/// none of it.
pub fn kill_point(name: &str) {
    #[cfg(debug_assertions)]
    {
        use std::sync::LazyLock;
        use std::sync::atomic::{AtomicUsize, Ordering};

        static PLAN: LazyLock<Option<(String, AtomicUsize)>> = LazyLock::new(|| {
            let plan = std::env::var("LANDFALL_KILL_AT").ok()?;
            let (name, times) = plan.split_once(':').unwrap_or((&plan, "1"));
            Some((name.to_owned(), AtomicUsize::new(times.parse().ok()?)))
        });
        if let Some((planned, left)) = &*PLAN
            && planned == name
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            std::process::abort();
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = name;
}
