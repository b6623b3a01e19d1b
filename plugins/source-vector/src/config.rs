use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use landfall_core::{
    BuildError, Component, Labels, Resource, Source, SourceConfig, SourceContext, lenient, too_long,
};
use landfall_listen::{Handshake, Tls, is_everywhere, networks};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::VectorSource;

/// Takes events from the `vector` sink of a Vector. Nothing proves that they are Appcues' own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VectorSourceConfig {
    /// Where to listen. Other addresses than loopback need client certificates (`tls.verify_certificate`) or
    /// `allow_networks`.
    pub address: SocketAddr,
    /// The field that holds the body as Appcues sent it, `message` or `.a.b` for one inside another. Of an event without it
    /// all fields but `except_fields` are the body, written as JSON.
    pub body_field: String,
    /// Fields at the top of an event that Vector has added, so that they belong to no body.
    pub except_fields: Vec<String>,
    /// The networks that may connect, as `203.0.113.0/24`; empty allows all.
    #[serde(deserialize_with = "networks")]
    #[schemars(with = "Vec<String>", extend("default" = []))]
    pub allow_networks: Vec<IpNet>,
    /// Lets an address other than loopback pass though nothing keeps strangers out.
    #[serde(deserialize_with = "lenient")]
    pub allow_unauthenticated: bool,
    /// TLS; without it plain HTTP/2 is spoken.
    pub tls: Option<Tls>,
    /// What senders may take up.
    pub limits: Limits,
}

impl Default for VectorSourceConfig {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 6000).into(),
            body_field: "message".to_owned(),
            except_fields: ["host", "path", "source_type"].map(str::to_owned).to_vec(),
            allow_networks: Vec::new(),
            allow_unauthenticated: false,
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// What senders may take up. What goes beyond is refused, and says so.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest request, in bytes, before and after decompression.
    #[serde(deserialize_with = "lenient")]
    pub max_message_bytes: usize,
    /// Connections at a time. One more closes the one that has been idle for the longest time.
    #[serde(deserialize_with = "lenient")]
    pub max_connections: usize,
    /// Requests at a time, of all connections.
    #[serde(deserialize_with = "lenient")]
    pub max_requests: usize,
    /// The sum of the requests that are held until their events are durable, in bytes.
    #[serde(deserialize_with = "lenient")]
    pub max_bytes_in_flight: usize,
    /// How long a request may take to arrive as a whole, in seconds.
    #[serde(deserialize_with = "lenient")]
    pub read_timeout_secs: u64,
    /// How long a request waits until its events are durable before it is answered UNAVAILABLE, in seconds.
    #[serde(deserialize_with = "lenient")]
    pub ack_timeout_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 32 * 1024 * 1024,
            max_connections: 256,
            max_requests: 256,
            max_bytes_in_flight: 256 * 1024 * 1024,
            read_timeout_secs: 30,
            ack_timeout_secs: 30,
        }
    }
}

impl Limits {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, is_zero) in [
            ("max_message_bytes", self.max_message_bytes == 0),
            ("max_connections", self.max_connections == 0),
            ("max_requests", self.max_requests == 0),
            ("read_timeout_secs", self.read_timeout_secs == 0),
            ("ack_timeout_secs", self.ack_timeout_secs == 0),
        ] {
            if is_zero {
                problems.push(format!("limits.{name}: must be at least 1"));
            }
        }
        // A compressed message is there twice for a while.
        let least = self.max_message_bytes.saturating_mul(2);
        if self.max_bytes_in_flight < least || u32::try_from(self.max_bytes_in_flight).is_err() {
            problems.push(format!(
                "limits.max_bytes_in_flight: must be at least {least}, twice max_message_bytes, and below 4 GiB"
            ));
        }
        for (name, secs) in [
            ("read_timeout_secs", self.read_timeout_secs),
            ("ack_timeout_secs", self.ack_timeout_secs),
        ] {
            problems.extend(too_long(&format!("limits.{name}"), secs));
        }
        problems
    }
}

impl VectorSourceConfig {
    /// The TLS handshake, if TLS is spoken.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub(crate) fn handshake(&self, labels: Labels) -> Result<Option<Handshake>, BuildError> {
        let limit = Duration::from_secs(self.limits.read_timeout_secs);
        Handshake::new(self.tls.as_ref(), limit, &["h2"], labels)
    }

    fn keeps_strangers_out(&self) -> bool {
        let asks_for_certificates = |tls: &Tls| tls.enabled && tls.verify_certificate;
        self.address.ip().to_canonical().is_loopback()
            || self.tls.as_ref().is_some_and(asks_for_certificates)
            || !(self.allow_networks.is_empty() || self.allow_networks.iter().any(is_everywhere))
    }
}

impl Component for VectorSourceConfig {
    fn resources(&self) -> Vec<Resource> {
        vec![Resource::Port(self.address)]
    }

    fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.keeps_strangers_out() && !self.allow_unauthenticated {
            problems.push(
                "address: anybody could write events; listen on 127.0.0.1, set tls.verify_certificate or \
                 allow_networks, or allow_unauthenticated = true if that is meant"
                    .to_owned(),
            );
        }
        let names = self.body_field.strip_prefix('.');
        let mut names = names.unwrap_or(&self.body_field).split('.');
        if names.any(str::is_empty) {
            problems.push("body_field: must be a name, or names with dots between them".to_owned());
        }
        problems.extend(self.limits.problems());
        problems.extend(self.tls.iter().flat_map(Tls::problems));
        problems
    }
}

#[async_trait]
impl SourceConfig for VectorSourceConfig {
    async fn build(&self, context: SourceContext) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(VectorSource::listen(self, &context)?))
    }

    async fn healthcheck(&self) -> Result<(), BuildError> {
        // Nothing is counted by what is dropped at once.
        self.handshake(SourceContext::new("", "vector").labels())?;
        Ok(())
    }
}
