use std::collections::BTreeMap;
use std::fmt;

use landfall_core::{SinkConfig, SourceConfig};
use serde::de::DeserializeOwned;
use serde_json::Value;

type Factory<T> = Box<dyn Fn(Value) -> Result<Box<T>, String> + Send + Sync>;

/// The component types that a configuration file can name.
#[derive(Default)]
pub struct Registry {
    sources: BTreeMap<&'static str, Factory<dyn SourceConfig>>,
    sinks: BTreeMap<&'static str, Factory<dyn SinkConfig>>,
}

impl Registry {
    /// Makes `type = "name"` under `sources` mean the source that `C` configures.
    #[must_use]
    pub fn source<C: SourceConfig + DeserializeOwned + 'static>(
        mut self,
        name: &'static str,
    ) -> Self {
        let factory = |value| Ok(Box::new(read::<C>(value)?) as Box<dyn SourceConfig>);
        self.sources.insert(name, Box::new(factory));
        self
    }

    /// Makes `type = "name"` under `sinks` mean the sink that `C` configures.
    #[must_use]
    pub fn sink<C: SinkConfig + DeserializeOwned + 'static>(mut self, name: &'static str) -> Self {
        let factory = |value| Ok(Box::new(read::<C>(value)?) as Box<dyn SinkConfig>);
        self.sinks.insert(name, Box::new(factory));
        self
    }

    pub(crate) fn read_source(
        &self,
        kind: &str,
        value: Value,
    ) -> Result<Box<dyn SourceConfig>, String> {
        make(&self.sources, kind, value)
    }

    pub(crate) fn read_sink(
        &self,
        kind: &str,
        value: Value,
    ) -> Result<Box<dyn SinkConfig>, String> {
        make(&self.sinks, kind, value)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("sources", &self.sources.keys())
            .field("sinks", &self.sinks.keys())
            .finish()
    }
}

fn make<T: ?Sized>(
    factories: &BTreeMap<&'static str, Factory<T>>,
    kind: &str,
    value: Value,
) -> Result<Box<T>, String> {
    let factory = factories.get(kind).ok_or_else(|| {
        let known: Vec<_> = factories.keys().copied().collect();
        format!(
            ".type: there is no \"{kind}\" here; known: {}",
            known.join(", ")
        )
    })?;
    factory(value)
}

/// Reads a settings type; the error begins with the path below the component, such as `.batch.max_events: …`.
pub(crate) fn read<C: DeserializeOwned>(value: Value) -> Result<C, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        match path.as_str() {
            "." => format!(": {}", error.inner()),
            path => format!(".{path}: {}", error.inner()),
        }
    })
}
