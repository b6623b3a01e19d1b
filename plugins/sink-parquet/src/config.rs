use std::collections::BTreeMap;

use async_trait::async_trait;
use landfall_core::{
    BuildError, Component, Resource, Sink, SinkConfig, SinkContext, lenient, lenient_option, log,
    string_map, string_map_schema, too_long,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::PartitionTemplate;
use crate::lake::{KEPT, Lake};
use crate::sink::ParquetSink;
use crate::store;

/// Lands events as Parquet files in a directory or an object store, each exactly once. Only `uri` has no default.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParquetConfig {
    /// Where to land: `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///absolute/directory`, or a plain path.
    #[schemars(example = "./lake")]
    pub uri: String,
    /// Settings of the store, passed to `object_store` as they are (`endpoint`, `region`, `access_key_id`, …).
    #[serde(default, deserialize_with = "string_map")]
    #[schemars(schema_with = "string_map_schema")]
    pub storage: BTreeMap<String, String>,
    /// HTTP headers that go with every request to the store. With them, settings of the HTTP client, such as `allow_http`,
    /// are taken from `storage` alone and not from the environment.
    #[serde(default, deserialize_with = "string_map")]
    #[schemars(schema_with = "string_map_schema")]
    pub headers: BTreeMap<String, String>,
    /// The folders of events below `uri`. Fields: `{date}`, `{hour}`, `{event_type}`, `{account_id}`.
    #[serde(default)]
    #[schemars(extend("default" = PartitionTemplate::DEFAULT))]
    pub partition: PartitionTemplate,
    /// When a batch is closed and landed.
    #[serde(default)]
    pub batch: BatchConfig,
    /// How long an event is remembered, so that it is landed once however often it is sent.
    #[serde(default)]
    pub deduplicate: DeduplicateConfig,
}

/// How long an event is remembered. A duplicate has the same account, the same id and the same bytes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeduplicateConfig {
    /// How long an event is remembered, in seconds; 0 lands every copy.
    #[serde(deserialize_with = "lenient")]
    pub window_secs: u64,
    /// How many events are remembered at most, at 4 to 5 bytes of memory and 16 of disk each, or 20 of memory behind a memory
    /// buffer; beyond it the oldest are forgotten early.
    #[serde(deserialize_with = "lenient")]
    pub max_ids: usize,
}

impl Default for DeduplicateConfig {
    fn default() -> Self {
        Self {
            window_secs: 24 * 60 * 60,
            max_ids: 10_000_000,
        }
    }
}

/// When a batch is closed and landed: at whichever limit is met first.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// The most events in a batch, up to 1000000.
    #[serde(deserialize_with = "lenient")]
    pub max_events: usize,
    /// The most that a batch may take, in bytes: its rows before they are encoded, and its files as far as they are, which lie in
    /// `data_dir` behind a disk buffer and else in memory. The whole process takes up to three times that and 100 MiB of memory.
    #[serde(deserialize_with = "lenient")]
    pub max_bytes: usize,
    /// The most files in a batch, one for each partition that its events are of: a partition beyond them ends the batch.
    #[serde(deserialize_with = "lenient")]
    pub max_files: usize,
    /// How long an accepted event may wait until its file is begun to be written, in seconds. When it is not set: 300
    /// behind a disk buffer, 1 behind a memory buffer, where every sender waits for the file.
    #[serde(deserialize_with = "lenient_option")]
    pub timeout_secs: Option<u64>,
}

/// A plan takes 16 bytes for each event of its batch, and the journal's reserve is 16 MiB.
const MAX_EVENTS: usize = 1_000_000;

const MIN_IDS: usize = 1000;

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_events: 500_000,
            max_bytes: 128 * 1024 * 1024,
            max_files: 1000,
            timeout_secs: None,
        }
    }
}

/// Storage settings and headers hold credentials, so only their names are shown.
impl std::fmt::Debug for ParquetConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetConfig")
            .field("uri", &self.uri)
            .field("storage", &self.storage.keys())
            .field("headers", &self.headers.keys())
            .field("partition", &self.partition)
            .field("batch", &self.batch)
            .field("deduplicate", &self.deduplicate)
            .finish()
    }
}

impl Component for ParquetConfig {
    /// Two sinks that land in one place would land what both get twice.
    fn resources(&self) -> Vec<Resource> {
        let location = store::location(&self.uri).map(Resource::Location);
        location.into_iter().collect()
    }

    fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let BatchConfig {
            max_events,
            max_bytes,
            max_files,
            ..
        } = self.batch;
        for (name, limit) in [
            ("max_events", max_events),
            ("max_bytes", max_bytes),
            ("max_files", max_files),
        ] {
            if limit == 0 {
                problems.push(format!("batch.{name}: must be at least 1"));
            }
        }
        if self.deduplicate.max_ids < MIN_IDS {
            problems.push(format!("deduplicate.max_ids: must be at least {MIN_IDS}"));
        }
        // A plan names each event of its batch, and must find room on a full disk.
        if max_events > MAX_EVENTS {
            problems.push(format!("batch.max_events: must be at most {MAX_EVENTS}"));
        }
        problems.extend(too_long(
            "batch.timeout_secs",
            self.batch.timeout_secs.unwrap_or(0),
        ));
        problems.extend(too_long(
            "deduplicate.window_secs",
            self.deduplicate.window_secs,
        ));
        problems.extend(store::problems(&self.uri, &self.storage, &self.headers));
        problems
    }
}

#[async_trait]
impl SinkConfig for ParquetConfig {
    async fn build(&self, context: SinkContext) -> Result<Box<dyn Sink>, BuildError> {
        let lake = Lake::open(self)?;
        // A store that is away must keep neither a durable buffer from taking events nor the service from listening: the
        // sink tries it itself, once it runs.
        if lake.is_local() || context.state.is_none() {
            lake.probe(&context.home_id)
                .await
                .or_else(|error| match &context.state {
                    Some(_) if error.can_pass => {
                        log!(&context.labels(), error, "{}; {KEPT}", error.problem);
                        Ok(())
                    }
                    _ => Err(BuildError::new(error.problem)),
                })?;
        }
        Ok(Box::new(ParquetSink::new(lake, self, context)))
    }

    async fn healthcheck(&self) -> Result<(), BuildError> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce)
            .map_err(|error| BuildError::new(format!("no randomness from the system: {error}")))?;
        // Whoever asks may be another user than the one who lands: what this would leave behind could keep that one out.
        let missing = Lake::missing_directories(self);
        let tried = async {
            let probe = Lake::open(self)?.probe(&hex::encode(nonce)).await;
            probe.map_err(|error| BuildError::new(error.problem))
        };
        let tried = tried.await;
        let remove = || missing.into_iter().try_for_each(std::fs::remove_dir);
        // What holds anything by now, somebody needs.
        let _ = tokio::task::spawn_blocking(remove).await;
        tried
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_healthcheck_leaves_no_directory_behind_that_it_has_made() {
        let there = tempfile::tempdir().unwrap();
        let uri = there.path().join("not/there");
        let config = serde_json::json!({ "uri": uri });
        let config: ParquetConfig = serde_json::from_value(config).unwrap();
        config.healthcheck().await.unwrap();
        assert_eq!(std::fs::read_dir(there.path()).unwrap().count(), 0);
        std::fs::create_dir_all(&uri).unwrap();
        config.healthcheck().await.unwrap();
        assert!(uri.is_dir(), "this was there before");
    }
}
