use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bare::Bare;
use crate::floor::Floor;
use crate::machine::Machine;
use crate::percentiles::Percentiles;

/// All that was measured, as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) floor: Floor,
    /// The bare server, with a file.
    pub(crate) bare: Vec<Bare>,
    pub(crate) runs: Vec<Run>,
}

/// One load on one program.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    /// Such as `landfall`.
    pub(crate) program: &'static str,
    /// Where it landed.
    pub(crate) into: &'static str,
    pub(crate) connections: usize,
    /// Requests a second that were due; `None` where each waited for the answer before.
    pub(crate) rate: Option<u32>,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) landed: u64,
    pub(crate) accepted_per_sec: f64,
    /// Until the last had landed, and the program had stopped.
    pub(crate) landed_per_sec: f64,
    pub(crate) answer_ms: Percentiles,
    pub(crate) cpu_us_per_event: Cpu,
    /// CPU an event, as a multiple of the floor.
    pub(crate) cpu_to_floor: Option<f64>,
    pub(crate) landed_per_core_sec: f64,
    pub(crate) memory_mib: MemorySize,
    /// Written to disk, of the journal and a lake in a directory; pages that change are written again.
    pub(crate) disk_bytes_per_event: f64,
    /// Of the journal, for each byte of a body; `None` for programs whose files do not tell.
    pub(crate) journal_bytes_per_byte: Option<f64>,
    pub(crate) lake_bytes_per_event: f64,
    /// Without the column `payload`.
    pub(crate) lake_bytes_per_event_typed: f64,
    pub(crate) files: u64,
    /// How long the oldest event had waited to land when the load ended.
    pub(crate) lag_secs: Option<f64>,
}

/// CPU time of a whole process, in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

/// Resident memory, in MiB.
#[derive(Debug, Serialize)]
pub(crate) struct MemorySize {
    /// The median while the load went on.
    pub(crate) steady: f64,
    pub(crate) peak: f64,
}

/// Writes what was measured as JSON into a new file in `dir`, named after `what` and the time.
pub(crate) fn write(dir: &Path, what: &str, report: &impl Serialize) -> anyhow::Result<PathBuf> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H%M%SZ");
    let path = dir.join(format!("{what}-{now}.json"));
    fs::write(&path, serde_json::to_string_pretty(report)?)?;
    Ok(path)
}

/// A load in words.
pub(crate) fn load_name(connections: usize, rate: Option<u32>) -> String {
    match rate {
        Some(rate) => format!("{rate}/s"),
        None => format!("{connections} conn."),
    }
}

/// What the columns of a table of runs are called.
pub(crate) const HEAD: &str = "
                               events a second      CPU us an event      times    landed   answer time, ms        memory, MiB   bytes an event      journal   lag,
program   into       load      accepted   landed    user  system  all   floor  a core s    p50    p99   p99.9    steady  peak   disk   lake  typed   a byte      s";

pub(crate) const LEGEND: &str = "
Each line is a process that was sent events for a while and then stopped, and had landed all of them unless its line says otherwise.
  load             how many connections each sent one request after the other; or how many requests were due in a second
  CPU              of the whole process from the first request to its end, landing included; `times floor` divides it by the floor above
  landed a core s  events for each second of that CPU time
  answer time      of what was answered 200; of a request that was due at a time, since then
  memory           resident: the median under load, and the most
  bytes an event   written to the disk, journal and all; in the files that landed; in these without the column payload
  journal a byte   what the journal takes for each byte of a request's body
  lag              how long the oldest event had waited to land when the load ended";

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cpu { user, system } = self.cpu_us_per_event;
        let Percentiles { p50, p99, p999, .. } = self.answer_ms;
        write!(
            f,
            "{:<9} {:<10} {:<10}{:>8.0} {:>8.0}  {user:>6.1} {system:>7.1} {:>4.0} {:>7} {:>9.0}",
            self.program,
            self.into,
            load_name(self.connections, self.rate),
            self.accepted_per_sec,
            self.landed_per_sec,
            user + system,
            known(self.cpu_to_floor, 2),
            self.landed_per_core_sec,
        )?;
        write!(
            f,
            "{p50:>7.1} {p99:>6.1} {p999:>7.1}    {:>6.0} {:>5.0}  {:>5.0} {:>6.0} {:>6.0} {:>8} {:>6}",
            self.memory_mib.steady,
            self.memory_mib.peak,
            self.disk_bytes_per_event,
            self.lake_bytes_per_event,
            self.lake_bytes_per_event_typed,
            known(self.journal_bytes_per_byte, 2),
            known(self.lag_secs, 1),
        )?;
        if self.refused > 0 {
            write!(f, "  {} refused", self.refused)?;
        }
        if self.landed != self.accepted {
            write!(f, "  {} of {} landed", self.landed, self.accepted)?;
        }
        Ok(())
    }
}

fn known(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}
