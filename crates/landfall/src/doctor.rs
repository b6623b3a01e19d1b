//! `landfall doctor`: what could go wrong with a configuration on this machine, before it does.

mod buffers;
mod machine;
mod reach;

use std::any::Any;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use landfall_sink_parquet::ParquetConfig;
use landfall_source_appcues::AppcuesConfig;
use landfall_source_vector::VectorSourceConfig;
use landfall_topology::{Config, Registry};
use serde::Serialize;
use serde_json::json;

use crate::cli::ListFormat;
use crate::run::load;

/// How much something weighs. Those that weigh most come first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
enum Weight {
    /// Events are refused or lost, or will be.
    Trouble,
    /// Something could become trouble.
    Worry,
    Fine,
}

/// Something that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    weight: Weight,
    /// What was looked at: `clock`, `disk`, …
    about: &'static str,
    /// How it is.
    what: String,
    /// What to do about it; empty where it is fine.
    advice: String,
}

impl Finding {
    fn new(weight: Weight, about: &'static str, what: String, advice: &str) -> Self {
        let advice = advice.to_owned();
        Self {
            weight,
            about,
            what,
            advice,
        }
    }

    fn trouble(about: &'static str, what: String, advice: &str) -> Self {
        Self::new(Weight::Trouble, about, what, advice)
    }

    fn worry(about: &'static str, what: String, advice: &str) -> Self {
        Self::new(Weight::Worry, about, what, advice)
    }

    fn fine(about: &'static str, what: String) -> Self {
        Self::new(Weight::Fine, about, what, "")
    }
}

/// Looks at everything, prints what it found, and fails if anything is not fine.
pub(crate) async fn examine(
    paths: &[PathBuf],
    format: ListFormat,
    registry: &Registry,
) -> anyhow::Result<()> {
    let config = load(paths, registry)?;
    let warnings = config.warnings().into_iter();
    let mut findings: Vec<_> = warnings
        .map(|warning| Finding::worry("configuration", warning, "change it, or accept it"))
        .collect();
    if findings.is_empty() {
        let what = format!("valid, with {} components", config.components().count());
        findings.push(Finding::fine("configuration", what));
    }
    let (ports, is_running) = reach::ports(&config).await?;
    findings.extend(ports);
    findings.extend(reach::stores(&config).await);
    findings.extend(reach::clock(&config).await?);
    findings.extend(machine::disk(&config));
    findings.extend(machine::fsync(&config.data_dir));
    findings.extend(machine::memory(&config));
    findings.extend(machine::open_files(&config));
    findings.extend(buffers::journals(&config, is_running));
    findings.sort_by_key(|finding| finding.weight);

    print(&findings, format)?;
    let is_fine = |finding: &&Finding| finding.weight == Weight::Fine;
    match findings.len() - findings.iter().filter(is_fine).count() {
        0 => Ok(()),
        1 => bail!("one thing is not as it should be"),
        count => bail!("{count} things are not as they should be"),
    }
}

fn print(findings: &[Finding], format: ListFormat) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        ListFormat::Json => writeln!(out, "{:#}", json!({ "findings": findings }))?,
        ListFormat::Text => {
            for Finding {
                weight,
                about,
                what,
                advice,
            } in findings
            {
                let weight = match weight {
                    Weight::Trouble => "TROUBLE",
                    Weight::Worry => "worry",
                    Weight::Fine => "fine",
                };
                writeln!(out, "{weight:7}  {about}: {what}")?;
                if !advice.is_empty() {
                    writeln!(out, "         → {advice}")?;
                }
            }
        }
    }
    Ok(())
}

/// The settings of those sinks that land Parquet, by name.
fn lakes(config: &Config) -> impl Iterator<Item = (&String, &ParquetConfig)> {
    config.sinks.iter().filter_map(|(id, outer)| {
        let settings = (&*outer.config as &dyn Any).downcast_ref()?;
        Some((id, settings))
    })
}

/// What senders may take up of a source: connections, and bytes.
struct TakenUp {
    connections: usize,
    bytes: usize,
}

fn taken_up(config: &Config) -> impl Iterator<Item = TakenUp> {
    config.sources.values().filter_map(|outer| {
        let settings = &*outer.config as &dyn Any;
        let (connections, bytes) =
            if let Some(AppcuesConfig { limits, .. }) = settings.downcast_ref() {
                (limits.max_connections, limits.max_bytes_in_flight)
            } else {
                let VectorSourceConfig { limits, .. } = settings.downcast_ref()?;
                (limits.max_connections, limits.max_bytes_in_flight)
            };
        Some(TakenUp { connections, bytes })
    })
}

/// A number of bytes for people.
fn readable(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", bytes as f64 / size as f64),
        None => format!("{bytes} bytes"),
    }
}
