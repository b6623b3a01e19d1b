//! What the console shows: how the whole is, and what its components have done of late.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use landfall_core::{Fate, Minute, Past, Timestamp};
use serde_json::{Value, json};

use super::Api;

pub(super) async fn status(State(api): State<Api>) -> impl IntoResponse {
    let reasons = api.readiness.reasons();
    let components: Vec<_> = api
        .overview
        .components()
        .into_iter()
        .map(|component| {
            json!({
                "component_id": component.id,
                "component_kind": component.kind,
                "component_type": component.r#type,
                "inputs": component.inputs,
                "problem": api.readiness.problem(&component.id),
                "backlog": api.readiness.backlog(&component.id),
            })
        })
        .collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": Timestamp::now().as_millis(),
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "warnings": api.readiness.warnings(),
        "tap": api.config.shows_events(),
        "components": components,
    }))
}

pub(super) async fn activity(State(api): State<Api>) -> impl IntoResponse {
    let shows_whose = api.config.shows_events();
    let components: serde_json::Map<_, _> = api
        .overview
        .components()
        .into_iter()
        .map(|component| {
            let past = api.overview.activity(&component.id).past();
            (component.id, of_component(&past, shows_whose))
        })
        .collect();
    Json(Value::Object(components))
}

/// Whose events and requests there were is only told where events themselves would be.
fn of_component(past: &Past, shows_whose: bool) -> Value {
    let minutes: Vec<_> = past.minutes.iter().map(of_minute).collect();
    let events = past.events.iter().rev().map(|event| {
        let (fate, reason) = match event.fate {
            Fate::Accepted => ("accepted", None),
            Fate::Duplicate => ("duplicate", None),
            Fate::Quarantined(reason) => ("quarantined", Some(reason)),
        };
        json!({
            "at": event.received_at.as_millis(),
            "event_type": event.event_type,
            "account_id": shows_whose.then_some(&event.account_id),
            "fate": fate,
            "reason": reason,
        })
    });
    let events: Vec<_> = events.collect();
    let refusals = past.refusals.iter().map(|(code, refusal)| {
        json!({
            "code": code,
            "at": refusal.at.as_millis(),
            "why": refusal.why,
            "peer": refusal.peer.filter(|_| shows_whose),
            "count": refusal.count,
        })
    });
    let refusals: Vec<_> = refusals.collect();
    let files = past.files.iter().rev().map(|file| {
        json!({
            "at": file.landed_at.as_millis(),
            "name": file.name,
            "rows": file.rows,
            "bytes": file.bytes,
        })
    });
    let files: Vec<_> = files.collect();
    json!({ "minutes": minutes, "events": events, "refusals": refusals, "files": files })
}

fn of_minute((number, minute): (&i64, &Minute)) -> Value {
    let seconds = |share| Some(minute.answer_micros(share)? as f64 / 1e6);
    json!({
        "at": number * 60_000,
        "answered": minute.answered,
        "refused": minute.refused,
        "answer_seconds_p50": seconds(0.5),
        "answer_seconds_p99": seconds(0.99),
        "events": minute.events,
    })
}
