use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Write as _, stdout};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use bytes::Bytes;
use futures::future::try_join_all;
use landfall_appcues::SAMPLES;
use landfall_core::{Secret, Shutdown, Timestamp};
use landfall_topology::{Format, Registry, Topology};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::time::timeout;

use crate::run::parse;
use crate::send::{Draft, Kind, Poster};

const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Rows, first and last time of each event type.
type Summary = BTreeMap<String, (usize, Timestamp, Timestamp)>;

pub(crate) async fn demo(dir: Option<PathBuf>, registry: &Registry) -> anyhow::Result<()> {
    let dir = match dir {
        Some(dir) => std::path::absolute(dir)?,
        None => tempfile::Builder::new()
            .prefix("landfall-demo-")
            .tempdir()?
            .keep(),
    };
    let lake = dir.join("lake");
    let before = parquet_files(&lake)?;

    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    let secret = hex::encode(random);
    let (port, api_port) = (free_port()?, free_port()?);
    // A buffer of its own for each run: one of an earlier run would know the same events as duplicates.
    let data_dir = dir.join(format!("data-{}", &secret[..8]));
    let config = serde_json::json!({
        "data_dir": data_dir,
        "api": { "address": format!("127.0.0.1:{api_port}") },
        "sources": { "appcues": {
            "type": "appcues",
            "address": format!("127.0.0.1:{port}"),
            "signature": { "secrets": [secret] },
        } },
        "sinks": { "lake": {
            "type": "parquet",
            "inputs": ["appcues"],
            "uri": lake,
            "batch": { "max_events": SAMPLES.len(), "timeout_secs": 1 },
        } },
    });
    let topology = Topology::build(parse(&config.to_string(), Format::Json, registry)?).await?;
    let (trigger, shutdown) = Shutdown::new();
    let running = tokio::spawn(topology.run(shutdown));
    let url = format!("http://127.0.0.1:{port}/webhooks/appcues");
    writeln!(stdout(), "listening on {url}")?;

    let landed = timeout(TIME_LIMIT, async {
        post_samples(&url, Secret::new(secret)).await?;
        writeln!(
            stdout(),
            "posted {} signed events, all answered 200",
            SAMPLES.len()
        )?;
        wait_for_files(&lake, &before).await
    })
    .await;
    trigger.trigger();
    running.await??;
    let (files, summary) = landed.with_context(|| {
        format!(
            "not done after {TIME_LIMIT:?}; {} shows what is",
            dir.display()
        )
    })??;

    writeln!(stdout(), "\nlanded:")?;
    for file in &files {
        writeln!(stdout(), "  {}", file.display())?;
    }
    print_summary(&summary)?;
    writeln!(stdout(), "\nquery it:\n  {}", duckdb_line(&lake))?;
    check(&summary)
}

async fn post_samples(url: &str, secret: Secret) -> anyhow::Result<()> {
    let poster = Poster::new(Draft::new(url.parse()?, secret), Kind::good())?;
    let posts = SAMPLES.iter().map(|sample| {
        let poster = &poster;
        async move {
            let answer = poster.post(Bytes::from_static(sample.body)).await?;
            if !answer.status.is_success() {
                bail!("{} was refused: {}", sample.name, answer.text);
            }
            Ok(())
        }
    });
    try_join_all(posts).await.map(drop)
}

/// Waits until the files that are not among `before` hold all samples.
async fn wait_for_files(
    lake: &Path,
    before: &[PathBuf],
) -> anyhow::Result<(Vec<PathBuf>, Summary)> {
    writeln!(stdout(), "waiting until they are Parquet …")?;
    loop {
        let mut files = parquet_files(lake)?;
        files.retain(|file| !before.contains(file));
        let summary = summarize(&files)?;
        let rows: usize = summary.values().map(|(rows, ..)| rows).sum();
        if rows >= SAMPLES.len() {
            return Ok((files, summary));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn parquet_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => bail!("cannot read {}: {error}", directory.display()),
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "parquet")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn summarize(files: &[PathBuf]) -> anyhow::Result<Summary> {
    let mut summary = Summary::new();
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.build()?;
        for batch in reader {
            let batch = batch?;
            let column = |name: &str| {
                let column = batch.column_by_name(name);
                column.with_context(|| format!("{} has no {name}", file.display()))
            };
            let types = column("event_type")?.as_string::<i32>();
            let times = column("occurred_at")?.as_primitive::<TimestampMillisecondType>();
            for row in 0..types.len() {
                let time = Timestamp::from_millis(times.value(row));
                let entry = summary.entry(types.value(row).to_owned());
                let (rows, first, last) = entry.or_insert((0, time, time));
                *rows += 1;
                *first = time.min(*first);
                *last = time.max(*last);
            }
        }
    }
    Ok(summary)
}

fn print_summary(summary: &Summary) -> std::io::Result<()> {
    writeln!(
        stdout(),
        "\n{:<26} {:>4}  {:<24}  {:<24}",
        "event_type",
        "rows",
        "first",
        "last"
    )?;
    for (event_type, (rows, first, last)) in summary {
        writeln!(
            stdout(),
            "{event_type:<26} {rows:>4}  {:<24}  {:<24}",
            utc(*first),
            utc(*last)
        )?;
    }
    Ok(())
}

fn utc(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.as_millis()).map_or_else(
        |_| time.as_millis().to_string(),
        |time| format!("{time:.3}"),
    )
}

fn duckdb_line(lake: &Path) -> String {
    let glob = format!("{}/events/**/*.parquet", lake.display());
    let glob = glob.replace('\'', "''");
    format!("duckdb -c \"SELECT * FROM read_parquet('{glob}', hive_partitioning = true)\"")
}

/// Every documented event type must have landed exactly once.
fn check(summary: &Summary) -> anyhow::Result<()> {
    for sample in &SAMPLES {
        let rows = summary.get(sample.event_type).map_or(0, |(rows, ..)| *rows);
        if rows != 1 {
            bail!(
                "{} rows of {} landed where 1 was sent",
                rows,
                sample.event_type
            );
        }
    }
    Ok(())
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
