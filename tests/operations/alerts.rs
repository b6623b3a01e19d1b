use std::collections::BTreeMap;
use std::fs;

use landfall_testkit::{SIGNED, config, free_address, workspace_root};
use serde_json::Value;

use crate::landfall;
use crate::metrics::{exported, of_an_instance_that_has_done_everything, types};

fn read(path: &str) -> String {
    fs::read_to_string(workspace_root().join(path)).expect(path)
}

fn alerts() -> Vec<Value> {
    let rules: Value =
        serde_saphyr::from_str(&read("packaging/prometheus/landfall.rules.yml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    rules.cloned().collect()
}

/// The queries of the dashboard.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana/landfall.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

/// `text` without what stands between `open` and `close`.
fn without(text: &str, open: &str, close: char) -> String {
    let mut parts = text.split(open);
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |kept, part| {
        kept + " " + part.split_once(close).map_or("", |(_, rest)| rest)
    })
}

/// The names of the metrics in a query: the words that are neither functions nor of the language nor labels.
fn metrics_in(query: &str) -> Vec<String> {
    const WORDS: [&str; 5] = ["and", "or", "unless", "offset", "on"];
    let query = without(query, "{", '}');
    let query = without(&query, "[", ']');
    let query = without(&query, "by (", ')');
    let mut names = Vec::new();
    let mut rest = query.as_str();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..];
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        let begins = word.starts_with(|c: char| c.is_ascii_lowercase());
        // What comes before a bracket, or `by`, which left one, is a function.
        let is_function = after.trim_start().starts_with('(') || matches!(word, "sum" | "max");
        if begins && !is_function && !WORDS.contains(&word) {
            names.push(word.to_owned());
        }
        rest = after;
    }
    names
}

fn is_exported(name: &str, types: &BTreeMap<String, String>) -> bool {
    let of_histogram = ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix));
    types.contains_key(name)
        || of_histogram
            .filter_map(|name| types.get(name))
            .any(|r#type| r#type == "histogram")
}

#[test]
fn alerts_and_dashboard_name_only_metrics_that_are_exported() {
    let queries = queries();
    let alerts = alerts();
    let expressions = alerts.iter().map(|alert| alert["expr"].as_str().unwrap());
    let types = types(&of_an_instance_that_has_done_everything());
    let (mut seen, mut dashboard) = (0, Vec::new());
    for query in expressions.chain(queries.iter().map(String::as_str)) {
        let names = metrics_in(query);
        assert!(!names.is_empty(), "{query}");
        for name in names {
            // Prometheus makes it itself.
            assert!(
                name == "up" || is_exported(&name, &types),
                "{name} in {query}"
            );
            dashboard.push(name);
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
    for name in types.keys() {
        let is_shown = dashboard
            .iter()
            .any(|shown| shown.starts_with(name.as_str()));
        assert!(is_shown, "neither an alert nor the dashboard shows {name}");
    }
}

#[test]
fn what_is_an_alarm_the_first_time_is_there_before_it_counts() {
    let landfall = landfall();
    let peer = format!(
        "[sources.peer]\ntype = \"vector\"\naddress = \"{}\"\n\
         [sinks.screen]\ntype = \"console\"\ninputs = [\"peer\"]",
        free_address()
    );
    let file = landfall.write("landfall.toml", &config(SIGNED, &peer));
    let mut instance = landfall.start(&file);
    for series in [
        "config_reload_rejected_total",
        "landfall_quarantined_events_total{component_id=\"lake\",component_kind=\"sink\",component_type=\"parquet\"}",
        "component_errors_total{component_id=\"appcues\",component_kind=\"source\",component_type=\"appcues\",error_code=\"file_not_usable\"}",
        "component_discarded_events_total{component_id=\"peer\",component_kind=\"source\",component_type=\"vector\",intentional=\"false\",reason=\"event_too_large\"}",
    ] {
        let line = format!("{series} 0");
        instance.wait_until(series, |instance| {
            exported(instance).lines().any(|exported| exported == line)
        });
    }
}

#[test]
fn every_alert_says_what_to_do_and_links_to_a_section_of_the_guide() {
    const GUIDE: &str = "docs/operations.md";
    let slug = |title: &str| {
        let title = title.to_ascii_lowercase().replace(' ', "-");
        title.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "")
    };
    let guide = read(GUIDE);
    let titles = guide.lines().filter(|line| line.starts_with('#'));
    let anchors: Vec<_> = titles
        .map(|line| slug(line.trim_start_matches('#').trim()))
        .collect();
    let (_, alarms) = guide.split_once("\n## Alarms\n").unwrap();
    let (alarms, _) = alarms.split_once("\n## ").unwrap();
    let alarms = alarms.lines().filter_map(|line| line.strip_prefix("### "));
    let mut unlinked: Vec<_> = alarms.map(slug).collect();
    let alerts = alerts();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let says = alert["annotations"]["description"].as_str().unwrap();
        let (advice, link) = says.split_once(&format!(" See {GUIDE}#")).expect(says);
        assert!(
            !advice.is_empty() && anchors.iter().any(|anchor| anchor == link),
            "{alert}"
        );
        assert!(alert["annotations"]["summary"].is_string(), "{alert}");
        let severity = &alert["labels"]["severity"];
        assert!(severity == "critical" || severity == "warning", "{alert}");
        unlinked.retain(|anchor| anchor != link);
    }
    assert_eq!(unlinked, [""; 0], "no alert links to these");
    for (number, link) in guide.split("](#").skip(1).enumerate() {
        let (link, _) = link.split_once(')').unwrap();
        assert!(
            anchors.iter().any(|anchor| anchor == link),
            "{number}: {link}"
        );
    }
}
