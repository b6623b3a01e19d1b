//! Measures Landfall; `cargo xtask bench` builds and runs it.

fn main() {}
