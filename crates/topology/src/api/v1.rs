//! `/api/v1`: what runs, and events as they go by. Read-only, for `landfall top`, `landfall tap` and the console.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures::{Stream, stream};
use landfall_core::Event;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::connection::Lasting;
use super::{Api, Asked, activity, refusal};
use crate::taps::Tapped;

/// After so long without an event a line without one is sent, so that it shows when either side is gone: nothing else tells that
/// of a client, which may have ended its own side and still read.
const HEARTBEAT: Duration = Duration::from_secs(2);

pub(super) fn router(api: Api) -> Router<Api> {
    Router::new()
        .route("/components", get(components))
        .route("/status", get(activity::status))
        .route("/activity", get(activity::activity))
        .route("/event", get(activity::event))
        .route("/tap", get(tap))
        .layer(from_fn_with_state(api, allow))
}

/// Lets those in that may see it: whoever has the token, or, where there is none, whoever is on this machine and not led here by
/// a page of somebody else's.
async fn allow(State(api): State<Api>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if let Some(token) = &api.config.token {
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let given = given.and_then(|given| given.strip_prefix(b"Bearer "));
        if !given.is_some_and(|given| token.matches(given)) {
            let refusal = refusal(
                StatusCode::UNAUTHORIZED,
                "token_needed",
                "send the api.token of the configuration as `Authorization: Bearer …`",
            );
            return ([(WWW_AUTHENTICATE, "Bearer")], refusal).into_response();
        }
    } else if api.config.address.ip().is_loopback() && !is_local_host(headers) {
        return refusal(
            StatusCode::FORBIDDEN,
            "host_not_local",
            "without an api.token it is asked as localhost, 127.0.0.1 or [::1] only",
        );
    }
    next.run(request).await
}

/// Whether the request is for this machine by its own name. Another name could be a page's that has led its visitor's browser
/// here (DNS rebinding).
fn is_local_host(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_loopback = |address: &str| address.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback());
    matches!(name, "localhost" | "[::1]") || is_loopback(name)
}

pub(super) fn tap_not_allowed() -> Response {
    refusal(
        StatusCode::FORBIDDEN,
        "tap_not_allowed",
        "api.tap lets events be watched; by default it does so on loopback, or where there is an api.token",
    )
}

async fn components(State(api): State<Api>) -> impl IntoResponse {
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({ "version": version, "components": activity::components(&api) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TapQuery {
    /// Names, with commas between them; without any all sources.
    #[serde(default)]
    components: String,
}

async fn tap(State(api): State<Api>, Asked(query): Asked<TapQuery>, request: Request) -> Response {
    if !api.config.shows_events() {
        return tap_not_allowed();
    }
    let known = api.overview.components();
    let asked: Vec<String> = if query.components.is_empty() {
        let sources = known.iter().filter(|component| component.kind == "source");
        sources.map(|source| source.id.clone()).collect()
    } else {
        query.components.split(',').map(str::to_owned).collect()
    };
    let is_unknown = |id: &&String| !known.iter().any(|component| component.id == **id);
    if let Some(unknown) = asked.iter().find(is_unknown) {
        let message = format!("there is no component \"{unknown}\"");
        return refusal(StatusCode::NOT_FOUND, "no_such_component", &message);
    }
    let Some(tapped) = api.taps.watch(asked) else {
        return refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_taps",
            "others watch already; stop one of them",
        );
    };
    let lasting = request.extensions().get::<Lasting>().map(Lasting::begin);
    let lines = axum::body::Body::from_stream(lines(tapped, lasting));
    ([(CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

fn lines<L: Send + 'static>(
    tapped: mpsc::Receiver<Tapped>,
    lasting: L,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((tapped, lasting), |(mut tapped, lasting)| async {
        let line = match timeout(HEARTBEAT, tapped.recv()).await {
            Ok(event) => line(&event?),
            Err(_) => Bytes::from_static(b"\n"),
        };
        Some((Ok(line), (tapped, lasting)))
    })
}

#[derive(Serialize)]
struct Line<'a> {
    component_id: &'a str,
    /// Milliseconds since the Unix epoch.
    received_at: i64,
    /// The body, if it is JSON; else it stands in `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    /// Events that were not shown before this one, because they came faster than they were read.
    #[serde(skip_serializing_if = "is_zero")]
    missed: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn line(tapped: &Tapped) -> Bytes {
    let Event {
        received_at, body, ..
    } = &tapped.event;
    let text = String::from_utf8_lossy(body);
    // Between the values of a JSON text line ends mean nothing, and within strings there are none.
    let on_one_line = text.replace(['\r', '\n'], " ");
    let event = serde_json::from_str::<&RawValue>(&on_one_line).ok();
    let line = Line {
        component_id: &tapped.component,
        received_at: received_at.as_millis(),
        body: event.is_none().then_some(&*text),
        event,
        missed: tapped.missed,
    };
    let mut line = serde_json::to_vec(&line).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
