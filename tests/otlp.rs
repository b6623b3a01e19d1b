//! Traces and metrics reach a collector, and one that is away costs nothing else.

#![expect(clippy::expect_used, reason = "an unmet expectation is a failed test")]

#[path = "otlp/collector.rs"]
mod collector;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use landfall_testkit::{Instance, Landfall, Request, SIGNED, config, get};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::collector::{Collector, texts};

const SECRET: &str = "a secret only of this test";
const API_KEY: &str = "another secret of this test";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const BODY: &str =
    r#"{"id":"1","name":"appcues:flow_started","timestamp":1700000000000,"user_id":"someone"}"#;

fn start(endpoint: &str, variables: &[(&str, &str)]) -> Instance {
    let mut landfall = Landfall::new(env!("CARGO_BIN_EXE_landfall"))
        .env("APPCUES_WEBHOOK_SECRET", SECRET)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_EXPORTER_OTLP_HEADERS", &format!("api-key={API_KEY}"));
    for (name, value) in variables {
        landfall = landfall.env(name, value);
    }
    let config = landfall.write("landfall.toml", &config(SIGNED, "batch.timeout_secs = 1"));
    landfall.start(&config)
}

/// Posts an event as a part of the trace, and waits until it has landed.
fn land(instance: &mut Instance) {
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let request = Request::post("/webhooks/appcues").signed(SECRET, BODY.as_bytes());
    let request = request
        .header("traceparent", &traceparent)
        .body(BODY.as_bytes());
    assert_eq!(request.send(instance.source()).status, 200);
    instance.wait_until("the event has landed", |instance| {
        instance.metric("landfall_landed_files_total") == 1
    });
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_request_continues_the_senders_trace_and_its_landing_is_one_with_the_uploads() {
    let collector = Collector::start();
    let attributes = (
        "OTEL_RESOURCE_ATTRIBUTES",
        "deployment.environment.name=test",
    );
    let mut instance = start(&collector.endpoint(), &[attributes]);
    land(&mut instance);
    let stray = Request::new("GET", "/its/secret/path");
    assert_eq!(stray.send(instance.source()).status, 404);
    let ended = instance.terminate();
    assert_eq!(ended.code, Some(0), "{ended}");

    // Long before their time: the end sends what is left.
    let spans = collector.spans();
    let named = |name: &str| {
        spans
            .iter()
            .filter(move |span| span.name == name)
            .collect::<Vec<_>>()
    };
    let [accepted, refused] = &*named("request") else {
        panic!("{spans:?}");
    };
    assert_eq!(hex(&accepted.trace_id), TRACE);
    assert_eq!(hex(&accepted.parent_span_id), PARENT);
    let said = |span: &Span, name: &str| {
        texts(&span.attributes)
            .get(name)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(said(accepted, "http.response.status_code"), "200");
    assert_eq!(said(accepted, "component_id"), "appcues");
    assert_ne!(hex(&refused.trace_id), TRACE);
    assert_eq!(said(refused, "http.request.method"), "GET");
    assert_eq!(said(refused, "error.type"), "not_found");
    let ([batch], [file]) = (&*named("land batch"), &*named("put file")) else {
        panic!("{spans:?}");
    };
    assert_eq!(said(batch, "component_id"), "lake");
    assert_eq!(
        (&file.trace_id, &file.parent_span_id),
        (&batch.trace_id, &batch.span_id)
    );
    assert!(batch.start_time_unix_nano <= file.start_time_unix_nano);
    assert!(file.end_time_unix_nano <= batch.end_time_unix_nano);

    for post in collector.posts("/v1/traces") {
        assert_eq!(post.headers["content-type"], "application/x-protobuf");
        assert_eq!(post.headers["api-key"], API_KEY);
        let text = String::from_utf8_lossy(&post.body);
        for kept in [SECRET, API_KEY, "someone", "secret/path"] {
            assert!(!text.contains(kept), "{kept}: {text}");
        }
    }
    assert!(!ended.stderr.contains(API_KEY), "{ended}");
}

#[test]
fn the_metrics_are_those_of_the_prometheus_endpoint() {
    let collector = Collector::start();
    let interval = ("OTEL_METRIC_EXPORT_INTERVAL", "200");
    let mut instance = start(&collector.endpoint(), &[interval]);
    land(&mut instance);
    instance.wait_until("all metrics have been sent", |instance| {
        let shown = get(instance.api(), "/metrics").expect("metrics").text();
        let types = shown
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        let names = types.filter_map(|r#type| r#type.split(' ').next());
        let sent = collector.metrics().1;
        sent.keys().map(String::as_str).collect::<BTreeSet<_>>() == names.collect()
    });
    let (resource, metrics) = collector.metrics();
    assert_eq!(resource["service.name"], "landfall");
    let Some(metric::Data::Sum(received)) = &metrics["component_received_events_total"].data else {
        panic!("{metrics:?}");
    };
    let of_source = received.data_points.iter().find(|point| {
        texts(&point.attributes)
            .get("component_kind")
            .is_some_and(|kind| kind == "source")
    });
    let value = of_source.expect("a series of the source").value;
    assert_eq!(value, Some(number_data_point::Value::AsInt(1)));
    let Some(metric::Data::Histogram(times)) =
        &metrics["http_server_handler_duration_seconds"].data
    else {
        panic!("{metrics:?}");
    };
    assert_eq!(times.data_points[0].count, 1);
}

#[test]
fn nothing_is_sent_that_the_environment_does_not_ask_for_and_the_log_says_what_it_asks_for_in_vain()
{
    let collector = Collector::start();
    let variables = [
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
    ];
    let mut instance = start(&collector.endpoint(), &variables);
    land(&mut instance);
    let ended = instance.terminate();
    assert_eq!(ended.code, Some(0), "{ended}");
    for path in ["/v1/traces", "/v1/metrics"] {
        assert!(collector.posts(path).is_empty(), "{path}");
    }
    let said = "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: only http/protobuf is spoken";
    assert!(ended.stderr.contains(said), "{ended}");
}

/// A place that takes connections and never reads.
fn silence() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binding a free port");
    let address = listener.local_addr().expect("a bound address");
    (listener, format!("http://{address}"))
}

#[test]
fn a_collector_that_never_answers_keeps_no_event_waiting_and_is_logged_now_and_then() {
    let (_silence, endpoint) = silence();
    let variables = [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let began = Instant::now();
    let mut instance = start(&endpoint, &variables);
    land(&mut instance);
    let said = "the collector does not take";
    for signal in ["traces", "metrics"] {
        let said = format!("{said} {signal}");
        instance.wait_until(&said, |instance| instance.stderr().contains(&said));
    }
    let ended = instance.terminate();
    assert_eq!(ended.code, Some(0), "{ended}");
    // The metrics alone have failed every 150 ms.
    let lines = ended.stderr.matches(said).count() as u64;
    let most_of_a_kind = 1 + began.elapsed().as_secs() / 10;
    assert!(lines <= 2 * most_of_a_kind, "{ended}");
    assert!(!ended.stderr.contains(API_KEY), "{ended}");
}

#[test]
fn the_end_does_not_wait_for_a_collector_that_never_answers() {
    let (_silence, endpoint) = silence();
    let a_minute = ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    let mut instance = start(&endpoint, &[a_minute]);
    land(&mut instance);
    let began = Instant::now();
    let ended = instance.terminate();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(began.elapsed() < Duration::from_secs(30), "{ended}");
}
