//! What the machine has, against what the configuration may take.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use landfall_listen::FILES_FOR_ALL_ELSE;
use landfall_topology::{BufferType, Config};
use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};

use super::{Finding, lakes, readable, taken_up};

const FSYNCS: usize = 50;
/// Beyond these an answer, which takes one to two fsyncs, is slow for its sender.
const SLOW_MEDIAN: Duration = Duration::from_millis(20);
const SLOW_AT_TIMES: Duration = Duration::from_millis(250);

/// What the process takes beside batches and bodies, and at most for an event that is remembered, with a disk and without.
const BASE_MEMORY: u64 = 100 << 20;
const BYTES_AN_ID: u64 = 5;
const BYTES_AN_ID_IN_MEMORY: u64 = 20;

/// `path`, or the nearest directory above it that is there.
fn existing(path: &Path) -> &Path {
    let mut above = path.ancestors();
    let found = above.find(|path| path.is_dir());
    found.unwrap_or(Path::new("."))
}

/// Whether the disk has room for all that the buffers may still take.
pub(super) fn disk(config: &Config) -> Option<Finding> {
    let sinks = config.sinks.iter();
    let on_disk = sinks.filter(|(_, sink)| sink.buffer.r#type == BufferType::Disk);
    let needed: u64 = on_disk
        .map(|(id, sink)| {
            let taken = bytes_below(&config.data_dir.join(id));
            sink.buffer.max_size.saturating_sub(taken)
        })
        .sum();
    if needed == 0 {
        return None;
    }
    let directory = existing(&config.data_dir);
    let shown = config.data_dir.display();
    let Ok(disk) = statvfs(directory) else {
        let what = format!("the disk of {shown} does not say how much room it has");
        return Some(Finding::worry("disk", what, "see whether it is mounted"));
    };
    let free = disk.f_bavail * disk.f_frsize;
    let what = format!(
        "{} are free for {shown}, and buffers may still take {}",
        readable(free),
        readable(needed)
    );
    Some(if free < needed {
        let advice =
            "make room or lower buffer.max_size: the disk would be full before the buffer says so";
        Finding::worry("disk", what, advice)
    } else {
        Finding::fine("disk", what)
    })
}

fn bytes_below(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// How long an fsync takes on the disk of the journals.
pub(super) fn fsync(data_dir: &Path) -> Option<Finding> {
    let directory = existing(data_dir);
    let mut times = match measure(directory) {
        Ok(times) => times,
        Err(error) => {
            let what = format!("nothing can be written in {}: {error}", directory.display());
            let advice =
                "make room, or let the user of the service write there: no event could be accepted";
            return Some(Finding::trouble("fsync", what, advice));
        }
    };
    times.sort_unstable();
    let (median, slowest) = (times.get(FSYNCS / 2)?, times.get(FSYNCS * 99 / 100)?);
    let millis = |time: &Duration| time.as_secs_f64() * 1000.0;
    let what = format!(
        "{FSYNCS} of 4 KiB in {} took p50 {:.2} ms, p99 {:.2} ms",
        directory.display(),
        millis(median),
        millis(slowest)
    );
    Some(if *median > SLOW_MEDIAN || *slowest > SLOW_AT_TIMES {
        let advice =
            "give data_dir a local disk of its own: every answer waits for one or two of these";
        Finding::worry("fsync", what, advice)
    } else {
        Finding::fine("fsync", what)
    })
}

fn measure(directory: &Path) -> io::Result<Vec<Duration>> {
    let mut file: File = tempfile::tempfile_in(directory)?;
    let mut times = Vec::with_capacity(FSYNCS);
    for _ in 0..FSYNCS {
        file.write_all(&[0x5a; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    Ok(times)
}

/// Whether the memory suffices for the most that the configuration may take.
pub(super) fn memory(config: &Config) -> Option<Finding> {
    let batches = lakes(config).map(|(id, lake)| {
        let buffer = config.sinks.get(id).map(|sink| sink.buffer.r#type);
        let bytes_an_id = match (lake.deduplicate.window_secs, buffer) {
            (0, _) => 0,
            (_, Some(BufferType::Disk)) => BYTES_AN_ID,
            _ => BYTES_AN_ID_IN_MEMORY,
        };
        lake.batch.max_bytes as u64 * 3 + lake.deduplicate.max_ids as u64 * bytes_an_id
    });
    let bodies = taken_up(config).map(|source| source.bytes as u64);
    let most = BASE_MEMORY + batches.sum::<u64>() + bodies.sum::<u64>();
    let there = available_memory()?;
    let what = format!(
        "{} at most may be needed, and {} are there",
        readable(most),
        readable(there)
    );
    Some(if most > there {
        let advice = "lower batch.max_bytes, limits.max_bytes_in_flight or deduplicate.max_ids, or give it more";
        Finding::worry("memory", what, advice)
    } else {
        Finding::fine("memory", what)
    })
}

/// What the control group allows, or else the machine has, in bytes.
fn available_memory() -> Option<u64> {
    let limits = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let limits = limits
        .iter()
        .filter_map(|path| number(&fs::read_to_string(path).ok()?));
    let all = fs::read_to_string("/proc/meminfo").ok();
    let all = all.and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(number(line.trim().strip_suffix(" kB")?)? * 1024)
    });
    limits.chain(all).min()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Whether as many files may be open as there may be connections.
pub(super) fn open_files(config: &Config) -> Option<Finding> {
    let connections = taken_up(config).map(|source| source.connections as u64);
    let needed = connections.sum::<u64>() + FILES_FOR_ALL_ELSE;
    // The service raises the soft limit to the hard one itself.
    let allowed = getrlimit(Resource::Nofile).maximum?;
    let what = format!("{allowed} may be open here, and {needed} may be needed");
    Some(if allowed < needed {
        let advice = "raise the hard limit (LimitNOFILE of systemd, ulimit -Hn): fewer connections would be let in";
        Finding::worry("open files", what, advice)
    } else {
        Finding::fine("open files", what)
    })
}
