use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Labels;

/// How long a line of the same kind is not logged again.
const QUIET_TIME: Duration = Duration::from_secs(10);

/// Logs a line of the component with these [`Labels`], which it then carries as fields, as its series do: `log!(&labels, warn,
/// %error, "cannot …")`.
///
/// Whoever uses it has `tracing` among its dependencies, and behind the level says what `tracing`'s macros take.
///
/// ```
/// let labels = landfall_core::labels("lake", "sink", "parquet");
/// landfall_core::log!(&labels, info, events = 13, "landed a batch");
/// ```
#[macro_export]
macro_rules! log {
    ($labels:expr, $level:ident, $($line:tt)+) => {
        // Not a `let`, behind which labels that are made on the spot would be gone.
        match $crate::logged_labels($labels) {
            [id, kind, r#type] => tracing::$level!(
                component_id = id,
                component_kind = kind,
                component_type = r#type,
                $($line)+
            ),
        }
    };
}

/// As [`log!`](crate::log), of a kind of line that a sender, a store or a disk could bring about without end: with the
/// component's [`Seldom`] in place of its labels, and the kind behind that.
///
/// ```
/// use landfall_core::{Seldom, labels, log_seldom};
///
/// let seldom = Seldom::new(labels("lake", "sink", "parquet"));
/// for _ in 0..1000 {
///     log_seldom!(&seldom, "store", warn, "the store is away"); // logged once
/// }
/// ```
#[macro_export]
macro_rules! log_seldom {
    ($seldom:expr, $kind:expr, $level:ident, $($line:tt)+) => {{
        let seldom: &$crate::Seldom = $seldom;
        if let Some(left_out) = seldom.is_due($kind) {
            let left_out = (left_out > 0).then_some(left_out);
            $crate::log!(seldom.labels(), $level, left_out, $($line)+);
        }
    }};
}

/// Lets lines of each kind into a component's log at once and then every 10 seconds, with how many were left out between. Clones
/// share what was logged.
///
/// There are as many kinds as names of them in the program: nothing that comes from outside makes a new one.
#[derive(Clone, Debug, Default)]
pub struct Seldom(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    labels: Labels,
    logged: Mutex<HashMap<&'static str, Logged>>,
}

#[derive(Debug)]
struct Logged {
    at: Instant,
    left_out: u64,
}

impl Seldom {
    /// For lines of the component with these `labels`.
    pub fn new(labels: Labels) -> Self {
        let logged = Mutex::default();
        Self(Arc::new(Inner { labels, logged }))
    }

    /// The component's labels.
    pub fn labels(&self) -> &Labels {
        &self.0.labels
    }

    /// How many lines of `kind` were left out, if one is to be logged now; else it is one more of them.
    pub fn is_due(&self, kind: &'static str) -> Option<u64> {
        self.is_due_at(kind, Instant::now())
    }

    fn is_due_at(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut logged = self.0.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = 0;
        if let Some(last) = logged.get_mut(kind) {
            if now.saturating_duration_since(last.at) < QUIET_TIME {
                last.left_out += 1;
                return None;
            }
            left_out = last.left_out;
        }
        let fresh = Logged {
            at: now,
            left_out: 0,
        };
        logged.insert(kind, fresh);
        Some(left_out)
    }
}

/// For [`log!`](crate::log): what a line says of its component; nothing where there is none, as in a tool.
#[doc(hidden)]
pub fn logged_labels(labels: &Labels) -> [Option<&str>; 3] {
    labels
        .each_ref()
        .map(|(_, value)| Some(value.as_str()).filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_logged_at_once_and_then_seldom_with_the_number_of_those_left_out() {
        let seldom = Seldom::default();
        let start = Instant::now();
        assert_eq!(seldom.is_due_at("a", start), Some(0));
        assert_eq!(seldom.clone().is_due_at("a", start), None);
        assert_eq!(seldom.is_due_at("b", start), Some(0));
        assert_eq!(seldom.is_due_at("a", start + QUIET_TIME / 2), None);
        assert_eq!(seldom.is_due_at("a", start + QUIET_TIME), Some(2));
        assert_eq!(seldom.is_due_at("a", start + QUIET_TIME * 2), Some(0));
    }
}
