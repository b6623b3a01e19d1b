//! The licences of all that is built into the binary, whose texts must go where it goes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::output;
use crate::deps;
use crate::step::cargo;

/// What files that hold a licence, or what it asks to be handed on, begin with.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// Each text once, below the names of the crates that it is of.
pub(super) fn of_dependencies() -> anyhow::Result<String> {
    let built_in = deps::tree(&["landfall".to_owned()])?;
    let metadata = output(
        cargo()?
            .args(["metadata", "--locked", "--format-version", "1"])
            .args(["--filter-platform", deps::TARGET]),
    )?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array();
    let mut names_of = BTreeMap::<String, Vec<String>>::new();
    for package in packages.context("cargo metadata names no packages")? {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} v{}", text("name"), text("version"));
        // What has no source is of this workspace.
        if package["source"].is_null() || !built_in.contains(&name) {
            continue;
        }
        let name = format!("{name} ({})", text("license"));
        let texts = texts_in(Path::new(text("manifest_path")))?;
        if texts.is_empty() {
            names_of
                .entry("It comes without a text of its licence.".to_owned())
                .or_default()
                .push(name.clone());
        }
        for text in texts {
            names_of.entry(text).or_default().push(name.clone());
        }
    }
    let mut page = String::new();
    for (text, names) in &names_of {
        let line = "=".repeat(80);
        writeln!(page, "{line}\n{}\n{line}\n\n{text}\n", names.join("\n"))?;
    }
    Ok(page)
}

fn texts_in(manifest: &Path) -> anyhow::Result<Vec<String>> {
    let folder = manifest.parent().context("a manifest lies in a folder")?;
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let is_licence = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_uppercase();
        file.is_file() && NAMES.iter().any(|beginning| name.starts_with(beginning))
    };
    let read = |file: &PathBuf| -> anyhow::Result<String> {
        let bytes = fs::read(file)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    files
        .iter()
        .filter(|file| is_licence(file))
        .map(read)
        .collect()
}
