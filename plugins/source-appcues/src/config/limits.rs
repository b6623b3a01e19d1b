use landfall_core::{lenient, too_long};
use schemars::JsonSchema;
use serde::Deserialize;

/// What senders may take up. What goes beyond is refused, and says so.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest body, in bytes, at most 15728640; of a compressed one before and after inflation. Beyond: 413
    /// `body_too_large`.
    #[serde(deserialize_with = "lenient")]
    pub max_body_bytes: usize,
    /// The largest head of a request, in bytes, from 1024 to 1048576. Beyond: 431 `headers_too_large`.
    #[serde(deserialize_with = "lenient")]
    pub max_header_bytes: usize,
    /// The most headers of a request, from 8 to 1000. Beyond: 431 `headers_too_large`.
    #[serde(deserialize_with = "lenient")]
    pub max_headers: usize,
    /// Connections at a time. One more closes the one that has kept us waiting longest for a request.
    #[serde(deserialize_with = "lenient")]
    pub max_connections: usize,
    /// Requests at a time. One more refuses the one that has kept us waiting longest for its body, or is refused itself when
    /// all bodies are there: 503 `overloaded`.
    #[serde(deserialize_with = "lenient")]
    pub max_requests: usize,
    /// The sum of the bodies that are held until their events are durable, in bytes. Beyond: as with `max_requests`.
    #[serde(deserialize_with = "lenient")]
    pub max_bytes_in_flight: usize,
    /// How long the headers, and then the body, may take to arrive as a whole, in seconds. Beyond: 408 `header_timeout` or
    /// `body_timeout`.
    #[serde(deserialize_with = "lenient")]
    pub read_timeout_secs: u64,
    /// How long a connection is kept without a request after the first, in seconds.
    #[serde(deserialize_with = "lenient")]
    pub idle_timeout_secs: u64,
    /// How old a connection may become before it takes no more requests, in seconds; 0 is no limit.
    #[serde(deserialize_with = "lenient")]
    pub max_connection_age_secs: u64,
    /// How long a request waits until its event is durable, in seconds. Beyond: 503 `not_durable`.
    #[serde(deserialize_with = "lenient")]
    pub ack_timeout_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            max_header_bytes: 16 * 1024,
            max_headers: 64,
            max_connections: 10_000,
            max_requests: 4096,
            max_bytes_in_flight: 256 * 1024 * 1024,
            read_timeout_secs: 10,
            idle_timeout_secs: 60,
            max_connection_age_secs: 300,
            ack_timeout_secs: 30,
        }
    }
}

/// What fits into one record of the journal, which takes 16 MiB.
const MOST_BODY_BYTES: usize = 15 * 1024 * 1024;
/// More than any head needs; what holds them is allocated before they come.
const MOST_HEADERS: usize = 1000;
const MOST_HEADER_BYTES: usize = 1024 * 1024;

impl Limits {
    /// Everything that is wrong with them.
    pub(super) fn problems(&self, decompression: bool) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, is_zero) in [
            ("max_connections", self.max_connections == 0),
            ("max_requests", self.max_requests == 0),
            ("read_timeout_secs", self.read_timeout_secs == 0),
            ("idle_timeout_secs", self.idle_timeout_secs == 0),
            ("ack_timeout_secs", self.ack_timeout_secs == 0),
        ] {
            if is_zero {
                problems.push(format!("limits.{name}: must be at least 1"));
            }
        }
        for (name, value, least, most) in [
            ("max_body_bytes", self.max_body_bytes, 1, MOST_BODY_BYTES),
            ("max_headers", self.max_headers, 8, MOST_HEADERS),
            (
                "max_header_bytes",
                self.max_header_bytes,
                1024,
                MOST_HEADER_BYTES,
            ),
        ] {
            if !(least..=most).contains(&value) {
                problems.push(format!("limits.{name}: must be from {least} to {most}"));
            }
        }
        // A compressed body is there twice for a while.
        let copies = 1 + usize::from(decompression);
        let least = self.max_body_bytes.saturating_mul(copies);
        if self.max_bytes_in_flight < least {
            problems.push(format!(
                "limits.max_bytes_in_flight: must be at least {least}, for one body"
            ));
        }
        for (name, secs) in [
            ("read_timeout_secs", self.read_timeout_secs),
            ("idle_timeout_secs", self.idle_timeout_secs),
            ("max_connection_age_secs", self.max_connection_age_secs),
            ("ack_timeout_secs", self.ack_timeout_secs),
        ] {
            problems.extend(too_long(&format!("limits.{name}"), secs));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_nothing_could_keep_or_pass_are_named() {
        let one = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.problems(true).join("\n")
        };
        assert_eq!(one(|_| {}), "");
        for (problems, name) in [
            (one(|l| l.max_body_bytes = 0), "max_body_bytes"),
            (one(|l| l.max_body_bytes = 16 << 20), "max_body_bytes"),
            (one(|l| l.max_headers = 7), "max_headers"),
            (one(|l| l.max_header_bytes = 2 << 20), "max_header_bytes"),
            (
                one(|l| l.max_bytes_in_flight = 2 << 19),
                "max_bytes_in_flight",
            ),
            (one(|l| l.max_requests = 0), "max_requests"),
            (one(|l| l.ack_timeout_secs = u64::MAX), "ack_timeout_secs"),
        ] {
            assert!(
                problems.starts_with(&format!("limits.{name}: ")),
                "{problems}"
            );
            assert_eq!(problems.lines().count(), 1, "{problems}");
        }
    }
}
