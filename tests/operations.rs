//! What operators rely on: logs, metrics and their page, alerts, dashboard and guide, `landfall doctor`, upgrades.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

mod lake;

#[path = "operations/alerts.rs"]
mod alerts;
#[path = "operations/doctor.rs"]
mod doctor;
#[path = "operations/logs.rs"]
mod logs;
#[path = "operations/metrics.rs"]
mod metrics;
#[path = "operations/upgrade.rs"]
mod upgrade;

use landfall_testkit::{Instance, Landfall, Request, Response};

const SECRET: &str = "a secret only of this test";

fn landfall() -> Landfall {
    Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET)
}

fn post(instance: &Instance, body: &str) -> Response {
    let request = Request::post("/webhooks/appcues").signed(SECRET, body.as_bytes());
    request.body(body.as_bytes()).send(instance.source())
}
