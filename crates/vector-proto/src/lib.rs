//! The protocol between two [Vectors](https://vector.dev): what its `vector` sink sends and its `vector` source takes.
//!
//! It is gRPC, service `vector.Vector`, with two unary methods: [`PUSH_EVENTS`] and [`HEALTH_CHECK`]. A call is one
//! [frame] in the body of an HTTP/2 request; the answer is a frame and a [`Status`]. This crate does no I/O.
//!
//! ```text
//! PushEventsRequest ── encode ──▶ frame (5 bytes, perhaps compressed) ── HTTP/2 ──▶ decode ──▶ PushEventsRequest
//! ```
//!
//! ```
//! use landfall_vector_proto::{Compression, EventWrapper, Log, PushEventsRequest, Value, frame};
//!
//! let log = Log::from_fields([("message", Value::bytes("{}"))]);
//! let request = PushEventsRequest { events: vec![EventWrapper::log(log)] };
//! let body = frame::encode(&request, Compression::Gzip)?;
//! assert_eq!(frame::decode::<PushEventsRequest>(body, Compression::Gzip, 1024)?, request);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The messages are written by hand from the numbers that Vector publishes, so that building needs no `protoc`. They hold
//! what Landfall reads or writes; everything else is passed over, as Protocol Buffers allow.

mod message;

pub mod frame;

mod status;

pub use frame::Compression;
pub use message::{
    Event, EventWrapper, HealthCheckRequest, HealthCheckResponse, Kind, Log, PushEventsRequest,
    PushEventsResponse, ServingStatus, Timestamp, Value, ValueArray, ValueMap,
};
pub use status::{Code, Status};

/// The path of the method that takes a [`PushEventsRequest`] and answers once its events are safe.
pub const PUSH_EVENTS: &str = "/vector.Vector/PushEvents";

/// The path of the method that says whether events would be taken.
pub const HEALTH_CHECK: &str = "/vector.Vector/HealthCheck";

/// The `content-type` of every call; more may follow it.
pub const CONTENT_TYPE: &str = "application/grpc";
