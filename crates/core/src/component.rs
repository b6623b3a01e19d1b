use std::any::Any;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::{
    BuildError, Delivery, DeliverySender, Event, Shutdown, SinkContext, SinkError, SourceContext,
    SourceError, SourceStream,
};

/// Receives events from outside and hands them on as deliveries.
#[async_trait]
pub trait Source: Send {
    /// Runs until `shutdown`, then finishes what is in hand and returns.
    ///
    /// A source must not tell its sender that an event is safe before that event's acknowledgement said so.
    ///
    /// # Errors
    /// Returns early only if it can never receive again.
    async fn run(
        self: Box<Self>,
        out: DeliverySender,
        shutdown: Shutdown,
    ) -> Result<(), SourceError>;

    /// Runs the source, in a task of its own, as a stream of its deliveries.
    ///
    /// Acknowledge each delivery, or drop it to refuse it. The stream ends after `shutdown`, once all senders are answered.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    fn into_stream(self, shutdown: Shutdown) -> SourceStream
    where
        Self: Sized + 'static,
    {
        SourceStream::start(self, shutdown)
    }
}

#[async_trait]
impl<S: Source + ?Sized> Source for Box<S> {
    async fn run(
        self: Box<Self>,
        out: DeliverySender,
        shutdown: Shutdown,
    ) -> Result<(), SourceError> {
        (*self).run(out, shutdown).await
    }
}

/// Takes deliveries and makes their events safe.
#[async_trait]
pub trait Sink: Send {
    /// Runs until `input` ends, answers every delivery that it took, and returns.
    ///
    /// A durable buffer sends one delivery without events once everything that an earlier run had left in it has been
    /// delivered.
    ///
    /// Dropping the future must be safe at any await: what was not acknowledged is delivered again.
    ///
    /// # Errors
    /// Returns early only if it can never land anything again; a store that is away for a while is no error.
    async fn run(self: Box<Self>, input: BoxStream<'static, Delivery>) -> Result<(), SinkError>;
}

/// Changes events, or leaves some out, on their way from a source to the sinks.
///
/// It works before any buffer: what it takes away is written nowhere.
pub trait Transform: fmt::Debug + Send + Sync {
    /// What goes on in place of `event`; `None` if it is left out on purpose, which counts as delivered.
    ///
    /// It is called on the reactor and must neither block nor take long. For the same event it must always give the same,
    /// so that a copy that is sent again is still known for one.
    fn transform(&self, event: Event) -> Option<Event>;
}

/// What the configuration of any component can say about itself.
///
/// It is `Any`, so that whoever knows a component's own type can get at its settings: `(&*config as &dyn Any)`.
pub trait Component: Any + fmt::Debug + Send + Sync {
    /// What the component will hold exclusively, so that two that want the same are refused before anything starts.
    fn resources(&self) -> Vec<Resource> {
        Vec::new()
    }

    /// Everything that is wrong with the settings, without touching network or disk: `path.of.setting: what to change`,
    /// each. Empty when all is well.
    fn validate(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The configuration of a source.
#[async_trait]
pub trait SourceConfig: Component {
    /// Builds the source and takes its resources, such as its listening socket.
    ///
    /// # Errors
    /// [`BuildError`] says what to change.
    async fn build(&self, context: SourceContext) -> Result<Box<dyn Source>, BuildError>;

    /// Whether its senders learn how their deliveries ended. Those of a source that cannot tell them do not send again what
    /// was refused: without a disk buffer it is lost.
    fn can_acknowledge(&self) -> bool {
        true
    }

    /// Tries for real whether the source could work, but for its resources: reads the files that it needs.
    ///
    /// # Errors
    /// [`BuildError`] says in one sentence what is wrong.
    async fn healthcheck(&self) -> Result<(), BuildError> {
        Ok(())
    }
}

/// The configuration of a transform.
pub trait TransformConfig: Component {
    /// Builds the transform.
    ///
    /// # Errors
    /// [`BuildError`] says what to change.
    fn build(&self) -> Result<Arc<dyn Transform>, BuildError>;
}

/// The configuration of a sink.
#[async_trait]
pub trait SinkConfig: Component {
    /// Builds the sink. Nothing is landed before it runs: it may be built while its predecessor still does.
    ///
    /// # Errors
    /// [`BuildError`] says what to change.
    async fn build(&self, context: SinkContext) -> Result<Box<dyn Sink>, BuildError>;

    /// Whether its acknowledgement means that events are safe. One that only shows them cannot say so: without another sink
    /// nothing keeps them.
    fn can_acknowledge(&self) -> bool {
        true
    }

    /// Tries for real whether the sink could work: reaches the store, writes, reads and deletes a probe.
    ///
    /// # Errors
    /// [`BuildError`] says in one sentence what is wrong.
    async fn healthcheck(&self) -> Result<(), BuildError>;
}

/// Something that only one component can hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// A TCP address to listen on, such as `127.0.0.1:8080`.
    Port(SocketAddr),
    /// A place to land in, such as `s3://bucket/prefix`.
    Location(String),
}

impl Resource {
    /// Whether no two components can hold these two at a time.
    pub fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            // Port 0 is a different free port each time.
            (Self::Port(one), Self::Port(other)) => {
                one.port() == other.port()
                    && one.port() != 0
                    && (one.ip() == other.ip()
                        || covers(one.ip(), other.ip())
                        || covers(other.ip(), one.ip()))
            }
            _ => self == other,
        }
    }
}

/// Whether who listens on `all` listens on `address` too: `[::]` is all addresses, `0.0.0.0` those of IPv4.
fn covers(all: IpAddr, address: IpAddr) -> bool {
    all.is_unspecified() && (all.is_ipv6() || address.is_ipv4())
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(address) => write!(f, "address {address}"),
            Self::Location(uri) => write!(f, "location {uri}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_all_excludes_each_of_them() {
        let excludes = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|text| Resource::Port(text.parse().unwrap()));
            assert_eq!(one.excludes(&other), other.excludes(&one));
            one.excludes(&other)
        };
        for (one, other) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("127.0.0.1:1", "0.0.0.0:1"),
            ("127.0.0.1:1", "[::]:1"),
            ("[::1]:1", "[::]:1"),
            ("0.0.0.0:1", "[::]:1"),
        ] {
            assert!(excludes(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("127.0.0.1:1", "127.0.0.1:2"),
            ("127.0.0.1:1", "127.0.0.2:1"),
            ("[::1]:1", "0.0.0.0:1"),
        ] {
            assert!(!excludes(one, other), "{one} {other}");
        }
    }
}
