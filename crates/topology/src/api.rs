use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;

use crate::readiness::Readiness;

/// The upper bounds of the histograms, in seconds: from a put on a near store to events that waited for a day.
const SECONDS: [f64; 16] = [
    0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 3600.0, 21600.0,
    86400.0,
];

/// The metrics of this process. They are global, so that whoever embeds two pipelines in one process sees both.
fn metrics() -> Option<PrometheusHandle> {
    static HANDLE: std::sync::OnceLock<Option<PrometheusHandle>> = std::sync::OnceLock::new();
    // It fails if the program has installed a recorder of its own, which then gets the metrics.
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new().set_buckets(&SECONDS).ok()?;
            builder.install_recorder().ok()
        })
        .clone()
}

/// `/health`, `/ready` and `/metrics`.
pub(crate) fn router(readiness: Readiness) -> Router {
    let metrics = metrics();
    Router::new()
        .route(
            "/health",
            get(|| async { Json(json!({ "status": "alive" })) }),
        )
        .route("/ready", get(ready))
        .route(
            "/metrics",
            get(|State(readiness): State<Readiness>| async move {
                readiness.export_metrics();
                metrics.map(|handle| handle.render()).unwrap_or_default()
            }),
        )
        .with_state(readiness)
}

async fn ready(State(readiness): State<Readiness>) -> impl IntoResponse {
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
