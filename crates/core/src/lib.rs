//! The vocabulary of Landfall.
//!
//! A [`Source`] receives [`Event`]s from outside and hands each on as a [`Delivery`]; a [`Sink`] takes deliveries and
//! answers the [`Ack`] of each once its events are safe. Everything between the two (buffers, transforms, fan-out)
//! speaks the same three words. This crate does no I/O, but for binding the sockets of [`Listeners`].
//!
//! ```text
//! Source ── Delivery { events, ack } ──▶ Sink
//!    ▲                                    │
//!    └────────── Outcome ◀── Ack ─────────┘
//! ```
//!
//! An acknowledgement that is dropped unanswered counts as refused, never as durable:
//!
//! ```
//! use landfall_core::{Ack, Delivery, Event, Outcome, Refusal, Timestamp};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (ack, answer) = Ack::channel();
//! let event = Event::new(Timestamp::now(), "{}");
//! drop(Delivery::new(vec![event], ack));
//! assert_eq!(answer.await, Outcome::Refused(Refusal::Unanswered));
//! # }
//! ```

mod ack;
mod activity;
mod component;
mod context;
mod delivery;
mod error;
mod event;
mod health;
mod kill_point;
mod listeners;
mod log;
mod secret;
mod setting;
mod shutdown;
mod state_store;
mod stream;

pub use ack::{Ack, Answer, Outcome, Refusal};
pub use activity::{
    Activity, Fate, LandedFile, Minute, Past, RefusedRequest, RefusedRequests, SeenEvent,
};
pub use component::{
    Component, Resource, Sink, SinkConfig, Source, SourceConfig, Transform, TransformConfig,
};
pub use context::{Labels, SinkContext, SourceContext, labels};
pub use delivery::{Delivery, DeliveryReceiver, DeliverySender, delivery_channel};
pub use error::{BuildError, SinkError, SourceError};
pub use event::{Event, Position, Timestamp};
pub use health::Health;
pub use kill_point::kill_point;
pub use listeners::{Listeners, listen_advice};
pub use log::Seldom;
#[doc(hidden)]
pub use log::logged_labels;
pub use secret::{Secret, secrets, secrets_schema};
pub use setting::{lenient, lenient_option, string_map, string_map_schema, too_long};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use state_store::StateStore;
pub use stream::SourceStream;
