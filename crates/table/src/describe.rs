use crate::columns::{ANSWER_FIELDS, COLUMNS, Kind};

/// The events table as text: one line a column, with its type, whether it can be null, its origin and its meaning.
pub fn describe() -> String {
    let header = ["column", "type", "nullable", "from", "meaning"].map(str::to_owned);
    let rows = COLUMNS.iter().map(|column| {
        [
            column.name.to_owned(),
            type_name(column.kind),
            if column.nullable { "yes" } else { "no" }.to_owned(),
            column.from(),
            column.meaning.to_owned(),
        ]
    });
    align(&[vec![header], rows.collect()].concat())
}

fn type_name(kind: Kind) -> String {
    match kind {
        Kind::Text => "string".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Timestamp => "timestamp(ms, UTC)".to_owned(),
        Kind::Texts => "list<string>".to_owned(),
        Kind::Answers => {
            let fields =
                ANSWER_FIELDS.map(|(name, kind, _)| format!("{name}: {}", type_name(kind)));
            format!("list<struct<{}>>", fields.join(", "))
        }
    }
}

/// Sets rows of cells in columns, two blanks apart, each as wide as its widest cell.
fn align<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    });
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}
