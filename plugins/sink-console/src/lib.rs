//! Writes events to standard output, a line of JSON each: to look at them, or for another program to read.
//!
//! ```
//! use landfall_sink_console::line;
//!
//! assert_eq!(line(b"{\"id\": \"1\",\n \"score\": 1.0}"), b"{\"id\": \"1\", \"score\": 1.0}\n");
//! assert_eq!(line(b"not JSON"), b"\"not JSON\"\n");
//! ```

mod line;
mod sink;

pub use line::line;
pub use sink::ConsoleConfig;
