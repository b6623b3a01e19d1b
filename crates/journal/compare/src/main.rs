//! Measures the journal, fjall and redb on the same work: concurrent writers, each of which waits until its record is durable, and a
//! sequential read of everything. Also the raw fsync of the disk, and the journal's time to open.
//!
//! `compare <dir> <store> <writers> <seconds>` leaves what it wrote for `compare <dir> <store> 0 0` to read back and remove;
//! `compare <dir> raw <records a write> <seconds>`; `compare <dir> open <GB> 0`. See the decision record.

mod stores;

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use landfall_journal::{Journal, Options};
use stores::{Fjall, Redb, Store};

/// Bytes per record.
const RECORD: usize = 600;

#[tokio::main]
async fn main() {
    let args: Vec<_> = std::env::args().collect();
    let [_, dir, what, count, seconds] = &args[..] else {
        panic!("usage: compare <dir> <journal|fjall|redb|raw|open> <writers or GB> <seconds>");
    };
    let dir = Path::new(dir).join("compare-data");
    let count: usize = count.parse().unwrap();
    let duration = Duration::from_secs(seconds.parse().unwrap());
    if count > 0 {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
    }
    match what.as_str() {
        "raw" => raw(&dir, count, duration),
        "open" => open(&dir, count).await,
        "journal" => {
            let options = Options {
                reserve_bytes: 0,
                ..Options::default()
            };
            let journal = Journal::open(&dir, options).await.unwrap();
            run(journal, &dir, count, duration).await;
        }
        "fjall" => run(Fjall::open(&dir), &dir, count, duration).await,
        "redb" => run(Redb::open(&dir), &dir, count, duration).await,
        other => panic!("no such store: {other}"),
    }
    if count == 0 || matches!(what.as_str(), "raw" | "open") {
        fs::remove_dir_all(&dir).unwrap();
    }
}

async fn run<S: Store>(store: S, dir: &Path, writers: usize, duration: Duration) {
    if writers == 0 {
        // Needs root; without it the page cache helps all of them alike.
        let _ = fs::write("/proc/sys/vm/drop_caches", "3");
        return read(store).await;
    }
    let (cpu, began) = (cpu(), Instant::now());
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while began.elapsed() < duration {
                    let sent = Instant::now();
                    store.append(body(writer, latencies.len())).await;
                    latencies.push(sent.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    let (wall, used) = (began.elapsed(), self::cpu() - cpu);
    latencies.sort_unstable();
    let records = latencies.len();
    let quantile = |q: f64| latencies[((records - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    println!(
        "{:8} {writers:4} writers: {:8.0} records/s, {:6.2} us CPU/record, {:6.2} records/fsync, p50 {:.2} p99 {:.2} p99.9 {:.2} ms, {:.3} bytes/byte",
        S::NAME,
        records as f64 / wall.as_secs_f64(),
        used.as_secs_f64() * 1e6 / records as f64,
        records as f64 / store.fsyncs() as f64,
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        disk_bytes(dir) as f64 / (records * RECORD) as f64,
    );
}

async fn read<S: Store>(store: S) {
    let (cpu, began) = (cpu(), Instant::now());
    let (records, bytes) = store.read().await;
    assert_eq!(bytes, records * RECORD);
    println!(
        "{:8} read back {records} records: {:9.0} records/s, {:6.3} us CPU/record",
        S::NAME,
        records as f64 / began.elapsed().as_secs_f64(),
        (self::cpu() - cpu).as_secs_f64() * 1e6 / records as f64,
    );
}

/// Writes like the journal's, one after the other, without the journal.
fn raw(dir: &Path, records: usize, duration: Duration) {
    let mut file = File::create(dir.join("raw")).unwrap();
    let bytes = vec![0x5A; records * RECORD];
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < duration {
        file.write_all(&bytes).unwrap();
        let sync = Instant::now();
        file.sync_data().unwrap();
        times.push(sync.elapsed());
    }
    times.sort_unstable();
    let quantile = |q: f64| times[((times.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    println!(
        "raw      {records} records a write: {} fdatasyncs, p50 {:.2} p99 {:.2} p99.9 {:.2} ms",
        times.len(),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
    );
}

/// Time to open a backlog of so many GB.
async fn open(dir: &Path, gigabytes: usize) {
    let body = vec![1; 1 << 20];
    let journal = Journal::open(dir, Options::default()).await.unwrap();
    while journal.end().get() < gigabytes as u64 * 1_000_000_000 {
        journal.append(&[&body]).await.unwrap();
    }
    // The last segment is the only one that is read: fill it with small records, which is the most work.
    let end = journal.end().get() + (33 << 20);
    while journal.end().get() < end {
        let tasks: Vec<_> = (0..4096)
            .map(|i| {
                let journal = journal.clone();
                tokio::spawn(async move { journal.append(&[&self::body(0, i)]).await.unwrap() })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    journal.close().await;
    for cache in ["cold", "warm", "warm"] {
        if cache == "cold" {
            // Needs root; without it the first opening is warm too.
            let _ = fs::write("/proc/sys/vm/drop_caches", "3");
        }
        let began = Instant::now();
        let journal = Journal::open(dir, Options::default()).await.unwrap();
        let stats = journal.stats();
        println!(
            "open     {:.2} GB, {} segments, {cache}: {:.1} ms",
            stats.bytes as f64 / 1e9,
            stats.segments,
            began.elapsed().as_secs_f64() * 1e3
        );
        journal.close().await;
    }
}

fn body(writer: usize, number: usize) -> Vec<u8> {
    // Not compressible, as a store that compresses would otherwise be measured on something that no webhook is.
    let mut x = (writer as u64) << 40 | number as u64;
    let word = |_| {
        x = x
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (x ^ (x >> 29)).to_le_bytes()
    };
    (0..RECORD / 8).flat_map(word).collect()
}

fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => disk_bytes(&entry.path()),
            metadata => metadata.blocks() * 512,
        })
        .sum()
}
