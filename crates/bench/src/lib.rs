//! What Landfall is measured with: `cargo xtask bench` runs it, and `docs/performance.md` says what the numbers mean.

mod requests;
mod traffic;

pub use requests::Requests;
pub use traffic::{USERS, bodies};
