//! JSON in which a key stands once in its table. serde_json would take the last of several, and TOML and YAML refuse them too.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::problem::{Problem, joined};
use super::read::{path_of, steps};

/// What `text` says.
///
/// # Errors
/// What is wrong, and on which line.
pub(super) fn parse(text: &str) -> Result<Value, (usize, String)> {
    let broken = |error: &serde_json::Error| {
        let message = error.to_string();
        let (what, _) = message.rsplit_once(" at line ").unwrap_or((&message, ""));
        (error.line(), what.to_owned())
    };
    // As the parsers of TOML and YAML do with what some editors of Windows begin a file with.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut json = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (line, what) = broken(error.inner());
        if !error.inner().is_data() {
            return (line, format!("not JSON: {what}"));
        }
        let path = joined(&path_of(&steps(error.path())), &what);
        let problem = Problem::new(path, "stands twice; take one of the two away");
        (line, problem.to_string())
    });
    let Once(value) = read?;
    json.end().map_err(|error| {
        let (line, what) = broken(&error);
        (line, format!("not JSON: {what}"))
    })?;
    Ok(value)
}

/// Any value. Its one error of its own is the key that stands twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut table = Map::new();
        while let Some(key) = map.next_key()? {
            if table.contains_key(&key) {
                return Err(A::Error::custom(key));
            }
            let Once(value) = map.next_value()?;
            table.insert(key, value);
        }
        Ok(Once(table.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Once, A::Error> {
        let mut items = Vec::new();
        while let Some(Once(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Once(items.into()))
    }
}
