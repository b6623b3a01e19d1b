use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use landfall_appcues::{SAMPLES, sign};
use landfall_core::{Secret, Timestamp};
use landfall_testkit::{Instance, Landfall};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::step::{announced, run, target_directory, workspace_root};

const SECRET: &str = "a secret only of this benchmark";
const PATH: &str = "/webhooks/appcues";

/// Events are prepared ahead, at most so many at a time.
const PREPARED: usize = 200_000;

const CONFIG: &str = r#"
data_dir = "{data}"
api.address = "{api}"

[sources.appcues]
type = "appcues"
address = "{source}"
signature.secrets = ["${APPCUES_WEBHOOK_SECRET}"]

[sinks.lake]
type = "parquet"
inputs = ["appcues"]
uri = "{dir}/lake"
batch.timeout_secs = 5
"#;

/// Measures what an event costs from the request to its acknowledgement, while what was accepted is landed.
pub(crate) fn run_all(connections: &[usize], limit: Duration) -> anyhow::Result<()> {
    let root = workspace_root()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release"]).current_dir(&root);
    announced("cargo build --release", || {
        run(&mut build, "Repair what cargo names above.")
    })?;
    let target = target_directory()?;
    let exe = target.join("release/landfall");
    let work = target.join("bench");
    fs::create_dir_all(&work)?;

    println!(
        "\nfdatasync of 16 KiB appended to a file, on the disk of {}:",
        work.display()
    );
    println!("  {}", Percentiles::of(raw_fsync(&work)?));
    println!(
        "\n{:<22} {:>5} {:>9} {:>8} {:>8}  answer time",
        "data_dir", "conn.", "events/s", "CPU us", "peak MiB"
    );
    // Without a disk an fsync costs nothing: what is left is the rest of the way.
    for (name, parent) in [
        ("disk", work.as_path()),
        ("memory (/dev/shm)", Path::new("/dev/shm")),
    ] {
        for connections in connections {
            let measured = measure(&exe, parent, *connections, limit)?;
            println!("{name:<22} {connections:>5} {measured}");
        }
    }
    Ok(())
}

struct Measured {
    events_per_sec: f64,
    /// User and system time of the server, encoding and landing included.
    cpu_per_event: Duration,
    /// The most memory that the server ever had, in MiB.
    peak_memory: u64,
    answers: Percentiles,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cpu = self.cpu_per_event.as_secs_f64() * 1e6;
        write!(
            f,
            "{:>9.0} {cpu:>8.1} {:>8}  {}",
            self.events_per_sec, self.peak_memory, self.answers
        )
    }
}

fn measure(
    exe: &Path,
    parent: &Path,
    connections: usize,
    limit: Duration,
) -> anyhow::Result<Measured> {
    let data = tempfile::tempdir_in(parent)?;
    let landfall = Landfall::new(exe).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = CONFIG.replace("{data}", &data.path().display().to_string());
    let config = landfall.write("landfall.toml", &config);
    let instance = landfall.start(&config);

    let requests = prepare(connections);
    let cpu_before = cpu_time(&instance)?;
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut times = runtime.block_on(load(instance.source(), requests, begun + limit))?;
    let took = begun.elapsed();
    // The rest of the landing belongs to what an event costs.
    let (cpu, peak_memory) = finish(instance, cpu_before)?;
    let count = times.len() as u32;
    ensure!(count > 0, "no event was accepted");
    times.sort();
    Ok(Measured {
        events_per_sec: f64::from(count) / took.as_secs_f64(),
        cpu_per_event: cpu / count,
        peak_memory,
        answers: Percentiles::of(times),
    })
}

/// Waits until the server has landed everything, which shows in its CPU time standing still, and stops it. Returns the CPU
/// time since `before`, and the peak memory in MiB.
fn finish(instance: Instance, before: Duration) -> anyhow::Result<(Duration, u64)> {
    let mut last = cpu_time(&instance)?;
    let mut quiet = 0;
    // Longer than a batch waits.
    while quiet < 6 {
        std::thread::sleep(Duration::from_secs(1));
        let now = cpu_time(&instance)?;
        quiet = if now - last < Duration::from_millis(30) {
            quiet + 1
        } else {
            0
        };
        last = now;
    }
    let status = fs::read_to_string(format!("/proc/{}/status", instance.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let ended = instance.terminate();
    ensure!(ended.code == Some(0), "the server failed:\n{ended}");
    Ok((last - before, peak.unwrap_or(0) / 1024))
}

/// For each connection, signed requests of events that differ from all others.
fn prepare(connections: usize) -> Vec<Vec<Vec<u8>>> {
    let secret = Secret::new(SECRET);
    let timestamp = Timestamp::now().as_millis().to_string();
    let request = |number: usize| {
        let sample = String::from_utf8_lossy(SAMPLES[number % SAMPLES.len()].body);
        let id = format!(
            "\"id\": \"{:08x}-0000-4000-8000-{number:012x}\"",
            std::process::id()
        );
        let begin = sample.find("\"id\": ").unwrap_or(0);
        let end = begin + sample[begin..].find(',').unwrap_or(0);
        let body = format!("{}{id}{}", &sample[..begin], &sample[end..]);
        let signature = sign(&secret, &timestamp, body.as_bytes());
        format!(
            "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             X-Apc-Signature: {signature}\r\nX-Apc-Timestamp: {timestamp}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let each = PREPARED / connections;
    (0..connections)
        .map(|connection| (0..each).map(|n| request(connection * each + n)).collect())
        .collect()
}

/// Sends on all connections at once, on each one request after the other; returns every answer's time.
async fn load(
    address: SocketAddr,
    requests: Vec<Vec<Vec<u8>>>,
    deadline: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut senders = tokio::task::JoinSet::new();
    for requests in requests {
        senders.spawn(send_all(address, requests, deadline));
    }
    let mut times = Vec::new();
    while let Some(sent) = senders.join_next().await {
        times.extend(sent??);
    }
    Ok(times)
}

async fn send_all(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    deadline: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::with_capacity(requests.len());
    let mut answer = vec![0; 4096];
    for request in requests {
        let begun = Instant::now();
        if begun >= deadline {
            break;
        }
        stream.write_all(&request).await?;
        let length = stream.read(&mut answer).await?;
        // The server writes its short answers in one piece.
        if !answer[..length].starts_with(b"HTTP/1.1 200") {
            bail!(
                "not accepted: {}",
                String::from_utf8_lossy(&answer[..length])
            );
        }
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// The time that the disk itself takes to make a small append durable.
fn raw_fsync(dir: &Path) -> anyhow::Result<Vec<Duration>> {
    let path = dir.join("fsync");
    let mut file = File::create(&path)?;
    file.write_all(&[0; 16 * 1024])?;
    file.sync_all()?;
    let mut times = Vec::new();
    for number in 1..=500 {
        let begun = Instant::now();
        file.write_all_at(&[1; 16 * 1024], number * 16 * 1024)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    fs::remove_file(path)?;
    Ok(times)
}

/// User and system time of the process, in steps of 10 ms.
fn cpu_time(instance: &Instance) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", instance.id()))?;
    let (_, fields) = stat
        .rsplit_once(')')
        .context("an unknown form of /proc/PID/stat")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

struct Percentiles([Duration; 3]);

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        Self([at(0.5), at(0.99), at(0.999)])
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p99, p999] = self.0.map(|time| time.as_secs_f64() * 1e3);
        write!(f, "p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms")
    }
}
