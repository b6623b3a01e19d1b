//! One pass over a JSON object that keeps the raw text of the values at known paths.
//!
//! Raw text makes the pass cheap and lossless: no string is copied or unescaped, no number is rounded, and a number too
//! large for any type or a broken surrogate fails the conversion of its own column at most.
//!
//! The scanner is our own, since every event pays for it: serde_json takes nearly three times as many instructions. It accepts
//! what serde_json accepts, which tests hold it to; `docs/decisions/0005-an-own-json-scanner.md` says more.

mod scan;

use serde::de::{Error as _, IgnoredAny};
use serde_json::Error;

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
    pub fn read<'a>(&self, text: &'a str) -> Result<[Option<&'a str>; N], Error> {
        let mut slots = [None; N];
        let mut walk = Walk {
            text,
            slots: &mut slots,
            entered: 0,
        };
        let end = walk.object(&self.0, 0);
        if end.is_some_and(|end| scan::space(text.as_bytes(), end) == text.len()) {
            Ok(slots)
        } else {
            Err(what_is_wrong(text))
        }
    }
}

/// Why `text` is refused. Only what is refused is worth a second pass that can say it.
#[cold]
fn what_is_wrong(text: &str) -> Error {
    let syntax = serde_json::from_str::<IgnoredAny>(text).err();
    syntax.unwrap_or_else(|| Error::custom("expected an object"))
}

/// An object that paths lead into.
#[derive(Debug, Default)]
struct Node {
    /// The keys of interest by [`bucket`]: most keys are found, or dismissed, with one comparison or none.
    buckets: Vec<Vec<Edge>>,
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
        self.buckets.resize_with(BUCKETS, Vec::new);
        let edges = &mut self.buckets[bucket(key.as_bytes())];
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

    fn edge(&self, key: scan::Key<'_>) -> Option<&Edge> {
        if key.is_plain {
            self.edge_of(key.raw)
        } else {
            self.edge_of(key.unescaped()?.as_bytes())
        }
    }

    fn edge_of(&self, key: &[u8]) -> Option<&Edge> {
        let edges = self.buckets.get(bucket(key))?;
        edges.iter().find(|edge| edge.key.as_bytes() == key)
    }
}

const BUCKETS: usize = 64;

/// Which of a node's buckets `key` is in. The factors are those that best spread the keys of events.
fn bucket(key: &[u8]) -> usize {
    let of = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(*byte));
    (key.len() + 22 * of(key.first()) + 2 * of(key.last())) % BUCKETS
}

struct Walk<'a, 's> {
    text: &'a str,
    slots: &'s mut [Option<&'a str>],
    /// A bit for each slot of which an object has been entered. Slots share bits, which means only more to clear.
    entered: u64,
}

impl Walk<'_, '_> {
    /// Reads the object that begins at `at` and gives where it has ended; `None` if there is none.
    fn object(&mut self, node: &Node, at: usize) -> Option<usize> {
        let text = self.text.as_bytes();
        let mut at = scan::symbol(text, at, b'{')?;
        if let Some(end) = scan::symbol(text, at, b'}') {
            return Some(end);
        }
        loop {
            let (end, key) = scan::key(text, at)?;
            let start = scan::space(text, end);
            let end = match node.edge(key) {
                Some(edge) => self.value(edge, start)?,
                None => scan::value(text, start)?,
            };
            let (end, has_more) = scan::after_element(text, end, b'}')?;
            if !has_more {
                return Some(end);
            }
            at = end;
        }
    }

    /// Reads the value that begins at `at`, behind the key of `edge`.
    fn value(&mut self, edge: &Edge, at: usize) -> Option<usize> {
        if !edge.below.is_empty() {
            let bit = 1 << (edge.slot % 64);
            if self.entered & bit != 0 {
                for slot in &edge.below {
                    self.slots[*slot] = None;
                }
            }
            if self.text.as_bytes().get(at) == Some(&b'{') {
                self.entered |= bit;
                self.slots[edge.slot] = None;
                return self.object(&edge.node, at);
            }
        }
        let end = scan::value(self.text.as_bytes(), at)?;
        let value = self.text.get(at..end)?;
        self.slots[edge.slot] = (value != "null").then_some(value);
        Some(end)
    }
}

#[cfg(test)]
mod tests;
