//! What `import` and `replay` have in common: events on another way into the lake than through the service.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _, stdout};
use std::path::Path;

use anyhow::{Context as _, bail};
use landfall_appcues::{AppcuesEvent, NotAnEvent};
use landfall_core::Event;
use landfall_journal::{export, inspect};
use landfall_sink_parquet::{Backfill, Copies, ParquetConfig, Pushed};
use landfall_topology::{Chain, Config, decode_record};

use crate::cli;

/// A backfill of a configured sink, which no other can disturb while it lives.
pub(crate) struct Opened {
    pub(crate) backfill: Backfill,
    /// What stands before the sink: nothing may pass it by.
    chain: Chain,
    _lock: File,
}

/// Opens `lake`, or the only one that the configuration has.
pub(crate) async fn open(
    config: &Config,
    lake: &cli::Lake,
    copies: Copies,
) -> anyhow::Result<Opened> {
    let sink = lake.sink.as_deref();
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
    let chain = chain(config, id, lake.through.as_deref())?;
    let lock = lock(&config.data_dir)?;
    let mut backfill = Backfill::open(settings, copies).await?;
    expect_journal(&mut backfill, &config.data_dir.join(id))?;
    Ok(Opened {
        backfill,
        chain,
        _lock: lock,
    })
}

/// The transforms before the sink, which must be the same on all ways that `through` allows.
fn chain(config: &Config, sink: &str, through: Option<&str>) -> anyhow::Result<Chain> {
    let all = config.ways_to(sink);
    let shown = || -> String {
        all.iter()
            .map(|way| format!("\n  {way} -> {sink}"))
            .collect()
    };
    let mut ways = all.clone();
    if let Some(name) = through {
        ways.retain(|way| way.leads_through(name));
        // What the sink itself names is meant before what lies further off.
        if ways.iter().any(|way| way.input() == name) {
            ways.retain(|way| way.input() == name);
        }
    }
    let Some(way) = ways.first() else {
        bail!(
            "no way to the sink leads through \"{}\":{}",
            through.unwrap_or_default(),
            shown()
        );
    };
    if ways.iter().any(|other| other.transforms != way.transforms) {
        bail!(
            "events reach the sink through different transforms; choose a way with --through and a name that is on it alone:{}",
            shown()
        );
    }
    Ok(config.chain(way)?)
}

impl Opened {
    /// Does with `event` what the transforms before the sink do, and lands it with the next batch unless it has a copy.
    /// `None` if it is left out on purpose.
    pub(crate) async fn push(
        &mut self,
        event: Event,
    ) -> anyhow::Result<Option<Result<Pushed, NotAnEvent>>> {
        let body = event.body.clone();
        let Some(event) = self.chain.transform(event) else {
            return Ok(None);
        };
        let pushed = self.backfill.push(&event).await?;
        // Why it is no event can be told from what it was before a transform withheld it.
        Ok(Some(pushed.map_err(|reason| {
            AppcuesEvent::parse(&body).err().unwrap_or(reason)
        })))
    }
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
    left_out: u64,
    /// How many bodies are no event and where the first few are, by reason.
    broken: BTreeMap<&'static str, (u64, Vec<String>)>,
}

impl Report {
    const SHOWN_PLACES: usize = 3;

    pub(crate) fn add(
        &mut self,
        pushed: Option<Result<Pushed, NotAnEvent>>,
        place: impl Fn() -> String,
    ) {
        match pushed {
            Some(Ok(Pushed::Taken)) => self.landed += 1,
            Some(Ok(Pushed::Copy)) => self.copies += 1,
            Some(Err(reason)) => self.add_broken(reason.reason(), place),
            None => self.left_out += 1,
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
        if self.left_out > 0 {
            writeln!(
                out,
                "left out         {} by the transforms before the sink",
                self.left_out
            )?;
        }
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
