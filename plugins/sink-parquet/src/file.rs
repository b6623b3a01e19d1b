use std::io::Write;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_schema::{Field, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{DEFAULT_WRITE_BATCH_SIZE, EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::batch::ROWS_PER_GROUP;

const PAYLOAD_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A Parquet file that is being encoded into a `W`.
pub(crate) struct File<W: Write> {
    writer: SerializedFileWriter<W>,
    columns: ArrowRowGroupWriterFactory,
    rows: usize,
}

impl<W: Write + Send> File<W> {
    pub(crate) fn create(schema: SchemaRef, writer: W) -> Result<Self> {
        let writer = ArrowWriter::try_new(writer, schema, Some(properties()))?;
        let (writer, columns) = writer.into_serialized_writer()?;
        Ok(Self {
            writer,
            columns,
            rows: 0,
        })
    }

    /// Writes `batch` as one row group, column after column: each takes memory of its own while it is encoded, and gives back
    /// what it had before.
    pub(crate) fn write_row_group(&mut self, batch: RecordBatch) -> Result<()> {
        let (schema, columns, rows) = batch.into_parts();
        if rows == 0 {
            return Ok(());
        }
        let number = self.writer.flushed_row_groups().len();
        let mut writers = self.columns.create_column_writers(number)?.into_iter();
        let mut row_group = self.writer.next_row_group()?;
        for (field, column) in schema.fields().iter().zip(columns) {
            for chunk in encode(field, &column, &mut writers)? {
                chunk.append_to_row_group(&mut row_group)?;
            }
        }
        row_group.close()?;
        self.rows += rows;
        Ok(())
    }

    /// What is encoded so far, in bytes.
    pub(crate) fn byte_size(&self) -> usize {
        self.writer.bytes_written()
    }

    /// Ends the file; `metadata` goes into its footer.
    pub(crate) fn finish(mut self, metadata: &[(&str, String)]) -> Result<W> {
        let rows = self.rows.to_string();
        for (key, value) in metadata.iter().chain([&("event_count", rows)]) {
            let entry = KeyValue::new(format!("landfall.{key}"), value.clone());
            self.writer.append_key_value_metadata(entry);
        }
        self.writer.into_inner()
    }
}

/// Encodes `column` with as many `writers` as it has leaves.
fn encode(
    field: &Field,
    column: &ArrayRef,
    writers: &mut impl Iterator<Item = ArrowColumnWriter>,
) -> Result<Vec<ArrowColumnChunk>> {
    let rows = column.len();
    // The writer looks at the size of a page once in so many rows: large bodies would pile up until then.
    let at_a_time = PAYLOAD_PAGE_BYTES.saturating_mul(rows) / byte_size(column)?.max(1);
    let at_a_time = match at_a_time {
        few @ 0..DEFAULT_WRITE_BATCH_SIZE => few.max(1),
        _ => rows,
    };
    let mut own = Vec::new();
    for first in (0..rows).step_by(at_a_time) {
        let part = column.slice(first, at_a_time.min(rows - first));
        let leaves = compute_leaves(field, &part)?;
        if own.is_empty() {
            own.extend(writers.by_ref().take(leaves.len()));
        }
        for (writer, leaf) in own.iter_mut().zip(&leaves) {
            writer.write(leaf)?;
        }
    }
    own.into_iter().map(ArrowColumnWriter::close).collect()
}

/// The sum of the values, in bytes, wherever they are kept.
fn byte_size(column: &ArrayRef) -> Result<usize> {
    Ok(match column.as_string_view_opt() {
        Some(texts) => texts.iter().flatten().map(str::len).sum(),
        None => column.to_data().get_slice_memory_size()?,
    })
}

/// Chosen by measuring: docs/decisions/0003-encoding.md.
pub(crate) fn properties() -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let zstd =
        |level| ZstdLevel::try_new(level).map_or(Compression::UNCOMPRESSED, Compression::ZSTD);
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("landfall ", env!("CARGO_PKG_VERSION")).to_owned())
        // Higher levels take ids apart in search of repetitions, and make them larger.
        .set_compression(zstd(1))
        .set_statistics_enabled(EnabledStatistics::Page)
        // Bodies repeat each other from afar: users, sessions and flows come again after hundreds of others. What is
        // compressed together must be large, and the level one that looks back over all of it.
        .set_column_compression(column("payload"), zstd(3))
        .set_column_data_page_size_limit(column("payload"), PAYLOAD_PAGE_BYTES)
        // Minimum and maximum of a whole body help nobody, and would stand in the footer in full.
        .set_column_statistics_enabled(column("payload"), EnabledStatistics::None);
    // Their values hardly ever come twice.
    for unique in ["event_id", "payload"] {
        properties = properties.set_column_dictionary_enabled(column(unique), false);
    }
    // Nor do these, and in the order of the first each lies close to the one before it.
    for clock in ["occurred_at", "ingested_at", "received_at"] {
        properties = properties
            .set_column_dictionary_enabled(column(clock), false)
            .set_column_encoding(column(clock), Encoding::DELTA_BINARY_PACKED);
    }
    for looked_up in ["event_id", "user_id"] {
        // Filters are made for a full row group and folded down to what is in it.
        properties = properties
            .set_column_bloom_filter_enabled(column(looked_up), true)
            .set_column_bloom_filter_ndv(column(looked_up), ROWS_PER_GROUP as u64);
    }
    properties.build()
}
