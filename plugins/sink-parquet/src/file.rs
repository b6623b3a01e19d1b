use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::batch::ROWS_PER_GROUP;

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
    pub(crate) fn write_row_group(&mut self, batch: &arrow_array::RecordBatch) -> Result<()> {
        self.writer.write(batch)?;
        self.rows += batch.num_rows();
        self.writer.flush()
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
        .set_column_data_page_size_limit(column("payload"), 4 * 1024 * 1024)
        // Minimum and maximum of a whole body help nobody, and would stand in the footer in full.
        .set_column_statistics_enabled(column("payload"), EnabledStatistics::None);
    // Their values hardly ever come twice.
    for unique in [
        "event_id",
        "payload",
        "occurred_at",
        "ingested_at",
        "received_at",
    ] {
        properties = properties.set_column_dictionary_enabled(column(unique), false);
    }
    for looked_up in ["event_id", "user_id"] {
        // Filters are made for a full row group and folded down to what is in it.
        properties = properties
            .set_column_bloom_filter_enabled(column(looked_up), true)
            .set_column_bloom_filter_ndv(column(looked_up), ROWS_PER_GROUP as u64);
    }
    properties.build()
}
