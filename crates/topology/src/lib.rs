//! From a configuration file to a running pipeline.
//!
//! ```text
//! file ─▶ Config ─▶ Topology ─▶ run:  Source ─▶ fan-out ─┬▶ Buffer ─▶ Sink
//!          ▲                                             └▶ Buffer ─▶ Sink
//!       Registry (type names)                    API: /health /ready /metrics
//! ```
//!
//! Components are known only by the names under which the [`Registry`] holds their configuration types:
//!
//! ```
//! use landfall_topology::{Config, Format, Registry};
//!
//! let registry = Registry::default(); // .source::<MyConfig>("mine").sink::<...>(...)
//! let text = "[sources.in]\ntype = \"telegraph\"";
//! let error = Config::parse(text, Format::Toml, &registry, &|_| None).unwrap_err();
//! assert!(error.to_string().contains("telegraph"));
//! ```

mod component;
mod config;
mod interpolate;
mod registry;
mod schema;
mod settings;

mod build;
mod counted;
mod fan_out;
mod running;
mod topology;
mod way;

mod buffer;
mod disk;

mod api;
mod metrics;
mod overview;
mod readiness;
mod taps;

pub use buffer::{BufferConfig, BufferType, WhenFull};
pub use component::AnyComponent;
pub use config::{
    ApiConfig, Config, ConfigError, Fingerprint, Format, SinkOuter, SourceOuter, TransformOuter,
    fingerprint_of_files,
};
pub use disk::decode_record;
pub use metrics::Metrics;
pub use registry::Registry;
pub use running::RunError;
pub use schema::{ComponentType, Kind, general_schema};
pub use settings::{Setting, settings};
pub use topology::Topology;
pub use way::{Chain, Way};
