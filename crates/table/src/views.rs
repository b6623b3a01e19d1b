//! The analyst's views over the events table: one template each, in SQL that all dialects share but for a few words.

use crate::Dialect;

/// The templates, in an order in which each can be created.
const TEMPLATES: [&str; 6] = [
    include_str!("views/flow_daily.sql"),
    include_str!("views/nps_responses.sql"),
    include_str!("views/nps_daily.sql"),
    include_str!("views/checklist_funnel.sql"),
    include_str!("views/form_answers.sql"),
    include_str!("views/clicks.sql"),
];

/// Statements that create the views of the questions that people ask of the events: `flow_daily`, `nps_responses`,
/// `nps_daily`, `checklist_funnel`, `form_answers` and `clicks`. They read the table or view of [`ddl`](crate::ddl).
pub fn views(dialect: Dialect) -> String {
    TEMPLATES
        .map(|template| expand(template, dialect))
        .join("\n")
}

/// Replaces each `{{word argument}}`.
fn expand(template: &str, dialect: Dialect) -> String {
    let mut parts = template.split("{{");
    let mut sql = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (placeholder, rest) = part.split_once("}}").unwrap_or((part, ""));
        let (word, argument) = placeholder.split_once(' ').unwrap_or((placeholder, ""));
        sql += &phrase(dialect, word, argument);
        sql += rest;
    }
    sql
}

fn phrase(dialect: Dialect, word: &str, argument: &str) -> String {
    use Dialect::{Athena, BigQuery, ClickHouse, DuckDb, Snowflake, Spark};
    match (word, dialect) {
        // A lasting view cannot read the temporary one that Spark has of the files.
        ("create", Spark) => format!("CREATE OR REPLACE TEMPORARY VIEW {argument} AS"),
        ("create", _) => {
            let name = phrase(dialect, "table", argument);
            format!("CREATE OR REPLACE VIEW {name} AS")
        }
        ("table", BigQuery) => format!("landfall.{argument}"),
        ("table", _) => argument.to_owned(),
        // The day that something occurred. Athena's partitions are text.
        ("date", Athena) => "CAST(date AS date)".to_owned(),
        ("date", _) => "date".to_owned(),
        // Days since 1970, as not all engines have windows over days.
        ("day_number", DuckDb) => "date - DATE '1970-01-01'".to_owned(),
        ("day_number", ClickHouse) => "toInt32(date)".to_owned(),
        ("day_number", Spark) => "datediff(date, DATE '1970-01-01')".to_owned(),
        ("day_number", Athena) => "date_diff('day', DATE '1970-01-01', date)".to_owned(),
        ("day_number", BigQuery) => "UNIX_DATE(date)".to_owned(),
        ("day_number", Snowflake) => "DATEDIFF(day, DATE '1970-01-01', date)".to_owned(),
        // One decimal, a half rounded up. The engines' own functions round halves in three ways.
        ("tenths", _) => format!("floor({argument} + 0.5e0) / 10"),
        ("answers", DuckDb) => "events, unnest(form_responses) AS answers (answer)".to_owned(),
        ("answers", ClickHouse) => "events ARRAY JOIN form_responses AS answer".to_owned(),
        ("answers", Spark) => {
            "events LATERAL VIEW explode(form_responses) answers AS answer".to_owned()
        }
        ("answers", Athena) => {
            "events CROSS JOIN UNNEST(form_responses) AS answer (field_id, field_type, field_required, label, value)"
                .to_owned()
        }
        ("answers", BigQuery) => "landfall.events, UNNEST(form_responses) AS answer".to_owned(),
        ("answers", Snowflake) => {
            "events, LATERAL FLATTEN(input => form_responses) AS answer".to_owned()
        }
        ("answer", Snowflake) => format!("answer.value:{argument}::VARCHAR"),
        ("answer", _) => format!("answer.{argument}"),
        // No template has another: `no_placeholder_is_left` sees to it.
        _ => format!("{{{{{word} {argument}}}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_is_left() {
        for dialect in Dialect::ALL {
            let sql = views(dialect);
            assert!(!sql.contains('{') && !sql.contains('}'), "{dialect}: {sql}");
            assert_eq!(sql.matches("CREATE OR REPLACE").count(), TEMPLATES.len());
        }
    }
}
