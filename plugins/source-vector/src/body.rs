use bytes::Bytes;
use landfall_vector_proto::{Kind, Log, Value};
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Serialize, Serializer};

/// Where the body is in an event.
#[derive(Clone, Debug)]
pub struct BodyRule {
    path: Vec<String>,
    except: Vec<String>,
}

impl BodyRule {
    /// The body is the field at `path`, `.a.b` for one inside another, or all fields but `except` where there is none.
    pub fn new(path: &str, except: &[String]) -> Self {
        let path = path.strip_prefix('.').unwrap_or(path);
        Self {
            path: path.split('.').map(str::to_owned).collect(),
            except: except.to_vec(),
        }
    }

    /// The body of `log`: text as it is, byte for byte, and anything else as JSON, the same for the same value.
    ///
    /// # Errors
    /// It holds a value that this version does not know, or a time beyond the year 9999.
    pub fn body(&self, log: Log) -> Result<Bytes, serde_json::Error> {
        let mut event = log.into_value();
        if let Some(body) = self
            .path
            .iter()
            .try_fold(&event, |value, name| field(value, name))
        {
            return to_body(body);
        }
        if let Some(Kind::Map(map)) = &mut event.kind {
            map.fields.retain(|name, _| !self.except.contains(name));
        }
        to_body(&event)
    }
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match &value.kind {
        Some(Kind::Map(map)) => map.fields.get(name),
        _ => None,
    }
}

fn to_body(value: &Value) -> Result<Bytes, serde_json::Error> {
    match &value.kind {
        Some(Kind::Bytes(body)) => Ok(body.clone()),
        _ => Ok(serde_json::to_vec(&Json(value))?.into()),
    }
}

/// A value as JSON: fields in the order of their names, times as RFC 3339, `U+FFFD` for bytes that are not UTF-8.
struct Json<'a>(&'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.0.kind.as_ref();
        match kind.ok_or_else(|| S::Error::custom("a value of an unknown kind"))? {
            Kind::Bytes(text) => serializer.serialize_str(&String::from_utf8_lossy(text)),
            Kind::Timestamp(time) => {
                let time = jiff::Timestamp::new(time.seconds, time.nanos);
                serializer.collect_str(&time.map_err(S::Error::custom)?)
            }
            Kind::Integer(number) => serializer.serialize_i64(*number),
            Kind::Float(number) => serializer.serialize_f64(*number),
            Kind::Boolean(value) => serializer.serialize_bool(*value),
            Kind::Map(map) => {
                let mut object = serializer.serialize_map(Some(map.fields.len()))?;
                for (name, value) in &map.fields {
                    object.serialize_entry(name, &Json(value))?;
                }
                object.end()
            }
            Kind::Array(array) => serializer.collect_seq(array.items.iter().map(Json)),
            Kind::Null(_) => serializer.serialize_unit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall_vector_proto::{Timestamp, ValueArray};
    use proptest::prelude::*;

    use super::*;

    fn rule(path: &str) -> BodyRule {
        BodyRule::new(path, &["host".to_owned(), "source_type".to_owned()])
    }

    fn body(path: &str, log: Log) -> String {
        String::from_utf8(rule(path).body(log).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn the_message_is_the_body_as_it_is_whatever_stands_beside_it() {
        let raw = b"{\"a\":\xff 1.0}";
        let log = Log::from_fields([
            ("message", Value::bytes(&raw[..])),
            ("timestamp", Value::time(1)),
            ("source_type", Value::bytes("http_server")),
        ]);
        assert_eq!(rule("message").body(log).unwrap(), &raw[..]);
    }

    #[test]
    fn the_body_may_lie_deeper_and_be_parsed() {
        let inner = Value::object([("id", Kind::Integer(1).into()), ("a", Value::bytes("x"))]);
        let log = || Log::from_fields([("appcues", Value::object([("body", inner.clone())]))]);
        assert_eq!(body(".appcues.body", log()), r#"{"a":"x","id":1}"#);
        assert_eq!(body("appcues.body.a", log()), "x");
    }

    #[test]
    fn without_it_all_fields_are_the_body_but_those_that_vector_has_added() {
        let list = ValueArray {
            items: vec![
                Kind::Null(0).into(),
                Kind::Boolean(true).into(),
                Kind::Float(1.5).into(),
                Kind::Integer(-1).into(),
                Value::object([("host", Value::bytes("kept"))]),
            ],
        };
        let log = Log::from_fields([
            ("name", Value::bytes("appcues:\"nps\"")),
            ("host", Value::bytes("gone")),
            ("source_type", Value::bytes("http_server")),
            ("timestamp", Value::time(1_684_439_316_293)),
            ("list", Kind::Array(list).into()),
        ]);
        assert_eq!(
            body("message", log),
            r#"{"list":[null,true,1.5,-1,{"host":"kept"}],"name":"appcues:\"nps\"","timestamp":"2023-05-18T19:48:36.293Z"}"#
        );
    }

    #[test]
    fn an_event_that_is_one_text_is_the_body() {
        let log = Log {
            value: Some(Value::bytes("{}")),
            ..Log::from_fields([(".", Kind::Null(0).into())])
        };
        assert_eq!(body("message", log), "{}");
    }

    #[test]
    fn what_this_version_does_not_know_is_no_body() {
        let unknown = || Value { kind: None };
        let late = Timestamp {
            seconds: i64::MAX,
            nanos: -1,
        };
        for value in [
            unknown(),
            Value::object([("a", unknown())]),
            Kind::Timestamp(late).into(),
        ] {
            let log = Log::from_fields([("message", value)]);
            assert!(rule("message").body(log).is_err());
        }
    }

    proptest! {
        #[test]
        fn parsed_json_is_written_as_json_that_means_the_same(
            texts in prop::collection::btree_map(".{0,8}", ".{0,8}", 0..8),
            number: i64,
            eighths: i32,
        ) {
            let fields = texts.iter().map(|(name, text)| (&**name, Value::bytes(text.clone())));
            let object = Value::object(fields);
            let fraction = f64::from(eighths) / 8.0;
            let log = Log::from_fields([
                ("object", object),
                ("number", Kind::Integer(number).into()),
                ("fraction", Kind::Float(fraction).into()),
            ]);
            let written: serde_json::Value = serde_json::from_str(&body("message", log)).unwrap();
            let expected = serde_json::json!({ "object": texts, "number": number, "fraction": fraction });
            prop_assert_eq!(written, expected);
        }
    }
}
