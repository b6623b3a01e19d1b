use std::collections::BTreeMap;
use std::io::{Write as _, stdout};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use landfall_appcues::{AppcuesEvent, SAMPLES, sign};
use landfall_core::{Secret, Timestamp};
use tokio::time::{Instant, sleep_until};

use crate::cli::Send;
use crate::generate::bodies_in;

const IN_FLIGHT: usize = 64;

pub(crate) async fn send(args: Send) -> anyhow::Result<()> {
    let bodies = bodies(&args)?;
    let count = args.count.unwrap_or(bodies.len());
    let progress = ProgressBar::new(count as u64).with_style(style());
    let secret = Secret::new(args.secret);
    let poster = Poster::new(&args.url, secret)?;
    let begin = Instant::now();
    let pause = args.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));

    let poster = &poster;
    let bodies = &bodies;
    let answers = stream::iter(0..count)
        .then(|index| async move {
            if let (Some(pause), Ok(index)) = (pause, u32::try_from(index)) {
                sleep_until(begin + pause.saturating_mul(index)).await;
            }
            index
        })
        .map(|index| async move {
            let body = &bodies[index % bodies.len()];
            let body = if index < bodies.len() {
                body.clone()
            } else {
                with_new_id(body)?
            };
            poster.post(body).await
        })
        .buffer_unordered(IN_FLIGHT);
    let mut answers = pin!(answers);
    let mut accepted = 0;
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap_or_else(|error| Answer {
            accepted: false,
            text: format!("{error:#}"),
        });
        *statuses.entry(answer.text).or_default() += 1;
        progress.inc(1);
        if answer.accepted {
            accepted += 1;
        } else {
            progress.set_message("some were refused");
        }
    }
    progress.finish_and_clear();
    for (text, count) in &statuses {
        writeln!(stdout(), "{count} × {text}")?;
    }
    if accepted < count {
        bail!("{} of {count} events were not accepted", count - accepted);
    }
    Ok(())
}

/// Signs and posts events, as the Appcues page describes.
pub(crate) struct Poster {
    client: reqwest::Client,
    url: String,
    secret: Secret,
}

pub(crate) struct Answer {
    pub(crate) accepted: bool,
    /// The status, with the reason where it is a refusal.
    pub(crate) text: String,
}

impl Poster {
    pub(crate) fn new(url: &str, secret: Secret) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build();
        Ok(Self {
            client: client.context("cannot make an HTTP client")?,
            url: url.to_owned(),
            secret,
        })
    }

    pub(crate) async fn post(&self, body: Bytes) -> anyhow::Result<Answer> {
        let timestamp = Timestamp::now().as_millis().to_string();
        let response = self
            .client
            .post(&self.url)
            .header("X-Apc-Signature", sign(&self.secret, &timestamp, &body))
            .header("X-Apc-Timestamp", timestamp)
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await
            .with_context(|| format!("no answer from {}", self.url))?;
        let status = response.status();
        let accepted = status.is_success();
        let text = response.text().await.unwrap_or_default();
        let text = if accepted {
            status.to_string()
        } else {
            format!("{status} {text}")
        };
        Ok(Answer { accepted, text })
    }
}

fn bodies(args: &Send) -> anyhow::Result<Vec<Bytes>> {
    if args.files.is_empty() {
        return Ok(SAMPLES
            .iter()
            .map(|sample| Bytes::from_static(sample.body))
            .collect());
    }
    let bodies: anyhow::Result<Vec<_>> = args.files.iter().map(|file| bodies_in(file)).collect();
    Ok(bodies?.concat())
}

/// The same event with an id of its own; a body that is no event is sent as it is.
fn with_new_id(body: &Bytes) -> anyhow::Result<Bytes> {
    let Ok(event) = AppcuesEvent::parse(body) else {
        return Ok(body.clone());
    };
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    let id = hex::encode(id);
    let id = format!(
        "{}-{}-{}-{}-{}",
        &id[..8],
        &id[8..12],
        &id[12..16],
        &id[16..20],
        &id[20..]
    );
    Ok(Bytes::from(event.body().replacen(event.id(), &id, 1)))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
