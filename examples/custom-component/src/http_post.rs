//! Posts events in batches to a receiver of HTTP requests, and acknowledges a batch once the receiver has answered 2xx.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use landfall_core::{
    BuildError, Component, Delivery, Event, Health, Secret, Seldom, Sink, SinkConfig, SinkContext,
    SinkError, lenient, log_seldom, too_long,
};
use metrics::counter;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

/// How long to wait before a batch is posted again: twice as long each time, up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Posts events in batches, one JSON object a line, each at least once. Only `url` has no default.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpPostConfig {
    /// Where to post: `https://example.com/events`.
    url: String,
    /// A token for `Authorization: Bearer`; none is sent when it is empty.
    #[serde(default)]
    token: Option<Secret>,
    /// How long the receiver may take to answer, in seconds.
    #[serde(default = "thirty", deserialize_with = "lenient")]
    timeout_secs: u64,
    /// When a batch is closed and posted.
    #[serde(default)]
    batch: BatchConfig,
}

/// When a batch is closed and posted: at whichever limit is met first.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct BatchConfig {
    /// Events in a batch. One delivery from a disk buffer, of up to 1024 events and about 1 MiB, is not divided.
    #[serde(deserialize_with = "lenient")]
    max_events: usize,
    /// How long an event may wait for others, in seconds.
    #[serde(deserialize_with = "lenient")]
    timeout_secs: u64,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_events: 500,
            timeout_secs: 1,
        }
    }
}

fn thirty() -> u64 {
    30
}

impl HttpPostConfig {
    fn url(&self) -> Result<Url, String> {
        // The URL is not quoted: a password may stand in it.
        match Url::parse(&self.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
            Ok(_) => Err("url: must begin with http:// or https://".to_owned()),
            Err(error) => Err(format!("url: {error}")),
        }
    }

    fn client(&self) -> Result<Client, BuildError> {
        let client = Client::builder()
            .timeout(Duration::from_secs(self.timeout_secs))
            // A redirected POST becomes a GET without a body, and its 200 would say nothing of the events.
            .redirect(Policy::none())
            .build();
        client.map_err(|error| BuildError::new(format!("no HTTP client: {error}")))
    }
}

impl Component for HttpPostConfig {
    fn validate(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.url().err().into_iter().collect();
        if self.batch.max_events == 0 {
            problems.push("batch.max_events: must be at least 1".to_owned());
        }
        problems.extend(too_long("timeout_secs", self.timeout_secs));
        problems.extend(too_long("batch.timeout_secs", self.batch.timeout_secs));
        problems
    }
}

#[async_trait]
impl SinkConfig for HttpPostConfig {
    async fn build(&self, context: SinkContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(HttpPost {
            url: self.url().map_err(BuildError::new)?,
            client: self.client()?,
            config: self.clone(),
            seldom: Seldom::new(context.labels()),
            home_id: context.home_id,
            health: context.health,
        }))
    }

    /// Any answer will do: what the receiver makes of requests other than POST is its own affair.
    async fn healthcheck(&self) -> Result<(), BuildError> {
        let request = self.client()?.head(self.url().map_err(BuildError::new)?);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(BuildError::new(format!("url: {}", error.without_url()))),
        }
    }
}

struct HttpPost {
    url: Url,
    client: Client,
    config: HttpPostConfig,
    seldom: Seldom,
    home_id: String,
    health: Health,
}

#[async_trait]
impl Sink for HttpPost {
    async fn run(self: Box<Self>, input: BoxStream<'static, Delivery>) -> Result<(), SinkError> {
        let mut input = input.fuse();
        while let Some(first) = input.next().await {
            let mut batch = vec![first];
            let deadline = Instant::now() + Duration::from_secs(self.config.batch.timeout_secs);
            while event_count(&batch) < self.config.batch.max_events
                && let Ok(Some(delivery)) = timeout_at(deadline, input.next()).await
            {
                batch.push(delivery);
            }
            self.post_until_taken(&batch).await?;
            for delivery in batch {
                delivery.ack.durable();
            }
        }
        Ok(())
    }
}

fn event_count(batch: &[Delivery]) -> usize {
    batch.iter().map(|delivery| delivery.events.len()).sum()
}

impl HttpPost {
    /// Posts the events of `batch` until the receiver answers 2xx. They stay in the buffer until then, and so do all that
    /// come after them: nothing is given up, however long the receiver is away.
    async fn post_until_taken(&self, batch: &[Delivery]) -> Result<(), SinkError> {
        let mut lines = Vec::new();
        for event in batch.iter().flat_map(|delivery| &delivery.events) {
            let line = self.line(event);
            serde_json::to_writer(&mut lines, &line).map_err(|error| {
                SinkError::new(format!("an event cannot be written as JSON: {error}"))
            })?;
            lines.push(b'\n');
        }
        // A durable buffer says with a delivery without events that all which an earlier run had left has been delivered.
        if lines.is_empty() {
            return Ok(());
        }
        let lines = Bytes::from(lines);
        let mut pause = FIRST_PAUSE;
        while let Err(problem) = self.post(lines.clone()).await {
            log_seldom!(
                &self.seldom,
                "post",
                warn,
                problem,
                "cannot post events; trying again"
            );
            counter!("component_errors_total", self.seldom.labels()).increment(1);
            // Shown by `/ready` until it is over.
            self.health.report(Some(problem));
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.health.report(None);
        counter!("component_sent_events_total", self.seldom.labels())
            .increment(event_count(batch) as u64);
        Ok(())
    }

    async fn post(&self, lines: Bytes) -> Result<(), String> {
        let mut request = self.client.post(self.url.clone()).body(lines);
        request = request.header("Content-Type", "application/x-ndjson");
        if let Some(token) = self.config.token.as_ref().map(Secret::expose)
            && !token.is_empty()
        {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the receiver answers {}", answer.status())),
            Err(error) => Err(format!(
                "the receiver cannot be reached: {}",
                error.without_url()
            )),
        }
    }

    fn line<'a>(&self, event: &'a Event) -> Line<'a> {
        let text = str::from_utf8(&event.body).ok();
        Line {
            id: event.position.map(|at| format!("{}-{at}", self.home_id)),
            received_at: event.received_at.as_millis(),
            payload: text,
            payload_base64: text.is_none().then(|| STANDARD.encode(&event.body)),
        }
    }
}

/// How one event is written.
#[derive(Serialize)]
struct Line<'a> {
    /// The same whenever this event is posted, so that the receiver can tell a second copy. None with a memory buffer.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Milliseconds since the Unix epoch.
    received_at: i64,
    /// The body of the webhook as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    /// The same where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}
