//! What the console shows: how the whole is, and what its components have done of late.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use landfall_core::{Fate, Minute, Past, RefusedRequests, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::v1::tap_not_allowed;
use super::{Api, Asked, refusal};

pub(super) async fn status(State(api): State<Api>) -> impl IntoResponse {
    let reasons = api.readiness.reasons();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": Timestamp::now().as_millis(),
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "warnings": api.readiness.warnings(),
        "tap": api.config.shows_events(),
        "components": components(&api),
    }))
}

/// Which components there are, and how they are.
pub(super) fn components(api: &Api) -> Value {
    let components = api.overview.components().into_iter();
    let components = components.map(|component| {
        json!({
            "component_id": component.id,
            "component_kind": component.kind,
            "component_type": component.r#type,
            "inputs": component.inputs,
            "problem": api.readiness.problem(&component.id),
            "backlog": api.readiness.backlog(&component.id),
        })
    });
    components.collect()
}

pub(super) async fn activity(State(api): State<Api>) -> impl IntoResponse {
    let shows_whose = api.config.shows_events();
    let components = api.overview.components().into_iter();
    let components = components.map(|component| {
        let past = api.overview.past(&component.id);
        (component.id, of_component(&past, shows_whose))
    });
    Json(Value::Object(components.collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventQuery {
    component: String,
    /// As `/activity` tells it.
    number: i64,
    /// Whether values are shown, and not only which fields there are.
    #[serde(default)]
    values: bool,
}

/// What is in one of the events of `/activity`.
pub(super) async fn event(State(api): State<Api>, Asked(query): Asked<EventQuery>) -> Response {
    if !api.config.shows_events() {
        return tap_not_allowed();
    }
    let past = api.overview.past(&query.component);
    let mut events = past.events.into_iter();
    let event = events.find(|event| event.number == query.number);
    let Some(body) = event.and_then(|event| event.body) else {
        return refusal(
            StatusCode::NOT_FOUND,
            "no_such_event",
            "the event is too large to be kept, or others have come since; landfall tap shows events as they come",
        );
    };
    let shown = match (serde_json::from_slice(&body), query.values) {
        (Ok(event), true) => json!({ "event": event }),
        (Ok(event), false) => json!({ "event": without_values(event) }),
        (Err(_), true) => json!({ "body": String::from_utf8_lossy(&body) }),
        (Err(_), false) => json!({ "body": format!("{} bytes that are no JSON", body.len()) }),
    };
    Json(shown).into_response()
}

/// `event` with what kind of value there is in place of each.
fn without_values(event: Value) -> Value {
    match event {
        Value::Null => Value::Null,
        Value::Bool(_) => "(true or false)".into(),
        Value::Number(_) => "(number)".into(),
        Value::String(_) => "(text)".into(),
        Value::Array(items) => items.into_iter().map(without_values).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, value)| (name, without_values(value)));
            Value::Object(fields.collect())
        }
    }
}

/// Whose events and requests there were is only told where events themselves would be.
fn of_component(past: &Past, shows_whose: bool) -> Value {
    let minutes: Vec<_> = past.minutes.iter().map(of_minute).collect();
    let events = past.events.iter().rev().map(|event| {
        let reason = match &event.fate {
            Fate::Quarantined(reason) => Some(reason),
            _ => None,
        };
        json!({
            "number": event.number,
            "at": event.received_at.as_millis(),
            "event_type": event.event_type,
            "account_id": shows_whose.then_some(&event.account_id),
            "fate": event.fate.name(),
            "reason": reason,
        })
    });
    let events: Vec<_> = events.collect();
    let refusals = past.refusals.iter();
    let refusals: Vec<_> = refusals
        .map(|(code, refusals)| of_refusals(code, refusals, shows_whose))
        .collect();
    let files = past.files.iter().rev().map(|file| {
        // Its folder may be that of an account.
        let name = Some(&*file.name).filter(|_| shows_whose);
        let name = name.or_else(|| file.name.rsplit('/').next());
        json!({
            "at": file.landed_at.as_millis(),
            "name": name,
            "rows": file.rows,
            "bytes": file.bytes,
        })
    });
    let files: Vec<_> = files.collect();
    json!({ "minutes": minutes, "events": events, "refusals": refusals, "files": files })
}

fn of_refusals(code: &str, refusals: &RefusedRequests, shows_whose: bool) -> Value {
    let last = refusals.last.iter().rev().map(|refusal| {
        let peer = refusal.peer.filter(|_| shows_whose);
        json!({ "at": refusal.at.as_millis(), "peer": peer })
    });
    json!({
        "code": code,
        "why": refusals.why,
        "count": refusals.count,
        "last": last.collect::<Vec<_>>(),
    })
}

fn of_minute((number, minute): (&i64, &Minute)) -> Value {
    let seconds = |share| Some(minute.answer_micros(share)? as f64 / 1e6);
    json!({
        "at": number * 60_000,
        "answered": minute.answered,
        "received": minute.received,
        "refused": minute.refused,
        "answer_seconds_p50": seconds(0.5),
        "answer_seconds_p99": seconds(0.99),
        "events": minute.events,
        "quarantined": minute.quarantined,
    })
}
