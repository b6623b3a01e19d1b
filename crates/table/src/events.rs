use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field as Column, FieldRef, Fields, Schema, SchemaRef};
use arrow_select::take::take_record_batch;
use landfall_appcues::{AppcuesEvent, Field, Mismatch};
use landfall_core::Timestamp;

use crate::arrays::ColumnBuilder;
use crate::columns::{ANSWER_FIELDS, COLUMNS, Origin};
use crate::derive::{Cell, Row, first};
use crate::errors::Errors;
use crate::schema;

/// Collects events as rows of the events table.
///
/// Text is held with 32-bit offsets, so that of one batch must stay below 2 GiB; appending beyond that panics.
/// Finish long before, by [`len`](Self::len) and [`byte_size`](Self::byte_size): 65,536 rows or 128 MiB are plenty.
#[derive(Debug)]
pub struct EventsBuilder {
    columns: Vec<ColumnBuilder>,
    rows: usize,
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
            rows: 0,
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
        let mut errors_column = None;
        for (column, builder) in COLUMNS.iter().zip(&mut self.columns) {
            let cell = match column.origin {
                Origin::Fields(fields) => {
                    first(column.kind, fields, row, &mut errors).unwrap_or_default()
                }
                Origin::Rule(_, derive) => derive(row, &mut errors),
                Origin::Errors => {
                    errors_column = Some(builder);
                    continue;
                }
            };
            self.bytes += cell.byte_size();
            builder.append(cell);
        }
        if let Some(builder) = errors_column {
            let cell = errors.into_cell();
            self.bytes += cell.byte_size();
            builder.append(cell);
        }
        self.rows += 1;
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// About how many bytes the rows take in memory. Finishing takes as much again for a moment, bodies aside, if it has to sort.
    pub fn byte_size(&self) -> usize {
        self.bytes
    }

    /// The rows, in the order in which they occurred, and in which they were appended where that is equal. The builder
    /// is empty afterwards.
    ///
    /// They are of the [`schema`], but for `payload`, which is a `Utf8View`: sorting them copies no body. A writer of Parquet
    /// that was made for the schema takes it as it is.
    #[expect(clippy::expect_used, reason = "stated invariants")]
    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        self.bytes = 0;
        let columns = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(rows_schema()), columns)
            .expect("the builders follow the schema, and each took one cell a row");
        match occurrence_order(&batch) {
            Some(order) => take_record_batch(&batch, &order)
                .expect("the order holds each row of the batch once"),
            None => batch,
        }
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

/// The rows' numbers in the order of `occurred_at`; `None` if they are in that order already.
fn occurrence_order(batch: &RecordBatch) -> Option<UInt32Array> {
    let occurred_at = batch.column_by_name("occurred_at")?;
    let occurred_at = occurred_at
        .as_primitive::<TimestampMillisecondType>()
        .values();
    if occurred_at.is_sorted() {
        return None;
    }
    let mut order: Vec<u32> = (0..).take(occurred_at.len()).collect();
    order.sort_by_key(|row| occurred_at[*row as usize]);
    Some(order.into())
}

impl Cell<'_> {
    /// About how many bytes it takes in a batch.
    fn byte_size(&self) -> usize {
        /// An offset or a value, and a share of a byte of validity.
        const FIXED: usize = 5;
        let text = match self {
            Self::Text(text) => text.len(),
            Self::Texts(texts) => texts.iter().map(|text| text.len() + FIXED).sum(),
            Self::Answers(answers) => {
                let cells = answers.iter().flatten().flatten();
                answers.len() * ANSWER_FIELDS.len() * FIXED
                    + cells.map(Cell::byte_size).sum::<usize>()
            }
            _ => 0,
        };
        text + FIXED
    }
}
