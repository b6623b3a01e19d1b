//! What tests read back from the Parquet files of a lake.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use landfall_testkit::files_below;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

/// How often each event's id stands in `lake`.
pub(crate) fn landed_ids(lake: &Path) -> HashMap<String, usize> {
    let mut ids = HashMap::new();
    for file in files_below(&lake.join("events"), ".parquet") {
        let file = File::open(file).expect("opening a landed file");
        for id in ids_in(file) {
            *ids.entry(id).or_default() += 1;
        }
    }
    ids
}

/// The events' ids in one landed file.
pub(crate) fn ids_in(file: impl ChunkReader + 'static) -> Vec<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a whole Parquet file");
    let only_ids = ProjectionMask::columns(reader.parquet_schema(), ["event_id"]);
    let reader = reader.with_projection(only_ids).build();
    let mut ids = Vec::new();
    for batch in reader.expect("reading a landed file") {
        let batch = batch.expect("reading a landed file");
        let column = batch
            .column_by_name("event_id")
            .expect("event_id is a column");
        let column = column.as_string::<i32>();
        ids.extend((0..column.len()).map(|row| column.value(row).to_owned()));
    }
    ids
}
