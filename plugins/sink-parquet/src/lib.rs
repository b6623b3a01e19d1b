//! Batches Appcues events into Parquet files and lands them on object storage or in a local directory.
//!
//! ```text
//! Delivery ─▶ parse ─▶ open batch: one Parquet file a partition ─▶ upload ─▶ Ack
//!                       closed by count, bytes, age or the end of input
//! ```
//!
//! A file is named `events/date=2026-11-23/<writer>-<first>-<last>.parquet`, after the positions of the first and the last
//! event of its batch, and appears whole or not at all. A verified body that is no Appcues event lands under
//! `quarantine/`, with the reason. The columns are those of [`landfall_table`].

mod backfill;
mod batch;
mod config;
mod dedupe;
mod encoded;
mod encoder;
mod file;
mod lake;
mod landing;
mod metrics;
mod parted;
mod partition;
mod plan;
mod scratch;
mod sink;
mod store;
mod writing;

pub use backfill::{Backfill, BackfillError, Copies, Pushed, Quarantined};
pub use config::{BatchConfig, DeduplicateConfig, ParquetConfig};
pub use partition::{InvalidPartition, PartitionTemplate};
