//! Whatever JSON Appcues may send, the table holds what a naive reading of it finds.

mod row;

use landfall_appcues::AppcuesEvent;
use landfall_core::Timestamp;
use landfall_table::{EventsBuilder, Kind};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every column that is read from paths alone, its type, and these paths.
const SCALARS: &[(&str, Kind, &[&str])] = &[
    ("ingested_at", Kind::Timestamp, &["ingested_at"]),
    ("account_id", Kind::Text, &["account_id"]),
    ("user_id", Kind::Text, &["user_id"]),
    ("group_id", Kind::Text, &["group_id"]),
    ("source", Kind::Text, &["source"]),
    (
        "session_id",
        Kind::Text,
        &["attributes.sessionId", "attributes._identity._sessionId"],
    ),
    (
        "url",
        Kind::Text,
        &["context.url", "attributes.context.url"],
    ),
    ("locale_id", Kind::Text, &["attributes.localeId"]),
    ("locale_name", Kind::Text, &["attributes.localeName"]),
    (
        "experience_id",
        Kind::Text,
        &[
            "attributes.flowId",
            "attributes.experienceId",
            "attributes.checklistId",
        ],
    ),
    (
        "experience_name",
        Kind::Text,
        &[
            "attributes.flowName",
            "attributes.experienceName",
            "attributes.checklistName",
        ],
    ),
    (
        "experience_version",
        Kind::Int64,
        &["attributes.flowVersion", "attributes.version"],
    ),
    (
        "experience_instance_id",
        Kind::Text,
        &["attributes.experienceInstanceId"],
    ),
    ("step_id", Kind::Text, &["attributes.stepId"]),
    ("step_type", Kind::Text, &["attributes.stepType"]),
    ("step_name", Kind::Text, &["attributes.stepName"]),
    ("step_index", Kind::Text, &["attributes.stepIndex"]),
    ("step_number", Kind::Int32, &["attributes.stepNumber"]),
    ("step_child_id", Kind::Text, &["attributes.stepChildId"]),
    (
        "step_child_number",
        Kind::Int32,
        &["attributes.stepChildNumber"],
    ),
    (
        "interaction_type",
        Kind::Text,
        &["attributes.interactionType"],
    ),
    (
        "interaction_category",
        Kind::Text,
        &[
            "attributes.interaction.category",
            "attributes.interactionData.category",
        ],
    ),
    (
        "interaction_destination",
        Kind::Text,
        &[
            "attributes.interaction.destination",
            "attributes.interactionData.destination",
        ],
    ),
    (
        "interaction_text",
        Kind::Text,
        &[
            "attributes.interaction.text",
            "attributes.interactionData.text",
        ],
    ),
    ("form_id", Kind::Text, &["attributes.interaction.formId"]),
    ("item_id", Kind::Text, &["attributes.itemId"]),
    ("item_label", Kind::Text, &["attributes.itemLabel"]),
    ("item_index", Kind::Int32, &["attributes.itemIndex"]),
    (
        "previous_nps_score",
        Kind::Int32,
        &["attributes._prev_nps_score"],
    ),
    (
        "previous_nps_score_at",
        Kind::Timestamp,
        &["attributes._prev_nps_score_time"],
    ),
    (
        "workflow_id",
        Kind::Text,
        &["attributes.workflowId", "attributes.workflow_id"],
    ),
    (
        "workflow_task_id",
        Kind::Text,
        &["attributes.workflowTaskId"],
    ),
    (
        "push_notification_id",
        Kind::Text,
        &[
            "attributes.pushNotificationId",
            "attributes.push_notification_id",
        ],
    ),
    ("trigger", Kind::Text, &["attributes.trigger"]),
];

/// The value at `path` as `kind`, as simply as it can be said. `Err` if it is there and does not fit.
fn read(event: &Value, path: &str, kind: Kind) -> Result<Option<String>, ()> {
    let found = path.split('.').try_fold(event, |value, key| value.get(key));
    let Some(value) = found.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => return Err(()),
        other => other.to_string(),
    };
    if kind == Kind::Text {
        return Ok(Some(text));
    }
    let text = text.trim();
    let float = text.parse::<f64>().ok();
    let value = match kind {
        Kind::Timestamp => {
            let rfc3339 = || Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond());
            let millis = float
                .filter(|float| float.is_finite())
                .map(|float| float.floor() as i64);
            millis.or_else(rfc3339).and_then(|millis| {
                let time = jiff::Timestamp::from_millisecond(millis).ok()?;
                let text = time.to_string();
                // Other years are signed or have more digits.
                (text.as_str() > "0001"
                    && text.len() <= 24
                    && text.starts_with(|first: char| first.is_ascii_digit()))
                .then_some(text)
            })
        }
        _ => {
            let exact = float.filter(|float| float.fract() == 0.0 && float.abs() < 2f64.powi(53));
            let number = text.parse::<i64>().ok().or(exact.map(|float| float as i64));
            number
                .filter(|number| kind == Kind::Int64 || i32::try_from(*number).is_ok())
                .map(|number| number.to_string())
        }
    };
    value.map(Some).ok_or(())
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        2 => (-10i64..2_000_000_000_000).prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => (-100i32..100).prop_map(|tens| json!(f64::from(tens) * 10.0)),
        2 => any::<String>().prop_map(Value::from),
        1 => any::<i32>().prop_map(|number| json!(format!(" {number}.0"))),
        1 => Just(json!("2023-05-18T19:48:36.293Z")),
        1 => Just(json!([1, {"a": "b"}])),
        1 => Just(json!({"a": [1e300]})),
    ]
}

/// An event with a random choice of known paths, set to random values.
fn event() -> impl Strategy<Value = Value> {
    let paths: Vec<&str> = SCALARS
        .iter()
        .flat_map(|(_, _, paths)| paths.iter().copied())
        .chain([
            "attributes",
            "context",
            "attributes.interaction",
            "attributes.score",
            "attributes.message",
            "attributes.interaction.response",
            "attributes.interactionData.surveyResponses",
            "attributes.unknown",
        ])
        .collect();
    let members = proptest::collection::vec((proptest::sample::select(paths), leaf()), 0..40);
    (members, any::<String>()).prop_map(|(members, name)| {
        let mut event = json!({"id": "1", "name": name, "timestamp": 0});
        for (path, value) in members {
            set(&mut event, path, value);
        }
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

proptest! {
    #[test]
    fn each_column_is_what_a_naive_reading_gives(event in event(), pretty: bool) {
        let body = if pretty { format!("{event:#}") } else { event.to_string() };
        let mut builder = EventsBuilder::new();
        builder.append(&AppcuesEvent::parse(body.as_bytes()).unwrap(), Timestamp::from_millis(0));
        let row = row::read(&builder.finish(), 0);
        prop_assert_eq!(&row["payload"], &body);
        let errors = row.get("conversion_errors").map_or("", String::as_str);
        for (column, kind, paths) in SCALARS {
            let mut expected = None;
            for path in *paths {
                match read(&event, path, *kind) {
                    Ok(None) => {}
                    Ok(value) => {
                        expected = value;
                        break;
                    }
                    Err(()) => prop_assert!(errors.contains(&format!("{path}: ")), "{path}: {errors}"),
                }
            }
            prop_assert_eq!(row.get(*column), expected.as_ref(), "{}", column);
        }
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
