mod component;
mod file;
mod json;
mod place;
mod problem;
mod read;
mod strict;
mod warnings;
mod wiring;
mod wording;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use landfall_core::{Resource, Secret, SinkConfig, SourceConfig, TransformConfig};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::interpolate::{Interpolated, interpolate};
use crate::{BufferConfig, Registry};
use component::Table;
use file::Files;
use wiring::Wiring;

pub use file::{Format, fingerprint_of_files};
pub use problem::ConfigError;
pub(crate) use problem::{Problem, joined};
pub(crate) use read::{Read, read};
pub(crate) use wording::instead;

/// A configuration that has been read and found free of contradictions.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where durable buffers live; created if missing.
    pub data_dir: PathBuf,
    /// Health and metrics.
    pub api: ApiConfig,
    /// The sources by name.
    pub sources: BTreeMap<String, SourceOuter>,
    /// The transforms by name.
    pub transforms: BTreeMap<String, TransformOuter>,
    /// The sinks by name.
    pub sinks: BTreeMap<String, SinkOuter>,
}

/// A source with what stands around it.
#[derive(Debug)]
#[non_exhaustive]
pub struct SourceOuter {
    /// The name of its type.
    pub r#type: String,
    /// The source's own settings.
    pub config: Box<dyn SourceConfig>,
    /// Whether the settings are still the same shows in this.
    pub fingerprint: Fingerprint,
}

/// A transform with what stands around it.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransformOuter {
    /// The name of its type.
    pub r#type: String,
    /// The names of the sources and transforms whose events it gets.
    pub inputs: Vec<String>,
    /// The transform's own settings.
    pub config: Box<dyn TransformConfig>,
    /// Whether the settings are still the same shows in this.
    pub fingerprint: Fingerprint,
}

/// A sink with what stands around it.
#[derive(Debug)]
#[non_exhaustive]
pub struct SinkOuter {
    /// The name of its type.
    pub r#type: String,
    /// The names of the sources and transforms whose deliveries it gets.
    pub inputs: Vec<String>,
    /// What holds deliveries until the sink has landed them.
    pub buffer: BufferConfig,
    /// The sink's own settings.
    pub config: Box<dyn SinkConfig>,
    /// Whether the settings are still the same shows in this.
    pub fingerprint: Fingerprint,
}

/// Tells whether something is still the same, such as a component's own settings with its `type`. It does not give them away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(r#type: &str, settings: &Value) -> Self {
        let digest = Sha256::new().chain_update(r#type).chain_update([0]);
        Self(digest.chain_update(settings.to_string()).finalize().into())
    }
}

/// Where health, metrics and what else there is to see are served.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// What `Authorization: Bearer …` must hold for anything below `/api/v1`. Without it only this machine is answered there, if
    /// `address` is on loopback.
    pub token: Option<Secret>,
    /// Whether `landfall tap` and the console may watch events, with all that stands in them. By default on loopback, and where there is a
    /// `token`.
    pub tap: Option<bool>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 8686).into(),
            token: None,
            tap: None,
        }
    }
}

impl ApiConfig {
    /// Whether events may be watched.
    pub(crate) fn shows_events(&self) -> bool {
        let is_private = self.address.ip().is_loopback() || self.token.is_some();
        self.tap.unwrap_or(is_private)
    }
}

/// What can be said of the whole, before components are looked at.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Root {
    /// The directory of durable buffers; created if missing.
    #[serde(default = "default_data_dir")]
    data_dir: PathBuf,
    /// Where health and metrics are served.
    #[serde(default)]
    api: ApiConfig,
    /// What receives events, by name.
    #[serde(default)]
    sources: BTreeMap<String, Map<String, Value>>,
    /// What changes events or leaves some out, by name.
    #[serde(default)]
    transforms: BTreeMap<String, Map<String, Value>>,
    /// What lands events, by name.
    #[serde(default)]
    sinks: BTreeMap<String, Map<String, Value>>,
}

fn default_data_dir() -> PathBuf {
    "./landfall-data".into()
}

impl Config {
    /// Reads the files at `paths`, each in the format that its extension names, and those in the directories among them, with
    /// the process's environment. Together they must say what one file could: nothing stands in two.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong, each as `file:line: path.of.setting: what to do`.
    pub fn load(paths: &[PathBuf], registry: &Registry) -> Result<Self, ConfigError> {
        let files = Files::read(paths).map_err(ConfigError)?;
        Self::of_files(&files, registry, &|name| std::env::var(name).ok())
    }

    /// Reads `text`, taking environment variables from `env`.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn parse(
        text: &str,
        format: Format,
        registry: &Registry,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::of_files(&Files::text(text, format), registry, env)
    }

    fn of_files(
        files: &Files,
        registry: &Registry,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut value = files.merged().map_err(ConfigError)?;
        let mut interpolated = Interpolated::default();
        interpolate(&mut value, "", env, &mut interpolated);
        let mut problems = interpolated.problems;
        match Self::of_value(value, registry) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => {}
            Err(found) => {
                let unset: Vec<_> = problems.iter().map(|unset| unset.path.clone()).collect();
                // A variable that is not set makes its setting wrong in other ways too.
                let follows = |problem: &Problem| unset.iter().any(|path| problem.covers(path));
                problems.extend(found.into_iter().filter(|problem| !follows(problem)));
            }
        }
        for problem in &mut problems {
            problem.message = redacted(&problem.message, &interpolated.values);
        }
        Err(ConfigError(files.located(problems)))
    }

    fn of_value(value: Value, registry: &Registry) -> Result<Self, Vec<Problem>> {
        let Read {
            settings,
            mut problems,
        } = read::<Root>(value, &[]);
        let Some(root) = settings else {
            return Err(problems);
        };
        let is_component = |path: &str| {
            ["sources", "transforms", "sinks"]
                .iter()
                .any(|kind| path.starts_with(kind))
        };
        let all_tables = !problems.iter().any(|problem| is_component(&problem.path));
        let mut config = Self {
            data_dir: root.data_dir,
            api: root.api,
            sources: BTreeMap::new(),
            transforms: BTreeMap::new(),
            sinks: BTreeMap::new(),
        };
        let mut wiring = Wiring::default();
        for (id, table) in root.sources {
            wiring.sources.insert(id.clone());
            let table = Table::new("sources", &id, table, &mut problems);
            let Some((r#type, settings, fingerprint)) = table.settings(&registry.sources) else {
                continue;
            };
            let outer = SourceOuter {
                r#type,
                config: settings,
                fingerprint,
            };
            config.sources.insert(id, outer);
        }
        for (id, table) in root.transforms {
            let mut table = Table::new("transforms", &id, table, &mut problems);
            let inputs = table.inputs();
            wiring.transforms.insert(id.clone(), inputs.clone());
            let Some((r#type, settings, fingerprint)) = table.settings(&registry.transforms) else {
                continue;
            };
            let outer = TransformOuter {
                r#type,
                inputs: inputs.unwrap_or_default(),
                config: settings,
                fingerprint,
            };
            config.transforms.insert(id, outer);
        }
        for (id, table) in root.sinks {
            let mut table = Table::new("sinks", &id, table, &mut problems);
            let inputs = table.inputs();
            wiring.sinks.insert(id.clone(), inputs.clone());
            let buffer = table.buffer();
            let Some((r#type, settings, fingerprint)) = table.settings(&registry.sinks) else {
                continue;
            };
            let outer = SinkOuter {
                r#type,
                inputs: inputs.unwrap_or_default(),
                buffer,
                config: settings,
                fingerprint,
            };
            config.sinks.insert(id, outer);
        }
        // What is not there because it is wrong would be said to be missing too.
        if all_tables {
            problems.extend(wiring.problems());
        }
        if config
            .api
            .token
            .as_ref()
            .is_some_and(|token| token.expose().is_empty())
        {
            problems.push(Problem::new("api.token", "must not be empty"));
        }
        // Either would be made, and be somewhere else than meant.
        if config.data_dir.as_os_str().is_empty() || config.data_dir.starts_with("~") {
            problems.push(Problem::new(
                "data_dir",
                "must name a directory; ~ is not replaced",
            ));
        }
        problems.extend(config.contended_resources());
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }

    fn contended_resources(&self) -> Vec<Problem> {
        let resources = self.resources();
        let mut problems = Vec::new();
        for (number, (holder, resource)) in resources.iter().enumerate() {
            let mut before = resources[..number].iter();
            if let Some((other, _)) = before.find(|(_, held)| held.excludes(resource)) {
                let advice = format!("{resource} is already used by {other}");
                problems.push(Problem::new(holder, advice));
            }
        }
        problems
    }

    /// What components hold exclusively, and who.
    pub fn resources(&self) -> Vec<(String, Resource)> {
        let of_components = self.components().flat_map(|component| {
            let resources = component.config.resources().into_iter();
            resources.map(move |resource| (component.to_string(), resource))
        });
        let api = ("api".to_owned(), Resource::Port(self.api.address));
        of_components.chain([api]).collect()
    }
}

/// `text` without the strings that came from the environment, also as `{:?}` would write them. Short ones are no secrets, and
/// stand in other words.
fn redacted(text: &str, values: &[String]) -> String {
    let secrets = values.iter().filter(|value| value.len() >= 8);
    secrets.fold(text.to_owned(), |text, value| {
        text.replace(value.as_str(), "…")
            .replace(&value.escape_debug().to_string(), "…")
    })
}
