use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, RecordBatch};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

use super::*;

/// Any JSON, not too deep.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("10")),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

/// Events with any values under the names that have columns, on a few days, and bodies that are none.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let attributes = prop::collection::hash_map(
        prop::sample::select(vec![
            "flowId",
            "flowName",
            "score",
            "feedback",
            "sessionId",
            "stepNumber",
            "interaction",
            "itemIndex",
            "version",
        ]),
        json_value(),
        0..6,
    );
    let event =
        (".{1,12}", 0..3_i64, attributes, json_value()).prop_map(|(id, day, attributes, user)| {
            let event = json!({
                "id": id,
                "name": "appcues:flow_started",
                "timestamp": day * 86_400_000,
                "user_id": user,
                "attributes": attributes,
            });
            serde_json::to_vec_pretty(&event).unwrap()
        });
    prop_oneof![9 => event, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

fn reader(content: &Encoded) -> ParquetRecordBatchReaderBuilder<Bytes> {
    let content = content.read(0..content.pieces()).unwrap();
    ParquetRecordBatchReaderBuilder::try_new(Bytes::from(content)).unwrap()
}

fn rows(content: &Encoded) -> RecordBatch {
    let reader = reader(content);
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow_select::concat::concat_batches(&schema, &batches).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_body_can_be_read_back_byte_for_byte_with_the_columns_that_the_table_gives(
        bodies in prop::collection::vec(body(), 1..30)
    ) {
        let mut batch = Batch::default();
        let mut index = Index::new(Duration::ZERO, 0, Scratch::default(), landfall_core::Seldom::default());
        let template = PartitionTemplate::default();
        for (number, body) in bodies.iter().enumerate() {
            let event = Event::new(Timestamp::from_millis(5), body.clone());
            let position = Position::new(number as u64);
            batch.push(&event, position, &template, &mut Admission::New(&mut index), None).unwrap();
        }
        let span = batch.span().unwrap();
        let closed = batch.close("writer", span).unwrap();

        let mut payloads = Vec::new();
        for file in &closed.files {
            let read = rows(&file.content);
            let payload = read.column_by_name("payload").unwrap();
            if file.name.starts_with("quarantine/") {
                let payload = payload.as_binary::<i32>();
                payloads.extend((0..payload.len()).map(|row| payload.value(row).to_vec()));
                continue;
            }
            let payload = payload.as_string::<i32>();
            let mut table = EventsBuilder::new();
            for row in 0..payload.len() {
                payloads.push(payload.value(row).as_bytes().to_vec());
                let event = AppcuesEvent::parse(payload.value(row).as_bytes()).unwrap();
                table.append(&event, Timestamp::from_millis(5));
            }
            let table = table.finish();
            let columns = landfall_table::schema().fields().iter().map(|field| field.name());
            // The payload is a view in one and none in the other; it is compared below.
            for column in columns.filter(|column| *column != "payload") {
                prop_assert_eq!(&read[column], &table[column]);
            }
        }
        payloads.sort();
        let mut expected = bodies;
        expected.sort();
        prop_assert_eq!(payloads, expected);
    }
}

#[test]
fn partitions_that_fill_side_by_side_share_what_rows_may_be_in_memory() {
    let mut batch = Batch::default();
    let template = PartitionTemplate::default();
    let event = |day: usize| {
        let timestamp = day * 86_400_000;
        Event::new(
            Timestamp::from_millis(5),
            format!(r#"{{"id":"1","name":"appcues:flow_started","timestamp":{timestamp}}}"#),
        )
    };
    let (one, other) = (event(1), event(2));
    let (mut most, pairs) = (0, 2 * ROWS_PER_GROUP);
    for (position, event) in (1..).zip([&one, &other].into_iter().cycle().take(2 * pairs)) {
        let position = Position::new(position);
        batch
            .push(event, position, &template, &mut Admission::All, None)
            .unwrap();
        most = most.max(batch.rows);
    }
    assert!((MOST_ROWS - 1..=MOST_ROWS).contains(&most), "{most} rows");
    let span = batch.span().unwrap();
    let closed = batch.close("writer", span).unwrap();
    assert_eq!(closed.files.len(), 2);
    for file in closed.files {
        let reader = reader(&file.content);
        let groups = reader.metadata().row_groups().iter();
        let groups: Vec<_> = groups.map(|group| group.num_rows() as usize).collect();
        assert_eq!(groups.iter().sum::<usize>(), pairs);
        let (_, whole) = groups.split_last().unwrap();
        let enough = ROWS_PER_GROUP / 2..=ROWS_PER_GROUP;
        assert!(whole.iter().all(|rows| enough.contains(rows)), "{groups:?}");
    }
}
