use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A receiver of batches, which is away once it is dropped.
pub(crate) struct Receiver {
    _runtime: Runtime,
}

/// What all receivers have taken, and how the next one answers.
#[derive(Clone, Default)]
pub(crate) struct Taken(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    lines: Vec<Value>,
    refusals: Vec<StatusCode>,
}

impl Receiver {
    /// Listens on `address`.
    pub(crate) fn start(address: SocketAddr, taken: &Taken) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let app = Router::new()
            .route("/events", post(take))
            .with_state(taken.clone());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { _runtime: runtime }
    }
}

async fn take(State(taken): State<Taken>, body: String) -> StatusCode {
    let mut log = taken.0.lock().unwrap();
    if let Some(refusal) = log.refusals.pop() {
        return refusal;
    }
    let lines = body.lines();
    log.lines
        .extend(lines.map(|line| serde_json::from_str::<Value>(line).unwrap()));
    StatusCode::OK
}

impl Taken {
    /// The next batches are answered with these, the last one first.
    pub(crate) fn refuse_with(&self, refusals: Vec<StatusCode>) {
        self.0.lock().unwrap().refusals = refusals;
    }

    /// Whether every one of them has been answered.
    pub(crate) fn has_refused(&self) -> bool {
        self.0.lock().unwrap().refusals.is_empty()
    }

    /// The field `name` of every line, sorted, without repetitions.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let log = self.0.lock().unwrap();
        let values = log.lines.iter().map(|line| line[name].as_str().unwrap());
        let mut values: Vec<_> = values.map(str::to_owned).collect();
        values.sort();
        values.dedup();
        values
    }
}
