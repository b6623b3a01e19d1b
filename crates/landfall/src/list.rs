use std::io::{self, Write as _};

use landfall_topology::{Registry, general_schema, settings};
use serde_json::{Value, json};

use crate::cli::ListFormat;

/// Prints the types of component that a configuration can name.
pub(crate) fn print(registry: &Registry, format: ListFormat) -> anyhow::Result<()> {
    let types = registry.component_types();
    match format {
        ListFormat::Text => {
            let widest = types.iter().map(|r#type| r#type.name.len()).max();
            let width = widest.unwrap_or_default();
            let mut last_kind = None;
            for r#type in &types {
                if last_kind.replace(r#type.kind) != Some(r#type.kind) {
                    writeln!(io::stdout(), "{}", r#type.kind.table())?;
                }
                let (name, summary) = (r#type.name, r#type.summary());
                writeln!(io::stdout(), "  {name:width$}  {summary}")?;
            }
        }
        ListFormat::Json => {
            let components = types.iter().map(|r#type| {
                json!({
                    "kind": r#type.kind.name(),
                    "type": r#type.name,
                    "description": r#type.summary(),
                    "options": settings(&r#type.schema),
                })
            });
            let all = json!({
                "components": components.collect::<Value>(),
                "options": settings(&general_schema()),
            });
            writeln!(io::stdout(), "{all:#}")?;
        }
    }
    Ok(())
}
