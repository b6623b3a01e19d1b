use std::fmt;
use std::sync::Arc;

use landfall_core::{BuildError, Event, Transform};

use crate::Config;

/// A way on which events reach a sink: from a source, through transforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The name of the source.
    pub source: String,
    /// The names of the transforms, in the order in which events pass them.
    pub transforms: Vec<String>,
}

impl Way {
    /// The name of what the sink has among its inputs.
    pub fn input(&self) -> &str {
        self.transforms.last().unwrap_or(&self.source)
    }

    /// Whether it leads from or through the component of this name.
    pub fn leads_through(&self, id: &str) -> bool {
        self.source == id || self.transforms.iter().any(|transform| transform == id)
    }
}

/// The names, with arrows between them.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        self.transforms
            .iter()
            .try_for_each(|transform| write!(f, " -> {transform}"))
    }
}

/// The transforms of a way, for events that come to the sink without the service.
#[derive(Debug)]
pub struct Chain(Vec<Arc<dyn Transform>>);

impl Chain {
    /// What becomes of `event` on the way; `None` if it is left out on purpose.
    pub fn transform(&self, event: Event) -> Option<Event> {
        self.0
            .iter()
            .try_fold(event, |event, transform| transform.transform(event))
    }
}

impl Config {
    /// All ways to the sink of this name, at most one for each source and list of transforms.
    pub fn ways_to(&self, sink: &str) -> Vec<Way> {
        let mut ways = Vec::new();
        let mut open: Vec<(&String, Vec<String>)> = Vec::new();
        let inputs = self.sinks.get(sink).into_iter();
        open.extend(
            inputs
                .flat_map(|sink| &sink.inputs)
                .map(|input| (input, Vec::new())),
        );
        while let Some((id, behind)) = open.pop() {
            let Some(transform) = self.transforms.get(id) else {
                ways.push(Way {
                    source: id.clone(),
                    transforms: behind,
                });
                continue;
            };
            let mut transforms = vec![id.clone()];
            transforms.extend(behind);
            let inputs = transform.inputs.iter();
            open.extend(inputs.map(|input| (input, transforms.clone())));
        }
        ways.sort_by(|one, other| {
            (&one.source, &one.transforms).cmp(&(&other.source, &other.transforms))
        });
        ways
    }

    /// Builds the transforms of `way`.
    ///
    /// # Errors
    /// [`BuildError`] of the first that cannot be built.
    pub fn chain(&self, way: &Way) -> Result<Chain, BuildError> {
        let transforms = way.transforms.iter();
        let outers = transforms.filter_map(|id| Some((id, self.transforms.get(id)?)));
        let built = outers.map(|(id, outer)| {
            let transform = outer.config.build();
            transform.map_err(|error| {
                BuildError::new(format!("transforms.{id}: {error}")).with_source(error)
            })
        });
        built.collect::<Result<_, _>>().map(Chain)
    }
}
