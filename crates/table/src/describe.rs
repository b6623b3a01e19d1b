use crate::columns::{COLUMNS, Kind};

/// The events table as text: one line a column, with its type, whether it can be null, its origin and its meaning.
pub fn describe() -> String {
    let header = ["column", "type", "nullable", "from", "meaning"].map(str::to_owned);
    let rows = COLUMNS.iter().map(|column| {
        [
            column.name.to_owned(),
            type_name(column.kind).to_owned(),
            if column.nullable { "yes" } else { "no" }.to_owned(),
            column.from(),
            column.meaning.to_owned(),
        ]
    });
    align(&[vec![header], rows.collect()].concat())
}

const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Boolean => "boolean",
        Kind::Timestamp => "timestamp(ms, UTC)",
        Kind::Texts => "list<string>",
        Kind::Answers => "list<struct>",
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
