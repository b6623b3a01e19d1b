//! Vector, to compare with: the same events to the same store, behind a disk buffer, in the same columns as far as it can.
//!
//! This is written from Vector's documentation. It checks no signature, drops no duplicate and keeps no proof of the bytes.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;
use landfall_table::{COLUMNS, Kind};
use landfall_testkit::{ObjectStore, free_address};

use crate::lake::Lake;
use crate::server::{PATH, Server};

/// Where to find its binary.
const VARIABLE: &str = "LANDFALL_BENCH_VECTOR";

/// Columns, and what VRL makes them of: `event` is the body, `attributes` a part of it.
const VALUES: &[(&str, &str)] = &[
    ("event_id", "event.id"),
    ("event_name", "event.name"),
    ("occurred_at", "event.timestamp"),
    ("ingested_at", "event.ingested_at"),
    ("account_id", "event.account_id"),
    ("user_id", "event.user_id"),
    ("group_id", "event.group_id"),
    (
        "session_id",
        "attributes.sessionId || attributes._identity._sessionId",
    ),
    ("url", "event.context.url"),
    (
        "experience_id",
        "attributes.flowId || attributes.experienceId || attributes.checklistId",
    ),
    (
        "experience_name",
        "attributes.flowName || attributes.experienceName || attributes.checklistName",
    ),
    (
        "experience_type",
        "attributes.flowType || attributes.experienceType",
    ),
    (
        "experience_version",
        "attributes.flowVersion || attributes.version",
    ),
    ("experience_instance_id", "attributes.experienceInstanceId"),
    ("step_id", "attributes.stepId"),
    ("step_type", "attributes.stepType"),
    ("step_index", "attributes.stepIndex"),
    ("step_number", "attributes.stepNumber"),
    ("step_child_id", "attributes.stepChildId"),
    ("step_child_number", "attributes.stepChildNumber"),
    ("interaction_type", "attributes.interactionType"),
    (
        "interaction_category",
        "attributes.interaction.category || attributes.interactionData.category",
    ),
    (
        "interaction_destination",
        "attributes.interaction.destination || attributes.interactionData.destination",
    ),
    (
        "interaction_text",
        "attributes.interaction.text || attributes.interactionData.text",
    ),
    ("item_id", "attributes.itemId"),
    ("item_label", "attributes.itemLabel"),
    ("item_index", "attributes.itemIndex"),
    ("nps_score", "attributes.score"),
    ("nps_feedback", "attributes.feedback"),
    ("payload", "body"),
];

const CONFIG: &str = r#"
data_dir = "{dir}"

[sources.appcues]
type = "http_server"
address = "{address}"
path = "{path}"
decoding.codec = "bytes"

[transforms.columns]
type = "remap"
inputs = ["appcues"]
source = '''
body = string!(.message)
event = object!(parse_json!(body))
attributes = object(event.attributes) ?? {}
{program}'''

[sinks.lake]
type = "aws_s3"
inputs = ["columns"]
endpoint = "{endpoint}"
region = "us-east-1"
bucket = "{bucket}"
key_prefix = "{prefix}/date=%F/"
filename_extension = "parquet"
auth.access_key_id = "{access_key}"
auth.secret_access_key = "{secret_key}"
acknowledgements.enabled = true
compression = "none"
encoding.codec = "json"
batch_encoding.codec = "parquet"
batch_encoding.schema_file = "{schema}"
batch_encoding.compression = { algorithm = "zstd", level = 1 }
batch.max_bytes = 134217728
batch.timeout_secs = 5
buffer.type = "disk"
buffer.max_size = 10737418240
buffer.when_full = "block"
"#;

/// A binary of Vector, 0.58 or newer.
#[derive(Debug)]
pub(crate) struct Vector(PathBuf);

impl Vector {
    /// The one that the environment names, if it does.
    pub(crate) fn from_env() -> Option<Self> {
        std::env::var_os(VARIABLE).map(|exe| Self(exe.into()))
    }

    /// Starts it with its buffer in `dir`, landing in `lake`, which must be a store.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start(&self, dir: &Path, lake: &Lake<'_>) -> anyhow::Result<Server> {
        let Lake::S3(store, prefix) = lake else {
            bail!("Vector has no sink that writes Parquet into a directory");
        };
        let address = free_address();
        let (config_file, schema_file) = (dir.join("vector.toml"), dir.join("columns.schema"));
        fs::write(&schema_file, schema())?;
        fs::write(
            &config_file,
            config(dir, address, &store.endpoint(), prefix, &schema_file),
        )?;
        let mut command = Command::new(&self.0);
        Server::start(command.arg("--config").arg(config_file), address)
    }
}

fn config(
    dir: &Path,
    address: SocketAddr,
    endpoint: &str,
    prefix: &str,
    schema_file: &Path,
) -> String {
    let fill = [
        ("{dir}", dir.display().to_string()),
        ("{address}", address.to_string()),
        ("{path}", PATH.to_owned()),
        ("{program}", program()),
        ("{endpoint}", endpoint.to_owned()),
        ("{bucket}", ObjectStore::BUCKET.to_owned()),
        ("{prefix}", prefix.to_owned()),
        ("{access_key}", ObjectStore::ACCESS_KEY.to_owned()),
        ("{secret_key}", ObjectStore::SECRET_KEY.to_owned()),
        ("{schema}", schema_file.display().to_string()),
    ];
    fill.iter().fold(CONFIG.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    })
}

/// Each of [`VALUES`] with the type of its column in Landfall's table.
fn columns() -> impl Iterator<Item = (&'static str, Kind, &'static str)> {
    VALUES.iter().filter_map(|(name, value)| {
        let column = COLUMNS.iter().find(|column| column.name == *name)?;
        Some((column.name, column.kind, *value))
    })
}

/// VRL that makes the event its columns. What does not fit is null.
fn program() -> String {
    let line = |(name, kind, value): (_, _, &str)| {
        let typed = match kind {
            _ if value == "body" => value.to_owned(),
            Kind::Int32 | Kind::Int64 => format!("to_int({value}) ?? null"),
            Kind::Timestamp => {
                format!("from_unix_timestamp(to_int({value}) ?? 0, unit: \"milliseconds\") ?? null")
            }
            _ => format!("to_string({value}) ?? null"),
        };
        format!(".{name} = {typed}\n")
    };
    format!(". = {{}}\n{}", columns().map(line).collect::<String>())
}

/// The columns as Parquet's own language of schemas.
fn schema() -> String {
    let line = |(name, kind, _)| {
        let (physical, logical) = match kind {
            Kind::Int32 => ("int32", ""),
            Kind::Int64 => ("int64", ""),
            Kind::Timestamp => ("int64", " (TIMESTAMP(MILLIS,true))"),
            _ => ("binary", " (STRING)"),
        };
        format!("  optional {physical} {name}{logical};\n")
    };
    format!(
        "message events {{\n{}}}\n",
        columns().map(line).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_that_vector_is_to_write_is_one_of_landfalls() {
        assert_eq!(columns().count(), VALUES.len());
        let schema = parquet::schema::parser::parse_message_type(&schema()).unwrap();
        assert_eq!(schema.get_fields().len(), VALUES.len());
    }

    #[test]
    fn the_configuration_has_no_gap_left() {
        let address = ([127, 0, 0, 1], 8080).into();
        let schema = Path::new("/srv/columns.schema");
        let config = config(
            Path::new("/srv"),
            address,
            "http://127.0.0.1:8333",
            "v",
            schema,
        );
        for line in [
            "address = \"127.0.0.1:8080\"",
            "path = \"/webhooks/appcues\"",
            "endpoint = \"http://127.0.0.1:8333\"",
            "key_prefix = \"v/date=%F/\"",
            "batch_encoding.schema_file = \"/srv/columns.schema\"",
            ".step_number = to_int(attributes.stepNumber) ?? null",
            ".payload = body",
        ] {
            assert!(config.lines().any(|have| have == line), "{line}\n{config}");
        }
    }
}
