//! Sends events to the `vector` source of a [Vector](https://vector.dev), and through it to all of Vector's sinks.
//!
//! ```text
//! Deliveries ─▶ queue ─▶ batch ─▶ logs, one frame ─▶ PushEvents ─▶ OK ─▶ Ack
//!                          ▲                            │
//!                          └──────── back-off ◀── anything else
//! ```
//!
//! An event is acknowledged once the peer has answered OK for it. Any other answer, or none, is followed by another attempt:
//! behind a durable buffer no answer of the peer ends an accepted event.

mod config;
mod sink;

mod log;

mod client;
mod connect;

pub use config::{
    BatchConfig, HealthcheckConfig, KeepaliveConfig, RequestConfig, VectorSinkConfig,
};
pub use connect::Tls;
pub use landfall_vector_proto::Compression;
pub use log::to_log;
