use std::fmt;

use landfall_core::Component;

use crate::{BufferConfig, Config, Kind};

/// A component of a configuration, of whatever kind.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AnyComponent<'a> {
    /// What kind it is of.
    pub kind: Kind,
    /// Its name.
    pub id: &'a str,
    /// The name of its type.
    pub r#type: &'a str,
    /// The names of the sources and transforms whose events it gets; none for a source.
    pub inputs: &'a [String],
    /// What holds deliveries until it has landed them, if it is a sink.
    pub buffer: Option<&'a BufferConfig>,
    /// Its own settings.
    pub config: &'a dyn Component,
}

/// Where it stands in the configuration, such as `sinks.lake`.
impl fmt::Display for AnyComponent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind.table(), self.id)
    }
}

impl Config {
    /// All components: sources, then transforms, then sinks.
    pub fn components(&self) -> impl Iterator<Item = AnyComponent<'_>> {
        let sources = self.sources.iter().map(|(id, outer)| AnyComponent {
            kind: Kind::Source,
            id,
            r#type: &outer.r#type,
            inputs: &[],
            buffer: None,
            config: &*outer.config,
        });
        let transforms = self.transforms.iter().map(|(id, outer)| AnyComponent {
            kind: Kind::Transform,
            id,
            r#type: &outer.r#type,
            inputs: &outer.inputs,
            buffer: None,
            config: &*outer.config,
        });
        let sinks = self.sinks.iter().map(|(id, outer)| AnyComponent {
            kind: Kind::Sink,
            id,
            r#type: &outer.r#type,
            inputs: &outer.inputs,
            buffer: Some(&outer.buffer),
            config: &*outer.config,
        });
        sources.chain(transforms).chain(sinks)
    }
}
