//! `landfall replay --quarantine`: what an older version could not read, once more.

use anyhow::bail;
use indicatif::ProgressBar;
use landfall_core::Event;
use landfall_sink_parquet::Copies;
use landfall_topology::Config;

use crate::backfill::{self, Report};
use crate::cli;

pub(crate) async fn replay_quarantine(config: &Config, lake: &cli::Lake) -> anyhow::Result<()> {
    let mut opened = backfill::open(config, lake, Copies::SameBytes).await?;
    let files = opened.backfill.quarantine_files().await?;
    let progress = ProgressBar::new(files.len() as u64);
    let mut report = Report::default();
    let mut unreadable = 0;
    for file in progress.wrap_iter(files.iter()) {
        let bodies = match opened.backfill.quarantined(file).await {
            Ok(bodies) => bodies,
            // It must not keep the others from landing.
            Err(error) => {
                progress.suspend(|| eprintln!("{error}"));
                unreadable += 1;
                continue;
            }
        };
        for (row, quarantined) in bodies.into_iter().enumerate() {
            let event = Event::new(quarantined.received_at, quarantined.body);
            let pushed = opened.push(event).await?;
            report.add(pushed, || format!("{file} row {row}"));
        }
    }
    opened.backfill.finish().await?;
    progress.finish_and_clear();
    report.print()?;
    if unreadable > 0 {
        bail!("{unreadable} files of the quarantine cannot be read");
    }
    Ok(())
}
