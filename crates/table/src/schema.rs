use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::columns::{ANSWER_FIELDS, COLUMNS, Kind};

/// The key under which the Parquet writer looks for a field's id.
const FIELD_ID: &str = "PARQUET:field_id";

/// Lists and what is in them are numbered from here: a new column never meets the id of a nested field.
const FIRST_NESTED_ID: usize = 1001;

/// The schema of the events table.
///
/// Every field has a Parquet field id, so that a table format can adopt the files: columns count from 1 in the order of
/// [`COLUMNS`], nested fields from 1001 in the order in which they appear. Both only grow at their end.
pub fn schema() -> &'static SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let mut nested_id = FIRST_NESTED_ID;
        let fields = COLUMNS.iter().zip(1..).map(|(column, id)| {
            let data_type = data_type(column.kind, &mut nested_id);
            numbered(column.name, data_type, column.nullable, id)
        });
        Arc::new(Schema::new(fields.collect::<Fields>()))
    });
    &SCHEMA
}

/// A timestamp in milliseconds, UTC.
pub(crate) fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// A field with a Parquet field id.
pub(crate) fn numbered(name: &str, data_type: DataType, nullable: bool, id: usize) -> Field {
    let metadata = HashMap::from([(FIELD_ID.to_owned(), id.to_string())]);
    Field::new(name, data_type, nullable).with_metadata(metadata)
}

fn data_type(kind: Kind, next_id: &mut usize) -> DataType {
    let mut take_id = || std::mem::replace(next_id, *next_id + 1);
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Int32 => DataType::Int32,
        Kind::Int64 => DataType::Int64,
        Kind::Boolean => DataType::Boolean,
        Kind::Timestamp => timestamp_type(),
        Kind::Texts => {
            let element = numbered("element", DataType::Utf8, true, take_id());
            DataType::List(Arc::new(element))
        }
        Kind::Answers => {
            let element_id = take_id();
            let fields = ANSWER_FIELDS.map(|(name, kind, _)| {
                let id = take_id();
                numbered(name, data_type(kind, &mut 0), true, id)
            });
            let answer = DataType::Struct(fields.to_vec().into());
            DataType::List(Arc::new(numbered("element", answer, true, element_id)))
        }
    }
}
