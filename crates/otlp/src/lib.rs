//! Sends traces and metrics to an OpenTelemetry collector: OTLP over HTTP, as Protobuf. The
//! [standard environment variables](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/) say where and
//! how; where they name no endpoint nothing is sent.
//!
//! ```text
//! spans with a field otel.kind ─▶ Layer ─▶ sampler ─▶ bounded queue ─┐
//!                                                                    ├─▶ Client ─▶ collector
//! what /metrics shows ─▶ every OTEL_METRIC_EXPORT_INTERVAL ──────────┘
//! ```
//!
//! A collector that is away or slow costs telemetry and nothing else: what it does not take in time is dropped, and that is
//! logged from time to time.
//!
//! ```no_run
//! use landfall_otlp::Otlp;
//! use tracing_subscriber::layer::SubscriberExt as _;
//! use tracing_subscriber::util::SubscriberInitExt as _;
//!
//! # async fn serve() {}
//! # #[tokio::main]
//! # async fn main() {
//! let otlp = Otlp::from_env("my-service");
//! tracing_subscriber::registry().with(otlp.layer()).init();
//! let sending = otlp.begin(|| String::from("# TYPE events_total counter\nevents_total 13\n"));
//! serve().await;
//! sending.end().await;
//! # }
//! ```
//!
//! Metrics are those of a Prometheus endpoint, read from its text: they are the same by construction, and counting them costs
//! nothing more. Spans become OpenTelemetry's by a layer of their own, since the general one has no way to continue a trace
//! that a field names, so that whoever makes spans would need OpenTelemetry too.

mod client;
mod layer;
mod metrics;
mod settings;
mod spans;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::join;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::registry::LookupSpan;

use crate::client::Client;
use crate::metrics::Exported;
use crate::settings::Settings;
use crate::spans::Spans;

/// What spans and metrics name as the library that they are from.
const SCOPE: &str = "landfall";

/// How long the end may wait for the collector to take what is left.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// A function of a type that can be named.
type IsSent = fn(&Metadata<'_>) -> bool;

/// Traces and metrics that are to be sent, as far as the environment asks for it.
#[derive(Debug)]
pub struct Otlp {
    traces: Option<SdkTracerProvider>,
    metrics: Option<(Client, Exported)>,
    interval: Duration,
    /// Where they are sent, and what keeps them from it: for the log, once there is one.
    notes: Vec<String>,
    problems: Vec<String>,
}

/// Sending that has begun.
#[derive(Debug)]
#[must_use = "what is left is sent at its end"]
pub struct Sending {
    traces: Option<SdkTracerProvider>,
    metrics: Option<(Arc<Metrics>, JoinHandle<()>)>,
}

impl Otlp {
    /// What the environment asks for, of a service that is called `service` if it does not say how. If a variable cannot be
    /// used, what needs it is not sent, and [`begin`](Self::begin) logs why.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_env(service: &'static str) -> Self {
        let Settings {
            traces,
            metrics,
            interval,
            mut problems,
        } = Settings::read(&|name| std::env::var(name).ok());
        let mut notes = Vec::new();
        let mut client = |endpoint: Option<_>, signal| {
            let client = Client::new(endpoint?, signal);
            let client = client.map_err(|error| problems.push(format!("{signal}: {error}")));
            notes.extend(client.iter().map(Client::describe));
            client.ok()
        };
        let (traces, metrics) = (client(traces, "traces"), client(metrics, "metrics"));
        let resource = resource(service);
        let attributes = ResourceAttributesWithSchema::from(&resource);
        let exported = Exported::new(attributes.attributes.0.clone(), SystemTime::now());
        let traces = traces.map(|client| {
            let spans = Spans {
                client,
                resource: attributes,
                runtime: Handle::current(),
            };
            SdkTracerProvider::builder()
                .with_resource(resource)
                .with_batch_exporter(spans)
                .build()
        });
        Self {
            traces,
            metrics: metrics.map(|client| (client, exported)),
            interval,
            notes,
            problems,
        }
    }

    /// What sends the spans, up to level `DEBUG`, that have a field `otel.kind` (`server`, `client` or `internal`). A field
    /// `traceparent` names the trace that they continue, `otel.status_code = "ERROR"` says that they failed; all others are
    /// attributes.
    ///
    /// Without an endpoint for traces it is nothing, and such spans cost as much as any of which nobody wants to hear.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let layer = layer::Spans {
            tracer: self.traces.as_ref()?.tracer(SCOPE),
            propagator: TraceContextPropagator::new(),
        };
        let is_sent =
            FilterFn::new(layer::is_sent as IsSent).with_max_level_hint(LevelFilter::DEBUG);
        Some(layer.with_filter(is_sent))
    }

    /// Logs where what is sent, and begins to send the metrics that `render` gives in the form of a Prometheus endpoint.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn begin(self, render: impl Fn() -> String + Send + Sync + 'static) -> Sending {
        for note in &self.notes {
            tracing::info!("{note}");
        }
        for problem in &self.problems {
            tracing::error!("{problem}");
        }
        let interval = self.interval;
        let metrics = self.metrics.map(|(client, exported)| {
            let metrics = Arc::new(Metrics {
                client,
                exported,
                render: Box::new(render),
            });
            let sent = Arc::clone(&metrics);
            let sending = tokio::spawn(async move {
                loop {
                    sleep(interval).await;
                    sent.send().await;
                }
            });
            (metrics, sending)
        });
        Sending {
            traces: self.traces,
            metrics,
        }
    }
}

impl Sending {
    /// Sends what is left, and gives up what the collector has not taken after two seconds.
    pub async fn end(self) {
        let Self { traces, metrics } = self;
        let traces = async {
            if let Some(traces) = traces {
                let end = move || traces.shutdown_with_timeout(FLUSH_TIME);
                // What the collector did not take is logged.
                let _ = spawn_blocking(end).await;
            }
        };
        let metrics = async {
            if let Some((metrics, sending)) = metrics {
                sending.abort();
                metrics.send().await;
            }
        };
        let _ = timeout(FLUSH_TIME, join(traces, metrics)).await;
    }
}

/// Sends metrics as they are at the time.
struct Metrics {
    client: Client,
    exported: Exported,
    render: Box<dyn Fn() -> String + Send + Sync>,
}

impl Metrics {
    async fn send(&self) {
        let text = (self.render)();
        let request = self.exported.request(&text, SystemTime::now());
        self.client.post(request).await;
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

/// What all that is sent says of where it comes from.
fn resource(service: &'static str) -> Resource {
    let name = Resource::builder()
        .build()
        .get(&Key::from_static_str("service.name"));
    let name = name.filter(|name| !name.as_str().starts_with("unknown_service"));
    Resource::builder()
        .with_service_name(name.unwrap_or_else(|| service.into()))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}
