use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{DEFAULT_WRITE_BATCH_SIZE, EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::batch::ROWS_PER_GROUP;

const PAYLOAD_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A Parquet file that is being encoded in memory.
pub(crate) struct File {
    writer: ArrowWriter<Vec<u8>>,
    rows: usize,
}

impl File {
    pub(crate) fn create(schema: SchemaRef) -> Result<Self> {
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties()))?;
        Ok(Self { writer, rows: 0 })
    }

    /// Writes `batch` as one row group.
    pub(crate) fn write_row_group(&mut self, batch: &RecordBatch) -> Result<()> {
        // The writer looks at the size of a page once in so many rows: large bodies would pile up until then.
        let rows = batch.num_rows();
        let at_a_time = PAYLOAD_PAGE_BYTES.saturating_mul(rows) / byte_size(batch)?.max(1);
        let at_a_time = at_a_time.clamp(1, DEFAULT_WRITE_BATCH_SIZE);
        for first in (0..rows).step_by(at_a_time) {
            let part = batch.slice(first, at_a_time.min(rows - first));
            self.writer.write(&part)?;
        }
        self.rows += rows;
        self.writer.flush()
    }

    /// What is encoded so far, in bytes.
    pub(crate) fn byte_size(&self) -> usize {
        self.writer.bytes_written()
    }

    /// Ends the file; `metadata` goes into its footer.
    pub(crate) fn finish(mut self, metadata: &[(&str, String)]) -> Result<Bytes> {
        let rows = self.rows.to_string();
        for (key, value) in metadata.iter().chain([&("event_count", rows)]) {
            let entry = KeyValue::new(format!("landfall.{key}"), value.clone());
            self.writer.append_key_value_metadata(entry);
        }
        self.writer.into_inner().map(Bytes::from)
    }
}

/// The sum of the values, in bytes, wherever they are kept.
fn byte_size(batch: &RecordBatch) -> Result<usize> {
    let columns = batch.columns().iter();
    let sizes = columns.map(|column| match column.as_string_view_opt() {
        Some(texts) => Ok(texts.iter().flatten().map(str::len).sum()),
        None => column.to_data().get_slice_memory_size(),
    });
    sizes.sum::<Result<usize, _>>().map_err(Into::into)
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
        // A row group ends when it is flushed, never in the middle of a sorted run.
        .set_max_row_group_row_count(None)
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
