//! Whatever JSON Appcues may send, the table holds what a naive reading of it finds.

#![allow(clippy::unwrap_used, reason = "an unmet expectation is a failed test")]

mod json;
mod reference;
mod row;

use landfall_appcues::AppcuesEvent;
use landfall_core::Timestamp;
use landfall_table::EventsBuilder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::json::{Style, literal};

/// Numbers in every form that JSON has, and some that no type holds.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "10",
    "10.0",
    "1e1",
    "1.50",
    "-1.5E+3",
    "1e-3",
    "1e400",
    "-1e400",
    "2147483647",
    "2147483648",
    "-2147483649",
    "9007199254740991.0",
    "9007199254740992.0",
    "9223372036854775807",
    "9223372036854775808",
    "123456789012345678901234567890",
    "1684439316293",
    "1684439316293.9",
    "253402207200000",
    "253402300800000",
    "-62135596800000",
    "-62135596800001",
];

/// Strings that hold something else, or nothing.
const TEXTS: &[&str] = &[
    "",
    " ",
    " 10 ",
    "10.0",
    "+7",
    "ten",
    "1e1",
    "inf",
    "NaN",
    "true",
    " FALSE",
    "null",
    "anon:1",
    "2023-05-18T19:48:36.293Z",
    "2023-05-18T21:48:36.2939+02:00",
    "2023-05-18",
    "1969-12-31T23:59:59.9999Z",
    "mobile",
    "persistent",
    "nps",
    "banner",
    "Button Tapped",
    "Form Submitted",
    "🧑‍🚀 宇宙飛行士",
    "a\nb\u{0}\"\\",
    "A text that is longer than what an error shows of a value, with an ö in it.",
];

const NAMES: &[&str] = &[
    "appcues:nps_score",
    "appcues:nps_feedback",
    "appcues:nps_score_and_feedback",
    "appcues:flow_started",
    "appcues:flow_error",
    "appcues:step_interacted",
    "appcues:step_error",
    "appcues:form_submitted",
    "appcues:checklist_item_completed",
    "appcues:v2:experience_started",
    "appcues:v2:experience_dismissed",
    "appcues:v2:experience_error",
    "appcues:v2:step_interaction",
    "appcues:v2:step_interaction",
    "appcues:v2:step_error",
    "appcues:v2:step_seen",
    "appcues:push_opened",
    "appcues:email_opened",
    "appcues:workflow_task_started",
    "appcues:session_started",
    "appcues:banner_dismissed",
    "appcues:experiment_entered",
    "something_else",
    "an_error",
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        3 => select(NUMBERS).prop_map(literal),
        1 => any::<f64>().prop_filter("is JSON", |float| float.is_finite()).prop_map(|float| literal(&format!("{float}"))),
        1 => any::<i64>().prop_map(|number| literal(&number.to_string())),
        4 => select(TEXTS).prop_map(Value::from),
        2 => any::<String>().prop_map(|text| Value::from(text.trim_start_matches('\u{1}'))),
        1 => select(&[r#""\ud800""#, r#""x\udc00y""#, r#""\ud800\u0041""#][..]).prop_map(literal),
    ]
}

/// Any JSON, not deep.
fn anything() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key(), inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A key that some path has, or any text.
fn key() -> impl Strategy<Value = String> {
    let known: Vec<_> = reference::paths()
        .flat_map(|path| path.split('.'))
        .collect();
    prop_oneof![
        3 => select(known).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// Lists of objects with some of `keys`, and of what is none.
fn list(
    keys: &'static [&'static str],
    values: &'static [&'static str],
) -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        2 => anything(),
        1 => select(values).prop_map(Value::from),
    ];
    let members = vec((select(keys), value), 0..6);
    let element = prop_oneof![
        5 => members.prop_map(|members| {
            let members = members.into_iter();
            members.map(|(key, value)| (key.to_owned(), value)).collect()
        }),
        1 => anything(),
    ];
    vec(element, 0..5).prop_map(Value::from)
}

/// A path, and a value that may or may not fit it.
fn member() -> impl Strategy<Value = (String, Value)> {
    let paths: Vec<_> = reference::paths().collect();
    let form = list(
        &[
            "fieldId",
            "fieldType",
            "fieldRequired",
            "label",
            "value",
            "more",
        ],
        &["true", "x"],
    );
    let survey = list(&["type", "value"], &["nps_score", "nps_feedback", "9"]);
    let lists = select(
        &[
            "attributes.interaction.response",
            "attributes.interactionData.formResponse",
        ][..],
    );
    prop_oneof![
        20 => (select(paths).prop_map(str::to_owned), leaf()),
        2 => (key(), anything()),
        3 => (key().prop_map(|key| format!("attributes.{key}")), anything()),
        2 => (lists.prop_map(str::to_owned), form),
        2 => (Just("attributes.interactionData.surveyResponses".to_owned()), survey),
        1 => (Just("attributes.experienceType".to_owned()), select(TEXTS).prop_map(Value::from)),
    ]
}

/// An event with any choice of members, in any order.
fn event() -> impl Strategy<Value = Value> {
    let id = prop_oneof![
        Just(json!("")),
        Just(json!("an id")),
        select(NUMBERS).prop_map(literal)
    ];
    let times = [
        json!("2023-05-18T19:48:36.293Z"),
        literal("1684439316293"),
        literal("-0.5"),
    ];
    (
        vec(member(), 0..40),
        id,
        select(NAMES),
        select(times.to_vec()),
    )
        .prop_map(|(members, id, name, timestamp)| {
            let mut event = json!({});
            for (path, value) in members {
                set(&mut event, &path, value);
            }
            event["id"] = id;
            event["name"] = name.into();
            event["timestamp"] = timestamp;
            event
        })
}

/// Sets the value at `path`, unless a value other than an object is in its way.
fn set(event: &mut Value, path: &str, value: Value) {
    let Some(object) = event.as_object_mut() else {
        return;
    };
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), value)),
        Some((key, rest)) => set(object.entry(key).or_insert_with(|| json!({})), rest, value),
    }
}

fn style() -> impl Strategy<Value = Style> {
    any::<[bool; 3]>().prop_map(|[spaced, escaped, reversed]| Style {
        spaced,
        escaped,
        reversed,
    })
}

proptest! {
    #[test]
    fn a_row_is_what_a_naive_reading_gives(event in event(), style in style()) {
        let body = style.write(&event);
        let mut builder = EventsBuilder::new();
        builder.append(&AppcuesEvent::parse(body.as_bytes()).unwrap(), Timestamp::from_millis(0));
        let mut row = row::read(&builder.finish(), 0);
        prop_assert_eq!(row.remove("payload"), Some(body));
        prop_assert_eq!(row.remove("received_at"), Some("1970-01-01T00:00:00Z".to_owned()));

        let (mut expected, errors) = reference::read(&event, style);
        if !errors.is_empty() {
            expected.insert("conversion_errors".to_owned(), format!("[{}]", errors.join(", ")));
        }
        prop_assert_eq!(row, expected);
    }

    #[test]
    fn any_bytes_that_are_an_event_are_a_row(tail in r#"[{}\[\]",:\\ua-f0-9e\-. ]{0,48}"#) {
        let body = format!(r#"{{"id":1,"name":"x_error","timestamp":0,"attributes":{tail}}}"#);
        if let Ok(event) = AppcuesEvent::parse(body.as_bytes()) {
            let mut builder = EventsBuilder::new();
            builder.append(&event, Timestamp::from_millis(0));
            prop_assert_eq!(&row::read(&builder.finish(), 0)["payload"], &body);
        }
    }
}
