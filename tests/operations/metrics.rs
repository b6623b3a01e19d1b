use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use landfall_testkit::{Instance, Request, SIGNED, Signal, config, get, workspace_root};

use crate::{SECRET, landfall, post};

const COMPONENT: [&str; 3] = ["component_id", "component_kind", "component_type"];

pub(crate) fn exported(instance: &Instance) -> String {
    get(instance.api(), "/metrics").expect("metrics").text()
}

/// The types of all metrics, by name.
pub(crate) fn types(exported: &str) -> BTreeMap<String, String> {
    let lines = exported.lines();
    let types = lines.filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, r#type)| (name.to_owned(), r#type.to_owned()))
        .collect()
}

/// Names of the labels of all series of a metric, but for those of every component.
fn labels<'a>(exported: &'a str, metric: &str) -> BTreeSet<&'a str> {
    let series = exported.lines().filter_map(|line| {
        let (name, labels) = line.split_once('{')?;
        let name = name.strip_prefix(metric)?;
        matches!(name, "" | "_bucket" | "_sum" | "_count").then_some(labels)
    });
    let names = series.flat_map(|labels| {
        labels
            .split(',')
            .filter_map(|label| label.split_once("=\""))
    });
    let names = names.map(|(name, _)| name);
    names
        .filter(|name| *name != "le" && !COMPONENT.contains(name))
        .collect()
}

/// What an instance exports that has accepted, refused, left out, landed, failed to land and reloaded.
pub(crate) fn of_an_instance_that_has_done_everything() -> String {
    let landfall = landfall();
    let filtered = "[transforms.some]\ntype = \"filter\"\ninputs = [\"appcues\"]\nevent_types.deny = [\"web_flow_skipped\"]\n\
                    [sinks.screen]\ntype = \"console\"\ninputs = [\"some\"]\nbuffer.type = \"memory\"";
    let text = config(SIGNED, &format!("batch.timeout_secs = 1\n{filtered}"));
    let file = landfall.write("landfall.toml", &text);
    let mut instance = landfall.start(&file);
    let event = |name: &str, id: &str, more: &str| {
        format!(
            "{{\"id\":\"{id}\",\"name\":\"appcues:{name}\",\"account_id\":\"1\",\"timestamp\":1700000000000{more}}}"
        )
    };
    let first = event("flow_started", "a", "");
    for body in [
        &first,
        &first,
        &event("flow_started", "a", ",\"x\":1"),
        &event("flow_skipped", "b", ""),
        "not an event",
    ] {
        assert_eq!(post(&instance, body).status, 200);
    }
    let unsigned = Request::post("/webhooks/appcues").body(b"{}");
    assert_eq!(unsigned.send(instance.source()).status, 401);
    instance.wait_until("all has landed", |instance| {
        instance.metric("landfall_duplicate_events_total") == 1
            && instance.metric("landfall_quarantined_events_total") == 1
    });

    let (lake, away) = (instance.dir().join("lake"), instance.dir().join("away"));
    fs::rename(&lake, &away).unwrap();
    assert_eq!(post(&instance, &event("flow_started", "c", "")).status, 200);
    let failed = "error_type=\"landing_failed\"";
    instance.wait_until("landing fails", |instance| {
        instance.metric_with("component_errors_total", failed) >= 1.0
    });
    fs::rename(&away, &lake).unwrap();

    instance.signal(Signal::HUP);
    instance.wait_until("it has reloaded", |instance| {
        instance.metric("config_reloaded_total") == 1
    });
    fs::write(&file, "no configuration").unwrap();
    instance.signal(Signal::HUP);
    instance.wait_until("it has refused to reload", |instance| {
        instance.metric("config_reload_rejected_total") == 1
    });
    instance.wait_until("everything has landed", |instance| {
        instance.metric("buffer_events") == 0
    });
    exported(&instance)
}

#[test]
fn the_page_of_the_metrics_tells_all_that_are_exported_and_no_other() {
    let page = fs::read_to_string(workspace_root().join("docs/metrics.md")).unwrap();
    let exported = of_an_instance_that_has_done_everything();
    let mut told = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, r#type, unit, labels_told, what] = cells[..] else {
            panic!("{row}");
        };
        let name = name.trim_matches('`');
        assert!(!unit.is_empty() && !what.is_empty(), "{row}");
        for label in labels(&exported, name) {
            assert!(
                labels_told.contains(&format!("`{label}`")),
                "{label}: {row}"
            );
        }
        told.insert(name.to_owned(), r#type.to_owned());
    }
    assert_eq!(told, types(&exported));
}

#[test]
fn a_thousand_hostile_requests_make_no_new_series() {
    let landfall = landfall();
    let file = landfall.write("landfall.toml", &config(SIGNED, "batch.timeout_secs = 300"));
    let instance = landfall.start(&file);
    let attack = |number: usize| {
        let odd = format!("{number}\"}}\\n{{evil=\"{number}");
        let body =
            format!("{{\"id\":\"{number}\",\"name\":\"{number}\",\"account_id\":\"{number}\"}}");
        let path = format!("/webhooks/{number}?{number}=1");
        let method = format!("M{number}");
        let at_home = Request::post("/webhooks/appcues");
        let request = match number % 6 {
            0 => Request::post(&path).body(body.as_bytes()),
            1 => Request::new(&method, "/webhooks/appcues"),
            2 => at_home.header("User-Agent", &odd).body(body.as_bytes()),
            3 => at_home.signature_headers(&odd, &odd).body(body.as_bytes()),
            4 => at_home
                .header("Content-Encoding", &format!("x{number}"))
                .body(body.as_bytes()),
            _ => at_home
                .signed(SECRET, body.as_bytes())
                .body(body.as_bytes()),
        };
        // What becomes of it is not the point: some are not even HTTP.
        drop(request.try_send(instance.source()));
    };
    let series = || {
        let exported = exported(&instance);
        let series = exported.lines().filter_map(|line| line.rsplit_once(' '));
        let series = series.filter(|(series, _)| !series.starts_with('#'));
        series
            .map(|(series, _)| series.to_owned())
            .collect::<BTreeSet<_>>()
    };
    (0..6).for_each(attack);
    let before = series();
    (6..1006).for_each(attack);
    assert_eq!(series(), before);
    assert!(instance.metric_with("component_errors_total", "error_code") > 500.0);
}
