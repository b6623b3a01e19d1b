use std::sync::Arc;

use crate::{Activity, Health, Listeners, StateStore};

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
