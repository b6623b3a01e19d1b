use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A value that must never be shown: its `Debug` form is `Secret(..)` and it has no `Display` form.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this secret. The time that takes depends on the length of `given` alone, so that nobody can
    /// guess a secret byte by byte.
    pub fn matches(&self, given: &[u8]) -> bool {
        // Digests are of one length: comparing the texts would tell the secret's.
        let [own, given] = [self.0.as_bytes(), given].map(Sha256::digest);
        own.ct_eq(&given).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Reads one secret. The errors of serde would quote what stands in the wrong place; these do not.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(secret) => Ok(Self(secret)),
            _ => Err(D::Error::custom("a secret must be a string")),
        }
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// Reads a list of secrets, or one alone.
///
/// # Errors
/// When it is neither a string nor a list of strings.
pub fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    let values = match Value::deserialize(deserializer)? {
        Value::Array(values) => values,
        value => vec![value],
    };
    values
        .into_iter()
        .map(|value| Secret::deserialize(value).map_err(D::Error::custom))
        .collect()
}

/// The schema of what [`secrets`] reads, for `#[schemars(schema_with = "…")]`.
pub fn secrets_schema(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<Secret>();
    json_schema!({ "anyOf": [{ "type": "array", "items": one }, one], "default": [] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_and_nothing_else() {
        let secret = Secret::new("s3cret");
        assert!(secret.matches(b"s3cret"));
        for other in ["", "s3cre", "s3crets", "S3cret", "s3cret\0"] {
            assert!(!secret.matches(other.as_bytes()), "{other:?}");
        }
    }
}
