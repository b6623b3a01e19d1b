//! The settings that a JSON Schema describes, one after the other: for tables in documents, and for examples.

use serde::Serialize;
use serde_json::Value;

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Setting {
    /// Its path within the schema, such as `batch.max_events`, or `accounts[].id` in each table of a list.
    pub name: String,
    /// What kind of value it takes, such as `integer` or `list of strings`.
    pub r#type: String,
    /// Whether what it stands in needs it.
    pub is_required: bool,
    /// What it is when it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What it could be, where it has no default with which anything would work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Value>,
    /// What it is, with its unit.
    pub description: String,
    /// The values that it can have, and what each means, if these are all that there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<(String, String)>,
}

/// All settings of `schema`, those in tables within it included.
pub fn settings(schema: &Value) -> Vec<Setting> {
    let mut settings = Vec::new();
    add_settings(schema, "", &Value::Null, &mut settings);
    settings
}

/// Adds the settings of a table, of which `example` is one if it is any.
fn add_settings(schema: &Value, parent: &str, example: &Value, settings: &mut Vec<Setting>) {
    let required = schema["required"].as_array();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let name = format!("{parent}{key}");
        let is_required = required.is_some_and(|required| required.iter().any(|name| name == key));
        let what = without_null(property);
        let example = property["examples"].get(0).unwrap_or(&example[key]);
        // A table that is always there is only the place of what it holds.
        if what.get("properties").is_none() || is_nullable(property) {
            settings.push(Setting {
                is_required,
                r#type: type_of(what),
                default: property.get("default").cloned(),
                example: Some(example).filter(|example| !example.is_null()).cloned(),
                description: description(property, what),
                choices: choices(what),
                name: name.clone(),
            });
        }
        add_settings(what, &format!("{name}."), example, settings);
        add_settings(
            &what["items"],
            &format!("{name}[]."),
            &Value::Null,
            settings,
        );
        for variant in what["oneOf"].as_array().into_iter().flatten() {
            add_variant(variant, &format!("{name}."), settings);
        }
    }
}

/// Adds the settings of one of several forms that a table can have; those that it shares with the others are there already.
fn add_variant(variant: &Value, parent: &str, settings: &mut Vec<Setting>) {
    let mut of_variant = Vec::new();
    add_settings(variant, parent, &Value::Null, &mut of_variant);
    for mut setting in of_variant {
        // What tells the forms apart means what the form is.
        for (_, meaning) in &mut setting.choices {
            if meaning.is_empty() {
                *meaning = description(variant, variant);
            }
        }
        match settings.iter_mut().find(|known| known.name == setting.name) {
            Some(known) => known.choices.extend(setting.choices),
            None => settings.push(setting),
        }
    }
}

/// The schema of what a setting is when it is set.
fn without_null(schema: &Value) -> &Value {
    match schema["anyOf"].as_array().map(Vec::as_slice) {
        Some([one, null]) if null["type"] == "null" => one,
        _ => schema,
    }
}

fn is_nullable(schema: &Value) -> bool {
    let is_null = |one: &Value| one == "null";
    !std::ptr::eq(without_null(schema), schema)
        || schema["type"]
            .as_array()
            .is_some_and(|types| types.iter().any(is_null))
}

fn description(property: &Value, what: &Value) -> String {
    let of = |schema: &Value| Some(schema["description"].as_str()?.to_owned());
    of(property).or_else(|| of(what)).unwrap_or_default()
}

fn type_of(schema: &Value) -> String {
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => Vec::from_iter(one.as_str()),
    };
    let types: Vec<_> = types.into_iter().filter(|one| *one != "null").collect();
    match types.as_slice() {
        ["string"] if schema["writeOnly"] == true => "secret".to_owned(),
        ["array"] => format!("list of {}s", type_of(&schema["items"])),
        ["object"] => match schema.get("additionalProperties") {
            Some(inner) if inner["type"] == "object" => "table of tables".to_owned(),
            Some(Value::Object(_)) => "table of strings".to_owned(),
            _ => "table".to_owned(),
        },
        [] => match variants(schema) {
            [first, ..] => type_of(first),
            [] if schema.get("const").is_some() || schema.get("enum").is_some() => {
                "string".to_owned()
            }
            [] => "any".to_owned(),
        },
        types => types.join(" or "),
    }
}

fn variants(schema: &Value) -> &[Value] {
    let variants = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    variants.map_or(&[], Vec::as_slice)
}

fn choices(schema: &Value) -> Vec<(String, String)> {
    let plain = schema["enum"].as_array().into_iter().flatten();
    let plain = plain.filter_map(|value| Some((value.as_str()?.to_owned(), String::new())));
    let own = schema["const"]
        .as_str()
        .map(|value| (value.to_owned(), String::new()));
    let described = variants(schema).iter().filter_map(|variant| {
        let value = variant["const"].as_str()?;
        Some((value.to_owned(), description(variant, variant)))
    });
    own.into_iter().chain(plain).chain(described).collect()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;
    use crate::schema::schema_of;

    /// A telegraph.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is of interest")]
    struct Telegraph {
        /// How fast,
        /// in words a minute.
        #[schemars(extend("default" = 20))]
        speed: u32,
        /// Which code.
        code: Option<Code>,
        /// Who else listens.
        #[schemars(example = ["x"])]
        others: Vec<String>,
        /// The key to the room.
        key: Option<landfall_core::Secret>,
        #[schemars(example = std::collections::BTreeMap::from([("metal", "iron")]))]
        line: Line,
        spare: Option<Line>,
        /// Who may telegraph.
        auth: Option<Auth>,
    }

    /// A wire.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is of interest")]
    struct Line {
        /// Its metal.
        metal: String,
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is of interest")]
    enum Code {
        /// Morse's.
        Morse,
        /// Baudot's.
        Baudot,
    }

    #[derive(JsonSchema)]
    #[schemars(tag = "strategy", rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is of interest")]
    enum Auth {
        /// A name alone.
        Basic {
            /// A name.
            user: String,
        },
        Token {
            /// A word.
            token: String,
        },
    }

    #[test]
    fn a_schema_tells_each_setting_with_its_type_and_default() {
        let lines: Vec<_> = settings(&schema_of::<Telegraph>())
            .iter()
            .map(|setting| {
                let Setting {
                    name,
                    r#type,
                    default,
                    example,
                    description,
                    choices,
                    is_required,
                } = setting;
                let required = if *is_required { "!" } else { "" };
                let given = default.as_ref().or(example.as_ref());
                let given = given.map(ToString::to_string).unwrap_or_default();
                let choices = choices
                    .iter()
                    .map(|(name, meaning)| format!("{name}={meaning}"));
                let choices: Vec<_> = choices.collect();
                format!(
                    "{name}{required}: {type} [{given}] {description} {}",
                    choices.join("|")
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                "auth: table [] Who may telegraph. ",
                "auth.strategy!: string []  basic=A name alone.|token=",
                "auth.user!: string [] A name. ",
                "auth.token!: string [] A word. ",
                "code: string [] Which code. morse=Morse's.|baudot=Baudot's.",
                "key: secret [] The key to the room. ",
                "line.metal!: string [\"iron\"] Its metal. ",
                "others!: list of strings [[\"x\"]] Who else listens. ",
                "spare: table [] A wire. ",
                "spare.metal!: string [] Its metal. ",
                "speed!: integer [20] How fast, in words a minute. ",
            ]
        );
    }
}
