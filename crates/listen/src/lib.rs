//! What every source that listens shares: the socket, who may connect, TLS from files that are followed, a bounded number
//! of connections of which the idle give way, and refusals that are told now and then.
//!
//! ```text
//! bind ─▶ Acceptor::accept (Slots) ─▶ Handshake::accept (Tls) ─▶ the source's own protocol
//! ```
//!
//! ```
//! use landfall_listen::Slots;
//!
//! let slots = Slots::new(1, metrics::Gauge::noop());
//! let silent = slots.try_take().unwrap();
//! let next = slots.try_take().unwrap(); // who has kept us waiting longest gives way
//! assert!(silent.begin().is_none() && next.begin().is_some());
//! ```

mod networks;
mod refusals;
mod slots;
mod tls;
mod trace;
mod watch;

#[cfg(feature = "server")]
mod handshake;
#[cfg(feature = "server")]
mod socket;

pub use networks::{is_everywhere, networks};
pub use refusals::Refusals;
pub use slots::{Slot, Slots, Working};
pub use tls::Tls;
pub use trace::{RequestSpan, trace_id};
pub use watch::{Contents, Watched};

#[cfg(feature = "server")]
pub use handshake::Handshake;
#[cfg(feature = "server")]
pub use socket::{Acceptor, FILES_FOR_ALL_ELSE, bind};
