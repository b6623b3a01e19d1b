use landfall_testkit::{Request, Signature, epoch_secs};

use crate::{EVENT, PATH, SECRET, SIGNED, assert_outcomes, landed, signed, start};

#[test]
fn security_headers_that_could_be_read_in_two_ways_are_refused() {
    let instance = start(&format!(
        r#"{SIGNED}
auth = {{ strategy = "basic", username = "appcues", password = "swordfish" }}"#
    ));
    let now = epoch_secs().to_string();
    let genuine = Signature::new(SECRET, &now, EVENT).hex();
    let basic = "Basic YXBwY3Vlczpzd29yZGZpc2g=";
    let with = |signature: &str, timestamp: &str| {
        Request::post(PATH)
            .header("Authorization", basic)
            .signature_headers(signature, timestamp)
            .body(EVENT)
    };
    let twice = |name: &str, value: &str| {
        signed()
            .header("Authorization", basic)
            .header(name, value)
            .body(EVENT)
    };
    let repeated = "401 security_header_repeated";
    let signature_malformed = "401 signature_malformed";
    let timestamp_malformed = "401 timestamp_malformed";
    assert_outcomes(
        &instance,
        [
            ("all is well", with(&genuine, &now), "200"),
            (
                "the signature twice",
                twice("X-Apc-Signature", &genuine),
                repeated,
            ),
            (
                "another signature too",
                twice("x-apc-signature", "00"),
                repeated,
            ),
            (
                "an empty signature too",
                twice("X-APC-SIGNATURE", ""),
                repeated,
            ),
            (
                "the timestamp twice",
                twice("X-Apc-Timestamp", &now),
                repeated,
            ),
            (
                "another timestamp too",
                twice("x-apc-timestamp", "0"),
                repeated,
            ),
            (
                "the credentials twice",
                twice("Authorization", basic),
                repeated,
            ),
            ("a token too", twice("authorization", "Bearer x"), repeated),
            (
                "two signatures in one header",
                with(&format!("{genuine}, {genuine}"), &now),
                signature_malformed,
            ),
            (
                "a signature and an empty one",
                with(&format!("{genuine},"), &now),
                signature_malformed,
            ),
            ("an empty signature", with("", &now), signature_malformed),
            (
                "a quoted signature",
                with(&format!("\"{genuine}\""), &now),
                signature_malformed,
            ),
            (
                "a signature in two words",
                with(&format!("{} {}", &genuine[..31], &genuine[32..]), &now),
                signature_malformed,
            ),
            (
                "not ASCII in the signature",
                with(&format!("{}é", &genuine[2..]), &now),
                signature_malformed,
            ),
            (
                "full-width digits in the signature",
                with(&"１".repeat(64), &now),
                signature_malformed,
            ),
            (
                "two timestamps in one header",
                with(&genuine, &format!("{now}, {now}")),
                timestamp_malformed,
            ),
            (
                "an empty timestamp",
                with(&genuine, ""),
                timestamp_malformed,
            ),
            (
                "a negative timestamp",
                with(&genuine, &format!("-{now}")),
                timestamp_malformed,
            ),
            (
                "a signed timestamp",
                with(&genuine, &format!("+{now}")),
                timestamp_malformed,
            ),
            (
                "not ASCII in the timestamp",
                with(&genuine, &format!("{now}é")),
                timestamp_malformed,
            ),
            (
                "full-width digits in the timestamp",
                with(&genuine, "１６８４８６７４７１"),
                timestamp_malformed,
            ),
        ],
    );
    assert_eq!(landed(&instance, "events"), 1);
}

#[test]
fn a_folded_header_is_no_http() {
    let instance = start(SIGNED);
    let now = epoch_secs().to_string();
    let genuine = Signature::new(SECRET, &now, EVENT).hex();
    let (begin, end) = genuine.split_at(32);
    for folded in [
        format!("{begin}\r\n {end}"),
        format!("\r\n {genuine}"),
        format!("{genuine}\r\n\t{genuine}"),
    ] {
        let answer = Request::post(PATH)
            .signature_headers(&folded, &now)
            .body(EVENT)
            .send(instance.source());
        assert_eq!(answer.status, 400, "{folded:?}");
    }
    assert_eq!(landed(&instance, ""), 0);
}
