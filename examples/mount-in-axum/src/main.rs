//! Receives Appcues webhooks on one route of an axum server of your own, beside its other routes and behind its layers, and
//! keeps each in a file.
//!
//! ```console
//! $ APPCUES_WEBHOOK_SECRET=secret cargo run --package mount-in-axum -- 127.0.0.1:8080 events
//! $ cargo run -- send --url http://127.0.0.1:8080/webhooks/appcues --secret secret   # in another terminal
//! ```
//!
//! The endpoint proves requests genuine, bounds their bodies and answers them. What it cannot see is this server's affair:
//! TLS, how long a head may take and how large it may be, how many connections there are and how long they stay.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::routing::get;
use futures::StreamExt;
use landfall_core::{Delivery, DeliveryReceiver, Event, Refusal, Secret, delivery_channel};
use landfall_source_appcues::{AppcuesConfig, Endpoint};
use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(directory)) = (args.next(), args.next()) else {
        return Err("say where to listen, and in which directory to keep events".into());
    };

    let mut config = AppcuesConfig::default();
    config.signature.secrets = vec![Secret::new(std::env::var("APPCUES_WEBHOOK_SECRET")?)];
    let (out, deliveries) = delivery_channel(64);
    let keeping = tokio::spawn(keep(deliveries, directory.into()));

    let app = router(Endpoint::new(&config, out)?, &config);
    let listener = TcpListener::bind(address).await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    // With the router the endpoint is gone, and so the stream of its deliveries has ended.
    keeping.await?;
    Ok(())
}

fn router(
    endpoint: Endpoint,
    config: &AppcuesConfig,
) -> axum::extract::connect_info::IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
    let webhooks = ServiceBuilder::new()
        .map_request(with_peer)
        .service(endpoint);
    // Later than the endpoint itself gives up, or an event is kept whose sender was told that it timed out.
    let limits = &config.limits;
    let patience = Duration::from_secs(limits.read_timeout_secs + limits.ack_timeout_secs + 5);
    Router::new()
        // With its own path, since it takes no other: `nest` would cut off the beginning.
        .route_service(&config.path, webhooks)
        .route("/health", get(|| async { "ok" }))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            patience,
        ))
        .layer(TraceLayer::new_for_http())
        .into_make_service_with_connect_info()
}

/// Tells the endpoint who sends. It needs to know for `allow_networks`, and names them in its log.
fn with_peer(mut request: Request) -> Request {
    if let Some(&ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        request.extensions_mut().insert(peer);
    }
    request
}

/// Keeps every event in `directory`. Its sender is answered 200 once it is on disk, and 503 if it cannot be.
async fn keep(mut deliveries: DeliveryReceiver, directory: PathBuf) {
    while let Some(Delivery { events, ack }) = deliveries.next().await {
        match write(&directory, &events).await {
            Ok(()) => ack.durable(),
            Err(error) => {
                eprintln!("cannot keep an event: {error}");
                ack.refuse(Refusal::Failed);
            }
        }
    }
}

/// Writes each event to a file that appears whole, and is still there after the power has failed. One that is sent again
/// has the same name.
async fn write(directory: &Path, events: &[Event]) -> io::Result<()> {
    for event in events {
        let path = directory.join(hex::encode(Sha256::digest(&event.body)));
        let part = path.with_extension("part");
        let mut file = File::create(&part).await?;
        file.write_all(&event.body).await?;
        file.sync_all().await?;
        fs::rename(part, path.with_extension("json")).await?;
    }
    File::open(directory).await?.sync_all().await
}
