//! What Landfall's end-to-end tests are made of: the real binary as a child process, requests with every byte under
//! the test's control, a real object store and a proxy that spoils the way to it, and Python programs that read what landed with engines that are not Landfall's.
//!
//! ```no_run
//! use landfall_testkit::{Landfall, Request};
//!
//! # let exe = "target/debug/landfall";
//! // In a test of `crates/landfall`, `exe` is `env!("CARGO_BIN_EXE_landfall")`.
//! let landfall = Landfall::new(exe).env("APPCUES_WEBHOOK_SECRET", "s3cret");
//! let config = landfall.write(
//!     "landfall.toml",
//!     r#"
//!     api.address = "{api}"
//!     sources.appcues = { type = "appcues", address = "{source}" }
//!     sources.appcues.signature.secrets = ["${APPCUES_WEBHOOK_SECRET}"]
//!     sinks.lake = { type = "parquet", inputs = ["appcues"], uri = "{dir}/lake" }
//!     "#,
//! );
//! let instance = landfall.start(&config);
//! let answer = Request::post("/webhooks/appcues")
//!     .signed("s3cret", b"{}")
//!     .body(b"{}")
//!     .send(instance.source());
//! assert_eq!(answer.status, 200);
//! assert_eq!(instance.terminate().code, Some(0));
//! ```
//!
//! Everything here panics when it cannot do its part: that is how a test fails. Only [`services`] returns errors,
//! since `cargo xtask` uses it too. Nothing waits without a limit, and nothing sleeps in place of a condition.
#![allow(
    clippy::expect_used,
    reason = "an unmet expectation in here is a failed test"
)]

mod browser;
mod config;
mod connection;
mod fault_proxy;
mod files;
mod http2;
mod instance;
mod lenient_store;
mod limits;
mod object_store;
mod outage;
mod port;
mod process;
mod python;
mod request;
pub mod services;
mod signature;
mod small_disk;
mod tls;

pub use browser::Browser;
pub use config::{SIGNED, config};
pub use connection::Connection;
pub use fault_proxy::{Fault, FaultProxy};
pub use files::files_below;
pub use http2::{Frame, Http2};
pub use instance::{Instance, Landfall};
pub use lenient_store::LenientStore;
pub use limits::allow_many_files;
pub use object_store::{Object, ObjectStore};
pub use outage::Outage;
pub use port::free_address;
pub use process::{Ended, Process};
pub use python::{node, python, start_python, workspace_root};
pub use request::{Request, Response, exchange, get};
pub use rustix::process::Signal;
pub use signature::{Signature, epoch_secs};
pub use small_disk::{Ballast, SmallDisk};
pub use tls::{Authority, Identity, TlsClient, TlsConnection};
