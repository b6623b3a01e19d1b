//! How memory and time grow: with what waits to land, with partitions, and with what has come.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::try_join_all;
use landfall_core::Timestamp;
use landfall_journal::{Journal, Options};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

use crate::arguments::{Common, Scale};
use crate::bench::prepare;
use crate::chart::{Chart, Line, svg};
use crate::lake::Lake;
use crate::load::{Load, Pace};
use crate::machine::Machine;
use crate::process::{Memory, MemorySample, MemoryWatch, Usage, stop};
use crate::report::{self, Run};
use crate::run::measure;
use crate::server::{Landfall, Server};
use crate::{Requests, USERS};

/// What is drained into many partitions.
const PARTITIONED: u64 = 1_000_000;

/// Appends that wait for one fsync.
const APPENDS: u64 = 8192;

/// Points of a line; more would not be seen.
const POINTS: usize = 200;

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    drains: Vec<Drain>,
    growth: Option<Growth>,
}

/// A backlog that was landed.
#[derive(Debug, Serialize)]
struct Drain {
    events: u64,
    partitions: u32,
    cores: usize,
    journal_bytes: u64,
    /// From the start of the process until it answered.
    started_in_ms: f64,
    /// From then until all had landed.
    secs: f64,
    events_per_sec: f64,
    events_per_core_sec: f64,
    peak_mib: f64,
    memory: Vec<MemorySample>,
}

/// Events that came at a rate, with Landfall as it is by default.
#[derive(Debug, Serialize)]
struct Growth {
    run: Run,
    memory: Vec<MemorySample>,
}

/// Measures it, prints a table, and writes numbers and a chart.
///
/// # Errors
/// A program fails, or cannot be started.
pub(crate) fn run(scale: &Scale, common: &Common) -> anyhow::Result<()> {
    let landfall = Landfall::find(common.landfall.as_deref())?;
    let dir = common.dir()?;
    let shorter = if common.quick { 50 } else { 1 };
    println!("preparing events …");
    let mut requests = prepare(if common.quick { USERS / 10 } else { USERS });
    let machine = Machine::look_at(&dir, if common.quick { 100 } else { 500 })?;
    println!("\n{machine}\n\n{HEAD}");

    let mut drains = Vec::new();
    let partitioned = (scale.partitions > 1).then_some((PARTITIONED, scale.partitions));
    let backlogs = scale.backlogs.iter().map(|events| (*events, 1));
    for (events, partitions) in backlogs.chain(partitioned) {
        for cores in &scale.cores {
            let work = tempfile::tempdir_in(&dir)?;
            let drain = Drain::measure(
                &landfall,
                work.path(),
                &mut requests,
                events / shorter,
                partitions,
                *cores,
            )?;
            println!("{drain}");
            drains.push(drain);
        }
    }
    let growth = match scale.growth / shorter {
        0 => None,
        events => Some(grow(&landfall, &dir, &mut requests, events, scale.rate)?),
    };
    let report = Report {
        machine,
        drains,
        growth,
    };
    let path = report::write(&dir, "scale", &report)?;
    let chart = path.with_extension("svg");
    std::fs::write(&chart, report.draw())?;
    println!(
        "\nall numbers: {}\nchart: {}",
        path.display(),
        chart.display()
    );
    Ok(())
}

const HEAD: &str = "\
backlog, events  partitions  cores  journal, MiB  started, ms  drained, s  events/s  a core second  peak, MiB";

impl std::fmt::Display for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>15} {:>11} {:>6} {:>13} {:>12.0} {:>11.1} {:>9.0} {:>14.0} {:>10.0}",
            self.events,
            self.partitions,
            self.cores,
            self.journal_bytes >> 20,
            self.started_in_ms,
            self.secs,
            self.events_per_sec,
            self.events_per_core_sec,
            self.peak_mib,
        )
    }
}

impl Drain {
    fn measure(
        landfall: &Landfall,
        work: &Path,
        requests: &mut Requests,
        events: u64,
        partitions: u32,
        cores: usize,
    ) -> anyhow::Result<Self> {
        let journal_bytes = fill(&Landfall::journal(work), requests, events, partitions)?;
        let lake = Lake::Directory(work.join("lake"));
        let sink = if partitions > 1 {
            "partition = \"events/account={account_id}\""
        } else {
            ""
        };
        let server = on_cores(cores, || landfall.start(work, &lake, sink))?;
        let started_in = server.started_in;
        let pid = server.process.id();
        let watch = MemoryWatch::of(pid);
        let begun = Instant::now();
        wait_until_landed(&server, events)?;
        let took = begun.elapsed();
        let cpu = Usage::of(pid)?.cpu();
        stop(server.process)?;
        let memory = watch.end()?;
        let landed = lake.landed()?.events;
        ensure!(landed == events, "{landed} of {events} events landed");
        Ok(Self {
            events,
            partitions,
            cores,
            journal_bytes,
            started_in_ms: started_in.as_secs_f64() * 1e3,
            secs: took.as_secs_f64(),
            events_per_sec: events as f64 / took.as_secs_f64(),
            events_per_core_sec: events as f64 / cpu.as_secs_f64(),
            peak_mib: memory.peak_mib(),
            memory: thin(&memory),
        })
    }
}

/// Writes events into a journal as a disk buffer does, as if they had come an hour ago, so that none waits for others once
/// it is read. Returns how long the journal is, in bytes.
fn fill(
    journal: &Path,
    requests: &mut Requests,
    events: u64,
    accounts: u32,
) -> anyhow::Result<u64> {
    let received_at = Timestamp::now().as_millis() - 3_600_000;
    let mut head = vec![1];
    head.extend_from_slice(&received_at.to_le_bytes());
    tokio::runtime::Runtime::new()?.block_on(async {
        let journal = Journal::open(journal, Options::default()).await?;
        let begin = journal.end();
        for first in (0..events).step_by(APPENDS as usize) {
            let numbers = first..events.min(first + APPENDS);
            let bodies: Vec<_> = numbers
                .map(|number| of_account(requests.take_body(), number % u64::from(accounts)))
                .collect();
            let appends = bodies
                .iter()
                .map(async |body| journal.append(&[&head, body]).await);
            try_join_all(appends).await?;
        }
        let length = journal.end().get() - begin.get();
        journal.close().await;
        Ok(length)
    })
}

/// `body` as if it were of another account.
fn of_account(body: &[u8], number: u64) -> Vec<u8> {
    const ACCOUNT: &str = "\"account_id\":\"";
    let body = String::from_utf8_lossy(body);
    match body.split_once(ACCOUNT) {
        Some((before, after)) => format!("{before}{ACCOUNT}{number}-{after}").into_bytes(),
        None => body.into_owned().into_bytes(),
    }
}

/// Does `work`, and whatever it starts, on so many cores.
fn on_cores<T: Send>(
    cores: usize,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let limited = || {
        let mut set = CpuSet::new();
        (0..cores).for_each(|core| set.set(core));
        sched_setaffinity(None, &set)?;
        work()
    };
    // A thread's own, and that of its children.
    std::thread::scope(|scope| scope.spawn(limited).join())
        .map_err(|_| anyhow::anyhow!("starting it has failed"))?
}

/// Waits as long as a slow machine may take.
fn wait_until_landed(server: &Server, events: u64) -> anyhow::Result<()> {
    let limit = Duration::from_secs(60 + events / 5000);
    let begun = Instant::now();
    while server.metric("landfall_journal_unlanded_bytes") != Some(0.0) {
        ensure!(
            begun.elapsed() < limit,
            "not landed after {limit:?}\n{}",
            server.process.stderr()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn grow(
    landfall: &Landfall,
    dir: &Path,
    requests: &mut Requests,
    events: u64,
    rate: u32,
) -> anyhow::Result<Growth> {
    let work = tempfile::tempdir_in(dir)?;
    let lake = Lake::Directory(work.path().join("lake"));
    let server = landfall.start(work.path(), &lake, "")?;
    let load = Load {
        connections: 64,
        pace: Pace::PerSecond(rate),
        time: Duration::from_secs(events.div_ceil(rate.into())),
        events,
    };
    requests.renew();
    let (run, memory) = measure("landfall", server, &lake, &load, requests, None)?;
    let tenth = load.time / 10;
    println!(
        "\n{events} events at {rate}/s, as it is by default: {:.0} MiB after a tenth, {:.0} at the end, {:.0} at most; {}",
        memory.steady_mib(tenth..2 * tenth),
        memory.steady_mib(9 * tenth..load.time),
        memory.peak_mib(),
        run.answer_ms,
    );
    Ok(Growth {
        run,
        memory: thin(&memory),
    })
}

/// As many looks as a chart can show.
fn thin(memory: &Memory) -> Vec<MemorySample> {
    let step = memory.samples.len().div_ceil(POINTS).max(1);
    memory.samples.iter().copied().step_by(step).collect()
}

impl Report {
    fn draw(&self) -> String {
        let over_backlog = |value: fn(&Drain) -> f64| {
            let mut lines = BTreeMap::<usize, Vec<_>>::new();
            for drain in self.drains.iter().filter(|drain| drain.partitions == 1) {
                let line = lines.entry(drain.cores).or_default();
                line.push((drain.events as f64, value(drain)));
            }
            let line = |(cores, points)| Line {
                name: format!("{cores} {}", if cores == 1 { "core" } else { "cores" }),
                points,
            };
            lines.into_iter().map(line).collect()
        };
        let growth = self.growth.iter().map(|growth| Line {
            name: format!("{} events a second", growth.run.rate.unwrap_or(0)),
            points: growth
                .memory
                .iter()
                .map(|sample| (sample.secs, sample.kib as f64 / 1024.0))
                .collect(),
        });
        let charts = [
            Chart {
                title: "Peak memory, MiB",
                x_axis: "events in the backlog",
                lines: over_backlog(|drain| drain.peak_mib),
            },
            Chart {
                title: "Time to drain, s",
                x_axis: "events in the backlog",
                lines: over_backlog(|drain| drain.secs),
            },
            Chart {
                title: "Memory over time, MiB",
                x_axis: "seconds",
                lines: growth.collect(),
            },
        ];
        svg("Memory and time by backlog, and memory over time", &charts)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use landfall_appcues::AppcuesEvent;
    use landfall_topology::decode_record;

    use super::*;

    #[test]
    fn a_backlog_is_what_a_disk_buffer_would_have_left() {
        let dir = tempfile::tempdir().unwrap();
        let mut requests = prepare(20);
        let length = fill(dir.path(), &mut requests, 30, 3).unwrap();

        let records = landfall_journal::export(dir.path()).unwrap();
        let records: Vec<_> = records.map(Result::unwrap).collect();
        let mut accounts = BTreeSet::new();
        for record in &records {
            let event = decode_record(record).unwrap();
            let waited = Timestamp::now().as_millis() - event.received_at.as_millis();
            assert!(waited >= 3_600_000, "{waited}");
            let parsed = AppcuesEvent::parse(&event.body).unwrap();
            accounts.insert(parsed.account_id().unwrap().into_owned());
        }
        assert_eq!((records.len(), accounts.len()), (30, 3));
        assert_eq!(length, records[29].end.get());
    }
}
