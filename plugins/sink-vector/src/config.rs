use std::time::Duration;

use async_trait::async_trait;
use landfall_core::{BuildError, Component, Sink, SinkConfig, SinkContext, lenient, too_long};
use landfall_vector_proto::Compression;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Tls;
use crate::client::Client;
use crate::connect::Peer;
use crate::sink::VectorSink;

/// Sends events to the `vector` source of a Vector. Only `address` has no default.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorSinkConfig {
    /// The peer's host and port, `vector.example.com:6000`; with `https://` before them TLS is spoken.
    #[schemars(example = "127.0.0.1:6000")]
    pub address: String,
    /// How requests are compressed: `none`, `gzip` or `zstd`. The last is understood by Vector 0.56 and later.
    #[serde(default)]
    pub compression: Compression,
    /// When a batch is closed and sent: at whichever limit is met first.
    #[serde(default)]
    pub batch: BatchConfig,
    /// How requests are made, and made again.
    #[serde(default)]
    pub request: RequestConfig,
    /// How the peer is asked whether it is still there. Without this table it is not.
    pub keepalive: Option<KeepaliveConfig>,
    /// TLS to the peer.
    #[serde(default)]
    pub tls: Tls,
    /// Whether `landfall validate` asks the peer.
    #[serde(default)]
    pub healthcheck: HealthcheckConfig,
}

/// When a batch is closed and sent: at whichever limit is met first.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Events in a request.
    #[serde(deserialize_with = "lenient")]
    pub max_events: usize,
    /// Bodies in a request, in bytes before compression. A larger event goes alone.
    #[serde(deserialize_with = "lenient")]
    pub max_bytes: usize,
    /// How long an event may wait for others, in seconds.
    #[serde(deserialize_with = "lenient")]
    pub timeout_secs: f64,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_events: 1000,
            max_bytes: 2 * 1024 * 1024,
            timeout_secs: 1.0,
        }
    }
}

/// How requests are made, and made again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestConfig {
    /// Requests at a time. With 1 events arrive in the order in which they were accepted; more are of use where the peer
    /// answers late, since it waits for its own sinks.
    #[serde(deserialize_with = "lenient")]
    pub concurrency: usize,
    /// How long the peer may take to answer, in seconds.
    #[serde(deserialize_with = "lenient")]
    pub timeout_secs: u64,
    /// The wait before the second attempt, in seconds; it doubles with each.
    #[serde(deserialize_with = "lenient")]
    pub retry_initial_backoff_secs: u64,
    /// The longest wait between two attempts, in seconds. There is no last attempt.
    #[serde(deserialize_with = "lenient")]
    pub retry_max_duration_secs: u64,
}

impl Default for RequestConfig {
    fn default() -> Self {
        Self {
            concurrency: 1,
            timeout_secs: 60,
            retry_initial_backoff_secs: 1,
            retry_max_duration_secs: 30,
        }
    }
}

/// How the peer is asked whether it is still there.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepaliveConfig {
    /// The time between two questions (HTTP/2 PING), in seconds; many servers send those away who ask more often than once
    /// a minute.
    #[serde(deserialize_with = "lenient")]
    pub interval_secs: u64,
    /// How long the answer may take before the connection is given up, in seconds.
    #[serde(deserialize_with = "lenient")]
    pub timeout_secs: u64,
}

impl Default for KeepaliveConfig {
    fn default() -> Self {
        Self {
            interval_secs: 60,
            timeout_secs: 20,
        }
    }
}

/// Whether `landfall validate` asks the peer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthcheckConfig {
    /// Whether it does.
    #[serde(deserialize_with = "lenient")]
    pub enabled: bool,
}

impl Default for HealthcheckConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// More would take more memory than it saves time.
const MOST_CONCURRENCY: usize = 256;

impl Component for VectorSinkConfig {
    fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(problem) = Peer::of(self) {
            problems.push(problem);
        }
        for (name, value) in [
            ("batch.max_events", self.batch.max_events),
            ("batch.max_bytes", self.batch.max_bytes),
            ("request.concurrency", self.request.concurrency),
        ] {
            if value == 0 {
                problems.push(format!("{name}: must be at least 1"));
            }
        }
        if self.request.concurrency > MOST_CONCURRENCY {
            problems.push(format!(
                "request.concurrency: must be at most {MOST_CONCURRENCY}"
            ));
        }
        let seconds = self.batch.timeout_secs;
        if seconds.is_nan() || seconds < 0.0 {
            problems.push("batch.timeout_secs: must be a number, and at least 0".to_owned());
        }
        problems.extend(too_long("batch.timeout_secs", seconds as u64));
        let keepalive = self.keepalive.clone().unwrap_or_default();
        for (name, secs) in [
            ("request.timeout_secs", self.request.timeout_secs),
            (
                "request.retry_initial_backoff_secs",
                self.request.retry_initial_backoff_secs,
            ),
            (
                "request.retry_max_duration_secs",
                self.request.retry_max_duration_secs,
            ),
            ("keepalive.interval_secs", keepalive.interval_secs),
            ("keepalive.timeout_secs", keepalive.timeout_secs),
        ] {
            if secs == 0 {
                problems.push(format!("{name}: must be at least 1"));
            }
            problems.extend(too_long(name, secs));
        }
        problems.extend(self.tls.problems());
        problems
    }
}

#[async_trait]
impl SinkConfig for VectorSinkConfig {
    async fn build(&self, context: SinkContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(VectorSink::new(self, context)?))
    }

    async fn healthcheck(&self) -> Result<(), BuildError> {
        let client = Client::new(self)?;
        if !self.healthcheck.enabled {
            return Ok(());
        }
        let asked = client.check_health().await;
        asked.map_err(|failure| BuildError::new(format!("{}: {failure}", self.address)))
    }
}

impl VectorSinkConfig {
    /// Everything but the address as it is by default.
    pub fn to(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            compression: Compression::default(),
            batch: BatchConfig::default(),
            request: RequestConfig::default(),
            keepalive: None,
            tls: Tls::default(),
            healthcheck: HealthcheckConfig::default(),
        }
    }
}

impl BatchConfig {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_secs).unwrap_or(Duration::ZERO)
    }
}
