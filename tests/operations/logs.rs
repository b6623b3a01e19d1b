use landfall_testkit::{Instance, Outage, Request, SIGNED, Signal, config, free_address};
use serde_json::Value;

use crate::{SECRET, landfall, post};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What the log says so far, line by line.
fn lines(log: &str) -> Vec<Value> {
    let lines = log.lines();
    let json = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines.map(json).collect()
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

/// Whether a line with this in its message was logged.
fn says(instance: &Instance, message: &str) -> bool {
    let log = instance.stderr();
    log.lines().any(|line| line.contains(message))
}

#[test]
fn each_line_of_a_component_names_it() {
    let landfall = landfall();
    let vector = free_address();
    let more = format!(
        "batch.timeout_secs = 1\n\
         [sources.peer]\ntype = \"vector\"\naddress = \"{}\"\n\
         [sinks.away]\ntype = \"vector\"\ninputs = [\"appcues\", \"peer\"]\naddress = \"{vector}\"\n",
        free_address()
    );
    let first = config(SIGNED, &more);
    let file = landfall.write("landfall.toml", &first);
    let mut instance = landfall.start(&file);

    assert_eq!(post(&instance, "not an event").status, 200);
    let unsigned = Request::post("/webhooks/appcues").body(b"{}");
    assert_eq!(unsigned.send(instance.source()).status, 401);
    for said in ["landed a batch", "events were not taken"] {
        instance.wait_until(said, |instance| says(instance, said));
    }
    let outage = Outage::of(&instance.dir().join("lake"));
    assert_eq!(post(&instance, "no event either").status, 200);
    let said = "cannot upload a batch";
    instance.wait_until(said, |instance| says(instance, said));
    outage.end();
    let changed = first
        .replace("timeout_secs = 1", "timeout_secs = 2")
        .replace(SIGNED, &format!("{SIGNED}\nlimits.max_headers = 50"));
    instance.landfall().write("landfall.toml", &changed);
    instance.signal(Signal::HUP);
    let said = "the configuration was reloaded";
    instance.wait_until(said, |instance| says(instance, said));
    let ended = instance.terminate();

    let known = [
        ("appcues", "source", "appcues"),
        ("peer", "source", "vector"),
        ("lake", "sink", "parquet"),
        ("away", "sink", "vector"),
    ];
    let mut seen = Vec::new();
    for line in &lines(&ended.stderr) {
        let component =
            ["component_id", "component_kind", "component_type"].map(|field| text(line, field));
        match text(line, "target") {
            // These speak of the service as a whole.
            "landfall::run" | "landfall_topology::topology" => assert_eq!(component, [""; 3]),
            _ => {
                let [id, kind, r#type] = component;
                assert!(known.contains(&(id, kind, r#type)), "{line}");
                seen.push((id.to_owned(), text(line, "message").to_owned()));
            }
        }
    }
    for (id, said) in [
        ("appcues", "webhooks are received"),
        ("appcues", "request refused"),
        ("appcues", "is started with the new configuration"),
        ("peer", "events of a Vector are received"),
        ("lake", "landed a batch"),
        ("lake", "cannot upload a batch"),
        ("lake", "is started with the new configuration"),
        ("away", "events were not taken"),
    ] {
        let says = |(of, message): &(String, String)| of == id && message.contains(said);
        assert!(seen.iter().any(says), "{id}: {said}\n{}", ended.stderr);
    }
}

#[test]
fn what_comes_without_end_is_logged_seldom_with_the_number_of_what_was_left_out() {
    let landfall = landfall();
    let file = landfall.write("landfall.toml", &config(SIGNED, "batch.timeout_secs = 1"));
    let mut instance = landfall.start(&file);
    let _outage = Outage::of(&instance.dir().join("lake"));
    assert_eq!(post(&instance, "not an event").status, 200);
    let said = |instance: &Instance| {
        let lines = lines(&instance.stderr());
        let of_store = |line: &Value| text(line, "message").contains("cannot upload a batch");
        lines.into_iter().filter(of_store).collect::<Vec<_>>()
    };
    instance.wait_until("it says so again", |instance| said(instance).len() > 1);
    let said = said(&instance);
    assert_eq!(said[0]["left_out"], Value::Null);
    let left_out = said[1]["left_out"].as_u64().unwrap();
    let failed = instance.metric_with("component_errors_total", "error_type=\"landing_failed\"");
    assert!(left_out > 0 && left_out as f64 <= failed, "{said:?}");
}

#[test]
fn a_store_that_is_away_has_lines_of_landfall_alone() {
    let landfall = landfall();
    let storage = format!(
        "batch.timeout_secs = 1\n\
         storage = {{ endpoint = \"http://{}\", allow_http = true, region = \"x\", access_key_id = \"x\", secret_access_key = \"x\" }}",
        free_address()
    );
    let config = config(SIGNED, &storage).replace("{dir}/lake", "s3://bucket/lake");
    let file = landfall.write("landfall.toml", &config);
    let mut instance = landfall.start(&file);
    assert_eq!(post(&instance, "not an event").status, 200);
    let said = "cannot upload a batch";
    instance.wait_until(said, |instance| says(instance, said));
    for line in lines(&instance.stderr()) {
        assert!(text(&line, "target").starts_with("landfall"), "{line}");
    }
}

#[test]
fn the_line_of_a_refusal_names_the_trace_of_its_request() {
    let landfall = landfall();
    let file = landfall.write("landfall.toml", &config(SIGNED, ""));
    let instance = landfall.start(&file);
    let body = b"{}";
    let unsigned = Request::post("/webhooks/appcues").body(body);
    let forged = Request::post("/webhooks/appcues").signed("another secret", body);
    let stray = Request::new("GET", "/");
    let valid = format!("00-{TRACE}-00f067aa0ba902b7-01");
    for (request, traceparent, status) in [
        (unsigned, valid.as_str(), 401),
        (forged.body(body), "00-not-a-trace", 401),
        (stray, "", 404),
    ] {
        let request = request.header("traceparent", traceparent);
        assert_eq!(request.send(instance.source()).status, status);
    }
    let ended = instance.terminate();
    let refused: Vec<_> = lines(&ended.stderr)
        .into_iter()
        .filter(|line| text(line, "message").starts_with("request refused"))
        .map(|line| {
            (
                text(&line, "code").to_owned(),
                text(&line, "trace_id").to_owned(),
            )
        })
        .collect();
    let expected = [
        ("signature_missing", TRACE),
        ("signature_mismatch", ""),
        ("not_found", ""),
    ];
    let expected = expected.map(|(code, trace)| (code.to_owned(), trace.to_owned()));
    assert_eq!(refused, expected);
    assert!(!ended.stderr.contains(SECRET));
}
