//! The schema as others rely on it. A change here is a change of every table that has been landed.

#![allow(clippy::unwrap_used, reason = "the files are the project's own")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use landfall_table::{Dialect, ddl, describe, quarantine_schema, schema};

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::List(_) => "List".to_owned(),
        DataType::Struct(_) => "Struct".to_owned(),
        other => other.to_string(),
    }
}

fn nullability(field: &Field) -> &'static str {
    if field.is_nullable() {
        "nullable"
    } else {
        "required"
    }
}

/// Adds a line for each of `fields` and for what is in it: id, path, type and nullability.
fn add_lines<'a>(
    parent: &str,
    fields: impl IntoIterator<Item = &'a Arc<Field>>,
    lines: &mut Vec<String>,
) {
    for field in fields {
        let path = format!("{parent}{}", field.name());
        let id = &field.metadata()["PARQUET:field_id"];
        let (data_type, null) = (type_name(field.data_type()), nullability(field));
        lines.push(format!("{id} {path} {data_type} {null}"));
        let parent = format!("{path}.");
        match field.data_type() {
            DataType::List(element) => add_lines(&parent, [element], lines),
            DataType::Struct(fields) => add_lines(&parent, fields, lines),
            _ => {}
        }
    }
}

/// The schema that each released version had, by its file's path.
fn released() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/released");
    let versions = fs::read_dir(folder).unwrap();
    versions
        .map(|version| version.unwrap().path().join("schema.txt"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn the_ids_of_columns_count_from_1_in_their_order() {
    for (field, id) in schema().fields().iter().zip(1..) {
        assert_eq!(field.metadata()["PARQUET:field_id"], format!("{id}"));
    }
}

/// At a release, `tests/released` gets a folder for the version: its schema, as `lines` has it here, and its files.
#[test]
fn the_schema_has_only_grown_since_each_release() {
    let mut lines = Vec::new();
    add_lines("", schema().fields(), &mut lines);
    let releases = released();
    assert!(!releases.is_empty());
    for (path, released) in &releases {
        let released: Vec<_> = released.lines().collect();
        for line in &released {
            let kept = lines.iter().any(|now| now == line);
            assert!(
                kept,
                "{line:?} of {} has changed or is gone",
                path.display()
            );
        }
        for line in &lines {
            let is_new = !released.contains(&line.as_str());
            let fits = !is_new || line.ends_with("nullable");
            assert!(
                fits,
                "{line:?} is not in {}, whose files have no value for it",
                path.display()
            );
        }
    }
}

#[test]
fn the_quarantine_holds_any_bytes() {
    let fields = quarantine_schema().fields().iter();
    let lines: Vec<_> = fields
        .map(|field| {
            format!(
                "{} {} {}",
                field.name(),
                field.data_type(),
                nullability(field)
            )
        })
        .collect();
    let expected = [
        "received_at Timestamp(ms, \"UTC\") required",
        "reason Utf8 required",
        "payload Binary required",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_description_has_one_aligned_line_a_column() {
    let text = describe();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), schema().fields().len() + 1);
    let place = lines[0].find("nullable").unwrap();
    for line in &lines[1..] {
        assert!(
            ["yes ", "no  "].contains(&&line[place..place + 4]),
            "{line}"
        );
    }
    assert!(text.contains("attributes.sessionId, else attributes._identity._sessionId"));
}

#[test]
fn every_dialect_is_found_by_its_name() {
    for dialect in Dialect::ALL {
        assert_eq!(dialect.to_string().parse(), Ok(dialect));
    }
    let error = "oracle".parse::<Dialect>().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("duckdb, clickhouse, spark, athena, bigquery, snowflake")
    );
}

#[test]
fn dialects_that_want_columns_get_all_of_them() {
    for dialect in [Dialect::Athena, Dialect::Snowflake] {
        let statement = ddl(dialect, "s3://bucket/lake").to_lowercase();
        for field in schema().fields() {
            assert!(
                statement.contains(field.name()),
                "{dialect}: {}",
                field.name()
            );
        }
    }
}

#[test]
fn duckdb_reads_every_day_and_every_version_of_the_schema() {
    let expected = "CREATE OR REPLACE VIEW events AS
SELECT * FROM read_parquet('s3://bucket/lake/events/**/*.parquet', hive_partitioning = true, union_by_name = true);
";
    assert_eq!(ddl(Dialect::DuckDb, "s3://bucket/lake/"), expected);
}

#[test]
fn a_quote_in_the_uri_stays_inside_the_literal() {
    let uri = r"/data/o'neil\";
    assert!(ddl(Dialect::DuckDb, uri).contains(r"'/data/o''neil\/events/**/*.parquet'"));
    for dialect in &Dialect::ALL[1..] {
        let statement = ddl(*dialect, uri);
        assert!(statement.contains(r"/data/o\'neil\\/events"), "{statement}");
    }
}
