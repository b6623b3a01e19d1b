use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::path::PathBuf;

use landfall_topology::{Config, Kind, Registry, Topology};

use crate::run::load;

/// Says what is in the configuration, and tries whether it could run here.
pub(crate) async fn validate(
    paths: &[PathBuf],
    no_environment: bool,
    registry: &Registry,
) -> anyhow::Result<()> {
    let config = load(paths, registry)?;
    let mut report = described(&config)?;
    if no_environment {
        report += "the configuration is valid\n";
    } else {
        let checked = Topology::check(config).await;
        checked.map_err(|error| error.located(paths))?;
        report += "the configuration is valid, the ports are free, data_dir and the storage can be written\n";
    }
    stdout().write_all(report.as_bytes())?;
    Ok(())
}

/// The components, a line each, and what may lose events.
fn described(config: &Config) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for component in config.components() {
        write!(text, "{component}: {}", component.r#type)?;
        if component.kind != Kind::Source {
            write!(text, " of {}", component.inputs.join(", "))?;
        }
        if let Some(buffer) = component.buffer {
            write!(text, ", {} buffer", buffer.r#type)?;
        }
        writeln!(text)?;
    }
    for warning in config.warnings() {
        writeln!(text, "warning: {warning}")?;
    }
    Ok(text)
}
