use std::collections::BTreeMap;
use std::fmt;

use landfall_core::{SinkConfig, SourceConfig, TransformConfig};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::{Problem, Read, instead, read};
use crate::schema::schema_of;

/// The component types that a configuration file can name.
///
/// The settings of each describe themselves by their [`JsonSchema`]: the first sentence of the type's own documentation says
/// what the component does, and that of each field what the setting is, with its unit. People read both. A setting without
/// which nothing works has an example, `#[schemars(example = …)]`.
#[derive(Default)]
pub struct Registry {
    pub(crate) sources: Types<dyn SourceConfig>,
    pub(crate) transforms: Types<dyn TransformConfig>,
    pub(crate) sinks: Types<dyn SinkConfig>,
}

impl Registry {
    /// Makes `type = "name"` under `sources` mean the source that `C` configures.
    #[must_use]
    pub fn source<C>(mut self, name: &'static str) -> Self
    where
        C: SourceConfig + DeserializeOwned + JsonSchema,
    {
        self.sources.add::<C>(name, |value, also| {
            read::<C>(value, also).map(|settings| Box::new(settings) as Box<_>)
        });
        self
    }

    /// Makes `type = "name"` under `transforms` mean the transform that `C` configures.
    #[must_use]
    pub fn transform<C>(mut self, name: &'static str) -> Self
    where
        C: TransformConfig + DeserializeOwned + JsonSchema,
    {
        self.transforms.add::<C>(name, |value, also| {
            read::<C>(value, also).map(|settings| Box::new(settings) as Box<_>)
        });
        self
    }

    /// Makes `type = "name"` under `sinks` mean the sink that `C` configures.
    #[must_use]
    pub fn sink<C>(mut self, name: &'static str) -> Self
    where
        C: SinkConfig + DeserializeOwned + JsonSchema,
    {
        self.sinks.add::<C>(name, |value, also| {
            read::<C>(value, also).map(|settings| Box::new(settings) as Box<_>)
        });
        self
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("sources", &self.sources.names())
            .field("transforms", &self.transforms.names())
            .field("sinks", &self.sinks.names())
            .finish()
    }
}

/// The types of one kind of component, by name.
pub(crate) struct Types<T: ?Sized>(BTreeMap<&'static str, Type<T>>);

/// What there is to know of a type.
struct Type<T: ?Sized> {
    read: ReadSettings<T>,
    schema: fn() -> Value,
}

/// Reads the settings of a type, beside which others have been read already.
type ReadSettings<T> = fn(Value, &[&str]) -> Read<Box<T>>;

impl<T: ?Sized> Types<T> {
    fn add<C: JsonSchema>(&mut self, name: &'static str, read: ReadSettings<T>) {
        let schema = schema_of::<C>;
        self.0.insert(name, Type { read, schema });
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    /// Each name with the schema of its settings.
    pub(crate) fn schemas(&self) -> impl Iterator<Item = (&'static str, Value)> {
        self.0
            .iter()
            .map(|(name, r#type)| (*name, (r#type.schema)()))
    }

    pub(crate) fn read(&self, name: &str, settings: Value, also: &[&str]) -> Read<Box<T>> {
        match self.0.get(name) {
            Some(r#type) => (r#type.read)(settings, also),
            None => {
                let instead = instead(name, &self.names());
                let advice = format!("there is no \"{name}\" here{instead}");
                Read {
                    settings: None,
                    problems: vec![Problem::new("type", advice)],
                }
            }
        }
    }
}

impl<T: ?Sized> Default for Types<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}
