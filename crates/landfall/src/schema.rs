use std::io::{self, Write as _};

use landfall_table::{Dialect, ddl, describe, views};

pub(crate) fn print(dialect: Option<Dialect>, uri: &str) -> anyhow::Result<()> {
    let text = dialect.map_or_else(describe, |dialect| {
        format!("{}\n{}", ddl(dialect, uri), views(dialect))
    });
    writeln!(io::stdout(), "{}", text.trim_end())?;
    Ok(())
}
