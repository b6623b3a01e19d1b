use std::sync::{Arc, LazyLock};

use arrow_array::RecordBatch;
use arrow_array::builder::{BinaryBuilder, StringBuilder, TimestampMillisecondBuilder};
use arrow_schema::{DataType, Schema, SchemaRef};
use landfall_core::Timestamp;

use crate::schema::{numbered, timestamp_type};

/// The schema of the quarantine: bodies that verified but are not events.
///
/// `received_at`: when Landfall accepted it. `reason`: the name of what is wrong. `payload`: the body, any bytes.
pub fn quarantine_schema() -> &'static SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        Arc::new(Schema::new(vec![
            numbered("received_at", timestamp_type(), false, 1),
            numbered("reason", DataType::Utf8, false, 2),
            numbered("payload", DataType::Binary, false, 3),
        ]))
    });
    &SCHEMA
}

/// Collects bodies as rows of the quarantine. As with [`EventsBuilder`](crate::EventsBuilder), the payloads of one
/// batch must stay below 2 GiB.
#[derive(Debug)]
pub struct QuarantineBuilder {
    received_at: TimestampMillisecondBuilder,
    reason: StringBuilder,
    payload: BinaryBuilder,
    rows: usize,
    bytes: usize,
}

impl QuarantineBuilder {
    /// A builder without rows.
    pub fn new() -> Self {
        Self {
            received_at: TimestampMillisecondBuilder::new().with_data_type(timestamp_type()),
            reason: StringBuilder::new(),
            payload: BinaryBuilder::new(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Adds `payload`, which is no event for `reason`: the name given by
    /// [`NotAnEvent::reason`](landfall_appcues::NotAnEvent::reason).
    pub fn append(&mut self, received_at: Timestamp, reason: &str, payload: &[u8]) {
        self.received_at.append_value(received_at.as_millis());
        self.reason.append_value(reason);
        self.payload.append_value(payload);
        self.rows += 1;
        self.bytes += size_of::<i64>() + reason.len() + payload.len();
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// About how many bytes the rows take in memory.
    pub fn byte_size(&self) -> usize {
        self.bytes
    }

    /// The rows, in the order in which they were appended. The builder is empty afterwards.
    #[expect(clippy::expect_used, reason = "stated invariant")]
    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        self.bytes = 0;
        RecordBatch::try_new(
            Arc::clone(quarantine_schema()),
            vec![
                Arc::new(self.received_at.finish()),
                Arc::new(self.reason.finish()),
                Arc::new(self.payload.finish()),
            ],
        )
        .expect("the builders follow the schema, and each took one value a row")
    }
}

impl Default for QuarantineBuilder {
    fn default() -> Self {
        Self::new()
    }
}
