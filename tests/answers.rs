//! What the source answers to every kind of request, seen from a socket.

use std::fs;
use std::time::{Duration, Instant};

use landfall_testkit::{
    Instance, Landfall, Request, Response, Signature, epoch_secs, files_below, python,
};
use serde_json::Value;

const SECRET: &str = "a secret only of this test";
const PATH: &str = "/webhooks/appcues";
const EVENT: &[u8] = br#"{"id": "1", "name": "appcues:flow_started", "timestamp": 1684867471283}"#;
const MAX_BODY_BYTES: usize = 4096;

/// Every event is a batch of its own, so that no answer waits for another event.
const CONFIG: &str = r#"
data_dir = "{dir}/data"

[api]
address = "{api}"

[sources.appcues]
type = "appcues"
address = "{source}"
[sources.appcues.signature]
secrets = ["an older secret", "${APPCUES_WEBHOOK_SECRET}"]
tolerance_secs = 300
[sources.appcues.limits]
max_body_bytes = 4096
read_timeout_secs = 1

[sinks.lake]
type = "parquet"
inputs = ["appcues"]
uri = "{dir}/lake"
[sinks.lake.batch]
max_events = 1
timeout_secs = 1
[sinks.lake.buffer]
type = "memory"
"#;

fn start() -> Instance {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = landfall.write("landfall.toml", CONFIG);
    landfall.start(&config)
}

fn signed(body: &[u8]) -> Request {
    Request::post(PATH).signed(SECRET, body)
}

/// The body signed now, with the signature written in a way of its own.
fn signed_as(body: &[u8], written: impl Fn(Signature) -> String) -> Request {
    let now = epoch_secs().to_string();
    let signature = written(Signature::new(SECRET, &now, body));
    Request::post(PATH)
        .signature_headers(&signature, &now)
        .body(body)
}

/// A form that a genuine request may take, for any body.
type Form = fn(&[u8]) -> Request;

const GENUINE: [(&str, Form); 15] = [
    ("signed", |body| signed(body).body(body)),
    ("hex in upper case", |body| {
        signed_as(body, |digest| digest.hex().to_uppercase())
    }),
    ("base64", |body| signed_as(body, Signature::base64)),
    ("base64 without padding", |body| {
        signed_as(body, |digest| digest.base64().replace('=', ""))
    }),
    ("a prefix before hex", |body| {
        signed_as(body, |digest| format!("sha256={}", digest.hex()))
    }),
    ("a prefix before base64", |body| {
        signed_as(body, |digest| format!("sha256={}", digest.base64()))
    }),
    ("the other secret", |body| {
        Request::post(PATH)
            .signed("an older secret", body)
            .body(body)
    }),
    ("a timestamp in milliseconds", |body| {
        let now = format!("{}000", epoch_secs());
        let signature = Signature::new(SECRET, &now, body).hex();
        Request::post(PATH)
            .signature_headers(&signature, &now)
            .body(body)
    }),
    ("a trailing slash", |body| {
        Request::post("/webhooks/appcues/")
            .signed(SECRET, body)
            .body(body)
    }),
    ("a query string", |body| {
        Request::post("/webhooks/appcues?a=b")
            .signed(SECRET, body)
            .body(body)
    }),
    ("a content type that is not JSON", |body| {
        signed(body).header("Content-Type", "text/plain").body(body)
    }),
    ("identity as encoding", |body| {
        signed(body)
            .header("Content-Encoding", "identity")
            .body(body)
    }),
    ("chunks", |body| signed(body).chunked(body)),
    ("asked before the body", |body| {
        signed(body).header("Expect", "100-continue").body(body)
    }),
    ("the largest body", |body| {
        let mut padded = body.to_vec();
        padded.resize(MAX_BODY_BYTES, b' ');
        signed(&padded).body(&padded)
    }),
];

#[test]
fn genuine_requests_are_accepted_in_every_form_they_may_come() {
    let instance = start();
    let mut wrong = Vec::new();
    for (index, (name, request)) in GENUINE.iter().enumerate() {
        let body = format!(
            r#"{{"id": "{index}", "name": "appcues:flow_started", "timestamp": 1684867471283}}"#
        );
        let answer = request(body.as_bytes()).send(instance.source());
        if answer.status != 200 {
            wrong.push(format!("{name}: {} {}", answer.status, answer.text()));
        }
    }
    assert!(wrong.is_empty(), "not accepted:\n{}", wrong.join("\n"));
    // Each event is a batch of its own here, and each batch one file.
    let files = files_below(&instance.dir().join("lake/events"), ".parquet");
    assert_eq!(files.len(), GENUINE.len());
}

#[test]
fn an_event_that_comes_again_is_accepted_again_and_lands_once() {
    let instance = start();
    for _ in 0..3 {
        let answer = signed(EVENT).body(EVENT).send(instance.source());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let files = files_below(&instance.dir().join("lake/events"), ".parquet");
    assert_eq!(files.len(), 1, "{files:?}");
}

#[test]
fn refused_requests_get_a_status_a_code_and_advice_and_nothing_of_them_lands() {
    let instance = start();
    let now = epoch_secs();
    let stale = (now - 301).to_string();
    let ahead = (now + 330).to_string();
    let now = now.to_string();
    let signature = |secret: &str, timestamp: &str| Signature::new(secret, timestamp, EVENT);
    let genuine = signature(SECRET, &now).hex();
    // More than the sockets between the two hold, so that the sender is still writing when the answer comes.
    let large = vec![b'x'; 7 * 1024 * 1024];
    let little_too_large = vec![b'x'; MAX_BODY_BYTES + 1];
    let to = |target: &str| Request::post(target).signed(SECRET, EVENT).body(EVENT);
    let with = |signature: &str, timestamp: &str| {
        Request::post(PATH)
            .signature_headers(signature, timestamp)
            .body(EVENT)
    };

    let requests = [
        (
            "signed with another secret",
            with(&signature("another", &now).hex(), &now),
            (401, "signature_mismatch"),
        ),
        (
            "another body than the signed one",
            signed(EVENT).body(
                br#"{"id": "2", "name": "appcues:flow_started", "timestamp": 1684867471283}"#,
            ),
            (401, "signature_mismatch"),
        ),
        (
            "another timestamp than the signed one",
            with(&genuine, &(epoch_secs() + 1).to_string()),
            (401, "signature_mismatch"),
        ),
        (
            "no signature that could be one",
            with("zz", &now),
            (401, "signature_malformed"),
        ),
        (
            "half a signature",
            with(&genuine[..32], &now),
            (401, "signature_malformed"),
        ),
        (
            "an empty signature",
            with("", &now),
            (401, "signature_malformed"),
        ),
        (
            "no time",
            with(&genuine, "soon"),
            (401, "timestamp_malformed"),
        ),
        (
            "no headers",
            Request::post(PATH).body(EVENT),
            (401, "signature_missing"),
        ),
        (
            "no timestamp",
            Request::post(PATH)
                .header("X-Apc-Signature", &genuine)
                .body(EVENT),
            (401, "signature_missing"),
        ),
        (
            "no signature",
            Request::post(PATH)
                .header("X-Apc-Timestamp", &now)
                .body(EVENT),
            (401, "signature_missing"),
        ),
        (
            "the signature twice",
            signed(EVENT)
                .header("X-Apc-Signature", &genuine)
                .body(EVENT),
            (401, "security_header_repeated"),
        ),
        (
            "too old",
            with(&signature(SECRET, &stale).hex(), &stale),
            (401, "timestamp_expired"),
        ),
        (
            "ahead",
            with(&signature(SECRET, &ahead).hex(), &ahead),
            (401, "timestamp_expired"),
        ),
        ("another path", to("/webhooks"), (404, "not_found")),
        (
            "a path below",
            to("/webhooks/appcues/x"),
            (404, "not_found"),
        ),
        ("the root", to("/"), (404, "not_found")),
        (
            "a GET",
            Request::new("GET", PATH),
            (405, "method_not_allowed"),
        ),
        (
            "a PUT",
            Request::new("PUT", PATH).signed(SECRET, EVENT).body(EVENT),
            (405, "method_not_allowed"),
        ),
        (
            "one byte too large",
            Request::post(PATH)
                .signed(SECRET, &little_too_large)
                .body(&little_too_large),
            (413, "body_too_large"),
        ),
        (
            "far too large",
            Request::post(PATH).signed(SECRET, &large).body(&large),
            (413, "body_too_large"),
        ),
        (
            "far too large in chunks",
            Request::post(PATH).signed(SECRET, &large).chunked(&large),
            (413, "body_too_large"),
        ),
        (
            "one byte too large in chunks",
            Request::post(PATH)
                .signed(SECRET, &little_too_large)
                .chunked(&little_too_large),
            (413, "body_too_large"),
        ),
        (
            "compressed",
            signed(EVENT).header("Content-Encoding", "gzip").body(EVENT),
            (415, "content_encoding_not_allowed"),
        ),
        (
            "chunks that are none",
            signed(EVENT)
                .header("Transfer-Encoding", "chunked")
                .raw_body(b"not a length\r\n"),
            (400, "body_broken"),
        ),
    ];
    let wrong: Vec<String> = requests
        .into_iter()
        .filter_map(|(name, request, (status, code))| {
            let problem = refusal_problem(&request.send(instance.source()), status, code)?;
            Some(format!("{name}: {problem}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "not answered as documented:\n{}",
        wrong.join("\n")
    );

    let lake = instance.dir().join("lake");
    assert_eq!(
        files_below(&lake, ".parquet"),
        Vec::<std::path::PathBuf>::new()
    );
}

/// What is wrong with `answer` as a refusal with `status` and `code`, if anything is.
fn refusal_problem(answer: &Response, status: u16, code: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body["message"].as_str().unwrap_or_default();
    let allows = answer.header("Allow");
    let is_right = answer.status == status
        && body["error"] == code
        && !message.is_empty()
        && answer.header("Content-Type") == Some("application/json")
        && allows == (status == 405).then_some("POST");
    (!is_right).then(|| {
        format!(
            "expected {status} {code}, got {} {} (Allow: {allows:?})",
            answer.status,
            answer.text()
        )
    })
}

#[test]
fn what_is_not_http_is_answered_400() {
    let instance = start();
    let answer = Request::new("THIS IS", "not HTTP at all").send(instance.source());
    assert_eq!(answer.status, 400);

    let answer = signed(EVENT).body(EVENT).send(instance.source());
    assert_eq!(answer.status, 200, "the next request is served");
}

#[test]
fn a_body_that_does_not_arrive_is_answered_408_while_others_are_served() {
    let instance = start();
    let slow = signed(EVENT)
        .header("Content-Length", &EVENT.len().to_string())
        .raw_body(&EVENT[..10]);
    let started = Instant::now();
    let address = instance.source();
    let waiting = std::thread::spawn(move || slow.send(address));

    let answer = signed(EVENT).body(EVENT).send(address);
    assert_eq!(answer.status, 200);

    let answer = waiting.join().unwrap();
    let waited = started.elapsed();
    assert_eq!(refusal_problem(&answer, 408, "body_timeout"), None);
    assert!(
        waited >= Duration::from_secs(1),
        "gave up before read_timeout_secs: {waited:?}"
    );
}

#[test]
fn verified_bodies_that_are_no_event_are_accepted_and_quarantined_byte_for_byte() {
    let instance = start();
    let bodies: [&[u8]; 6] = [
        b"not JSON",
        b"\xff\xfe\x00 not even text",
        b"",
        b"[1, 2]",
        br#"{"id": "1", "name": "appcues:flow_started"}"#,
        br#"{"name": "appcues:flow_started", "timestamp": 1684867471283}"#,
    ];
    let mut args = vec!["--lake".into(), instance.dir().join("lake")];
    for (index, body) in bodies.into_iter().enumerate() {
        let answer = Request::post(PATH)
            .signed(SECRET, body)
            .body(body)
            .send(instance.source());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let path = instance.dir().join(format!("body-{index}"));
        fs::write(&path, body).unwrap();
        args.push(path);
    }
    python("check_quarantine.py", args);
    let events = files_below(&instance.dir().join("lake/events"), ".parquet");
    assert!(events.is_empty(), "no event was posted, but {events:?}");
}
