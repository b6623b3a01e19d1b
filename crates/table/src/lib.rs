//! The events table: its Arrow schema, and the builders that fill it from Appcues events.
//!
//! Each column is one declaration in [`COLUMNS`]: name, type, the paths it is read from and what it means. The schema,
//! [`EventsBuilder`], the conversion errors, [`describe`] and [`ddl`] all follow from it.
//!
//! ```text
//! AppcuesEvent ──▶ EventsBuilder ──────▶ RecordBatch, sorted by occurred_at
//! NotAnEvent ────▶ QuarantineBuilder ──▶ RecordBatch
//! ```
//!
//! ```
//! use landfall_appcues::{AppcuesEvent, SAMPLES};
//! use landfall_core::Timestamp;
//! use landfall_table::EventsBuilder;
//!
//! let mut events = EventsBuilder::new();
//! for sample in &SAMPLES {
//!     events.append(&AppcuesEvent::parse(sample.body)?, Timestamp::now());
//! }
//! let batch = events.finish();
//! assert_eq!(batch.num_rows(), 13);
//! # Ok::<(), landfall_appcues::NotAnEvent>(())
//! ```

mod columns;
mod derive;
mod errors;

mod arrays;
mod events;
mod quarantine;
mod schema;

mod ddl;
mod describe;
mod views;

pub use columns::{COLUMNS, Column, Kind};
pub use ddl::{Dialect, UnknownDialect, ddl};
pub use describe::describe;
pub use events::EventsBuilder;
pub use quarantine::{QuarantineBuilder, quarantine_schema};
pub use schema::schema;
pub use views::views;
