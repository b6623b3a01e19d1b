use std::mem;
use std::sync::{Arc, LazyLock};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field as Column, FieldRef, Fields, Schema, SchemaRef};
use landfall_appcues::{AppcuesEvent, Field, Mismatch};
use landfall_core::Timestamp;

use crate::arrays::ColumnBuilder;
use crate::columns::{COLUMNS, Origin};
use crate::derive::Row;
use crate::errors::Errors;
use crate::schema;

/// Collects events as rows of the events table.
///
/// Text is held with 32-bit offsets, so that of one batch must stay below 2 GiB; appending beyond that panics.
/// Finish long before, by [`len`](Self::len) and [`byte_size`](Self::byte_size): 65,536 rows or 128 MiB are plenty.
#[derive(Debug)]
pub struct EventsBuilder {
    columns: Vec<ColumnBuilder>,
    /// When each row occurred.
    occurred_at: Vec<Timestamp>,
    bytes: usize,
}

impl EventsBuilder {
    /// A builder without rows.
    pub fn new() -> Self {
        let fields = rows_schema().fields().iter();
        Self {
            columns: fields
                .map(|field| ColumnBuilder::new(field.data_type()))
                .collect(),
            occurred_at: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds `event` as a row. A value that does not fit its column leaves null and an entry in `conversion_errors`.
    pub fn append(&mut self, event: &AppcuesEvent<'_>, received_at: Timestamp) {
        let row = Row { event, received_at };
        let mut errors = Errors::default();
        for field in Field::OBJECTS {
            if let Some(found) = event.raw(field) {
                let expected = "an object";
                errors.record(field.path(), Mismatch { expected, found });
            }
        }
        let number = self.occurred_at.len() as u32;
        let mut errors_column = None;
        for (column, builder) in COLUMNS.iter().zip(&mut self.columns) {
            self.bytes += match column.origin {
                Origin::Fields(fields) => builder.read_first(number, fields, row, &mut errors),
                Origin::Rule(_, derive) => builder.append(number, &derive(row, &mut errors)),
                Origin::Errors => {
                    errors_column = Some(builder);
                    continue;
                }
            };
        }
        if let Some(builder) = errors_column {
            self.bytes += builder.append(number, &errors.into_cell());
        }
        self.occurred_at.push(event.occurred_at());
        self.bytes += size_of::<Timestamp>();
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.occurred_at.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.occurred_at.is_empty()
    }

    /// About how many bytes the rows take in memory. Finishing takes about as much again for a moment, bodies aside.
    pub fn byte_size(&self) -> usize {
        self.bytes
    }

    /// The rows, in the order in which they occurred, and in which they were appended where that is equal. The builder
    /// is empty afterwards.
    ///
    /// They are of the [`schema`], but for `payload`, which is a `Utf8View`: sorting them copies no body. A writer of Parquet
    /// that was made for the schema takes it as it is.
    #[expect(clippy::expect_used, reason = "stated invariant")]
    pub fn finish(&mut self) -> RecordBatch {
        let places = places(&mem::take(&mut self.occurred_at));
        self.bytes = 0;
        let columns = self.columns.iter_mut();
        let columns = columns.map(|column| column.finish(&places));
        columns
            .collect::<Result<_, _>>()
            .and_then(|columns| RecordBatch::try_new(Arc::clone(rows_schema()), columns))
            .expect("the builders follow the schema, and each row has one place")
    }
}

impl Default for EventsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// The schema of the rows in memory.
fn rows_schema() -> &'static SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let in_memory = |field: &FieldRef| match field.name().as_str() {
            "payload" => Arc::new(Column::clone(field).with_data_type(DataType::Utf8View)),
            _ => Arc::clone(field),
        };
        let fields = schema().fields().iter().map(in_memory);
        Arc::new(Schema::new(fields.collect::<Fields>()))
    });
    &SCHEMA
}

/// Where each row comes when they are in the order of `times`.
fn places(times: &[Timestamp]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(times.len()).collect();
    order.sort_by_key(|row| times[*row as usize]);
    let mut places = vec![0; times.len()];
    for (row, place) in order.into_iter().zip(0..) {
        places[row as usize] = place;
    }
    places
}
