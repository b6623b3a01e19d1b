//! JSON texts, byte by byte. All of it is given texts that serde_json has found to be JSON.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer as _, Error, Visitor};

/// From `at` on, the first place that is no white space.
pub(crate) fn skip_space(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        .count()
}

/// The string, number, boolean or null that begins at `at`.
pub(crate) fn leaf(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.as_bytes().get(at..)?;
    let length = if rest.first() == Some(&b'"') {
        let mut escaped = false;
        let closes = |byte: &u8| {
            let closes = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            closes
        };
        rest.iter().skip(1).position(closes)? + 2
    } else {
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
        rest.iter().position(ends).unwrap_or(rest.len())
    };
    (length > 0).then_some(at..at + length)
}

/// What a string says, or the text of any other value. Halves of surrogate pairs, which no text can hold, are replaced.
pub(crate) fn content(raw: &str) -> std::borrow::Cow<'_, str> {
    use std::borrow::Cow;
    let Some(inner) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) else {
        return Cow::Borrowed(raw);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let bytes = serde_json::Deserializer::from_str(raw).deserialize_bytes(Unescaped);
    Cow::Owned(bytes.map_or_else(
        |_| inner.to_owned(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    ))
}

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// serde_json gives strings with half a surrogate pair as bytes alone.
struct Unescaped;

impl Visitor<'_> for Unescaped {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}
