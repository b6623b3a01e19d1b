use std::collections::BTreeMap;
use std::io::{Write as _, stdout};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::error::ErrorKind;
use futures::stream::{self, StreamExt as _};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode, Uri};
use indicatif::{ProgressBar, ProgressStyle};
use landfall_appcues::{AppcuesEvent, SAMPLES};
use landfall_core::Secret;
use tokio::time::{Instant, sleep_until};

use crate::cli::Send;
use crate::generate::bodies_in;

mod kind;
mod sign;

pub(crate) use kind::Kind;
pub(crate) use sign::{Draft, Encoding, Unit};

const IN_FLIGHT: usize = 64;

pub(crate) async fn send(args: Send) -> anyhow::Result<()> {
    let bodies = bodies(&args)?;
    let count = args.count.unwrap_or(bodies.len());
    let expected = args.expect.unwrap_or(args.kind.status);
    let progress = ProgressBar::new(count as u64).with_style(style());
    let poster = Poster::new(draft(&args)?, args.kind)?;
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
    let mut as_expected = 0;
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(answer) = answers.next().await {
        let text = match answer {
            Ok(answer) => {
                as_expected += usize::from(answer.status == expected);
                answer.text
            }
            Err(error) => format!("{error:#}"),
        };
        *statuses.entry(text).or_default() += 1;
        progress.inc(1);
    }
    progress.finish_and_clear();
    for (text, count) in &statuses {
        writeln!(stdout(), "{count} × {text}")?;
    }
    if as_expected < count {
        let others = count - as_expected;
        bail!("{others} of {count} requests were not answered {expected}");
    }
    Ok(())
}

/// Sends one kind of request after the other.
pub(crate) struct Poster {
    client: reqwest::Client,
    /// Without a body.
    draft: Draft,
    kind: &'static Kind,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The status, with the reason where it is a refusal.
    pub(crate) text: String,
}

impl Poster {
    pub(crate) fn new(draft: Draft, kind: &'static Kind) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build();
        Ok(Self {
            client: client.context("cannot make an HTTP client")?,
            draft,
            kind,
        })
    }

    /// The last answer, where one kind is several requests.
    pub(crate) async fn post(&self, body: Bytes) -> anyhow::Result<Answer> {
        let request = (self.kind.make)(self.draft.clone().with_body(body))?;
        for _ in 1..self.kind.copies {
            self.answer(request.clone()).await?;
        }
        self.answer(request).await
    }

    async fn answer(&self, request: Request<Bytes>) -> anyhow::Result<Answer> {
        // Not all of it: path and credentials may be secret.
        let host = request.uri().host().unwrap_or_default().to_owned();
        let response = self.client.execute(request.try_into()?).await;
        let response = response.map_err(reqwest::Error::without_url);
        let response = response.with_context(|| format!("no answer from {host}"))?;
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        let text = if status.is_success() {
            status.to_string()
        } else {
            format!("{status} {text}")
        };
        Ok(Answer { status, text })
    }
}

fn draft(args: &Send) -> anyhow::Result<Draft> {
    // Only a request that is not signed at all needs none.
    let secret = args.secret.clone();
    let secret = secret.or_else(|| (args.kind.name == "unsigned").then(String::new));
    let secret = secret.unwrap_or_else(|| {
        let problem = "give --secret, or set APPCUES_WEBHOOK_SECRET\n";
        clap::Error::raw(ErrorKind::MissingRequiredArgument, problem).exit()
    });
    let url = args.url.parse().ok();
    let is_http = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https"));
    let url = url.filter(is_http).unwrap_or_else(|| {
        // Without the value, as it may hold credentials.
        let problem = "--url: is no URL that begins with http:// or https://\n";
        clap::Error::raw(ErrorKind::ValueValidation, problem).exit()
    });
    let mut draft = Draft::new(url, Secret::new(secret));
    draft.encoding = args.signature_encoding;
    draft.unit = args.timestamp_unit;
    let headers = draft.request.headers_mut();
    for (name, value) in &args.headers {
        headers.append(name, value.clone());
    }
    if let Some(user) = &args.user {
        let credentials = format!("Basic {}", STANDARD.encode(user));
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&credentials)?);
    }
    Ok(draft)
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
