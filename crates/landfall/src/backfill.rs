//! What `import` and `replay` have in common: events on another way into the lake than through the service.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _, stdout};
use std::path::Path;

use anyhow::{Context as _, bail};
use landfall_appcues::NotAnEvent;
use landfall_journal::{export, inspect};
use landfall_sink_parquet::{Backfill, Copies, ParquetConfig, Pushed};
use landfall_topology::{Config, decode_record};

/// A backfill of a configured sink, which no other can disturb while it lives.
pub(crate) struct Opened {
    pub(crate) backfill: Backfill,
    _lock: File,
}

/// Opens the lake of the sink named `sink`, or of the only one that lands Parquet files.
pub(crate) async fn open(
    config: &Config,
    sink: Option<&str>,
    copies: Copies,
) -> anyhow::Result<Opened> {
    let mut lakes = config.sinks.iter().filter_map(|(id, outer)| {
        let settings = (&*outer.config as &dyn Any).downcast_ref::<ParquetConfig>()?;
        sink.is_none_or(|name| name == id).then_some((id, settings))
    });
    let (id, settings) = match (lakes.next(), lakes.next(), sink) {
        (Some(lake), None, _) => lake,
        (Some(_), Some(_), _) => bail!("several sinks land Parquet files; choose one with --sink"),
        (None, _, Some(name)) => bail!("there is no sink \"{name}\" that lands Parquet files"),
        (None, _, None) => bail!("no sink lands Parquet files"),
    };
    let lock = lock(&config.data_dir)?;
    let mut backfill = Backfill::open(settings, copies).await?;
    expect_journal(&mut backfill, &config.data_dir.join(id))?;
    Ok(Opened {
        backfill,
        _lock: lock,
    })
}

/// Passes over copies of what the service has accepted for the sink and not landed yet: it is no less there. The service may
/// be running. What has landed may stay in the journal for long, and is looked for in the lake.
fn expect_journal(backfill: &mut Backfill, journal: &Path) -> anyhow::Result<()> {
    let unreadable = || format!("cannot read the journal {}", journal.display());
    if journal.is_dir() {
        let cursors = inspect(journal).with_context(unreadable)?.cursors;
        let landed = cursors.into_values().min().flatten();
        for record in export(journal).with_context(unreadable)? {
            let record = record.with_context(unreadable)?;
            if landed.is_none_or(|landed| landed < record.end)
                && let Some(event) = decode_record(&record)
            {
                backfill.expect(&event.body);
            }
        }
    }
    Ok(())
}

/// Two at a time would not see each other's events.
fn lock(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join("backfill.lock");
    let cannot = || format!("cannot write {}", path.display());
    fs::create_dir_all(data_dir).with_context(cannot)?;
    let file = File::create(&path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another import or replay is running with data_dir {}",
            data_dir.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
    }
}

/// What became of the events so far.
#[derive(Default)]
pub(crate) struct Report {
    landed: u64,
    copies: u64,
    /// How many bodies are no event and where the first few are, by reason.
    broken: BTreeMap<&'static str, (u64, Vec<String>)>,
}

impl Report {
    const SHOWN_PLACES: usize = 3;

    pub(crate) fn add(&mut self, pushed: Result<Pushed, NotAnEvent>, place: impl Fn() -> String) {
        match pushed {
            Ok(Pushed::Taken) => self.landed += 1,
            Ok(Pushed::Copy) => self.copies += 1,
            Err(reason) => self.add_broken(reason.reason(), place),
        }
    }

    pub(crate) fn add_broken(&mut self, reason: &'static str, place: impl Fn() -> String) {
        let (count, places) = self.broken.entry(reason).or_default();
        *count += 1;
        if places.len() < Self::SHOWN_PLACES {
            places.push(place());
        }
    }

    pub(crate) fn broken(&self) -> u64 {
        self.broken.values().map(|(count, _)| count).sum()
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "landed           {}", self.landed)?;
        writeln!(
            out,
            "passed over      {} of which a copy has landed or will",
            self.copies
        )?;
        for (reason, (count, places)) in &self.broken {
            let places = places.join(", ");
            let more = if *count > Self::SHOWN_PLACES as u64 {
                ", …"
            } else {
                ""
            };
            writeln!(out, "no event         {count}: {reason} ({places}{more})")?;
        }
        Ok(())
    }
}
