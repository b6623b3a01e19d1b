//! A running instance is watched from outside: `landfall tap`, `landfall top`, and who may.

use std::time::{Duration, Instant};

use landfall_testkit::{
    Ended, Instance, Landfall, Process, Request, SIGNED, config, exchange, get, python,
};
use serde_json::Value;

const SECRET: &str = "a secret only of this test";
const LIMIT: Duration = Duration::from_secs(60);

fn start(api: &str) -> Instance {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let text = format!("{api}\n{}", config(SIGNED, "batch.timeout_secs = 1"));
    let config = landfall.write("landfall.toml", &text);
    landfall.start(&config)
}

fn send(instance: &Instance, name: &str, account: &str) {
    let body = format!(
        "{{\"id\":\"{name}-{account}\",\n\"name\":\"appcues:{name}\",\"account_id\":\"{account}\",\"user_id\":\"u\\u001b[31m\",\"timestamp\":1700000000000}}"
    );
    let answer = Request::post("/webhooks/appcues")
        .signed(SECRET, body.as_bytes())
        .body(body.as_bytes())
        .send(instance.source());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Runs `landfall tap` with `args` while `events` are sent again and again, until it has seen enough.
fn tap(instance: &Instance, args: &[&str], events: &[(&str, &str)]) -> Ended {
    let url = format!("http://{}", instance.api());
    let args = [&["tap", "--url", &url], args].concat();
    let mut tap = Process::spawn(&mut instance.landfall().command(args));
    let deadline = Instant::now() + LIMIT;
    while tap.status().is_none() && Instant::now() < deadline {
        for (name, account) in events {
            send(instance, name, account);
        }
    }
    let ended = tap.wait(LIMIT);
    assert_eq!(ended.code, Some(0), "{ended}");
    ended
}

const EVENTS: [(&str, &str); 3] = [
    ("flow_started", "1"),
    ("flow_completed", "1"),
    ("flow_started", "2"),
];

#[test]
fn tap_shows_each_event_as_a_json_line_with_all_that_is_in_it() {
    let instance = start("");
    let ended = tap(&instance, &["--limit", "3"], &EVENTS);
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert_eq!(lines.len(), 3);
    for line in lines {
        assert_eq!(line["component_id"], "appcues");
        assert_eq!(line["event"]["timestamp"], 1_700_000_000_000_i64);
        assert!(line["received_at"].is_i64());
    }
}

#[test]
fn tap_shows_only_the_types_and_accounts_that_are_asked_for_and_what_goes_into_a_sink() {
    let instance = start("");
    let filters = [
        "lake",
        "--type",
        "web_flow_started",
        "--account",
        "2",
        "--limit",
        "4",
    ];
    let args = [&filters[..], &["--format", "table"]].concat();
    let ended = tap(&instance, &args, &EVENTS);
    let rows: Vec<_> = ended.stdout.lines().skip(1).collect();
    assert_eq!(rows.len(), 4, "{ended}");
    for row in rows {
        let columns: Vec<_> = row.split_whitespace().skip(1).collect();
        assert_eq!(columns[..3], ["lake", "web_flow_started", "2"], "{row}");
        assert_eq!(columns[4], "flow_started-2", "{row}");
    }
    assert!(
        !ended.stdout.contains('\u{1b}'),
        "a user commands the terminal"
    );
}

#[test]
fn tap_says_what_is_wrong_with_what_it_was_asked_for() {
    let instance = start("");
    let url = format!("http://{}", instance.api());
    let unknown = instance.landfall().run(["tap", "nothing", "--url", &url]);
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown.stderr.contains("no component \"nothing\""),
        "{unknown}"
    );
    let nobody = instance
        .landfall()
        .run(["tap", "--url", "http://127.0.0.1:1"]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains("no landfall answers"), "{nobody}");
}

#[test]
fn a_token_is_asked_for_where_one_is_configured_and_never_shown() {
    let instance = start("api.token = \"s3cret-token\"");
    let without = get(instance.api(), "/api/v1/components").expect("an answer");
    assert_eq!(without.status, 401, "{}", without.text());
    assert_eq!(without.header("WWW-Authenticate"), Some("Bearer"));
    let with = |token: &str| {
        let request = Request::new("GET", "/api/v1/components");
        let request = request.header("Authorization", &format!("Bearer {token}"));
        request.send(instance.api())
    };
    assert_eq!(with("s3cret-toke").status, 401);
    let answer = with("s3cret-token");
    assert_eq!(answer.status, 200);
    // The command takes it from the configuration.
    let config = instance.dir().join("landfall.toml");
    let config = config.to_str().expect("a path of the test");
    let top = instance
        .landfall()
        .run(["top", "--once", "--interval", "0.1", "--config", config]);
    assert_eq!(top.code, Some(0), "{top}");
    for text in [answer.text(), instance.stderr(), top.stdout, top.stderr] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_page_that_leads_a_browser_here_under_another_name_sees_nothing() {
    let instance = start("");
    let ask = |host: &str| {
        let request = format!("GET /api/v1/components HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = exchange(instance.api(), request.as_bytes());
        answer.expect("an answer").status
    };
    for host in [
        "evil.example.com",
        "evil.example.com:8686",
        "127.evil.example.com",
    ] {
        assert_eq!(ask(host), 403, "{host}");
    }
    for host in [
        "localhost",
        "localhost:8686",
        "127.0.0.1:8686",
        "[::1]:8686",
    ] {
        assert_eq!(ask(host), 200, "{host}");
    }
}

#[test]
fn what_the_api_refuses_it_explains_as_the_source_does() {
    let instance = start("");
    for (method, target, status, code) in [
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/health/", 404, "not_found"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/tap", 405, "method_not_allowed"),
        ("GET", "/api/v1/tap?component=lake", 400, "malformed_query"),
        ("GET", "/api/v1/event", 400, "malformed_query"),
    ] {
        let request = Request::new(method, target);
        let answer = request.send(instance.api());
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(
            (answer.status, &body["error"]),
            (status, &code.into()),
            "{target}"
        );
        assert!(body["message"].is_string(), "{body}");
        let allowed = answer.header("Allow");
        assert_eq!(
            allowed.is_some_and(|allow| allow.contains("GET")),
            status == 405
        );
    }
}

#[test]
fn events_are_not_shown_where_that_is_turned_off() {
    let instance = start("api.tap = false");
    let answer = get(instance.api(), "/api/v1/tap").expect("an answer");
    assert_eq!(answer.status, 403, "{}", answer.text());
    let components = get(instance.api(), "/api/v1/components").expect("an answer");
    assert_eq!(components.status, 200, "{}", components.text());
}

#[test]
fn top_shows_what_each_component_does_in_a_terminal_and_as_text() {
    let instance = start("");
    send(&instance, "flow_started", "1");
    let url = format!("http://{}", instance.api());
    let exe = env!("CARGO_BIN_EXE_landfall");
    let words = ["component", "appcues", "source", "lake", "parquet", "in/s"];
    python(
        "top_in_terminal.py",
        [&[exe, url.as_str()], &words[..]].concat(),
    );
    let once = instance
        .landfall()
        .run(["top", "--once", "--interval", "0.1", "--url", &url]);
    assert_eq!(once.code, Some(0), "{once}");
    let rows: Vec<Vec<&str>> = once
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0][..4], ["component", "kind", "type", "in/s"]);
    assert_eq!(rows[1][..3], ["appcues", "source", "appcues"]);
    assert_eq!(rows[2][..3], ["lake", "sink", "parquet"]);
}

#[test]
fn every_series_of_a_component_says_whose_it_is() {
    let mut instance = start("");
    send(&instance, "flow_started", "1");
    let refused = Request::post("/webhooks/appcues").body(b"{}");
    assert_eq!(refused.send(instance.source()).status, 401);
    instance.wait_until("the event lands", |instance| {
        instance.metric_with("component_sent_events_total", "component_id=\"lake\"") == 1.0
    });
    let metrics = get(instance.api(), "/metrics").expect("metrics").text();
    let mut seen = 0;
    for line in metrics.lines() {
        let names = [
            "component_",
            "buffer_",
            "landfall_",
            "open_connections",
            "requests_in_",
        ];
        let is_whole = line.starts_with("landfall_ready");
        if !is_whole && names.iter().any(|name| line.starts_with(name)) {
            let of_source =
                r#"component_id="appcues",component_kind="source",component_type="appcues""#;
            let of_sink = r#"component_id="lake",component_kind="sink",component_type="parquet""#;
            assert!(line.contains(of_source) || line.contains(of_sink), "{line}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{metrics}");
    for (name, labels) in [
        (
            "component_received_events_total",
            "component_kind=\"source\"",
        ),
        ("component_sent_events_total", "component_kind=\"source\""),
        ("component_received_events_total", "component_kind=\"sink\""),
        ("component_errors_total", "error_code=\"signature_missing\""),
    ] {
        assert_eq!(
            instance.metric_with(name, labels),
            1.0,
            "{name} {labels}\n{metrics}"
        );
    }
}
