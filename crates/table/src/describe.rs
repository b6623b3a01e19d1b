use crate::columns::COLUMNS;

/// The events table as text: one line a column, with its type, whether it can be null, its origin and its meaning.
pub fn describe() -> String {
    let header = ["column", "type", "nullable", "from", "meaning"].map(str::to_owned);
    let rows = COLUMNS.iter().map(|column| {
        [
            column.name.to_owned(),
            column.kind.to_string(),
            if column.nullable { "yes" } else { "no" }.to_owned(),
            column.from(),
            column.meaning.to_owned(),
        ]
    });
    align(&[vec![header], rows.collect()].concat())
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
