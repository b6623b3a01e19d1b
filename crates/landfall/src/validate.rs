use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::path::PathBuf;

use landfall_topology::{Config, Registry, Topology};

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
    for (id, source) in &config.sources {
        writeln!(text, "sources.{id}: {}", source.r#type)?;
    }
    for (id, transform) in &config.transforms {
        let inputs = transform.inputs.join(", ");
        writeln!(text, "transforms.{id}: {} of {inputs}", transform.r#type)?;
    }
    for (id, sink) in &config.sinks {
        let inputs = sink.inputs.join(", ");
        let buffer = sink.buffer.r#type;
        writeln!(
            text,
            "sinks.{id}: {} of {inputs}, {buffer} buffer",
            sink.r#type
        )?;
    }
    for warning in config.warnings() {
        writeln!(text, "warning: {warning}")?;
    }
    Ok(text)
}
