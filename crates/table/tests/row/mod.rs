//! A row of a batch as text, so that a test can be read as a table.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

/// The non-null columns of a row.
pub(crate) type Row = BTreeMap<String, String>;

/// Row `index` of `batch`.
pub(crate) fn read(batch: &RecordBatch, index: usize) -> Row {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .filter(|(_, array)| array.is_valid(index))
        .map(|(field, array)| (field.name().clone(), value(array.as_ref(), index)))
        .collect()
}

fn value(array: &dyn Array, index: usize) -> String {
    if array.is_null(index) {
        return "<null>".to_owned();
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(index).to_owned(),
        DataType::Utf8View => array.as_string_view().value(index).to_owned(),
        DataType::Boolean => array.as_boolean().value(index).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(index).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(index).to_string(),
        DataType::Timestamp(..) => {
            let millis = array
                .as_primitive::<TimestampMillisecondType>()
                .value(index);
            jiff::Timestamp::from_millisecond(millis)
                .map_or_else(|error| error.to_string(), |time| time.to_string())
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(index);
            let elements: Vec<_> = (0..list.len()).map(|index| value(&list, index)).collect();
            format!("[{}]", elements.join(", "))
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let fields: Vec<_> = columns
                .map(|(field, array)| format!("{}: {}", field.name(), value(array, index)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => panic!("the schema has no {other}"),
    }
}
