use std::collections::HashMap;
use std::fmt::{self, Display};
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use landfall_core::{Activity, Labels};

/// How long a refusal with the same code is not told again.
const QUIET_TIME: Duration = Duration::from_secs(10);

/// Counts every refusal, and tells the operator of each kind from time to time.
pub struct Refusals {
    labels: Labels,
    activity: Activity,
    told: Mutex<HashMap<&'static str, Told>>,
}

/// Counts an error of the component with these `labels` in `component_errors_total`.
pub(crate) fn count_error(labels: &Labels, code: &'static str) {
    let [id, kind, r#type] = labels.clone();
    let labels = [id, kind, r#type, ("error_code", code.to_owned())];
    metrics::counter!("component_errors_total", &labels).increment(1);
}

struct Told {
    at: Instant,
    left_out: u64,
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusals")
    }
}

impl Refusals {
    /// Those of a component, whose `labels` the series carry, and which are part of its `activity`.
    pub fn new(labels: Labels, activity: Activity) -> Self {
        Self {
            labels,
            activity,
            told: Mutex::default(),
        }
    }

    /// Of whoever came as far as a connection only.
    pub fn note_handshake(&self, error: &io::Error, peer: SocketAddr) {
        let why = format_args!("no TLS connection: {error}");
        self.tell("tls_failed", &why, Some(peer));
    }

    /// Of whoever did not come as far as that, since this machine lacks something.
    pub fn note_accept(&self, error: &io::Error) {
        let why = format_args!("cannot accept a connection: {error}");
        self.tell("accept_failed", &why, None);
    }

    /// Notes a refusal with `code`, a name of a bounded set, and what is to be mended.
    pub fn tell(&self, code: &'static str, why: &dyn Display, peer: Option<SocketAddr>) {
        count_error(&self.labels, code);
        let address = peer.map(|peer| peer.ip());
        self.activity.refused(code, why.to_string(), address);
        if let Some(left_out) = self.is_due(code, Instant::now()) {
            let peer = peer.map(tracing::field::display);
            tracing::warn!(code, peer, left_out, "request refused: {why}");
        }
    }

    /// How many of this kind have not been told, if one may be told now.
    fn is_due(&self, code: &'static str, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = told.get_mut(code) else {
            told.insert(
                code,
                Told {
                    at: now,
                    left_out: 0,
                },
            );
            return Some(0);
        };
        if now.saturating_duration_since(last.at) < QUIET_TIME {
            last.left_out += 1;
            return None;
        }
        let left_out = last.left_out;
        *last = Told {
            at: now,
            left_out: 0,
        };
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::labels;

    use super::*;

    #[test]
    fn a_kind_is_told_at_once_and_then_seldom_with_the_number_of_those_left_out() {
        let refusals = Refusals::new(labels("in", "source", "test"), Activity::default());
        let start = Instant::now();
        assert_eq!(refusals.is_due("a", start), Some(0));
        assert_eq!(refusals.is_due("a", start), None);
        assert_eq!(refusals.is_due("b", start), Some(0));
        assert_eq!(refusals.is_due("a", start + QUIET_TIME / 2), None);
        assert_eq!(refusals.is_due("a", start + QUIET_TIME), Some(2));
        assert_eq!(refusals.is_due("a", start + QUIET_TIME * 2), Some(0));
    }
}
