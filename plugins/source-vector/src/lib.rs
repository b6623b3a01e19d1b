//! Takes events from the `vector` sink of a [Vector](https://vector.dev) that received them elsewhere.
//!
//! ```text
//! accept ─▶ network ─▶ (TLS) ─▶ PushEvents, bounded ─▶ logs ─▶ bodies ─▶ one Delivery ─▶ Ack ─▶ OK
//! ```
//!
//! A request is answered OK only once every event of it is durable. Vector sends again what was answered otherwise, but at
//! the statuses that mean that an event can never be taken.
//!
//! Nothing here proves that an event is Appcues' own: whoever may connect is believed.

mod config;
mod server;

mod service;

mod read;

mod body;

pub use body::BodyRule;
pub use config::{Limits, VectorSourceConfig};
pub use server::VectorSource;
