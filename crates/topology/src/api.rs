use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;

/// Whether events would be accepted now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The metrics of this process. They are global, so that whoever embeds two pipelines in one process sees both.
fn metrics() -> Option<PrometheusHandle> {
    static HANDLE: std::sync::OnceLock<Option<PrometheusHandle>> = std::sync::OnceLock::new();
    // It fails if the program has installed a recorder of its own, which then gets the metrics.
    HANDLE
        .get_or_init(|| PrometheusBuilder::new().install_recorder().ok())
        .clone()
}

/// `/health`, `/ready` and `/metrics`.
pub(crate) fn router(readiness: Readiness) -> Router {
    let metrics = metrics();
    Router::new()
        .route("/health", get(|| async { Json(json!({ "status": "alive" })) }))
        .route("/ready", get(ready))
        .route(
            "/metrics",
            get(|| async move { metrics.map(|handle| handle.render()).unwrap_or_default() }),
        )
        .with_state(readiness)
}

async fn ready(State(readiness): State<Readiness>) -> impl IntoResponse {
    if readiness.get() {
        (StatusCode::OK, Json(json!({ "ready": true })))
    } else {
        let body = json!({ "ready": false, "reasons": ["the service is starting or stopping"] });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body))
    }
}
