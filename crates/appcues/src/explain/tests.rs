use sha2::Digest as _;

use super::*;
use crate::sign;

const KEY: &str = "landfall-test-secret";
const TIMESTAMP: &str = "1684439316408";
const NOW: Timestamp = Timestamp::from_millis(1_684_439_316_408);
const BODY: &[u8] = br#"{"id":"1","attributes":{"score":10}}"#;

/// The sender's signature of any message, which need not be `timestamp:body`.
fn signed(key: &[u8], message: &[u8]) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    hex::encode(mac.chain_update(message).finalize().into_bytes())
}

fn genuine() -> String {
    sign(&Secret::new(KEY), TIMESTAMP, BODY)
}

fn explained(secret: &str, signature: &str, timestamp: &str, body: &[u8]) -> String {
    let request = Captured {
        signature,
        timestamp,
        body,
    };
    explain(request, &Secret::new(secret), NOW, 300).join("\n")
}

#[test]
fn an_acceptable_request_needs_no_explanation() {
    let signature = genuine();
    let base64 = "sha256=".to_owned()
        + &base64::engine::general_purpose::STANDARD.encode(hex::decode(&signature).unwrap());
    for signature in [signature, base64] {
        assert_eq!(explained(KEY, &signature, TIMESTAMP, BODY), "");
    }
}

#[test]
fn mistakes_in_the_secret_are_named() {
    let bytes = b"\x00\xff sixteen bytes.";
    for (configured, key, said) in [
        (
            "landfall-test-secret\n",
            KEY.as_bytes(),
            "The secret has white space or a line break at an end that the sender's key does not have: remove it.",
        ),
        (
            "\"landfall-test-secret\"\n",
            KEY.as_bytes(),
            "The secret has quotation marks around it that the sender's key does not have: remove them.",
        ),
        (
            KEY,
            b"landfall-test-secret\n",
            "The sender's key ends in a line break: remove it there.",
        ),
        (
            KEY,
            b"\"landfall-test-secret\"",
            "The sender's key has quotation marks around it: remove them there.",
        ),
        (
            &hex::encode(bytes),
            bytes,
            "The sender's key is the bytes that the secret is the hex text of: the text itself is the key.",
        ),
        (
            "AP8gc2l4dGVlbiBieXRlcy4=",
            bytes,
            "The sender's key is the bytes that the secret is the base64 text of: the text itself is the key.",
        ),
        (
            KEY,
            hex::encode(KEY).as_bytes(),
            "The sender's key is the secret written in hex: the secret itself is the key.",
        ),
        (
            KEY,
            b"bGFuZGZhbGwtdGVzdC1zZWNyZXQ=",
            "The sender's key is the secret written in base64: the secret itself is the key.",
        ),
    ] {
        let message = [TIMESTAMP.as_bytes(), b":", BODY].concat();
        let signature = signed(key, &message);
        assert_eq!(explained(configured, &signature, TIMESTAMP, BODY), said);
    }
}

#[test]
fn mistakes_in_what_was_signed_are_named() {
    let body = str::from_utf8(BODY).unwrap();
    for (message, said) in [
        (
            body.to_owned(),
            "The body alone was signed: sign timestamp, colon and body.",
        ),
        (
            format!("{TIMESTAMP}.{body}"),
            "A full stop was signed between timestamp and body: sign a colon there.",
        ),
        (
            format!("{TIMESTAMP}{body}"),
            "Nothing was signed between timestamp and body: sign a colon there.",
        ),
        (
            format!("{TIMESTAMP}\n{body}"),
            "A line break was signed between timestamp and body: sign a colon there.",
        ),
        (
            format!("{body}:{TIMESTAMP}"),
            "The body was signed before the timestamp: sign the timestamp first.",
        ),
        (
            format!("1684439316:{body}"),
            "The timestamp was signed in seconds but is sent in another form: send the text that was signed.",
        ),
        (
            format!("1684439316408000:{body}"),
            "The timestamp was signed in microseconds but is sent in another form: send the text that was signed.",
        ),
        (
            format!("2023-05-18T19:48:36.408Z:{body}"),
            "The timestamp was signed as RFC 3339 but is sent in another form: send the text that was signed.",
        ),
    ] {
        let signature = signed(KEY.as_bytes(), message.as_bytes());
        assert_eq!(explained(KEY, &signature, TIMESTAMP, BODY), said);
    }
}

#[test]
fn changes_of_the_body_are_named() {
    let spaced = r#"{"id": "1", "attributes": {"score": 10}}"#;
    let indented = "{\n  \"id\": \"1\",\n  \"attributes\": {\n    \"score\": 10\n  }\n}";
    let compact = r#"{"id":"1","attributes":{"score":10}}"#;
    let sorted = r#"{"attributes":{"score":10},"id":"1"}"#;
    for (signed, received, said) in [
        (
            compact,
            "{\"id\":\"1\",\"attributes\":{\"score\":10}}\n",
            "The body was signed without the white space or line break at its end: keep the bytes as they came.",
        ),
        (
            "{}\n",
            "{}",
            "The body was signed with a line break at its end: keep the bytes as they came.",
        ),
        (
            "{}\r\n",
            "{}",
            "The body was signed with a line break (CR LF) at its end: keep the bytes as they came.",
        ),
        (
            compact,
            "\u{feff}{\"id\":\"1\",\"attributes\":{\"score\":10}}",
            "The body was signed without the byte order mark at its begin: keep the bytes as they came.",
        ),
        (
            "\u{feff}{}",
            "{}",
            "The body was signed with a byte order mark at its begin: keep the bytes as they came.",
        ),
        (
            "{\n\n}",
            "{\r\n\r\n}",
            "The body was signed with line breaks LF, and has CR LF: keep the bytes as they came.",
        ),
        (
            "{\r\n\r\n}",
            "{\n\n}",
            "The body was signed with line breaks CR LF, and has LF: keep the bytes as they came.",
        ),
        (
            compact,
            spaced,
            "The body was signed as compact JSON and then written anew: keep the bytes as they came.",
        ),
        (
            spaced,
            compact,
            "The body was signed as JSON with a space after each comma and colon, and then written anew: keep the bytes as they came.",
        ),
        (
            indented,
            compact,
            "The body was signed as indented JSON and then written anew: keep the bytes as they came.",
        ),
        (
            sorted,
            compact,
            "The body was signed as compact JSON with its keys in order, and then written anew: keep the bytes as they came.",
        ),
    ] {
        let signature = sign(&Secret::new(KEY), TIMESTAMP, signed.as_bytes());
        assert_eq!(
            explained(KEY, &signature, TIMESTAMP, received.as_bytes()),
            said
        );
    }
}

#[test]
fn two_mistakes_are_found_together() {
    let signature = signed(KEY.as_bytes(), BODY);
    let said = explained("'landfall-test-secret'", &signature, TIMESTAMP, BODY);
    assert_eq!(
        said,
        "The secret has quotation marks around it that the sender's key does not have: remove them.\n\
         The body alone was signed: sign timestamp, colon and body."
    );
}

#[test]
fn a_signature_of_another_form_or_length_is_explained() {
    let genuine = genuine();
    let quoted = format!(" \"v1={genuine}\"");
    let doubled = genuine.repeat(2);
    let sha1 = hex::encode([7; 20]);
    let sha512 = hex::encode(sha2::Sha512::digest(BODY));
    let around =
        "X-Apc-Signature has something around the digest: send the digest alone, or after sha256=.";
    let other = "X-Apc-Signature is neither hex nor base64: send the 32 bytes of the digest in one of them.";
    let of = |length: usize, algorithm: &str| {
        format!(
            "X-Apc-Signature has {length} bytes, as a digest by {algorithm} has: sign with HMAC-SHA256, which has 32."
        )
    };
    let cut = |length: usize| {
        format!(
            "X-Apc-Signature has {length} bytes, and a digest 32: send all of it, and nothing else."
        )
    };
    for (signature, said) in [
        (quoted.as_str(), around.to_owned()),
        ("", other.to_owned()),
        ("sha256=", other.to_owned()),
        ("no digest", other.to_owned()),
        (&genuine[..63], cut(31)),
        (&genuine[..50], cut(25)),
        ("abcd", cut(2)),
        (&sha1, of(20, "SHA-1")),
        (&sha512, of(64, "SHA-512")),
        (&doubled, of(64, "SHA-512")),
        (&format!("{genuine}00"), cut(33)),
    ] {
        assert_eq!(
            explained(KEY, signature, TIMESTAMP, BODY),
            said,
            "{signature}"
        );
    }
    let said = explained("another", &genuine[..60], TIMESTAMP, BODY);
    assert_eq!(said, format!("{}\n{UNKNOWN}", cut(30)));
}

#[test]
fn a_timestamp_that_would_be_refused_is_named_though_the_signature_matches() {
    let signature = sign(&Secret::new(KEY), "1684439000", BODY);
    assert_eq!(
        explained(KEY, &signature, "1684439000", BODY),
        "The timestamp is 317 s off this clock; 300 s are tolerated. If the request was kept from before, \
         --tolerance-secs 0 judges the rest; if it is fresh, check both clocks."
    );
    let signature = sign(&Secret::new(KEY), "yesterday", BODY);
    assert_eq!(
        explained(KEY, &signature, "yesterday", BODY),
        "X-Apc-Timestamp is not a time: send an epoch in s, ms or us, or RFC 3339."
    );
}

#[test]
fn nothing_known_is_said_so_and_shows_no_secret() {
    let said = explained("another-secret", &genuine(), TIMESTAMP, BODY);
    assert_eq!(said, UNKNOWN);
}

proptest::proptest! {
    #[test]
    fn there_is_no_reason_exactly_if_the_verifier_accepts(
        signature in "(sha256=)?[0-9a-f]{0,70}|\\PC*",
        timestamp in "16844393[0-9]{2}|\\PC*",
        body: Vec<u8>,
        is_signed: bool,
    ) {
        let secret = Secret::new(KEY);
        let signature = if is_signed { sign(&secret, &timestamp, &body) } else { signature };
        let request = Captured { signature: &signature, timestamp: &timestamp, body: &body };
        let reasons = explain(request, &secret, NOW, 300);
        let verifier = Verifier::new([secret], 300);
        let accepted = verifier
            .claim(signature.as_bytes(), timestamp.as_bytes(), NOW)
            .is_ok_and(|claim| verifier.verify(&claim, body.into()).is_ok());
        proptest::prop_assert_eq!(reasons.is_empty(), accepted, "{:?}", reasons);
    }
}
