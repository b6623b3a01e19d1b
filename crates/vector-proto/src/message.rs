use std::collections::BTreeMap;

use bytes::Bytes;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost::{Enumeration, Message, Oneof};

/// Events to be taken, all or none.
#[derive(Clone, PartialEq, Message)]
pub struct PushEventsRequest {
    /// In the order in which they were received.
    #[prost(message, repeated, tag = "1")]
    pub events: Vec<EventWrapper>,
}

impl PushEventsRequest {
    /// How many events there are in the bytes of a request, which must be known before they are decoded: an event of two bytes
    /// takes seventy then. Bytes that are no request end the count.
    pub fn events_in(mut message: &[u8]) -> usize {
        let mut count = 0;
        while let Ok((tag, wire_type)) = decode_key(&mut message) {
            let skipped = skip_field(wire_type, tag, &mut message, DecodeContext::default());
            if skipped.is_err() {
                break;
            }
            count += usize::from(tag == 1);
        }
        count
    }
}

/// Nothing: the status says it all.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct PushEventsResponse {}

/// A question without words.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct HealthCheckRequest {}

/// Whether events would be taken.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct HealthCheckResponse {
    /// A [`ServingStatus`].
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub status: i32,
}

/// Whether events would be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum ServingStatus {
    /// They would.
    Serving = 0,
    /// They would not.
    NotServing = 1,
}

/// One event of any kind.
#[derive(Clone, PartialEq, Message)]
pub struct EventWrapper {
    /// `None` for a kind that came into the protocol later.
    #[prost(oneof = "Event", tags = "1, 2, 3")]
    pub event: Option<Event>,
}

impl EventWrapper {
    /// A log.
    pub fn log(log: Log) -> Self {
        Self {
            event: Some(Event::Log(log)),
        }
    }
}

/// What an event is. Metrics and traces stay as they came: nothing in Landfall reads them.
#[derive(Clone, PartialEq, Oneof)]
pub enum Event {
    /// A log: fields, or one value.
    #[prost(message, tag = "1")]
    Log(Log),
    /// A metric.
    #[prost(bytes = "bytes", tag = "2")]
    Metric(Bytes),
    /// A trace.
    #[prost(bytes = "bytes", tag = "3")]
    Trace(Bytes),
}

/// A log. Metadata is passed over.
#[derive(Clone, PartialEq, Message)]
pub struct Log {
    /// The fields of an event that is an object; of no meaning when there is a `value`.
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
    /// The event, where it need not be an object.
    #[prost(message, optional, tag = "2")]
    pub value: Option<Value>,
}

impl Log {
    /// An event with these fields.
    pub fn from_fields<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        Self {
            fields: named(fields),
            value: None,
        }
    }

    /// The event as one value.
    pub fn into_value(self) -> Value {
        self.value.unwrap_or_else(|| {
            let fields = self.fields;
            Kind::Map(ValueMap { fields }).into()
        })
    }
}

/// A value.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// `None` for a kind that came into the protocol later.
    #[prost(oneof = "Kind", tags = "1, 2, 4, 5, 6, 7, 8, 9")]
    pub kind: Option<Kind>,
}

impl Value {
    /// Text, or any other bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Kind::Bytes(bytes.into()).into()
    }

    /// A time in milliseconds since the Unix epoch, of the years 1 to 9999.
    pub fn time(millis: i64) -> Self {
        let nanos = millis.rem_euclid(1000) * 1_000_000;
        Kind::Timestamp(Timestamp {
            seconds: millis.div_euclid(1000),
            nanos: nanos as i32,
        })
        .into()
    }

    /// An object with these fields.
    pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let fields = named(fields);
        Kind::Map(ValueMap { fields }).into()
    }
}

impl From<Kind> for Value {
    fn from(kind: Kind) -> Self {
        Self { kind: Some(kind) }
    }
}

/// What a value is.
#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    /// Text, or any other bytes.
    #[prost(bytes = "bytes", tag = "1")]
    Bytes(Bytes),
    /// A time.
    #[prost(message, tag = "2")]
    Timestamp(Timestamp),
    /// A whole number.
    #[prost(int64, tag = "4")]
    Integer(i64),
    /// Any other number.
    #[prost(double, tag = "5")]
    Float(f64),
    /// True or false.
    #[prost(bool, tag = "6")]
    Boolean(bool),
    /// An object.
    #[prost(message, tag = "7")]
    Map(ValueMap),
    /// A list.
    #[prost(message, tag = "8")]
    Array(ValueArray),
    /// Null, whatever the number is.
    #[prost(int32, tag = "9")]
    Null(i32),
}

/// The fields of an object.
#[derive(Clone, PartialEq, Message)]
pub struct ValueMap {
    /// By name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

/// The elements of a list.
#[derive(Clone, PartialEq, Message)]
pub struct ValueArray {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<Value>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Timestamp {
    /// Since the Unix epoch; negative before it.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// From 0 to 999,999,999, always forward in time.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

fn named<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> BTreeMap<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch_have_nanoseconds_that_go_forward() {
        let Some(Kind::Timestamp(time)) = Value::time(-1).kind else {
            panic!("a time");
        };
        assert_eq!((time.seconds, time.nanos), (-1, 999_000_000));
    }

    #[test]
    fn a_log_is_written_with_the_numbers_that_vector_publishes() {
        let log = Log::from_fields([("a", Value::bytes("b"))]);
        let events = vec![EventWrapper::log(log)];
        let written = PushEventsRequest { events }.encode_to_vec();
        let expected = [
            &[0x0a, 12][..],           // events
            &[0x0a, 10],               // log
            &[0x0a, 8],                // fields, an entry
            &[0x0a, 1, b'a'],          // key
            &[0x12, 3, 0x0a, 1, b'b'], // value, raw_bytes
        ];
        assert_eq!(written, expected.concat());
    }

    #[test]
    fn what_came_into_the_protocol_later_is_passed_over() {
        // Field 15 of the wrapper, and field 3 of the log.
        let written = [0x0a, 3, 0x7a, 1, 0, 0x0a, 4, 0x0a, 2, 0x1a, 0];
        let read = PushEventsRequest::decode(&written[..]).unwrap();
        let log = EventWrapper::log(Log::default());
        assert_eq!(read.events, [EventWrapper::default(), log]);
    }

    #[test]
    fn values_that_are_nested_without_end_are_refused() {
        let mut written = Vec::new();
        for _ in 0..200 {
            let mut outer = vec![0x42];
            prost::encode_length_delimiter(written.len() + 1 + varint(written.len()), &mut outer)
                .unwrap();
            outer.push(0x0a);
            prost::encode_length_delimiter(written.len(), &mut outer).unwrap();
            outer.extend(written);
            written = outer;
        }
        assert!(Value::decode(&written[..]).is_err());
    }

    fn varint(length: usize) -> usize {
        prost::length_delimiter_len(length)
    }

    #[test]
    fn events_are_counted_in_the_bytes_of_a_request_up_to_where_they_break() {
        let log = EventWrapper::log(Log::from_fields([("message", Value::bytes("x"))]));
        let request = PushEventsRequest {
            events: vec![log, EventWrapper::default(), EventWrapper::default()],
        };
        let mut bytes = request.encode_to_vec();
        assert_eq!(PushEventsRequest::events_in(&bytes), 3);
        // A field of a later version, then an event that is longer than the rest.
        bytes.extend([0x10, 0x01, 0x0a, 0x7f, 0x00]);
        assert_eq!(PushEventsRequest::events_in(&bytes), 3);
        assert_eq!(PushEventsRequest::events_in(&[]), 0);
    }
}
