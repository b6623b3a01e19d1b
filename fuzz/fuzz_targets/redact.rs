//! Any verified body, redacted: what is personal is gone where serde_json reads it, and doing it again changes nothing.
#![no_main]

use std::sync::{Arc, LazyLock};

use landfall_appcues::{AppcuesEvent, convert};
use landfall_core::{Event, Secret, Timestamp, Transform, TransformConfig as _};
use landfall_transform_redact::RedactConfig;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static REDACT: LazyLock<Arc<dyn Transform>> = LazyLock::new(|| {
    let config = RedactConfig {
        key: Some(Secret::new("a key of fuzzing only")),
        ..RedactConfig::default()
    };
    config.build().expect("a key is all that it needs")
});

fuzz_target!(|body: &[u8]| {
    let redacted = redact(body);
    assert_eq!(redact(&redacted), redacted);
    let Ok(before) = AppcuesEvent::parse(body) else {
        return assert!(redacted.starts_with(br#"{"withheld":{"reason":""#));
    };
    let Ok(after) = AppcuesEvent::parse(&redacted) else {
        // More ids than any event has, which cannot all be looked for.
        return assert!(redacted.starts_with(br#"{"withheld":{"reason":"too_many_ids""#));
    };
    assert_eq!(after.name(), before.name());
    assert_eq!(after.occurred_at(), before.occurred_at());
    // serde_json keeps the last of equal keys, and reads numbers as large as these only in part.
    if let Ok(event) = serde_json::from_slice(&redacted) {
        check(&event);
    }
});

fn redact(body: &[u8]) -> Vec<u8> {
    let event = Event::new(Timestamp::from_millis(0), body.to_vec());
    let redacted = REDACT.transform(event);
    redacted.expect("nothing is left out").body.to_vec()
}

/// Looks at all objects in `value`, however deep.
fn check(value: &Value) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match key.as_str() {
                    "user_id" | "userId" | "_deviceId" => assert_hashed(value),
                    "feedback" => assert!(value.is_null() || value == "[redacted]", "{value}"),
                    "url" => assert_cut(value),
                    "response" => assert_no_answers(value),
                    // These stay whatever they are.
                    "name" | "timestamp" | "account_id" => {}
                    _ => check(value),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(check),
        Value::String(text)
            if !text.contains(['{', '[']) && !text.contains(char::is_whitespace) =>
        {
            assert!(
                !text.contains("://") || !text.contains(['?', '#']),
                "{text}"
            );
        }
        _ => {}
    }
}

fn assert_hashed(value: &Value) {
    match value {
        Value::Array(elements) => elements.iter().for_each(assert_hashed),
        Value::String(text) => {
            let hash = text.strip_prefix("anon:").unwrap_or(text);
            assert!(hash.len() == 53 && hash.starts_with("hash-"), "{text}");
        }
        _ => assert!(value.is_null(), "{value}"),
    }
}

fn assert_cut(value: &Value) {
    match value {
        Value::Array(elements) => elements.iter().for_each(assert_cut),
        Value::String(text) => assert!(!text.contains(['?', '#']), "{text}"),
        other => check(other),
    }
}

fn assert_no_answers(value: &Value) {
    let is_gone = |value: &Value| value.is_null() || value == "[redacted]";
    match value {
        Value::Array(elements) => elements.iter().for_each(assert_no_answers),
        Value::Object(members) => {
            let questions = ["fieldId", "fieldType", "fieldRequired", "label"];
            let is_answer = |key: &String| !questions.contains(&key.as_str());
            let mut answers = members.iter().filter(|(key, _)| is_answer(key));
            assert!(answers.all(|(_, answer)| is_gone(answer)), "{value}");
        }
        // In a survey it may be a score.
        other => assert!(
            is_gone(other) || matches!(convert::int32(&other.to_string()), Ok(Some(0..=10)))
        ),
    }
}
