use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::Requests;
use crate::floor::Floor;
use crate::lake::Lake;
use crate::load::Load;
use crate::percentiles::Percentiles;
use crate::process::{Memory, MemoryWatch, Usage, stop};
use crate::report::{Cpu, MemorySize, Run};
use crate::server::Server;

/// Puts `load` on a program that was just started, stops it, and counts what it has landed.
///
/// What stopping costs, and what was left to land until then, belongs to the program's CPU time.
///
/// # Errors
/// The program fails, or its files cannot be read.
pub(crate) fn measure(
    program: &'static str,
    server: Server,
    lake: &Lake<'_>,
    load: &Load,
    requests: &mut Requests,
    floor: Option<&Floor>,
) -> anyhow::Result<(Run, Memory)> {
    let pid = server.process.id();
    let (watch, before) = (MemoryWatch::of(pid), Usage::of(pid)?);
    let begun = Instant::now();
    let sent = load.send(server.address, requests);
    let sent = sent.with_context(|| server.process.stderr())?;
    let lag_secs = server.metric("landfall_oldest_unlanded_age_seconds");
    let loaded = begun.elapsed();
    let used = stop(server.process).with_context(|| format!("stopping {program}"))?;
    let took = begun.elapsed();
    let memory = watch.end()?;
    ensure!(sent.accepted > 0, "no event was accepted");
    let landed = lake.landed()?;

    let accepted = sent.accepted as f64;
    let per_event = |time: Duration| time.as_secs_f64() * 1e6 / accepted;
    let (user, system) = (used.user - before.user, used.system - before.system);
    let cpu = user + system;
    let per_landed = |bytes: u64| bytes as f64 / landed.events.max(1) as f64;
    let run = Run {
        program,
        into: lake.name(),
        connections: load.connections,
        rate: load.rate(),
        accepted: sent.accepted,
        refused: sent.refused,
        landed: landed.events,
        accepted_per_sec: accepted / sent.took.as_secs_f64(),
        landed_per_sec: landed.events as f64 / took.as_secs_f64(),
        answer_ms: Percentiles::of(sent.micros),
        cpu_us_per_event: Cpu {
            user: per_event(user),
            system: per_event(system),
        },
        cpu_to_floor: floor.map(|floor| per_event(cpu) / floor.sum()),
        landed_per_core_sec: landed.events as f64 / cpu.as_secs_f64(),
        memory_mib: MemorySize {
            steady: memory.steady_mib(Duration::ZERO..loaded),
            peak: memory.peak_mib(),
        },
        disk_bytes_per_event: (used.written - before.written) as f64 / accepted,
        journal_bytes_per_byte: landed
            .journal_bytes()
            .map(|bytes| bytes as f64 / sent.body_bytes as f64),
        lake_bytes_per_event: per_landed(landed.bytes),
        lake_bytes_per_event_typed: per_landed(landed.bytes - landed.payload_bytes),
        files: landed.files,
        lag_secs,
    };
    Ok((run, memory))
}
