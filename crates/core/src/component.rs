use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{
    Activity, BuildError, Delivery, DeliverySender, Event, Shutdown, SinkError, SourceError,
    SourceStream, Timestamp,
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

/// What a source is given by whoever builds it. Made by [`new`](Self::new), its fields can be set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceContext {
    /// The component's name in the configuration.
    pub id: String,
    /// The name of its type in the configuration.
    pub r#type: String,
    /// The sockets that its predecessor listened on, if it had one.
    pub listeners: Listeners,
    /// Where the source says what it has answered.
    pub activity: Activity,
}

/// What tells the series of one component from those of others: `component_id`, `component_kind` and `component_type`.
pub type Labels = [(&'static str, String); 3];

/// The labels of a component of this kind: `source`, `transform` or `sink`.
pub fn labels(id: &str, kind: &str, r#type: &str) -> Labels {
    [
        ("component_id", id.to_owned()),
        ("component_kind", kind.to_owned()),
        ("component_type", r#type.to_owned()),
    ]
}

impl SourceContext {
    /// A context for a source outside of any configuration.
    pub fn new(id: &str, r#type: &str) -> Self {
        Self {
            id: id.to_owned(),
            r#type: r#type.to_owned(),
            listeners: Listeners::default(),
            activity: Activity::default(),
        }
    }

    /// What every series of the source carries.
    pub fn labels(&self) -> Labels {
        labels(&self.id, "source", &self.r#type)
    }
}

impl SinkContext {
    /// A context for a sink outside of any configuration, behind no durable buffer. No two processes that write to the same
    /// place may have the same `writer_id`.
    pub fn new(id: &str, r#type: &str, writer_id: &str) -> Self {
        Self {
            id: id.to_owned(),
            r#type: r#type.to_owned(),
            home_id: writer_id.to_owned(),
            writer_id: writer_id.to_owned(),
            state: None,
            health: Health::default(),
            activity: Activity::default(),
        }
    }

    /// What every series of the sink carries.
    pub fn labels(&self) -> Labels {
        labels(&self.id, "sink", &self.r#type)
    }
}

/// Sockets that outlive the source which listens on them, so that a source can be replaced and no connection is refused
/// meanwhile. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Listeners(Arc<Mutex<HashMap<SocketAddr, TcpListener>>>);

impl Listeners {
    /// A socket that listens on `address`: the one that is kept if it was asked for before, else a new one.
    ///
    /// # Errors
    /// The operating system's error, such as when another process listens there.
    pub fn bind(&self, address: SocketAddr) -> io::Result<TcpListener> {
        // Port 0 is another one each time.
        if address.port() == 0 {
            return TcpListener::bind(address);
        }
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match listeners.entry(address) {
            Entry::Occupied(kept) => kept.get().try_clone(),
            Entry::Vacant(vacant) => vacant.insert(TcpListener::bind(address)?).try_clone(),
        }
    }

    /// Closes all sockets but those for which `used` holds. Those that a source still has are closed with it.
    pub fn retain(&self, used: impl Fn(SocketAddr) -> bool) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|address, _| used(*address));
    }
}

/// What a sink is given by whoever builds it. Made by [`new`](Self::new), its fields can be set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SinkContext {
    /// The component's name in the configuration.
    pub id: String,
    /// The name of its type in the configuration.
    pub r#type: String,
    /// Tells this data directory from all others that write to the same place; stays the same over restarts.
    pub home_id: String,
    /// Tells this process from all others, those before it in the same data directory included. Begins with `home_id`.
    pub writer_id: String,
    /// Where the sink keeps small state beside its durable buffer; `None` when the buffer is memory.
    pub state: Option<Arc<dyn StateStore>>,
    /// Where the sink says what keeps it from landing.
    pub health: Health,
    /// Where the sink says what it has landed.
    pub activity: Activity,
}

/// How a component is at present, as it says itself. Clones share it, and are equal to each other alone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<HealthState>>);

impl PartialEq for Health {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[derive(Debug, Default)]
struct HealthState {
    problem: Option<(String, Instant)>,
    oldest: Option<Timestamp>,
}

impl Health {
    /// Says what is wrong now; `None` when nothing is.
    pub fn report(&self, problem: Option<String>) {
        self.state().problem = problem.map(|problem| (problem, Instant::now()));
    }

    /// What is wrong now.
    pub fn problem(&self) -> Option<String> {
        let state = self.state();
        state.problem.as_ref().map(|(problem, _)| problem.clone())
    }

    /// How long ago it was said what is wrong now.
    pub fn problem_age(&self) -> Option<Duration> {
        let state = self.state();
        state.problem.as_ref().map(|(_, since)| since.elapsed())
    }

    /// Says when the oldest event was accepted that the component still has to land; `None` when there is none.
    pub fn report_oldest(&self, received_at: Option<Timestamp>) {
        self.state().oldest = received_at;
    }

    /// When the oldest event was accepted that the component still has to land.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.state().oldest
    }

    fn state(&self) -> MutexGuard<'_, HealthState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Small named values that survive the process, kept beside a sink's durable buffer.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Writes `value` under `name`, replacing what was there. Atomic, and durable when it returns.
    ///
    /// # Errors
    /// The disk's error; the old value, if any, is then still there.
    async fn put(&self, name: &str, value: Bytes) -> std::io::Result<()>;

    /// The value under `name`, if there is one.
    ///
    /// # Errors
    /// The disk's error.
    async fn get(&self, name: &str) -> std::io::Result<Option<Bytes>>;

    /// All names, sorted.
    ///
    /// # Errors
    /// The disk's error.
    async fn list(&self) -> std::io::Result<Vec<String>>;

    /// Gives a value another name, atomically and durably.
    ///
    /// # Errors
    /// The disk's error.
    async fn rename(&self, from: &str, to: &str) -> std::io::Result<()>;

    /// Removes a value; one that is not there is no error.
    ///
    /// # Errors
    /// The disk's error.
    async fn remove(&self, name: &str) -> std::io::Result<()>;

    /// An empty file to write and read, for what need not be held in memory. It has no name and is gone once it is closed,
    /// however the process ends. `None` where there is no disk for it.
    ///
    /// It blocks for as long as a file takes to open.
    ///
    /// # Errors
    /// The disk's error.
    fn scratch(&self) -> std::io::Result<Option<File>> {
        Ok(None)
    }
}

/// Something that only one component can hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// A TCP address to listen on, such as `127.0.0.1:8080`.
    Port(std::net::SocketAddr),
    /// A place to land in, such as `s3://bucket/prefix`.
    Location(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(address) => write!(f, "address {address}"),
            Self::Location(uri) => write!(f, "location {uri}"),
        }
    }
}
