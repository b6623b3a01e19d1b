//! Other languages sign and verify as Landfall does.

#![expect(clippy::unwrap_used, reason = "an unmet expectation is a failed test")]

use std::fmt::Write as _;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_appcues::{Verifier, sign};
use landfall_core::{Secret, Timestamp};
use landfall_testkit::{node, python};
use serde::Deserialize;
use serde_json::json;

const TIMESTAMP: &str = "1684439316408";
const NOW: Timestamp = Timestamp::from_millis(1_684_439_316_408);

/// What a signer in another language says of a case.
#[derive(Deserialize)]
struct Verdict {
    /// The right signature, in hex.
    right: String,
    /// Whether the case's signature is that one.
    verified: bool,
}

struct Case {
    secret: Secret,
    body: Vec<u8>,
    is_genuine: bool,
    signature: String,
}

#[test]
fn python_signs_and_verifies_the_same() {
    agrees(|cases| python("sign.py", [cases]));
}

#[test]
fn node_signs_and_verifies_the_same() {
    agrees(|cases| node("sign.mjs", [cases]));
}

fn agrees(other: impl FnOnce(&str) -> String) {
    let cases = cases();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases.jsonl");
    let mut lines = String::new();
    for case in &cases {
        let line = json!({
            "secret": case.secret.expose(),
            "timestamp": TIMESTAMP,
            "body": STANDARD.encode(&case.body),
            "signature": case.signature,
        });
        writeln!(lines, "{line}").unwrap();
    }
    fs::write(&path, lines).unwrap();

    let said = other(path.to_str().unwrap());
    let verdicts: Vec<Verdict> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(verdicts.len(), cases.len());
    for (case, verdict) in cases.iter().zip(verdicts) {
        let shown = &case.body[..case.body.len().min(100)];
        assert_eq!(verdict.verified, case.is_genuine, "theirs, of {shown:?}");
        assert_eq!(
            verifies(case, &case.signature),
            case.is_genuine,
            "ours, of {shown:?}"
        );
        assert!(
            verifies(case, &verdict.right),
            "ours, of what they signed: {shown:?}"
        );
    }
}

fn verifies(case: &Case, signature: &str) -> bool {
    let verifier = Verifier::new([case.secret.clone()], 300);
    let claim = verifier.claim(signature.as_bytes(), TIMESTAMP.as_bytes(), NOW);
    verifier
        .verify(&claim.unwrap(), case.body.clone().into())
        .is_ok()
}

/// Bodies of all kinds, most of them signed by Landfall, every fourth by somebody else.
fn cases() -> Vec<Case> {
    let mut bodies = vec![
        Vec::new(),
        random(1024 * 1024),
        b"\0".to_vec(),
        b":".to_vec(),
    ];
    bodies.extend((0..200).map(|length| random(length * 7)));
    bodies.extend((0..50).map(|length| random_text(length).into_bytes()));
    let cases = bodies.into_iter().enumerate().map(|(index, body)| {
        let secret = Secret::new(random_text(1 + index % 100));
        let is_genuine = index % 4 != 3;
        let signer = if is_genuine {
            secret.clone()
        } else {
            Secret::new("another")
        };
        Case {
            signature: sign(&signer, TIMESTAMP, &body),
            secret,
            body,
            is_genuine,
        }
    });
    cases.collect()
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Characters of all planes.
fn random_text(length: usize) -> String {
    let chars = std::iter::repeat_with(|| {
        let bytes = random(4).try_into().unwrap();
        char::from_u32(u32::from_le_bytes(bytes) >> 11)
    });
    chars.flatten().take(length).collect()
}
