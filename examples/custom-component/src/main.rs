//! The `landfall` command with two more components: a source `lines`, which takes events over TCP, and a sink `http_post`,
//! which posts them in batches. docs/write-your-own-sink.md walks through them.
//!
//! ```console
//! $ cargo run --package custom-component -- run --config examples/custom-component/landfall.toml
//! ```

mod http_post;
mod lines;

use std::process::ExitCode;

use crate::http_post::HttpPostConfig;
use crate::lines::LinesConfig;

fn main() -> ExitCode {
    let components = landfall::components()
        .source::<LinesConfig>("lines")
        .sink::<HttpPostConfig>("http_post");
    landfall::main(components)
}
