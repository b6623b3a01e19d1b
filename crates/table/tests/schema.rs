//! The schema as others rely on it. A change here is a change of every table that has been landed.

use landfall_table::{Dialect, ddl, describe, quarantine_schema, schema};

/// Name, type and nullability in the order of the field ids, which count from 1.
const COLUMNS: &str = "\
event_id Utf8 required
event_type Utf8 required
event_name Utf8 required
occurred_at Timestamp(ms, \"UTC\") required
ingested_at Timestamp(ms, \"UTC\") nullable
received_at Timestamp(ms, \"UTC\") required
account_id Utf8 nullable
user_id Utf8 nullable
group_id Utf8 nullable
source Utf8 nullable
is_anonymous Boolean nullable
session_id Utf8 nullable
url Utf8 nullable
locale_id Utf8 nullable
locale_name Utf8 nullable
experience_id Utf8 nullable
experience_name Utf8 nullable
experience_type Utf8 nullable
experience_version Int64 nullable
experience_instance_id Utf8 nullable
step_id Utf8 nullable
step_type Utf8 nullable
step_name Utf8 nullable
step_index Utf8 nullable
step_number Int32 nullable
step_child_id Utf8 nullable
step_child_number Int32 nullable
interaction_type Utf8 nullable
interaction_category Utf8 nullable
interaction_destination Utf8 nullable
interaction_text Utf8 nullable
form_id Utf8 nullable
form_responses List nullable
item_id Utf8 nullable
item_label Utf8 nullable
item_index Int32 nullable
nps_score Int32 nullable
previous_nps_score Int32 nullable
previous_nps_score_at Timestamp(ms, \"UTC\") nullable
nps_feedback Utf8 nullable
workflow_id Utf8 nullable
workflow_task_id Utf8 nullable
push_notification_id Utf8 nullable
trigger Utf8 nullable
error_id Utf8 nullable
error_message Utf8 nullable
conversion_errors List nullable
payload Utf8 required
";

/// The fields inside lists, with their ids.
const NESTED: &str = "\
form_responses.element 1001 Struct nullable
form_responses.element.field_id 1002 Utf8 nullable
form_responses.element.field_type 1003 Utf8 nullable
form_responses.element.field_required 1004 Boolean nullable
form_responses.element.label 1005 Utf8 nullable
form_responses.element.value 1006 Utf8 nullable
conversion_errors.element 1007 Utf8 nullable
";

use arrow_schema::{DataType, Field};

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

fn nested_lines(path: &str, data_type: &DataType, lines: &mut String) {
    let fields = match data_type {
        DataType::List(element) => vec![element.clone()],
        DataType::Struct(fields) => fields.to_vec(),
        _ => return,
    };
    for field in fields {
        let path = format!("{path}.{}", field.name());
        let id = &field.metadata()["PARQUET:field_id"];
        let (data_type, null) = (type_name(field.data_type()), nullability(&field));
        lines.push_str(&format!("{path} {id} {data_type} {null}\n"));
        nested_lines(&path, field.data_type(), lines);
    }
}

#[test]
fn the_columns_are_as_written_down_here() {
    let mut lines = String::new();
    for (field, id) in schema().fields().iter().zip(1..) {
        let (data_type, null) = (type_name(field.data_type()), nullability(field));
        lines.push_str(&format!("{} {data_type} {null}\n", field.name()));
        assert_eq!(field.metadata()["PARQUET:field_id"], format!("{id}"));
    }
    assert_eq!(lines, COLUMNS);
}

#[test]
fn the_nested_fields_are_as_written_down_here() {
    let mut lines = String::new();
    for field in schema().fields() {
        nested_lines(field.name(), field.data_type(), &mut lines);
    }
    assert_eq!(lines, NESTED);
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
