//! Statements that make the landed files a table or view of a query engine.

use std::fmt;
use std::str::FromStr;

use crate::columns::{ANSWER_FIELDS, COLUMNS, Column, Kind};

/// A query engine's SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// DuckDB 1.5 or later.
    DuckDb,
    /// ClickHouse.
    ClickHouse,
    /// Apache Spark.
    Spark,
    /// Amazon Athena.
    Athena,
    /// Google BigQuery.
    BigQuery,
    /// Snowflake.
    Snowflake,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 6] = [
        Self::DuckDb,
        Self::ClickHouse,
        Self::Spark,
        Self::Athena,
        Self::BigQuery,
        Self::Snowflake,
    ];

    /// The name on the command line, such as `duckdb`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DuckDb => "duckdb",
            Self::ClickHouse => "clickhouse",
            Self::Spark => "spark",
            Self::Athena => "athena",
            Self::BigQuery => "bigquery",
            Self::Snowflake => "snowflake",
        }
    }

    /// `text` as a string literal.
    fn quote(self, text: &str) -> String {
        let text = match self {
            // Backslashes mean nothing in DuckDB's strings, and in those of all others they escape.
            Self::DuckDb => text.replace('\'', "''"),
            _ => text.replace('\\', r"\\").replace('\'', r"\'"),
        };
        format!("'{text}'")
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        let mut dialects = Self::ALL.into_iter();
        dialects
            .find(|dialect| dialect.name() == name)
            .ok_or(UnknownDialect)
    }
}

/// A dialect that Landfall does not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownDialect;

impl fmt::Display for UnknownDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Dialect::ALL.map(Dialect::name).join(", ");
        write!(f, "unknown dialect: choose one of {names}")
    }
}

impl std::error::Error for UnknownDialect {}

/// A statement that gives `dialect` the events that have landed under `uri`, as a table or view `events` with a further
/// column `date`, the day on which they occurred.
pub fn ddl(dialect: Dialect, uri: &str) -> String {
    let folder = format!("{}/events", uri.trim_end_matches('/'));
    match dialect {
        Dialect::DuckDb => duckdb(&folder),
        Dialect::ClickHouse => clickhouse(&folder),
        Dialect::Spark => spark(&folder),
        Dialect::Athena => athena(&folder),
        Dialect::BigQuery => bigquery(&folder),
        Dialect::Snowflake => snowflake(&folder),
    }
}

fn duckdb(folder: &str) -> String {
    let files = Dialect::DuckDb.quote(&format!("{folder}/**/*.parquet"));
    format!(
        "CREATE OR REPLACE VIEW events AS
SELECT * FROM read_parquet({files}, hive_partitioning = true, union_by_name = true);
"
    )
}

fn clickhouse(folder: &str) -> String {
    let function = match folder.split_once("://") {
        Some(("file", _)) | None => "file",
        Some(("gs", _)) => "gcs",
        Some(_) => "s3",
    };
    let folder = folder.strip_prefix("file://").unwrap_or(folder);
    let files = Dialect::ClickHouse.quote(&format!("{folder}/**/*.parquet"));
    format!(
        "CREATE OR REPLACE VIEW events AS
SELECT * FROM {function}({files}, 'Parquet')
SETTINGS use_hive_partitioning = 1, schema_inference_mode = 'union';
"
    )
}

fn spark(folder: &str) -> String {
    // Spark reads S3 through Hadoop's file system of this name.
    let folder = match folder.strip_prefix("s3://") {
        Some(rest) => format!("s3a://{rest}"),
        None => folder.to_owned(),
    };
    let folder = Dialect::Spark.quote(&folder);
    format!(
        "CREATE OR REPLACE TEMPORARY VIEW events
USING parquet
OPTIONS (path {folder}, mergeSchema 'true');
"
    )
}

/// Partitions are computed rather than registered, so that a new day needs no statement.
fn athena(folder: &str) -> String {
    let columns = columns(|column| format!("  `{}` {}", column.name, hive_type(column.kind)));
    let location = Dialect::Athena.quote(&format!("{folder}/"));
    let template = Dialect::Athena.quote(&format!("{folder}/date=${{date}}/"));
    format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS events (
{columns}
)
PARTITIONED BY (`date` string)
STORED AS PARQUET
LOCATION {location}
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.date.type' = 'date',
  'projection.date.format' = 'yyyy-MM-dd',
  'projection.date.range' = '2020-01-01,NOW+1DAYS',
  'storage.location.template' = {template}
);
"
    )
}

fn bigquery(folder: &str) -> String {
    let files = Dialect::BigQuery.quote(&format!("{folder}/*"));
    let folder = Dialect::BigQuery.quote(folder);
    format!(
        "CREATE OR REPLACE EXTERNAL TABLE landfall.events
WITH PARTITION COLUMNS (date DATE)
OPTIONS (
  format = 'PARQUET',
  uris = [{files}],
  hive_partition_uri_prefix = {folder},
  enable_list_inference = true
);
"
    )
}

fn snowflake(folder: &str) -> String {
    let columns = columns(|column| {
        let Column { name, kind, .. } = column;
        let (upper, sql_type) = (name.to_uppercase(), snowflake_type(*kind));
        format!("  \"{upper}\" {sql_type} AS (VALUE:\"{name}\"::{sql_type})")
    });
    let folder = folder.replacen("gs://", "gcs://", 1);
    let folder = Dialect::Snowflake.quote(&format!("{folder}/"));
    format!(
        "-- For a private bucket, add STORAGE_INTEGRATION = <name> to the stage.
CREATE STAGE IF NOT EXISTS landfall_events
  URL = {folder}
  FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE);
CREATE OR REPLACE EXTERNAL TABLE events (
  \"DATE\" DATE AS (TO_DATE(SPLIT_PART(SPLIT_PART(METADATA$FILENAME, 'date=', 2), '/', 1))),
{columns}
)
PARTITION BY (\"DATE\")
LOCATION = @landfall_events
AUTO_REFRESH = FALSE
FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE);
-- AUTO_REFRESH needs notifications from the bucket; without them, run this after a landing.
ALTER EXTERNAL TABLE events REFRESH;
"
    )
}

fn columns(line: impl FnMut(&Column) -> String) -> String {
    let lines: Vec<_> = COLUMNS.iter().map(line).collect();
    lines.join(",\n")
}

fn hive_type(kind: Kind) -> String {
    match kind {
        Kind::Text => "string".to_owned(),
        Kind::Int32 => "int".to_owned(),
        Kind::Int64 => "bigint".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Timestamp => "timestamp".to_owned(),
        Kind::Texts => "array<string>".to_owned(),
        Kind::Answers => {
            let fields = ANSWER_FIELDS.map(|(name, kind, _)| format!("{name}:{}", hive_type(kind)));
            format!("array<struct<{}>>", fields.join(","))
        }
    }
}

const fn snowflake_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "VARCHAR",
        Kind::Int32 | Kind::Int64 => "NUMBER(19, 0)",
        Kind::Boolean => "BOOLEAN",
        Kind::Timestamp => "TIMESTAMP_LTZ",
        Kind::Texts | Kind::Answers => "VARIANT",
    }
}
