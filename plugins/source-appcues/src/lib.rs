//! Receives Appcues webhooks over HTTP and lets only genuine ones in.
//!
//! A request is answered 2xx only after the acknowledgement of its delivery said that the event is durable; a delivery
//! that is dropped or refused becomes a 503, so that Appcues may send it again.
//!
//! ```text
//! accept ─▶ (TLS) ─▶ network, path, method, headers ─▶ body (bounded) ─▶ signature, account ─▶ Delivery ─▶ Ack ─▶ 200
//! ```
//!
//! In a pipeline of your own it is a stream of deliveries, which needs neither journal nor configuration of Landfall:
//!
//! ```no_run
//! use futures::StreamExt;
//! use landfall_core::{Secret, Shutdown, Source};
//! use landfall_source_appcues::{AppcuesConfig, AppcuesSource};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = AppcuesConfig::default();
//! config.signature.secrets = vec![Secret::new(std::env::var("APPCUES_WEBHOOK_SECRET")?)];
//! let (_trigger, shutdown) = Shutdown::new();
//! let mut deliveries = AppcuesSource::bind(&config)?.into_stream(shutdown);
//! while let Some(delivery) = deliveries.next().await {
//!     println!("{:?}", delivery.events);
//!     delivery.ack.durable(); // only now is the request answered 200; had it been dropped, 503
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Or mount an [`Endpoint`] in a server of your own: it is a tower service. Limits of heads, connections and their times
//! are then that server's affair; all others are kept.
//!
//! ```no_run
//! use axum::Router;
//! use landfall_core::{Secret, delivery_channel};
//! use landfall_source_appcues::{AppcuesConfig, Endpoint};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = AppcuesConfig::default();
//! config.signature.secrets = vec![Secret::new(std::env::var("APPCUES_WEBHOOK_SECRET")?)];
//! let (out, deliveries) = delivery_channel(64);
//! let endpoint = Endpoint::new(&config, out)?;
//! let app = Router::new().route_service("/webhooks/appcues", endpoint);
//! # drop(deliveries);
//! axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! That needs none of the feature `server`, which is on by default and without which there is no [`AppcuesSource`].

// The endpoint alone has no use for some of what it shares with the server.
#![cfg_attr(not(feature = "server"), allow(dead_code))]

mod config;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "server")]
mod connection;
mod pace;
#[cfg(feature = "server")]
mod wire;

mod answer;
mod body;
mod endpoint;
mod service;

mod access;
mod forwarded;
mod gate;
mod route;

pub use answer::ResponseBody;
pub use config::{Account, AppcuesConfig, Auth, Limits, Signature, SignatureMode};
pub use endpoint::Endpoint;
pub use landfall_listen::Tls;
#[cfg(feature = "server")]
pub use server::AppcuesSource;
