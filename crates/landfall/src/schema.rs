use std::io::{self, Write as _};

use landfall_table::{Dialect, ddl, describe};

pub(crate) fn print(dialect: Option<Dialect>, uri: &str) -> anyhow::Result<()> {
    let text = dialect.map_or_else(describe, |dialect| ddl(dialect, uri));
    writeln!(io::stdout(), "{}", text.trim_end())?;
    Ok(())
}
