//! What is served on the api address.

mod activity;
mod connection;
mod console;
mod v1;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::ApiConfig;
use crate::metrics::Metrics;
use crate::overview::Overview;
use crate::readiness::Readiness;
use crate::taps::Taps;

/// The upper bounds of histograms of what the way into the lake takes, in seconds: from a put on a near store to events that
/// waited for a day.
const SECONDS: [f64; 16] = [
    0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 3600.0, 21600.0,
    86400.0,
];

/// Of answers to senders and of fsyncs, in seconds: what is usual lies below 10 ms.
const SHORT_SECONDS: [f64; 15] = [
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0,
];
const SHORT: [&str; 2] = [
    "http_server_handler_duration_seconds",
    "landfall_journal_fsync_seconds",
];

/// Of how many events are in a batch.
const EVENTS: [f64; 11] = [1.0, 10.0, 100.0, 1e3, 3e3, 1e4, 3e4, 1e5, 2e5, 5e5, 1e6];

/// Of how large files are.
const BYTES: [f64; 10] = [
    4096.0,
    16384.0,
    65536.0,
    262144.0,
    1048576.0,
    4194304.0,
    16777216.0,
    67108864.0,
    134217728.0,
    536870912.0,
];

/// How often recorded times are summed up. They take memory until then, whether or not anybody asks for the metrics.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Connections at a time. Whoever wants more waits, and takes no file descriptor from the journal.
const CONNECTIONS: usize = 128;

/// How long requests are answered on a connection.
const CONNECTION_TIME: Duration = Duration::from_secs(30);

/// After an error of `accept` (no file descriptors left), wait for some to close.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The metrics of this process. They are global, so that whoever embeds two pipelines in one process sees both.
pub(crate) fn record_metrics() -> Option<PrometheusHandle> {
    static HANDLE: std::sync::OnceLock<Option<PrometheusHandle>> = std::sync::OnceLock::new();
    // It fails if the program has installed a recorder of its own, which then gets the metrics.
    HANDLE
        .get_or_init(|| buckets()?.install_recorder().ok())
        .clone()
}

fn buckets() -> Option<PrometheusBuilder> {
    let mut builder = PrometheusBuilder::new().set_buckets(&SECONDS).ok()?;
    for name in SHORT {
        builder = builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), &SHORT_SECONDS)
            .ok()?;
    }
    for (suffix, bounds) in [("_events", &EVENTS[..]), ("_bytes", &BYTES[..])] {
        builder = builder
            .set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), bounds)
            .ok()?;
    }
    Some(builder)
}

/// What the api shows.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) config: ApiConfig,
    pub(crate) readiness: Readiness,
    pub(crate) overview: Overview,
    pub(crate) taps: Taps,
}

/// Answers what comes over `listener`, until dropped.
///
/// # Errors
/// The listener cannot be used.
pub(crate) async fn serve(listener: TcpListener, api: Api) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut upkeep = JoinSet::new();
    upkeep.spawn(keep_up());
    let router = router(api);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_BACKOFF).await;
            continue;
        };
        let router = router.clone();
        connections.spawn(async move {
            connection::answer(stream, router, CONNECTION_TIME).await;
            drop(slot);
        });
    }
    Ok(())
}

async fn keep_up() {
    let Some(metrics) = record_metrics() else {
        return;
    };
    loop {
        sleep(UPKEEP_INTERVAL).await;
        metrics.run_upkeep();
    }
}

/// The console, `/health`, `/ready`, `/metrics` and `/api/v1`.
fn router(api: Api) -> Router {
    Router::new()
        .route("/", get(console::page))
        .route("/console", get(console::page))
        .route(
            "/health",
            get(|| async { Json(json!({ "status": "alive" })) }),
        )
        .route("/ready", get(ready))
        .route(
            "/metrics",
            get(|State(api): State<Api>| async move { Metrics(api.readiness).render() }),
        )
        .nest("/api/v1", v1::router(api.clone()))
        .fallback(|| async {
            refusal(
                StatusCode::NOT_FOUND,
                "not_found",
                "nothing is served here; see /, /health, /ready, /metrics and /api/v1/components",
            )
        })
        // It says in `Allow` what a path can be asked by.
        .method_not_allowed_fallback(|| async {
            let message = "everything here is asked for with GET";
            refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                message,
            )
        })
        .with_state(api)
}

/// The answer to a request that is refused.
fn refusal(status: StatusCode, error: &str, message: &str) -> Response {
    (status, Json(json!({ "error": error, "message": message }))).into_response()
}

/// What a query asks for; if it cannot be read, it is refused as all else is.
struct Asked<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let query = Query::from_request_parts(parts, state).await;
        let refused =
            |error: QueryRejection| refusal(error.status(), "malformed_query", &error.body_text());
        query.map(|Query(asked)| Self(asked)).map_err(refused)
    }
}

async fn ready(State(Api { readiness, .. }): State<Api>) -> impl IntoResponse {
    let reasons = readiness.reasons();
    let ready = reasons.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let warnings = readiness.warnings();
    (
        status,
        Json(json!({ "ready": ready, "reasons": reasons, "warnings": warnings })),
    )
}
