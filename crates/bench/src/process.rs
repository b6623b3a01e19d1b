//! What Linux says of a process: `proc(5)`.

use std::fs;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use landfall_testkit::{Process, Signal};
use serde::Serialize;

/// Longer than any program here takes to stop.
const STOP: Duration = Duration::from_secs(60);

/// Between two looks at the memory.
const INTERVAL: Duration = Duration::from_millis(50);

/// What a process has used since its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// In the process's own code, in steps of a clock tick.
    pub(crate) user: Duration,
    /// In the kernel, on its behalf.
    pub(crate) system: Duration,
    /// What it made the kernel write to disks, in bytes, with what is written again because a page has changed.
    pub(crate) written: u64,
    has_ended: bool,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name before it may hold spaces.
        let (_, stat) = stat
            .rsplit_once(") ")
            .context("/proc/PID/stat has changed")?;
        let fields: Vec<_> = stat.split(' ').collect();
        let ticks = |number: usize| -> anyhow::Result<Duration> {
            let ticks: u64 = fields.get(number).context("a short stat")?.parse()?;
            let a_second = rustix::param::clock_ticks_per_second();
            Ok(Duration::from_secs_f64(ticks as f64 / a_second as f64))
        };
        Ok(Self {
            user: ticks(11)?,
            system: ticks(12)?,
            written: value(&format!("/proc/{pid}/io"), "write_bytes:").unwrap_or(0),
            has_ended: fields.first() == Some(&"Z"),
        })
    }

    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

/// Asks `process` to stop, and returns what it has used when it has ended.
pub(crate) fn stop(mut process: Process) -> anyhow::Result<Usage> {
    process.signal(Signal::TERM);
    let deadline = Instant::now() + STOP;
    // A child that has ended keeps its numbers until it is waited for.
    let usage = loop {
        let usage = Usage::of(process.id())?;
        if usage.has_ended {
            break usage;
        }
        ensure!(
            Instant::now() < deadline,
            "still running {STOP:?} after SIGTERM\n{}",
            process.stderr()
        );
        thread::sleep(Duration::from_millis(5));
    };
    let ended = process.wait(STOP);
    ensure!(ended.code == Some(0), "it has failed\n{ended}");
    Ok(usage)
}

/// Looks at the memory of a process from time to time.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    done: Arc<AtomicBool>,
    watching: JoinHandle<Memory>,
}

/// The memory of a process over time.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The most that was resident, in KiB, between two looks too.
    pub(crate) peak_kib: u64,
    pub(crate) samples: Vec<MemorySample>,
}

/// What was resident at a time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct MemorySample {
    /// Since the watch began.
    pub(crate) secs: f64,
    pub(crate) kib: u64,
}

impl MemoryWatch {
    pub(crate) fn of(pid: u32) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let watch = move || {
            let mut memory = Memory::default();
            let (begun, status) = (Instant::now(), format!("/proc/{pid}/status"));
            while !told.load(Ordering::Relaxed) {
                // Neither is there any more when the process has ended.
                if let Some(kib) = value(&status, "VmRSS:") {
                    let secs = begun.elapsed().as_secs_f64();
                    memory.samples.push(MemorySample { secs, kib });
                }
                let peak = value(&status, "VmHWM:").unwrap_or(0);
                memory.peak_kib = memory.peak_kib.max(peak);
                thread::sleep(INTERVAL);
            }
            memory
        };
        Self {
            done,
            watching: thread::spawn(watch),
        }
    }

    pub(crate) fn end(self) -> anyhow::Result<Memory> {
        self.done.store(true, Ordering::Relaxed);
        let memory = self.watching.join();
        memory.map_err(|_| anyhow::anyhow!("the watch over the memory has failed"))
    }
}

impl Memory {
    pub(crate) fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
    }

    /// The median of all looks within `time`, counted from the first, in MiB.
    pub(crate) fn steady_mib(&self, time: Range<Duration>) -> f64 {
        let within = |sample: &&MemorySample| time.contains(&Duration::from_secs_f64(sample.secs));
        let samples = self.samples.iter().filter(within);
        let mut sizes: Vec<_> = samples.map(|sample| sample.kib).collect();
        sizes.sort_unstable();
        sizes.get(sizes.len() / 2).copied().unwrap_or(0) as f64 / 1024.0
    }
}

/// The number behind `key` in a file of `/proc`.
fn value(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_that_has_ended_leaves_what_it_has_used() {
        // Works for a while before it waits, and ends well when it is asked to.
        let script = "trap 'exit 0' TERM; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo ready; \
                      while :; do sleep 0.01; done";
        let process = Process::spawn(Command::new("sh").args(["-c", script]));
        let watch = MemoryWatch::of(process.id());
        while process.stdout().is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        let before = Usage::of(process.id()).unwrap();
        let used = stop(process).unwrap();
        assert!(
            used.user >= before.user && used.user > Duration::ZERO,
            "{used:?}"
        );
        let memory = watch.end().unwrap();
        let steady = memory.steady_mib(Duration::ZERO..STOP);
        assert!(memory.peak_mib() >= steady && steady > 0.0, "{memory:?}");
    }
}
