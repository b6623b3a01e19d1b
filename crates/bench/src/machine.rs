use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::percentiles::Percentiles;

/// What numbers depend on.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    /// Of `fdatasync` after 16 KiB were appended to a file, by one thread with nothing else going on.
    pub(crate) fsync_ms: Percentiles,
}

const APPENDED: [u8; 16 * 1024] = [1; 16 * 1024];

impl Machine {
    /// This machine, with the disk of `dir`; so many fsyncs are measured.
    pub(crate) fn look_at(dir: &Path, fsyncs: u64) -> anyhow::Result<Self> {
        let value = |file: &str, key: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_default()
                .trim_matches([' ', '\t', ':'])
                .to_owned()
        };
        let memory = value("/proc/meminfo", "MemTotal");
        let memory = memory.trim_end_matches(" kB").parse::<u64>();
        Ok(Self {
            cpu: value("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: memory.unwrap_or(0) / 1024,
            kernel: value("/proc/sys/kernel/osrelease", ""),
            fsync_ms: time_fsyncs(dir, fsyncs)?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cpu,
            cores,
            memory_mib,
            kernel,
            fsync_ms,
        } = self;
        writeln!(f, "{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}")?;
        write!(f, "an fsync of 16 KiB on its disk: {fsync_ms}")
    }
}

fn time_fsyncs(dir: &Path, count: u64) -> anyhow::Result<Percentiles> {
    let path = dir.join("fsync");
    let mut file = File::create(&path)?;
    file.write_all(&APPENDED)?;
    file.sync_all()?;
    let mut micros = Vec::new();
    for number in 1..=count {
        let begun = Instant::now();
        file.write_all_at(&APPENDED, number * APPENDED.len() as u64)?;
        file.sync_data()?;
        micros.push(begun.elapsed().as_micros() as u32);
    }
    fs::remove_file(path)?;
    Ok(Percentiles::of(micros))
}
