//! What is outside of the process: ports, stores, the clock.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use landfall_core::{Resource, listen_advice};
use landfall_sink_parquet::ParquetConfig;
use landfall_topology::Config;
use reqwest::Client;
use reqwest::header::DATE;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::{Finding, lakes};

/// How long a store, or an instance that runs, may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// A clock that is off by more has reason to be looked at. Stores and senders tolerate minutes.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// How long the clock is watched, and by how much it may move against time itself meanwhile.
const WATCHED: Duration = Duration::from_millis(500);
const JUMP: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
struct Ready {
    ready: bool,
    reasons: Vec<String>,
    warnings: Vec<String>,
}

/// Whether the ports are free, or held by an instance that runs; and whether one does.
pub(super) async fn ports(config: &Config) -> anyhow::Result<(Vec<Finding>, bool)> {
    let ports = config.resources().into_iter();
    let ports = ports.filter_map(|(holder, resource)| match resource {
        Resource::Port(address) => Some((holder, address)),
        _ => None,
    });
    let held: Vec<(String, SocketAddr, io::Error)> = ports
        .filter_map(|(holder, address)| {
            let error = TcpListener::bind(address).err()?;
            Some((holder, address, error))
        })
        .collect();
    if held.is_empty() {
        let what = "all are free: no instance with this configuration runs here".to_owned();
        return Ok((vec![Finding::fine("ports", what)], false));
    }
    let client = Client::builder().no_proxy().timeout(ANSWER_TIME).build()?;
    let url = format!("http://{}/ready", config.api.address);
    let answer = async {
        let bytes = client.get(url).send().await.ok()?.bytes().await.ok()?;
        serde_json::from_slice::<Ready>(&bytes).ok()
    };
    let Some(ready) = answer.await else {
        let held = held.into_iter().map(|(holder, address, error)| {
            let what = format!("{holder} cannot listen on {address}: {error}");
            Finding::trouble("ports", what, listen_advice(&error))
        });
        return Ok((held.collect(), false));
    };
    let reasons = ready.reasons.into_iter().map(|reason| {
        let advice = "no event is accepted meanwhile: see the alarms in docs/operations.md";
        Finding::trouble("instance", reason, advice)
    });
    let warnings = ready.warnings.into_iter().map(|warning| {
        let advice = "accepted events wait meanwhile: see the alarms in docs/operations.md";
        Finding::worry("instance", warning, advice)
    });
    let mut findings: Vec<_> = reasons.chain(warnings).collect();
    if ready.ready {
        let what = "one runs, and accepts events".to_owned();
        findings.push(Finding::fine("instance", what));
    }
    Ok((findings, true))
}

/// Whether every sink could land, and every source has the files that it needs.
pub(super) async fn stores(config: &Config) -> Vec<Finding> {
    const LATE: &str = "no answer in time";
    let mut findings = Vec::new();
    for (id, outer) in &config.sources {
        let check = timeout(ANSWER_TIME, outer.config.healthcheck()).await;
        let problem = match check {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => LATE.to_owned(),
        };
        let what = format!("sources.{id}: {problem}");
        findings.push(Finding::trouble(
            "source",
            what,
            "it would not start: mend this",
        ));
    }
    for (id, outer) in &config.sinks {
        let check = timeout(ANSWER_TIME, outer.config.healthcheck()).await;
        let problem = match check {
            Ok(Ok(())) => {
                findings.push(Finding::fine("storage", format!("sinks.{id} could land")));
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => LATE.to_owned(),
        };
        let what = format!("sinks.{id}: {problem}");
        let advice = "nothing lands until this is mended: see docs/lake.md";
        findings.push(Finding::trouble("storage", what, advice));
    }
    findings
}

/// Whether the clock is that of the stores, and goes as time does.
pub(super) async fn clock(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let (wall, began) = (SystemTime::now(), Instant::now());
    sleep(WATCHED).await;
    let moved = apart(SystemTime::now(), wall + began.elapsed());
    if moved > JUMP {
        let what = format!("it jumped by {moved:.1?} within {WATCHED:?}");
        let advice = "let it be slewed (chrony, systemd-timesyncd): signatures are judged by it";
        findings.push(Finding::worry("clock", what, advice));
    }
    let client = Client::builder().timeout(ANSWER_TIME).build()?;
    for (id, lake) in lakes(config) {
        let Some(endpoint) = endpoint(lake) else {
            continue;
        };
        let Some(off) = against(&client, &endpoint).await else {
            // Whether the store answers at all is looked at elsewhere.
            continue;
        };
        let off_secs = off.as_secs();
        let what = format!("{off_secs} s from that of the store of sinks.{id}");
        findings.push(if off > CLOCK_TOLERANCE {
            let advice = "set it, and keep it by NTP: requests are refused for the age of their signature, by stores too";
            Finding::worry("clock", what, advice)
        } else {
            Finding::fine("clock", what)
        });
    }
    if findings.is_empty() {
        let what = "it goes evenly; there is no store to compare it with".to_owned();
        findings.push(Finding::fine("clock", what));
    }
    Ok(findings)
}

/// How far this clock is from that of `endpoint`, which tells whole seconds.
async fn against(client: &Client, endpoint: &str) -> Option<Duration> {
    let answer = client.head(endpoint).send().await.ok()?;
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    let seconds = u64::try_from(date.timestamp().as_second()).ok()?;
    let theirs = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(500);
    let off = apart(SystemTime::now(), theirs);
    Some(off.saturating_sub(Duration::from_millis(500)))
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    let after = one.duration_since(other);
    after.unwrap_or_else(|error| error.duration())
}

/// Where a store answers, if that can be told from its settings.
fn endpoint(lake: &ParquetConfig) -> Option<String> {
    let setting = |names: [&str; 2]| {
        let known = |key: &String| names.contains(&key.to_ascii_lowercase().as_str());
        let found = lake.storage.iter().find(|(key, _)| known(key));
        found.map(|(_, value)| value.clone())
    };
    if let Some(endpoint) = setting(["endpoint", "aws_endpoint"]) {
        return Some(endpoint);
    }
    match lake.uri.split_once("://")?.0 {
        "s3" => {
            let region = setting(["region", "aws_region"])?;
            Some(format!("https://s3.{region}.amazonaws.com"))
        }
        "gs" => Some("https://storage.googleapis.com".to_owned()),
        _ => None,
    }
}
