use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::SAMPLES;

fn parse(body: &str) -> Result<AppcuesEvent<'_>, NotAnEvent> {
    AppcuesEvent::parse(body.as_bytes())
}

fn sample(name: &str) -> AppcuesEvent<'static> {
    let sample = SAMPLES.iter().find(|sample| sample.name == name).unwrap();
    AppcuesEvent::parse(sample.body).unwrap()
}

#[test]
fn the_score_and_its_feedback_share_id_timestamp_and_name_but_not_their_bytes() {
    let (score, feedback) = (sample("nps_score"), sample("nps_feedback"));
    assert_eq!(score.id(), feedback.id());
    assert_eq!(score.name(), feedback.name());
    assert_eq!(score.occurred_at(), feedback.occurred_at());
    assert_ne!(score.body(), feedback.body());
    assert_ne!(score.event_type(), feedback.event_type());
}

#[test]
fn a_clicked_button_has_its_context_inside_the_attributes() {
    let event = sample("web_flow_button_clicked");
    assert_eq!(event.raw(Field::ContextUrl), None);
    let url = r#""https://appcues.github.io/flow-testbench/""#;
    assert_eq!(event.raw(Field::AttributesContextUrl), Some(url));
}

#[test]
fn a_mobile_flow_has_no_context() {
    let event = sample("mobile_flow_started");
    assert_eq!(event.raw(Field::ContextUrl), None);
    assert_eq!(event.raw(Field::AttributesContextUrl), None);
}

#[test]
fn null_and_absent_are_the_same() {
    for name in ["nps_score", "web_flow_started"] {
        assert_eq!(sample(name).raw(Field::Source), None);
        assert_eq!(sample(name).raw(Field::GroupId), None);
    }
    assert_eq!(sample("nps_score").raw(Field::PreviousScore), None);
    assert_eq!(
        sample("web_flow_form_submitted").raw(Field::InteractionFormId),
        None
    );
}

#[test]
fn the_account_is_text() {
    assert_eq!(sample("nps_score").account_id().as_deref(), Some("94742"));
    let number = parse(r#"{"id":1,"name":"x","timestamp":"2023-05-18T19:48:36Z","account_id":7}"#);
    let number = number.unwrap();
    assert_eq!(number.account_id().as_deref(), Some("7"));
    assert_eq!(number.id(), "1");
    assert_eq!(
        number.occurred_at(),
        Timestamp::from_millis(1_684_439_316_000)
    );
}

#[test]
fn no_value_of_another_field_makes_a_body_no_event() {
    for value in [
        "1e999",
        r#""\ud800""#,
        "[[[]]]",
        "-0",
        r#"{"a":{"a":1e999}}"#,
    ] {
        for key in ["attributes", "context", "anything", r"\ud800"] {
            let body = format!(r#"{{"id":"1","{key}":{value},"name":"n","timestamp":0}}"#);
            assert!(parse(&body).is_ok(), "{body}");
        }
    }
}

#[test]
fn what_is_no_event_says_why() {
    let reason = |body: &[u8]| AppcuesEvent::parse(body).unwrap_err().reason();
    assert_eq!(reason(b"{\"id\":\"\xff\"}"), "not_utf8");
    assert_eq!(reason(b""), "not_json");
    assert_eq!(reason(b"hello"), "not_json");
    assert_eq!(reason(br#"{"id":"1""#), "not_json");
    assert_eq!(reason(br#"{} {}"#), "not_json");
    assert_eq!(reason(b"[1e999]"), "not_an_object");
    assert_eq!(reason(b"null"), "not_an_object");
    assert_eq!(reason(b"{}"), "no_id");
    assert_eq!(reason(br#"{"id":{}}"#), "no_id");
    assert_eq!(reason(br#"{"id":"1","name":null}"#), "no_name");
    assert_eq!(reason(br#"{"id":"1","name":"n"}"#), "no_timestamp");
    assert_eq!(
        reason(br#"{"id":"1","name":"n","timestamp":1e15}"#),
        "no_timestamp"
    );
}

#[test]
fn an_error_shows_a_place_but_no_content() {
    let error = parse("{\n \"secret\": nope}").unwrap_err();
    let NotAnEvent::NotJson { line, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(line, 2);
    assert!(!error.to_string().contains("secret"));
}

/// JSON values; the keys of objects are mostly those that paths lead through.
fn json() -> impl Strategy<Value = Value> {
    let keys: Vec<_> = Field::ALL
        .iter()
        .flat_map(|field| field.path().split('.'))
        .collect();
    let key = prop_oneof![
        4 => proptest::sample::select(keys).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 128, 24, move |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => proptest::collection::btree_map(key.clone(), inner, 0..24)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What a field should hold, by a reading that has nothing in common with the walk.
fn expected(value: &Value, field: Field) -> Option<&Value> {
    let found = field
        .path()
        .split('.')
        .try_fold(value, |value, key| value.get(key))?;
    let absent = found.is_null() || Field::OBJECTS.contains(&field) && found.is_object();
    (!absent).then_some(found)
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body: Vec<u8>) {
        let _ = AppcuesEvent::parse(&body);
    }

    #[test]
    fn any_json_like_text_is_answered(body in r#"[{}\[\]",:\\ua-f0-9e\-. ]{0,64}"#) {
        let _ = parse(&body);
    }

    #[test]
    fn captured_values_are_those_of_a_naive_reading(mut value in json(), pretty: bool) {
        prop_assume!(value.is_object());
        value["id"] = "1".into();
        value["name"] = "n".into();
        value["timestamp"] = 0.into();
        let body = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        // Read back, since serde_json does not read each float as the one that it wrote.
        let value: Value = serde_json::from_str(&body).unwrap();
        let event = parse(&body).unwrap();
        for field in Field::ALL {
            let captured = event.raw(field).map(|raw| serde_json::from_str::<Value>(raw).unwrap());
            prop_assert_eq!(captured.as_ref(), expected(&value, field), "{}", field.path());
        }
    }
}
