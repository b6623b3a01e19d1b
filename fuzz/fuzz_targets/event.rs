//! Any verified body, on its way into the columns: as an event, or as none into the quarantine.
#![no_main]

#[path = "../../crates/appcues/src/json/model.rs"]
mod model;

use std::sync::LazyLock;

use arrow_array::cast::AsArray as _;
use landfall_appcues::{AppcuesEvent, Field, Paths};
use landfall_core::Timestamp;
use landfall_table::{EventsBuilder, QuarantineBuilder};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const RECEIVED_AT: Timestamp = Timestamp::from_millis(1_684_439_316_408);

static PATHS: LazyLock<Paths<{ Field::ALL.len() }>> =
    LazyLock::new(|| Paths::new(Field::ALL.map(Field::path)));

fuzz_target!(|body: &[u8]| {
    if let Ok(text) = str::from_utf8(body) {
        model::assert_same(Field::ALL.map(Field::path), text, PATHS.read(text));
    }
    // Where serde_json reads a value too, both must have read the same.
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let text = |key: &str| value.as_ref()?.get(key)?.as_str();
    match AppcuesEvent::parse(body) {
        Ok(event) => {
            let (id, name) = (event.id(), event.name());
            assert_eq!(text("id").unwrap_or(id), id);
            assert_eq!(text("name").unwrap_or(name), name);

            let mut rows = EventsBuilder::new();
            rows.append(&event, RECEIVED_AT);
            let batch = rows.finish();
            let column = |name: &str| batch.column_by_name(name).expect("a column of the table");
            let cell = |name: &str| column(name).as_string::<i32>().value(0);
            assert_eq!(batch.num_rows(), 1);
            let payload = column("payload").as_string_view();
            assert_eq!(payload.value(0).as_bytes(), body);
            assert_eq!((cell("event_id"), cell("event_name")), (id, name));
        }
        Err(reason) => {
            let time = value
                .as_ref()
                .and_then(|event| event.get("timestamp")?.as_i64());
            let in_our_age = time.is_some_and(|millis| millis.unsigned_abs() < 1 << 45);
            let is_event = text("id").is_some() && text("name").is_some() && in_our_age;
            assert!(!is_event, "{reason}");

            let mut rows = QuarantineBuilder::new();
            rows.append(RECEIVED_AT, reason.reason(), body);
            let batch = rows.finish();
            let payload = batch
                .column_by_name("payload")
                .expect("a column of the table");
            assert_eq!(payload.as_binary::<i32>().value(0), body);
        }
    }
});
