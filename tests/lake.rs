//! What tests read back from the Parquet files of a lake.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use landfall_testkit::files_below;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// How often each event's id stands in `lake`.
pub(crate) fn landed_ids(lake: &Path) -> HashMap<String, usize> {
    let mut ids = HashMap::new();
    for file in files_below(&lake.join("events"), ".parquet") {
        let file = File::open(file).expect("opening a landed file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a whole Parquet file");
        let only_ids = ProjectionMask::columns(reader.parquet_schema(), ["event_id"]);
        let reader = reader.with_projection(only_ids).build();
        for batch in reader.expect("reading a landed file") {
            let batch = batch.expect("reading a landed file");
            let column = batch
                .column_by_name("event_id")
                .expect("event_id is a column");
            let column = column.as_string::<i32>();
            for row in 0..column.len() {
                *ids.entry(column.value(row).to_owned()).or_default() += 1;
            }
        }
    }
    ids
}
