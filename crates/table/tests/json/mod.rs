//! JSON as a `Value` that can also hold what `Value` cannot: numbers as they are written, and strings that are not Unicode.

use serde_json::Value;

/// Begins a string that stands for the JSON text behind it.
const LITERAL: char = '\u{1}';

/// The value that is written as `text`: a number of any form or a string with half a surrogate pair.
pub(crate) fn literal(text: &str) -> Value {
    Value::String(format!("{LITERAL}{text}"))
}

/// The text of a literal.
pub(crate) fn as_literal(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(LITERAL)
}

/// How a value is written. The text of a value is the same wherever the value stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) spaced: bool,
    /// All characters that are not ASCII as `\u` escapes, and so the first letter of each string.
    pub(crate) escaped: bool,
    pub(crate) reversed: bool,
}

impl Style {
    pub(crate) fn write(self, value: &Value) -> String {
        let blank = if self.spaced { " " } else { "" };
        let join = |mut parts: Vec<String>| {
            if self.reversed {
                parts.reverse();
            }
            parts.join(&format!("{blank},{blank}"))
        };
        match value {
            Value::Object(members) => {
                let member = |(key, value): (&String, &Value)| {
                    let (key, value) = (self.text(key), self.write(value));
                    format!("{key}{blank}:{blank}{value}")
                };
                format!("{{{blank}{}}}", join(members.iter().map(member).collect()))
            }
            Value::Array(elements) => {
                let elements: Vec<_> = elements.iter().map(|value| self.write(value)).collect();
                format!("[{}{blank}]", elements.join(","))
            }
            Value::String(text) => as_literal(value).map_or_else(|| self.text(text), str::to_owned),
            other => other.to_string(),
        }
    }

    fn text(self, text: &str) -> String {
        if !self.escaped {
            return Value::from(text).to_string();
        }
        let is_plain = |index, unit: u16| {
            index > 0 && matches!(unit, 0x20..0x7F) && unit != 0x22 && unit != 0x5C
        };
        let units = text
            .encode_utf16()
            .enumerate()
            .map(|(index, unit)| match u8::try_from(unit) {
                Ok(byte) if is_plain(index, unit) => char::from(byte).to_string(),
                _ => format!("\\u{unit:04x}"),
            });
        format!("\"{}\"", units.collect::<String>())
    }
}
