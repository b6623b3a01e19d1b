use std::collections::BTreeMap;
use std::fmt;

use landfall_core::{SinkConfig, SourceConfig, TransformConfig};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

type Factory<T> = Box<dyn Fn(Value) -> Result<Box<T>, String> + Send + Sync>;

/// The component types that a configuration file can name.
///
/// The settings of each describe themselves by their [`JsonSchema`]: the first sentence of the type's own documentation says
/// what the component does, and that of each field what the setting is, with its unit. People read both.
#[derive(Default)]
pub struct Registry {
    sources: BTreeMap<&'static str, Factory<dyn SourceConfig>>,
    transforms: BTreeMap<&'static str, Factory<dyn TransformConfig>>,
    sinks: BTreeMap<&'static str, Factory<dyn SinkConfig>>,
}

impl Registry {
    /// Makes `type = "name"` under `sources` mean the source that `C` configures.
    #[must_use]
    pub fn source<C>(mut self, name: &'static str) -> Self
    where
        C: SourceConfig + DeserializeOwned + JsonSchema,
    {
        let factory = |value| Ok(Box::new(read::<C>(value)?) as Box<dyn SourceConfig>);
        self.sources.insert(name, Box::new(factory));
        self
    }

    /// Makes `type = "name"` under `transforms` mean the transform that `C` configures.
    #[must_use]
    pub fn transform<C>(mut self, name: &'static str) -> Self
    where
        C: TransformConfig + DeserializeOwned + JsonSchema,
    {
        let factory = |value| Ok(Box::new(read::<C>(value)?) as Box<dyn TransformConfig>);
        self.transforms.insert(name, Box::new(factory));
        self
    }

    /// Makes `type = "name"` under `sinks` mean the sink that `C` configures.
    #[must_use]
    pub fn sink<C>(mut self, name: &'static str) -> Self
    where
        C: SinkConfig + DeserializeOwned + JsonSchema,
    {
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

    pub(crate) fn read_transform(
        &self,
        kind: &str,
        value: Value,
    ) -> Result<Box<dyn TransformConfig>, String> {
        make(&self.transforms, kind, value)
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
            .field("transforms", &self.transforms.keys())
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
        let problem = without_value(&error.inner().to_string());
        match path.as_str() {
            "." => format!(": {problem}"),
            path => format!(".{path}: {problem}"),
        }
    })
}

/// serde quotes the value that does not fit. It may be a secret in the wrong place.
fn without_value(problem: &str) -> String {
    for (before, after) in [(" \"", "\", expected"), (" `", "`, expected")] {
        if !problem.starts_with("unknown field")
            && let Some((head, rest)) = problem.split_once(before)
            && let Some((_, tail)) = rest.rsplit_once(after)
        {
            return format!("{head}, expected{tail}");
        }
    }
    problem.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        On,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[serde(rename = "mode")]
        _mode: Mode,
        #[serde(rename = "limits")]
        _limits: BTreeMap<String, u64>,
    }

    #[test]
    fn a_problem_names_the_place_and_what_fits_but_never_the_value() {
        for (text, expected) in [
            (
                r#"{"mode":"hunter2","limits":{}}"#,
                ".mode: unknown variant, expected `on`",
            ),
            (
                r#"{"mode":"on","limits":"hunter2"}"#,
                ".limits: invalid type: string, expected a map",
            ),
            (
                r#"{"mode":"on","limits":{"a":"x\", expected hunter2"}}"#,
                ".limits.a: invalid type: string, expected u64",
            ),
            (
                r#""hunter2""#,
                ": invalid type: string, expected struct Settings",
            ),
            (
                r#"{"mode":"on","limits":{},"more":1}"#,
                ".more: unknown field `more`, expected `mode` or `limits`",
            ),
        ] {
            let problem = read::<Settings>(serde_json::from_str(text).unwrap()).unwrap_err();
            assert_eq!(problem, expected);
        }
    }
}
