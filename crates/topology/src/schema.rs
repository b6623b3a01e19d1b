//! The JSON Schema of a configuration, for editors and whoever else would check one or write one.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::config::Root;
use crate::{BufferConfig, Registry};

/// A reference to the environment, which stands for anything. JSON Schema sees it before it is replaced.
const VARIABLE: &str = r"\$\{[^}]+\}";

/// The kinds of component, with what the configuration calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It receives events.
    Source,
    /// It changes events.
    Transform,
    /// It lands events.
    Sink,
}

impl Kind {
    /// `source`, `transform` or `sink`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }

    /// The table of the configuration that holds such components: `sources`, `transforms` or `sinks`.
    pub fn table(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Transform => "transforms",
            Self::Sink => "sinks",
        }
    }
}

/// A type of component that a configuration can name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ComponentType {
    /// What kind of component it is.
    pub kind: Kind,
    /// What it is called in a configuration.
    pub name: &'static str,
    /// The JSON Schema of its table in a configuration, but for `type`.
    pub schema: Value,
}

impl ComponentType {
    /// What it does, in a sentence.
    pub fn summary(&self) -> &str {
        let description = self.schema["description"].as_str().unwrap_or_default();
        let end = description
            .find(". ")
            .map_or(description.len(), |end| end + 1);
        &description[..end]
    }
}

impl Registry {
    /// All types of component, sources first.
    pub fn component_types(&self) -> Vec<ComponentType> {
        let of = |kind| {
            move |(name, mut schema): (&'static str, Value)| {
                add_outer_settings(kind, &mut schema);
                ComponentType { kind, name, schema }
            }
        };
        let sources = self.sources.schemas().map(of(Kind::Source));
        let transforms = self.transforms.schemas().map(of(Kind::Transform));
        let sinks = self.sinks.schemas().map(of(Kind::Sink));
        sources.chain(transforms).chain(sinks).collect()
    }

    /// The JSON Schema (draft 2020-12) of a configuration with these types of component.
    ///
    /// Wherever a setting is no string, it also takes one with a reference to the environment, such as `"${PORT}"`.
    pub fn schema(&self) -> Value {
        let mut schema = general_schema();
        let types = self.component_types();
        for kind in [Kind::Source, Kind::Transform, Kind::Sink] {
            let one_of: Vec<_> = types
                .iter()
                .filter(|r#type| r#type.kind == kind)
                .map(with_type)
                .collect();
            // An empty choice is no schema.
            let components = if one_of.is_empty() {
                json!(false)
            } else {
                json!({ "oneOf": one_of })
            };
            schema["properties"][kind.table()]["additionalProperties"] = components;
        }
        allow_variables(&mut schema);
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["title"] = json!("Configuration of Landfall");
        schema["description"] =
            json!("What Landfall receives, what it changes, and where it lands it.");
        // How an editor is told of the schema by the file itself.
        schema["properties"]["$schema"] = json!({ "type": "string" });
        schema
    }
}

/// The schema of everything beside the components.
pub fn general_schema() -> Value {
    schema_of::<Root>()
}

/// The schema of settings, in one piece.
pub(crate) fn schema_of<C: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<C>();
    schema.remove("title");
    let mut schema = schema.to_value();
    tidy(&mut schema);
    schema
}

/// Takes away what only says how the settings are written in Rust.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(table) => {
            if let Some(Value::String(description)) = table.get_mut("description") {
                let paragraphs = description
                    .split("\n\n")
                    .map(|text| text.replace('\n', " "));
                *description = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
            // Nothing: it is simply not set.
            if table.get("default").is_some_and(Value::is_null) {
                table.remove("default");
            }
            table.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Adds the settings that stand in a component's table and are not its own.
fn add_outer_settings(kind: Kind, schema: &mut Value) {
    let Value::Object(schema) = schema else {
        return;
    };
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if kind != Kind::Source {
        properties["inputs"] = json!({
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "uniqueItems": true,
            "description": "The names of the sources and transforms whose events it gets.",
        });
        let required = schema.entry("required").or_insert_with(|| json!([]));
        if let Value::Array(required) = required {
            required.push(json!("inputs"));
        }
    }
    if kind == Kind::Sink {
        let buffer = schema_of::<BufferConfig>();
        schema["properties"]["buffer"] = buffer;
    }
}

/// The schema of a component of this type, `type` included.
fn with_type(r#type: &ComponentType) -> Value {
    let mut schema = r#type.schema.clone();
    schema["title"] = json!(r#type.name);
    schema["properties"]["type"] = json!({
        "const": r#type.name,
        "description": r#type.summary(),
    });
    let mut required = schema["required"].as_array().cloned().unwrap_or_default();
    required.insert(0, json!("type"));
    schema["required"] = json!(required);
    schema
}

/// Lets everything that is no string also be one with a reference to the environment.
fn allow_variables(schema: &mut Value) {
    match schema {
        Value::Object(table) => {
            for (key, value) in table.iter_mut() {
                // What these hold are values, not schemas.
                if !matches!(
                    key.as_str(),
                    "default" | "const" | "enum" | "examples" | "required"
                ) {
                    allow_variables(value);
                }
            }
            allow_variable(table);
        }
        Value::Array(items) => items.iter_mut().for_each(allow_variables),
        _ => {}
    }
}

fn allow_variable(schema: &mut Map<String, Value>) {
    let types = match schema.get("type") {
        Some(Value::String(one)) => vec![json!(one)],
        Some(Value::Array(several)) => several.clone(),
        _ => Vec::new(),
    };
    let written = |literal: &str| format!(r"^\s*({literal})\s*$|{VARIABLE}");
    let pattern = if types.iter().any(|one| one == "integer" || one == "number") {
        // Numbers may be quoted too, as they are once a variable is replaced.
        written(r"[-+]?[0-9.eE+-]+")
    } else if types.iter().any(|one| one == "boolean") {
        written("true|false")
    } else if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let choices = json!({ "enum": choices });
        schema.remove("enum");
        schema.insert(
            "anyOf".to_owned(),
            json!([choices, { "pattern": VARIABLE }]),
        );
        return;
    } else {
        let is_choice = |one: &Value| one.get("const").is_some_and(Value::is_string);
        if let Some(Value::Array(one_of)) = schema.get_mut("oneOf")
            && one_of.iter().all(is_choice)
        {
            one_of.push(json!({ "type": "string", "pattern": VARIABLE }));
        }
        return;
    };
    if !types.iter().any(|one| one == "string") {
        let types: Vec<_> = types.into_iter().chain([json!("string")]).collect();
        schema.insert("type".to_owned(), json!(types));
        schema.insert("pattern".to_owned(), json!(pattern));
    }
}
