//! Measures Landfall; `cargo xtask bench` builds and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    landfall_bench::main()
}
