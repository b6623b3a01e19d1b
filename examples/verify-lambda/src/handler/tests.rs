use landfall_appcues::Secret;
use landfall_testkit::Signature;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "a secret only of these tests";
const BODY: &[u8] = "{\"id\":\"1\",\"name\":\"Grüße\"}".as_bytes();
const TIMESTAMP: &str = "1684439316400";

/// What the function answers, some seconds after the request was signed.
fn answer(request: Value) -> (u16, String) {
    let verifier = Verifier::new([Secret::new(SECRET)], 300);
    let request: Request = serde_json::from_value(request).unwrap();
    let now = Timestamp::from_millis(1684439320000);
    let Answer { status_code, body } = handle(&verifier, &request, now);
    (status_code, body)
}

fn signature() -> String {
    Signature::new(SECRET, TIMESTAMP, BODY).hex()
}

fn text() -> &'static str {
    str::from_utf8(BODY).unwrap()
}

#[test]
fn genuine_requests_are_let_in_in_each_form_that_they_come_in() {
    let accepted = (200, format!("{{\"verified_bytes\":{}}}", BODY.len()));
    // A function URL, or API Gateway with version 2 of the payload.
    let request = json!({
        "version": "2.0",
        "rawPath": "/webhooks/appcues",
        "headers": {"content-type": "application/json", "x-apc-signature": signature(), "x-apc-timestamp": TIMESTAMP},
        "requestContext": {"http": {"method": "POST"}},
        "body": text(),
        "isBase64Encoded": false,
    });
    assert_eq!(answer(request), accepted);
    // API Gateway with version 1, set to take any media type as binary.
    let request = json!({
        "httpMethod": "POST",
        "headers": {"X-Apc-Signature": signature(), "X-APC-TIMESTAMP": TIMESTAMP},
        "body": STANDARD.encode(BODY),
        "isBase64Encoded": true,
    });
    assert_eq!(answer(request), accepted);
}

#[test]
fn all_other_requests_are_refused_with_the_reason() {
    let (signature, base64) = (signature(), STANDARD.encode(BODY));
    let headers = json!({"x-apc-signature": signature, "x-apc-timestamp": TIMESTAMP});
    for (request, reason) in [
        (json!({}), "signature_missing"),
        (
            json!({"headers": {"x-apc-timestamp": TIMESTAMP}, "body": text()}),
            "signature_missing",
        ),
        (
            json!({"headers": {"x-apc-signature": signature, "X-Apc-Signature": signature, "x-apc-timestamp": TIMESTAMP}}),
            "security_header_repeated",
        ),
        (
            json!({"headers": headers, "body": null}),
            "signature_mismatch",
        ),
        // The text of the base64 is not what was signed.
        (
            json!({"headers": headers, "body": base64}),
            "signature_mismatch",
        ),
        (
            json!({"headers": headers, "body": text(), "isBase64Encoded": true}),
            "body_broken",
        ),
        (
            json!({"headers": {"x-apc-signature": "?", "x-apc-timestamp": TIMESTAMP}, "body": text()}),
            "signature_malformed",
        ),
        (
            json!({"headers": {"x-apc-signature": signature, "x-apc-timestamp": "1684439000000"}, "body": text()}),
            "timestamp_expired",
        ),
    ] {
        let refused = (401, format!("{{\"error\":\"{reason}\"}}"));
        assert_eq!(answer(request.clone()), refused, "{request}");
    }
}
