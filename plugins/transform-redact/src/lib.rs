//! Takes personal data out of Appcues events, before they are written anywhere.
//!
//! What is redacted is redacted in the request body, and so in `payload` and in every column; all else in the body stays byte for
//! byte. Ids become keyed hashes, so that people can still be counted; texts that people wrote, and what stands in URLs
//! behind the path, is left out. A body that is no event, in which nothing can be told apart, is withheld as a whole.
//!
//! ```text
//! body ─▶ AppcuesEvent? ─▶ walk: what do rules match, where else are texts ─▶ edits ─▶ body
//!              └─ no ─▶ a note: withheld, why, how long, its hash
//! ```
//!
//! ```
//! use landfall_core::{Event, Secret, Timestamp, TransformConfig as _};
//! use landfall_transform_redact::RedactConfig;
//!
//! let config = RedactConfig { key: Some(Secret::new("a key of 16 bytes or more")), ..RedactConfig::default() };
//! let body = r#"{"id":"1","name":"appcues:nps_feedback","timestamp":1,"user_id":null,"attributes":{"feedback":"I am Jo"}}"#;
//! let event = config.build()?.transform(Event::new(Timestamp::now(), body)).expect("nothing is left out");
//! assert_eq!(event.body, body.replace("I am Jo", "[redacted]"));
//! # Ok::<(), landfall_core::BuildError>(())
//! ```

mod config;
mod path;
mod rules;

mod redact;
mod walk;

mod hash;
mod json;
mod mention;
mod url;
mod withheld;

pub use config::{Action, RedactConfig};
