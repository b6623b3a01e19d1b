use std::net::{Ipv4Addr, SocketAddr};

use async_trait::async_trait;
use landfall_core::{
    BuildError, Component, Resource, Secret, Source, SourceConfig, SourceContext, lenient, secrets,
    too_long,
};
use serde::Deserialize;

use crate::AppcuesSource;

/// The settings of the source. Every field has a default but the secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppcuesConfig {
    /// Where to listen: `127.0.0.1:8080`.
    pub address: SocketAddr,
    /// The one path that takes webhooks: `/webhooks/appcues`. A trailing slash or a query string makes no difference.
    pub path: String,
    /// How requests are proved genuine.
    pub signature: Signature,
    /// What a sender may take up.
    pub limits: Limits,
}

/// How requests are proved genuine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signature {
    /// Whether a signature is asked for.
    pub mode: SignatureMode,
    /// The account secret keys. Several during a rotation: any one may match.
    #[serde(deserialize_with = "secrets")]
    pub secrets: Vec<Secret>,
    /// How far the signed timestamp may be from this machine's clock, in seconds, either way; 0 turns the check off.
    #[serde(deserialize_with = "lenient")]
    pub tolerance_secs: u64,
}

/// Whether a signature is asked for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SignatureMode {
    /// Every request must carry a valid signature.
    Required,
    /// A request without security headers is taken; one that carries them must be valid.
    Optional,
    /// Nothing is checked: anybody who reaches the address can write events.
    Off,
}

/// What a sender may take up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest body, in bytes.
    #[serde(deserialize_with = "lenient")]
    pub max_body_bytes: usize,
    /// Connections at a time; more wait to be accepted.
    #[serde(deserialize_with = "lenient")]
    pub max_connections: usize,
    /// How long the headers, and then the body, may take to arrive, in seconds.
    #[serde(deserialize_with = "lenient")]
    pub read_timeout_secs: u64,
    /// How long a request waits until its event is durable before it is answered 503, in seconds.
    #[serde(deserialize_with = "lenient")]
    pub ack_timeout_secs: u64,
}

impl Default for AppcuesConfig {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 8080).into(),
            path: "/webhooks/appcues".to_owned(),
            signature: Signature::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Signature {
    fn default() -> Self {
        Self {
            mode: SignatureMode::Required,
            secrets: Vec::new(),
            tolerance_secs: 300,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            max_connections: 10_000,
            read_timeout_secs: 10,
            ack_timeout_secs: 30,
        }
    }
}

impl Component for AppcuesConfig {
    fn resources(&self) -> Vec<Resource> {
        vec![Resource::Port(self.address)]
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            problems.push(format!(
                "path: \"{}\" must begin with / and hold neither ? nor #",
                self.path
            ));
        }
        let secrets = &self.signature.secrets;
        if self.signature.mode != SignatureMode::Off && secrets.is_empty() {
            problems.push(
                "signature.secrets: give at least one account secret key, such as \
                 [\"${APPCUES_WEBHOOK_SECRET}\"]"
                    .to_owned(),
            );
        }
        if secrets.iter().any(|secret| secret.expose().is_empty()) {
            problems.push("signature.secrets: an empty secret would let anybody in".to_owned());
        }
        let limits = &self.limits;
        for (name, is_zero) in [
            ("max_body_bytes", limits.max_body_bytes == 0),
            ("max_connections", limits.max_connections == 0),
            ("read_timeout_secs", limits.read_timeout_secs == 0),
            ("ack_timeout_secs", limits.ack_timeout_secs == 0),
        ] {
            if is_zero {
                problems.push(format!("limits.{name}: must be at least 1"));
            }
        }
        problems.extend(too_long(
            "limits.read_timeout_secs",
            limits.read_timeout_secs,
        ));
        problems.extend(too_long("limits.ack_timeout_secs", limits.ack_timeout_secs));
        problems
    }
}

#[async_trait]
impl SourceConfig for AppcuesConfig {
    async fn build(&self, _context: SourceContext) -> Result<Box<dyn Source>, BuildError> {
        let source = AppcuesSource::bind(self).map_err(|error| {
            BuildError(format!(
                "cannot listen on {}: {error}; is another process using it?",
                self.address
            ))
        })?;
        Ok(Box::new(source))
    }
}
