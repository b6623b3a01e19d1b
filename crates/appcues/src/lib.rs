//! The Appcues webhook model: how a request is signed, how its body is read, and what kind of event it is.
//!
//! A request is verified first and read later. [`Verifier::claim`] judges the two signature headers before the body is
//! read, [`Verifier::verify`] the body; only a [`VerifiedBody`] goes on. [`AppcuesEvent::parse`] then walks the body
//! once and keeps the raw text of every value that Landfall knows a path for, without copying any; [`convert`] turns
//! raw text into values when a column asks for it. This crate does no I/O.
//!
//! ```text
//! headers ── claim ──▶ Claim ── verify(body) ──▶ VerifiedBody ── … ──▶ AppcuesEvent::parse ── raw(Field) ──▶ convert
//! ```
//!
//! ```
//! use landfall_appcues::{AppcuesEvent, Field, Secret, Timestamp, Verifier, convert, sign};
//!
//! let body = r#"{"id": "1", "name": "appcues:nps_score", "timestamp": 1684439316293, "attributes": {"score": 10}}"#;
//! let secret = Secret::new("account secret key");
//! let signature = sign(&secret, "1684439316400", body.as_bytes());
//!
//! let verifier = Verifier::new([secret], 300);
//! let now = Timestamp::from_millis(1684439317000);
//! let claim = verifier.claim(signature.as_bytes(), b"1684439316400", now)?;
//! let body = verifier.verify(&claim, body.into())?.into_bytes();
//!
//! let event = AppcuesEvent::parse(&body)?;
//! assert_eq!(event.event_type(), "nps_score");
//! let score = event.raw(Field::Score).map(convert::int32);
//! assert_eq!(score, Some(Ok(Some(10))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod signature;

mod event;
mod export;
mod field;
mod json;

mod catalogue;
pub mod convert;

mod explain;
mod samples;

pub use catalogue::{EVENT_TYPES, EventType, OTHER, Origin};
pub use convert::Mismatch;
pub use event::{AppcuesEvent, NotAnEvent};
pub use explain::{Captured, explain};
pub use export::export_to_body;
pub use field::Field;
pub use json::Paths;
pub use samples::{SAMPLES, Sample};
pub use signature::{Claim, SignatureError, VerifiedBody, Verifier, sign};

// What its functions take, so that no other crate is needed beside it.
pub use landfall_core::{Secret, Timestamp};
