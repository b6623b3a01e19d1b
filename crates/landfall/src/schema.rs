use std::io::{self, Write as _};

use landfall_table::{Dialect, ddl, describe, views};
use landfall_topology::Registry;

pub(crate) fn print(dialect: Option<Dialect>, uri: &str) -> anyhow::Result<()> {
    let text = dialect.map_or_else(describe, |dialect| {
        format!("{}\n{}", ddl(dialect, uri), views(dialect))
    });
    writeln!(io::stdout(), "{}", text.trim_end())?;
    Ok(())
}

/// The JSON Schema of a configuration with the components of `registry`.
pub(crate) fn print_of_config(registry: &Registry) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{:#}", registry.schema())?;
    Ok(())
}
