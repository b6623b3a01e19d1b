//! Leaves out Appcues events by type, by account, or all but a sample.
//!
//! What is left out is answered as if it had landed: that is what was asked for. The same event always meets the same fate,
//! so that a copy that is sent again changes nothing.
//!
//! ```
//! use landfall_appcues::SAMPLES;
//! use landfall_core::{Event, Timestamp, TransformConfig as _};
//! use landfall_transform_filter::{FilterConfig, List};
//!
//! let config = FilterConfig {
//!     event_types: List { allow: vec!["nps_score".into(), "nps_feedback".into()], ..List::default() },
//!     ..FilterConfig::default()
//! };
//! let filter = config.build()?;
//! let now = Timestamp::now();
//! let passed = SAMPLES.iter().filter_map(|sample| filter.transform(Event::new(now, sample.body)));
//! assert_eq!(passed.count(), 2);
//! # Ok::<(), landfall_core::BuildError>(())
//! ```

mod config;
mod filter;

pub use config::{FilterConfig, KeyField, List, NotEvents, Sample};
