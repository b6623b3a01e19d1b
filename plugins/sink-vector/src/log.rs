use landfall_appcues::{AppcuesEvent, Field, convert};
use landfall_core::Event;
use landfall_vector_proto::{Log, Value};

/// The log that an event becomes in Vector: the body byte for byte as `message`, when it was accepted as `timestamp`,
/// `source_type`, and in `appcues` what the event is, so that it can be routed without being parsed.
pub fn to_log(event: &Event) -> Log {
    let mut fields = vec![
        ("message", Value::bytes(event.body.clone())),
        ("timestamp", Value::time(event.received_at.as_millis())),
        ("source_type", Value::bytes("landfall")),
    ];
    if let Ok(parsed) = AppcuesEvent::parse(&event.body) {
        fields.push(("appcues", summary(&parsed)));
    }
    Log::from_fields(fields)
}

/// Named as the columns of the events table are. A body that is no event has none.
fn summary(event: &AppcuesEvent<'_>) -> Value {
    let text = |text: &str| Value::bytes(text.to_owned());
    let mut fields = vec![
        ("event_id", text(event.id())),
        ("event_type", Value::bytes(event.event_type())),
        ("event_name", text(event.name())),
        ("occurred_at", Value::time(event.occurred_at().as_millis())),
    ];
    let optional = [("account_id", Field::AccountId), ("user_id", Field::UserId)];
    let given = optional.into_iter().filter_map(|(name, field)| {
        let value = convert::string(event.raw(field)?).ok()??;
        Some((name, text(&value)))
    });
    fields.extend(given);
    Value::object(fields)
}

#[cfg(test)]
mod tests {
    use landfall_appcues::SAMPLES;
    use landfall_core::Timestamp;
    use landfall_vector_proto::Kind;

    use super::*;

    fn log(body: &'static [u8]) -> Log {
        to_log(&Event::new(Timestamp::from_millis(1_500), body))
    }

    fn fields(value: &Value) -> Vec<(&str, String)> {
        let Some(Kind::Map(map)) = &value.kind else {
            panic!("an object");
        };
        let text = |value: &Value| match value.kind.as_ref().unwrap() {
            Kind::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Kind::Timestamp(time) => format!("{}.{:09}", time.seconds, time.nanos),
            other => panic!("{other:?}"),
        };
        let fields = map.fields.iter();
        fields.map(|(name, value)| (&**name, text(value))).collect()
    }

    #[test]
    fn the_message_of_every_documented_event_is_its_body() {
        for sample in SAMPLES {
            let log = log(sample.body);
            assert_eq!(log.fields["message"], Value::bytes(sample.body));
            assert!(log.fields.contains_key("appcues"), "{}", sample.name);
        }
    }

    #[test]
    fn an_event_says_what_it_is() {
        let log = log(
            br#"{"id":1,"name":"appcues:flow_started","timestamp":1700000000001,"user_id":"u","account_id":null}"#,
        );
        assert_eq!(log.fields["timestamp"], Value::time(1_500));
        assert_eq!(log.fields["source_type"], Value::bytes("landfall"));
        let expected = [
            ("event_id", "1"),
            ("event_name", "appcues:flow_started"),
            ("event_type", "web_flow_started"),
            ("occurred_at", "1700000000.001000000"),
            ("user_id", "u"),
        ];
        assert_eq!(
            fields(&log.fields["appcues"]),
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn what_is_no_event_goes_as_it_came_and_says_nothing() {
        let log = log(b"\xff\n");
        assert_eq!(log.fields["message"], Value::bytes(&b"\xff\n"[..]));
        assert!(!log.fields.contains_key("appcues"));
    }
}
