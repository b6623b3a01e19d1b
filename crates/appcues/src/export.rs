//! Appcues' bulk export, a line of JSON an event, which differs from a webhook's body in a few ways.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::{Paths, convert};

/// The event of one `line` of an export, written as a webhook's body would be.
///
/// Where an export has `attributes` as a string that holds an object, that object takes the string's place. Where
/// `timestamp` is in seconds or microseconds since the epoch, told by its magnitude, it becomes milliseconds. All else stays
/// byte for byte, also what is no event at all.
///
/// ```
/// use landfall_appcues::export_to_body;
///
/// let line = r#"{"id":"1","name":"appcues:flow_started","timestamp":1684439316,"attributes":"{\"flowId\":\"a\"}"}"#;
/// let body = r#"{"id":"1","name":"appcues:flow_started","timestamp":1684439316000,"attributes":{"flowId":"a"}}"#;
/// assert_eq!(export_to_body(line), body);
/// ```
pub fn export_to_body(line: &str) -> Cow<'_, str> {
    static PATHS: LazyLock<Paths<2>> = LazyLock::new(|| Paths::new(["timestamp", "attributes"]));
    let Ok([timestamp, attributes]) = PATHS.read(line) else {
        return Cow::Borrowed(line);
    };
    let mut changes: Vec<(&str, String)> = Vec::new();
    changes.extend(timestamp.and_then(|raw| Some((raw, milliseconds(raw)?))));
    changes.extend(attributes.and_then(|raw| Some((raw, object(raw)?))));
    let at = |part: &str| part.as_ptr().addr() - line.as_ptr().addr();
    // From the end, so that what is yet to be changed stays where it is.
    changes.sort_by_key(|(raw, _)| std::cmp::Reverse(at(raw)));
    let mut body = Cow::Borrowed(line);
    for (raw, value) in changes {
        let start = at(raw);
        body.to_mut()
            .replace_range(start..start + raw.len(), &value);
    }
    body
}

/// The object that the JSON string `raw` holds.
fn object(raw: &str) -> Option<String> {
    if !raw.starts_with('"') {
        return None;
    }
    let text = convert::string(raw).ok()??;
    let is_object = Paths::new([]).read(&text).is_ok();
    is_object.then(|| text.into_owned())
}

/// The epoch time `raw` in milliseconds, if it is in another unit. Each unit's numbers end in the year 5138, where those of
/// the next are in 1973. Fractions of a millisecond are cut off, as in all times: an event is then of the same day however
/// finely its time is written.
fn milliseconds(raw: &str) -> Option<String> {
    let text = convert::string(raw).ok()??;
    let number: f64 = text.parse().ok()?;
    let micros = match number.abs() {
        ..1e11 => number * 1e6,
        1e14..1e17 => number,
        _ => return None,
    };
    Some(format!("{}", (micros.round() as i64).div_euclid(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_webhook_would_write_stays_as_it_is() {
        for line in [
            r#"{"id":"1","timestamp":1684439316293,"attributes":{"a":"{}"}}"#,
            r#"{"timestamp":"2023-05-18T19:48:36Z"}"#,
            r#"{"timestamp":null,"attributes":null}"#,
            r#"{"timestamp":"soon","attributes":"soon"}"#,
            r#"{"attributes":"[1]"}"#,
            r#"{"attributes":"{\"a\":"}"#,
            "no JSON",
            "",
        ] {
            assert_eq!(export_to_body(line), line);
        }
    }

    #[test]
    fn attributes_in_a_string_become_the_object() {
        let line = r#"{"attributes" : "{\"a\" : \"\\u00fc\\n\"}" , "id":1}"#;
        assert_eq!(
            export_to_body(line),
            r#"{"attributes" : {"a" : "\u00fc\n"} , "id":1}"#
        );
    }

    #[test]
    fn epochs_become_milliseconds() {
        let timestamp = |raw: &str| {
            let body = export_to_body(&format!(r#"{{"timestamp":{raw}}}"#)).into_owned();
            body[13..body.len() - 1].to_owned()
        };
        for raw in [
            "1684439316",
            "\"1684439316\"",
            "1684439316.0",
            "1684439316000000",
            "1.684439316e9",
        ] {
            assert_eq!(timestamp(raw), "1684439316000");
        }
        for raw in ["1684439316.293", "1684439316.293999", "1684439316293999"] {
            assert_eq!(timestamp(raw), "1684439316293");
        }
        assert_eq!(timestamp("1684439316293"), "1684439316293");
    }

    #[test]
    fn the_last_of_equal_keys_is_changed_since_it_is_the_one_that_counts() {
        let line = r#"{"attributes":"{}","attributes":"{\"a\":1}"}"#;
        let body = r#"{"attributes":"{}","attributes":{"a":1}}"#;
        assert_eq!(export_to_body(line), body);
    }
}
