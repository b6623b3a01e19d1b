//! Any text as a configuration, in each of its languages, with a secret behind every variable.
//!
//! However wrong the text is, what is said about it never shows the secret.
#![no_main]

use landfall_topology::{Config, Format};
use libfuzzer_sys::fuzz_target;

/// With characters that a message may write differently than they are.
const SECRET: &str = "correct-horse\"battery\nstaple";
const PARTS: [&str; 3] = ["correct-horse", "battery", "staple"];

fuzz_target!(|text: &str| {
    // A message may quote the text itself.
    if PARTS.iter().any(|part| text.contains(part)) {
        return;
    }
    let registry = landfall::components();
    for format in [Format::Toml, Format::Yaml, Format::Json] {
        if let Err(error) = Config::parse(text, format, &registry, &|_| Some(SECRET.to_owned())) {
            let said = error.to_string();
            let shown = PARTS.iter().find(|part| said.contains(*part));
            assert_eq!(shown, None, "{said}");
        }
    }
});
