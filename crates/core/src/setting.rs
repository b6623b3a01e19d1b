//! How settings are read, so that every component reads them alike.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a number or a boolean that may also be written as a string, as `"${PORT}"` is after substitution.
///
/// # Errors
/// When it is neither. The value is not shown: a secret may stand in the wrong place.
pub fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + serde::de::DeserializeOwned,
    T::Err: Display,
{
    match Value::deserialize(deserializer)? {
        Value::String(text) => text.trim().parse().map_err(|error| {
            // What serde would expect says more than that a digit is wrong, and nothing quotes the string.
            match T::deserialize(Value::Null) {
                Err(expectation) => D::Error::custom(expectation),
                Ok(_) => D::Error::custom(error),
            }
        }),
        other => T::deserialize(other).map_err(D::Error::custom),
    }
}

/// [`lenient`] for a setting that may be absent.
///
/// # Errors
/// As [`lenient`].
pub fn lenient_option<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + serde::de::DeserializeOwned,
    T::Err: Display,
{
    lenient(deserializer).map(Some)
}

/// Reads a table of strings in which numbers and booleans may stand bare (`allow_http = true`).
///
/// # Errors
/// Names the key whose value is a list or a table. Values are never shown: they may be credentials.
pub fn string_map<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let table = BTreeMap::<String, Value>::deserialize(deserializer)?;
    table
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            Value::Bool(_) | Value::Number(_) => Ok((key, value.to_string())),
            _ => Err(D::Error::custom(format!("{key} must be a string"))),
        })
        .collect()
}

/// The schema of what [`string_map`] reads, for `#[schemars(schema_with = "…")]`.
pub fn string_map_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
        "default": {},
    })
}

/// What is wrong with a length of time that no clock can count to; `None` when it is at most ten years.
pub fn too_long(setting: &str, secs: u64) -> Option<String> {
    const TEN_YEARS: u64 = 10 * 366 * 24 * 60 * 60;
    (secs > TEN_YEARS).then(|| format!("{setting}: must be at most {TEN_YEARS}, ten years"))
}
