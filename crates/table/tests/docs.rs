//! The pages of `docs` that follow from the code: what they say is what holds.

#![allow(clippy::unwrap_used, reason = "the files are the project's own")]

use std::path::Path;
use std::{env, fs};

use landfall_appcues::EVENT_TYPES;
use landfall_table::COLUMNS;

const BLESS: &str = "LANDFALL_BLESS";

/// Compares `text` with the page, or writes the page if it is told to.
fn is_page(name: &str, text: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    if env::var_os(BLESS).is_some() {
        fs::write(&page, text).unwrap();
    }
    assert!(
        fs::read_to_string(&page).is_ok_and(|page| page == text),
        "docs/{name} is not what the code says; `cargo xtask docs` writes it"
    );
}

#[test]
fn the_page_of_the_catalogue_has_each_event_type() {
    let mut page = String::from(
        "# Event types

What `event_type` can be, and which events of Appcues it stands for. The first line that holds for an event is its own.
The events themselves are known from Appcues' page on webhooks (page) or its open-source SDKs and command line (SDKs);
for subscriptions whose events Appcues shows nowhere, their names are what the known names suggest (expected). What is
none of these is `other`, with all of its columns filled.

| event_type | meaning | recognised by | known from |
|---|---|---|---|
",
    );
    for event_type in EVENT_TYPES {
        let name = event_type.name;
        let rules = event_type.recognised_by();
        let (rules, origin) = if rules.is_empty() {
            ("all others".to_owned(), String::new())
        } else {
            (rules.join("<br>"), event_type.origin.to_string())
        };
        page += &format!(
            "| `{name}` | {} | {rules} | {origin} |\n",
            event_type.meaning
        );
    }
    is_page("catalogue.md", &page);
}

#[test]
fn the_page_of_the_events_table_has_each_column() {
    let mut page = String::from(
        "# The events table

One row an event, whatever its type ([event types](catalogue.md)). The number is the column's Parquet field id; the table
only grows at its end. Where several paths are given, the first with a value that fits is taken. A value that can be read
as the column's type is read (`\"10\"` as the integer 10); one that cannot leaves null and an entry in `conversion_errors`.

| # | column | type | null | from | meaning |
|---|---|---|---|---|---|
",
    );
    for (column, id) in COLUMNS.iter().zip(1..) {
        let (name, kind, from) = (column.name, column.kind, column.from());
        let null = if column.nullable { "yes" } else { "no" };
        page += &format!(
            "| {id} | `{name}` | {kind} | {null} | {from} | {} |\n",
            column.meaning
        );
    }
    is_page("events-table.md", &page);
}
