use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use landfall_core::{Component, Resource, SinkConfig, SourceConfig, TransformConfig};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::BufferConfig;
use crate::interpolate::{Interpolated, interpolate};
use crate::registry::{Registry, read};

/// A configuration that has been read and found free of contradictions.
#[derive(Debug)]
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

/// Tells whether a component's own settings, `type` included, are still the same. It does not give them away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(r#type: &str, settings: &Value) -> Self {
        let digest = Sha256::new().chain_update(r#type).chain_update([0]);
        Self(digest.chain_update(settings.to_string()).finalize().into())
    }
}

/// Where health and metrics are served.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// The listening address: `127.0.0.1:8686`.
    pub address: SocketAddr,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 8686).into(),
        }
    }
}

/// The languages in which a configuration can be written. All have the same shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_data_dir")]
    data_dir: PathBuf,
    #[serde(default)]
    api: ApiConfig,
    #[serde(default)]
    sources: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    transforms: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    sinks: BTreeMap<String, Map<String, Value>>,
}

fn default_data_dir() -> PathBuf {
    "./landfall-data".into()
}

impl Config {
    /// Reads the file at `path`, in the format that its extension names, with the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn load(path: &Path, registry: &Registry) -> Result<Self, ConfigError> {
        let one = |problem: String| ConfigError(vec![format!("{}: {problem}", path.display())]);
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Format::Toml,
            Some("yaml" | "yml") => Format::Yaml,
            Some("json") => Format::Json,
            _ => return Err(one("name it .toml, .yaml, .yml or .json".to_owned())),
        };
        let text = std::fs::read_to_string(path).map_err(|e| one(format!("cannot read: {e}")))?;
        Self::parse(&text, format, registry, &|name| std::env::var(name).ok())
            .map_err(|error| ConfigError(with_prefix(&format!("{}: ", path.display()), error.0)))
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
        let mut value = parse_value(text, format).map_err(|problem| ConfigError(vec![problem]))?;
        let mut interpolated = Interpolated::default();
        interpolate(&mut value, "", env, &mut interpolated);
        if !interpolated.problems.is_empty() {
            return Err(ConfigError(interpolated.problems));
        }
        Self::from_value(value, registry)
            .map_err(|error| ConfigError(redacted(error.0, &interpolated.values)))
    }

    fn from_value(value: Value, registry: &Registry) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        if !value.is_object() {
            return Err(ConfigError(vec![
                "the file must hold a table with sources and sinks".to_owned(),
            ]));
        }
        let file: File = read(value).map_err(|error| {
            ConfigError(vec![error.trim_start_matches(['.', ':', ' ']).to_owned()])
        })?;

        let mut config = Self {
            data_dir: file.data_dir,
            api: file.api,
            sources: BTreeMap::new(),
            transforms: BTreeMap::new(),
            sinks: BTreeMap::new(),
        };
        let mut all_read = true;
        let mut failed = |kind, id, problem| {
            all_read = false;
            format!("{kind}.{id}{problem}")
        };
        for (id, table) in file.sources {
            match read_source(table, registry) {
                Ok(source) => {
                    let found = source.config.validate();
                    problems.extend(with_prefix(&format!("sources.{id}."), found));
                    config.sources.insert(id, source);
                }
                Err(problem) => problems.push(failed("sources", id, problem)),
            }
        }
        for (id, table) in file.transforms {
            match read_transform(table, registry) {
                Ok(transform) => {
                    let found = transform.config.validate();
                    problems.extend(with_prefix(&format!("transforms.{id}."), found));
                    config.transforms.insert(id, transform);
                }
                Err(problem) => problems.push(failed("transforms", id, problem)),
            }
        }
        for (id, table) in file.sinks {
            match read_sink(table, registry) {
                Ok(sink) => {
                    let mut found = sink.buffer.problems();
                    found.extend(sink.config.validate());
                    problems.extend(with_prefix(&format!("sinks.{id}."), found));
                    config.sinks.insert(id, sink);
                }
                Err(problem) => problems.push(failed("sinks", id, problem)),
            }
        }
        // With a component missing, the wiring would only show the same mistake again.
        if all_read {
            problems.extend(config.wiring_problems());
        }
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(problems))
        }
    }

    fn wiring_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.sources.is_empty() {
            problems.push("sources: there is none, so nothing could be received".to_owned());
        }
        for id in self.sources.keys() {
            if self.transforms.contains_key(id) {
                problems.push(format!(
                    "transforms.{id}: a source has this name already, so inputs could mean either"
                ));
            }
            if !self.is_input(id) {
                problems.push(format!(
                    "sources.{id}: no sink has it among its inputs, so its events would be lost"
                ));
            }
        }
        for id in self.transforms.keys() {
            if !self.is_input(id) {
                problems.push(format!(
                    "transforms.{id}: no sink has it among its inputs, so its events would be lost"
                ));
            }
            if self.leads_back(id) {
                problems.push(format!(
                    "transforms.{id}.inputs: it would get its own events"
                ));
            }
        }
        let inputs = self.inputs();
        for (holder, inputs) in inputs {
            if inputs.is_empty() {
                problems.push(format!("{holder}.inputs: name at least one source"));
            }
            for (index, input) in inputs.iter().enumerate() {
                if inputs[..index].contains(input) {
                    problems.push(format!("{holder}.inputs: \"{input}\" is there twice"));
                }
                if !self.sources.contains_key(input) && !self.transforms.contains_key(input) {
                    problems.push(format!(
                        "{holder}.inputs: there is no source or transform \"{input}\""
                    ));
                }
            }
        }
        for id in self.sinks.keys().filter(|id| !is_name(id)) {
            problems.push(format!("sinks.{id}: use letters, digits, - and _ in names"));
        }
        problems.extend(self.contended_resources());
        problems
    }

    /// Everything that has inputs, with them.
    fn inputs(&self) -> impl Iterator<Item = (String, &[String])> {
        let transforms = self.transforms.iter();
        let transforms = transforms.map(|(id, outer)| (format!("transforms.{id}"), &*outer.inputs));
        let sinks = self.sinks.iter();
        transforms.chain(sinks.map(|(id, outer)| (format!("sinks.{id}"), &*outer.inputs)))
    }

    fn is_input(&self, id: &String) -> bool {
        self.inputs().any(|(_, inputs)| inputs.contains(id))
    }

    /// Whether transform `id` is among what it gets events from.
    fn leads_back(&self, id: &String) -> bool {
        let mut before: Vec<&String> = Vec::new();
        let mut next = vec![id];
        while let Some(id_before) = next.pop() {
            let outer = self.transforms.get(id_before);
            for input in outer.into_iter().flat_map(|outer| &outer.inputs) {
                if input == id {
                    return true;
                }
                if !before.contains(&input) {
                    before.push(input);
                    next.push(input);
                }
            }
        }
        false
    }

    fn contended_resources(&self) -> Vec<String> {
        let mut holders = HashMap::new();
        let mut problems = Vec::new();
        for (holder, resource) in self.resources() {
            // Port 0 is a different free port each time.
            if matches!(&resource, Resource::Port(address) if address.port() == 0) {
                continue;
            }
            let text = resource.to_string();
            if let Some(other) = holders.insert(resource, holder.clone()) {
                problems.push(format!("{holder}: {text} is already used by {other}"));
            }
        }
        problems
    }

    /// What components hold exclusively, and who.
    pub(crate) fn resources(&self) -> Vec<(String, Resource)> {
        let mut resources = Vec::new();
        let mut held = |holder: String, component: &dyn Component| {
            let of_component = component.resources().into_iter();
            resources.extend(of_component.map(|resource| (holder.clone(), resource)));
        };
        for (id, source) in &self.sources {
            held(format!("sources.{id}"), &*source.config);
        }
        for (id, sink) in &self.sinks {
            held(format!("sinks.{id}"), &*sink.config);
        }
        resources.push(("api".to_owned(), Resource::Port(self.api.address)));
        resources
    }
}

/// A sink's name is also the name of its folder in `data_dir`.
fn is_name(id: &str) -> bool {
    !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn read_source(mut table: Map<String, Value>, registry: &Registry) -> Result<SourceOuter, String> {
    let r#type = take_type(&mut table)?;
    let settings = Value::Object(table);
    Ok(SourceOuter {
        fingerprint: Fingerprint::of(&r#type, &settings),
        config: registry.read_source(&r#type, settings)?,
        r#type,
    })
}

fn read_transform(
    mut table: Map<String, Value>,
    registry: &Registry,
) -> Result<TransformOuter, String> {
    let r#type = take_type(&mut table)?;
    let inputs = take_inputs(&mut table)?;
    let settings = Value::Object(table);
    Ok(TransformOuter {
        inputs,
        fingerprint: Fingerprint::of(&r#type, &settings),
        config: registry.read_transform(&r#type, settings)?,
        r#type,
    })
}

fn read_sink(mut table: Map<String, Value>, registry: &Registry) -> Result<SinkOuter, String> {
    let r#type = take_type(&mut table)?;
    let inputs = take_inputs(&mut table)?;
    let buffer = table
        .remove("buffer")
        .unwrap_or_else(|| Value::Object(Map::new()));
    let settings = Value::Object(table);
    Ok(SinkOuter {
        inputs,
        buffer: read(buffer).map_err(|problem| format!(".buffer{problem}"))?,
        fingerprint: Fingerprint::of(&r#type, &settings),
        config: registry.read_sink(&r#type, settings)?,
        r#type,
    })
}

fn take_inputs(table: &mut Map<String, Value>) -> Result<Vec<String>, String> {
    let inputs = table
        .remove("inputs")
        .unwrap_or_else(|| Value::Array(Vec::new()));
    read(inputs).map_err(|problem| format!(".inputs{problem}"))
}

fn take_type(table: &mut Map<String, Value>) -> Result<String, String> {
    match table.remove("type") {
        Some(Value::String(kind)) => Ok(kind),
        Some(_) => Err(".type: must be a string".to_owned()),
        None => Err(".type: say what kind of component this is".to_owned()),
    }
}

fn parse_value(text: &str, format: Format) -> Result<Value, String> {
    match format {
        // The full error would quote the line, and with it a secret that stands there.
        Format::Toml => toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().and_then(|span| text.get(..span.start));
            let line = line.map_or(1, |before| before.matches('\n').count() + 1);
            format!("line {line}: not TOML: {}", error.message())
        }),
        Format::Yaml => serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            format!("line {line}: not YAML")
        }),
        Format::Json => serde_json::from_str(text).map_err(|error| format!("not JSON: {error}")),
    }
}

/// `problems` without the strings that came from the environment. Short ones are no secrets, and stand in other words.
fn redacted(problems: Vec<String>, values: &[String]) -> Vec<String> {
    let redact = |problem: String| {
        let secrets = values.iter().filter(|value| value.len() >= 8);
        secrets.fold(problem, |problem, value| {
            problem.replace(value.as_str(), "…")
        })
    };
    problems.into_iter().map(redact).collect()
}

fn with_prefix(prefix: &str, problems: Vec<String>) -> Vec<String> {
    problems
        .into_iter()
        .map(|problem| format!("{prefix}{problem}"))
        .collect()
}
