//! On which line of a file a setting stands. None of the languages' parsers says so beside the values, so that the text is
//! read once more when there is something to say about it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::Format;

/// A setting, and those within it.
#[derive(Debug, Default)]
pub(super) struct Place {
    line: usize,
    /// By name, or as `[n]` in a list.
    within: Vec<(String, Place)>,
}

impl Place {
    /// All settings of `text`; nothing if it cannot be read.
    pub(super) fn all(text: &str, format: Format) -> Self {
        match format {
            Format::Toml => DeTable::parse(text)
                .map(|table| Self::of_table(table.get_ref(), text))
                .unwrap_or_default(),
            // JSON is YAML too.
            Format::Yaml | Format::Json => serde_saphyr::from_str(text).unwrap_or_default(),
        }
    }

    /// The line of the setting at `path`, or of the innermost that there is around it, and how much of the path that is.
    pub(super) fn find(&self, path: &str) -> (usize, usize) {
        let mut place = self;
        let mut rest = path;
        while let Some((after, inner)) = place.step(rest) {
            (rest, place) = (after, inner);
        }
        (place.line, path.len() - rest.len())
    }

    /// What `path` begins with, and the path from there. Names may hold dots themselves.
    fn step<'a>(&self, path: &'a str) -> Option<(&'a str, &Self)> {
        let path = path.strip_prefix('.').unwrap_or(path);
        let mut steps = self.within.iter().filter_map(|(name, place)| {
            let rest = path.strip_prefix(name.as_str())?;
            (rest.is_empty() || rest.starts_with(['.', '['])).then_some((rest, place))
        });
        steps.next()
    }

    fn of_table(table: &DeTable<'_>, text: &str) -> Self {
        let within = table.iter().map(|(key, value)| {
            let place = Self::of_value(value.get_ref(), text);
            let line = line_at(text, key.span().start);
            (key.get_ref().to_string(), Self { line, ..place })
        });
        Self {
            line: 1,
            within: within.collect(),
        }
    }

    fn of_value(value: &DeValue<'_>, text: &str) -> Self {
        match value {
            DeValue::Table(table) => Self::of_table(table, text),
            DeValue::Array(items) => {
                let items = items.iter().enumerate();
                let within = items.map(|(index, item)| {
                    let place = Self::of_value(item.get_ref(), text);
                    let line = line_at(text, item.span().start);
                    (format!("[{index}]"), Self { line, ..place })
                });
                Self {
                    line: 1,
                    within: within.collect(),
                }
            }
            _ => Self::default(),
        }
    }
}

/// The line of a byte of `text`, counted from 1.
pub(super) fn line_at(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    before.filter(|byte| **byte == b'\n').count() + 1
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlaceVisitor)
    }
}

struct PlaceVisitor;

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Place, E> {
        Ok(Place::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Place, E> {
        Ok(Place::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Place, E> {
        Ok(Place::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Place, E> {
        Ok(Place::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Place, E> {
        Ok(Place::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Place, E> {
        Ok(Place::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Place, A::Error> {
        let mut within = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let line = key.referenced.line() as usize;
            let place: Place = map.next_value()?;
            within.push((key.value, Place { line, ..place }));
        }
        Ok(Place { line: 1, within })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Place, A::Error> {
        let mut within = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Place>>()? {
            let line = item.referenced.line() as usize;
            let index = within.len();
            within.push((format!("[{index}]"), Place { line, ..item.value }));
        }
        Ok(Place { line: 1, within })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
data_dir = "x"

[sinks.lake]
type = "parquet"
buffer.max_size = 1
batch = { max_events = 1, max_bytes = [
  1,
  2,
] }
[sinks."a.b".storage]
region = "x"
"#;

    const YAML: &str = "
data_dir: x
sinks:
  lake:
    type: parquet
    buffer: { max_size: 1 }
    batch:
      max_events: 1
      max_bytes:
        - 1
        - null
  a.b: { storage: { region: true } }
";

    const JSON: &str = r#"
{ "data_dir": "x",
  "sinks": { "lake": {
    "type": "parquet", "buffer": { "max_size": 1 },
    "batch": {
      "max_events": 1.5,
      "max_bytes": [ 1,
        -2 ] } },
	"a.b": { "storage": { "region": "x" } } }
}"#;

    #[test]
    fn every_language_tells_the_line_of_a_setting() {
        for (text, format, lines) in [
            (TOML, Format::Toml, [2, 4, 6, 7, 9, 12]),
            (YAML, Format::Yaml, [2, 4, 6, 8, 11, 12]),
            (JSON, Format::Json, [2, 3, 4, 6, 8, 9]),
        ] {
            let places = Place::all(text, format);
            let paths = [
                "data_dir",
                "sinks.lake",
                "sinks.lake.buffer.max_size",
                "sinks.lake.batch.max_events",
                "sinks.lake.batch.max_bytes[1]",
                "sinks.a.b.storage.region",
            ];
            for (path, line) in paths.into_iter().zip(lines) {
                assert_eq!(places.find(path), (line, path.len()), "{path} in {text}");
            }
            let around = "sinks.lake.batch";
            let (_, known) = places.find("sinks.lake.batch.max_files.more");
            assert_eq!(known, around.len(), "in {text}");
        }
    }
}
