//! What docs/ says of components and their settings is what holds.
//!
//! The tables of options stand between `<!-- options -->` and `<!-- /options -->`. `cargo xtask docs` writes them anew.

#![allow(clippy::unwrap_used, reason = "the files are the project's own")]

use std::path::{Path, PathBuf};
use std::{env, fs};

use landfall_testkit::{Landfall, workspace_root};
use serde_json::Value;

const SECRET: &str = "a secret of at least thirty-two characters";

const BLESS: &str = "LANDFALL_BLESS";

fn landfall() -> Landfall {
    Landfall::new(env!("CARGO_BIN_EXE_landfall"))
}

fn printed(args: &[&str]) -> String {
    let ended = landfall().run(args);
    assert_eq!(ended.code, Some(0), "{args:?}\n{ended}");
    ended.stdout
}

/// All that `landfall list` knows.
fn listed() -> Value {
    serde_json::from_str(&printed(&["list", "--format", "json"])).unwrap()
}

/// Each type of component, with the page about it.
fn pages(listed: &Value) -> Vec<(PathBuf, &Value)> {
    let components = listed["components"].as_array().unwrap().iter();
    let pages = components.map(|component| {
        let text = |key: &str| component[key].as_str().unwrap();
        let page = format!("docs/{}s/{}.md", text("kind"), text("type"));
        (workspace_root().join(page), component)
    });
    pages.collect()
}

/// Compares the file with what it should be, or writes it if that is asked for.
#[track_caller]
fn assert_is(file: &Path, expected: &str) {
    if env::var_os(BLESS).is_some() {
        // In one step: other tests read it at the same time.
        let new = file.with_extension("new");
        fs::write(&new, expected).unwrap();
        fs::rename(&new, file).unwrap();
    }
    assert!(
        fs::read_to_string(file).is_ok_and(|text| text == expected),
        "{} is not what the code says; `cargo xtask docs` writes it",
        file.display()
    );
}

/// The page with this table of options.
#[track_caller]
fn with_options(page: &Path, table: &str) -> String {
    const BEGIN: &str = "<!-- options -->\n";
    const END: &str = "<!-- /options -->";
    let text = fs::read_to_string(page).unwrap_or_else(|_| panic!("no page {}", page.display()));
    let parts = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.unwrap_or_else(|| panic!("no marks in {}", page.display()));
    format!("{before}{BEGIN}{table}{END}{after}")
}

/// A line for each option; nothing if there is none.
fn table(options: &[(String, &Value)]) -> String {
    let mut table = String::new();
    if !options.is_empty() {
        table += "\n| option | type | default | what it is |\n|---|---|---|---|\n";
    }
    for (name, option) in options {
        let r#type = option["type"].as_str().unwrap();
        let default = match (&option["default"], &option["is_required"]) {
            (Value::Null, Value::Bool(true)) => "needed".to_owned(),
            (Value::Null, _) => "none".to_owned(),
            (Value::String(text), _) if text.is_empty() => "`\"\"`".to_owned(),
            (Value::String(text), _) => format!("`{text}`"),
            (value, _) => format!("`{value}`"),
        };
        let mut what = option["description"].as_str().unwrap().to_owned();
        for choice in option["choices"].as_array().into_iter().flatten() {
            let text = |index: usize| choice[index].as_str().unwrap();
            let meaning = match text(1) {
                "" => String::new(),
                meaning => format!(": {meaning}"),
            };
            what += &format!("<br>`{}`{meaning}", text(0));
        }
        let what = what
            .trim_start_matches("<br>")
            .replace("\n\n", "<br>")
            .replace('|', "\\|");
        table += &format!("| `{name}` | {type} | {default} | {what} |\n");
    }
    if !options.is_empty() {
        table += "\n";
    }
    table
}

/// Whether every component of its kind has the option.
fn is_common(name: &str) -> bool {
    name == "inputs" || name.starts_with("buffer.")
}

#[test]
fn the_page_of_each_component_has_its_options() {
    let listed = listed();
    for (page, component) in pages(&listed) {
        let options = component["options"].as_array().unwrap().iter();
        let options = options.map(|option| (option["name"].as_str().unwrap().to_owned(), option));
        let own: Vec<_> = options.filter(|(name, _)| !is_common(name)).collect();
        assert_is(&page, &with_options(&page, &table(&own)));
    }
}

#[test]
fn the_page_of_the_configuration_has_the_options_of_all() {
    let listed = listed();
    let name = |option: &Value| option["name"].as_str().unwrap().to_owned();
    let general = listed["options"].as_array().unwrap().iter();
    let mut options: Vec<_> = general.map(|option| (name(option), option)).collect();
    let components = listed["components"].as_array().unwrap().iter();
    let sink = components
        .rev()
        .find(|component| component["kind"] == "sink")
        .unwrap();
    let common = sink["options"].as_array().unwrap().iter();
    let common = common
        .map(|option| (name(option), option))
        .filter(|(name, _)| is_common(name));
    options.extend(common.map(|(name, option)| (format!("sinks.*.{name}"), option)));
    let page = workspace_root().join("docs/configuration.md");
    assert_is(&page, &with_options(&page, &table(&options)));
}

#[test]
fn the_schema_among_the_examples_is_what_the_command_prints() {
    let file = workspace_root().join("examples/landfall.schema.json");
    assert_is(&file, &printed(&["schema", "--config"]));
}

#[test]
fn the_page_of_each_component_is_in_the_order_of_all() {
    let order = [
        "Example",
        "Options",
        "Metrics",
        "Guarantees",
        "How it works",
    ];
    for (page, _) in pages(&listed()) {
        let text = fs::read_to_string(&page).unwrap();
        let titles = text.lines().filter_map(|line| line.strip_prefix("## "));
        assert_eq!(titles.collect::<Vec<_>>(), order, "{}", page.display());
    }
}

#[test]
fn the_examples_in_the_docs_are_configurations_that_load() {
    let docs = workspace_root().join("docs");
    let configuration = docs.join("configuration.md");
    let listed = listed();
    let pages = pages(&listed).into_iter().map(|(page, _)| page);
    for page in pages.chain([configuration]) {
        let text = fs::read_to_string(&page).unwrap();
        let (_, example) = text
            .split_once("## Example\n")
            .unwrap_or_else(|| panic!("{}", page.display()));
        let (_, example) = example
            .split_once("```toml\n")
            .unwrap_or_else(|| panic!("{}", page.display()));
        let (example, _) = example.split_once("```").unwrap();
        let variables = example
            .split("${")
            .skip(1)
            .filter_map(|text| text.split('}').next());
        let landfall = variables.fold(landfall(), |landfall, name| landfall.env(name, SECRET));
        let file = landfall.write("example.toml", example);
        let ended = landfall.run(["validate", "--no-environment", "-c", file.to_str().unwrap()]);
        assert_eq!(ended.code, Some(0), "{}\n{ended}", page.display());
    }
}
