//! One pass over a JSON object that keeps the raw text of the values at known paths.
//!
//! Raw text makes the pass cheap and lossless: no string is copied or unescaped, no number is rounded, and a number too
//! large for any type or a broken surrogate fails the conversion of its own column at most.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Paths into a JSON object, compiled once, to be read from many.
#[derive(Debug)]
pub struct Paths<const N: usize>(Node);

impl<const N: usize> Paths<N> {
    /// Compiles dotted `paths`. A path that leads through an object comes after the path of that object.
    ///
    /// # Panics
    /// If it does not: paths are constants, and the first use finds it out.
    pub fn new(paths: [&'static str; N]) -> Self {
        let mut root = Node::default();
        for (slot, path) in paths.into_iter().enumerate() {
            root.insert(path, slot);
        }
        Self(root)
    }

    /// Reads the object `text` and returns the raw text of the value at each path.
    ///
    /// A value that is absent or null gives `None`. Where paths lead through a value, it gives `None` if it is an
    /// object and its raw text if it is anything else. The last of equal keys counts, with all that is below it.
    ///
    /// # Errors
    /// If `text` is not one JSON object.
    pub fn read<'a>(&self, text: &'a str) -> Result<[Option<&'a str>; N], serde_json::Error> {
        let mut slots = [None; N];
        let mut json = serde_json::Deserializer::from_str(text);
        let walk = Walk {
            text,
            node: &self.0,
            slots: &mut slots,
        };
        walk.deserialize(&mut json)?;
        json.end()?;
        Ok(slots)
    }
}

/// An object that paths lead into.
#[derive(Debug, Default)]
struct Node {
    /// The keys of interest by their length: most unknown keys are dismissed without a comparison.
    by_length: Vec<Vec<Edge>>,
}

#[derive(Debug)]
struct Edge {
    key: &'static str,
    slot: usize,
    /// The object behind the key; empty if the value is taken whole.
    node: Node,
    /// The slots of all paths that lead through the key.
    below: Vec<usize>,
}

impl Node {
    fn insert(&mut self, path: &'static str, slot: usize) {
        let (key, rest) = path.split_once('.').unwrap_or((path, ""));
        if self.by_length.len() <= key.len() {
            self.by_length.resize_with(key.len() + 1, Vec::new);
        }
        let edges = &mut self.by_length[key.len()];
        match edges.iter_mut().find(|edge| edge.key == key) {
            Some(edge) => {
                edge.below.push(slot);
                edge.node.insert(rest, slot);
            }
            None => {
                assert!(rest.is_empty(), "{key} must be listed before {path}");
                edges.push(Edge {
                    key,
                    slot,
                    node: Self::default(),
                    below: Vec::new(),
                });
            }
        }
    }

    /// The edge for a key that is given as in the text, in quotes.
    fn edge(&self, raw_key: &str) -> Option<&Edge> {
        if raw_key.contains('\\') {
            let key: String = serde_json::from_str(raw_key).ok()?;
            self.edge_unescaped(&key)
        } else {
            self.edge_unescaped(raw_key.strip_prefix('"')?.strip_suffix('"')?)
        }
    }

    fn edge_unescaped(&self, key: &str) -> Option<&Edge> {
        let edges = self.by_length.get(key.len())?;
        edges.iter().find(|edge| edge.key == key)
    }
}

struct Walk<'w, 'a> {
    text: &'a str,
    node: &'w Node,
    slots: &'w mut [Option<&'a str>],
}

impl<'a> DeserializeSeed<'a> for Walk<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Walk<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&'a RawValue>()? {
            let Some(edge) = self.node.edge(key.get()) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            for slot in &edge.below {
                self.slots[*slot] = None;
            }
            if !edge.below.is_empty() && opens_object(self.text, key.get()) {
                self.slots[edge.slot] = None;
                map.next_value_seed(Walk {
                    text: self.text,
                    node: &edge.node,
                    slots: &mut *self.slots,
                })?;
            } else {
                let value = map.next_value::<&'a RawValue>()?.get();
                self.slots[edge.slot] = (value != "null").then_some(value);
            }
        }
        Ok(())
    }
}

/// Whether the value after `key`, which is a part of `text`, is an object.
///
/// serde cannot look ahead, and a value of another type fails the whole parse once it has been entered as an object.
fn opens_object(text: &str, key: &str) -> bool {
    let end = (key.as_ptr().addr() - text.as_ptr().addr()) + key.len();
    let value = text[end..].trim_start().strip_prefix(':');
    value.is_some_and(|value| value.trim_start().starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> [Option<&str>; 5] {
        let paths = Paths::new(["a", "a.b", "a.c", "a.c.d", "e"]);
        paths.read(text).unwrap()
    }

    #[test]
    fn values_are_captured_as_they_are_written() {
        let text = r#" { "x" : [1e999] , "e" : [ 1, {} ] , "a" : { "b" : 1e999 , "c" : { "d" : "\ud800" } } } "#;
        let expected = [
            None,
            Some("1e999"),
            None,
            Some(r#""\ud800""#),
            Some("[ 1, {} ]"),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        assert_eq!(read(r#"{"e":1,"e":2}"#)[4], Some("2"));
        assert_eq!(read(r#"{"e":1,"e":null}"#)[4], None);
    }

    #[test]
    fn a_second_object_replaces_all_of_the_first() {
        let text = r#"{"a":{"b":1,"c":{"d":2}},"a":{"c":{}}}"#;
        assert_eq!(read(text), [None; 5]);
        assert_eq!(read(r#"{"a":{"b":1},"a":null}"#), [None; 5]);
        assert_eq!(read(r#"{"a":7,"a":{"b":1}}"#)[..2], [None, Some("1")]);
    }

    #[test]
    fn a_value_that_should_be_an_object_is_kept_in_its_place() {
        assert_eq!(read(r#"{"a":{"b":1},"a":"x"}"#)[..2], [Some("\"x\""), None]);
        assert_eq!(read(r#"{"a":1e999}"#)[0], Some("1e999"));
    }

    #[test]
    fn keys_may_be_escaped_in_any_way() {
        assert_eq!(read(r#"{"\u0065":1,"\ud800":2}"#)[4], Some("1"));
    }

    #[test]
    fn depth_does_not_exhaust_the_stack() {
        let deep = format!(
            r#"{{"x":{}1{},"e":2}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(read(&deep)[4], Some("2"));
    }
}
