use super::*;

const SECRET: &str = "landfall-test-secret";
const TIMESTAMP: &str = "1684439316408";
const NOW: Timestamp = Timestamp::from_millis(1_684_439_316_408);
const BODY: &[u8] = br#"{"id":"1"}"#;
/// By Python: `hmac.new(SECRET, b'1684439316408:{"id":"1"}', "sha256").hexdigest()`.
const SIGNATURE: &str = "04ae3028e6fcffa605dfc513ecc7b725f70872794d33b82cd61b014de6a5e7e5";

fn verifier(secrets: &[&str]) -> Verifier {
    Verifier::new(secrets.iter().copied().map(Secret::new), 300)
}

fn check(signature: &str, timestamp: &str, body: &'static [u8]) -> Result<(), SignatureError> {
    let verifier = verifier(&[SECRET]);
    let claim = verifier.claim(signature.as_bytes(), timestamp.as_bytes(), NOW)?;
    let verified = verifier.verify(&claim, Bytes::from_static(body))?;
    assert_eq!(verified.into_bytes(), body);
    Ok(())
}

#[test]
fn the_signature_is_what_python_makes_of_the_same_bytes() {
    let secret = Secret::new(SECRET);
    assert_eq!(sign(&secret, TIMESTAMP, BODY), SIGNATURE);
    let sample = crate::SAMPLES[0].body;
    let expected = "bc4ae1bfb3a3d7d33bdec5fc86e9f981ea07b82e14cc4bd73c848548d13f4fb7";
    assert_eq!(sign(&secret, TIMESTAMP, sample), expected);
}

#[test]
fn the_digest_may_be_written_in_any_usual_way() {
    let upper = SIGNATURE.to_uppercase();
    let prefixed = format!("sha256={SIGNATURE}");
    let base64 = "BK4wKOb8/6YF38UT7Me3JfcIcnlNM7gs1hsBTeal5+U=";
    let bare = base64.trim_end_matches('=');
    let url_safe = base64.replace('/', "_").replace('+', "-");
    let bare_url_safe = url_safe.trim_end_matches('=');
    let prefixed_base64 = format!("sha256={base64}");
    let all = [
        SIGNATURE,
        &upper,
        &prefixed,
        base64,
        bare,
        &url_safe,
        bare_url_safe,
        &prefixed_base64,
    ];
    for signature in all {
        assert_eq!(check(signature, TIMESTAMP, BODY), Ok(()), "{signature}");
    }
}

#[test]
fn a_digest_that_is_not_32_bytes_is_malformed() {
    let one_short = &SIGNATURE[..62];
    let one_long = format!("{SIGNATURE}00");
    let not_hex = SIGNATURE.replace('0', "g");
    let base64_of_31 = "BK4wKOb8/6YF38UT7Me3JfcIcnlNM7gs1hsBTeal5w==";
    for signature in [
        "",
        "sha256=",
        one_short,
        &one_long,
        &not_hex,
        base64_of_31,
        "é",
    ] {
        let result = check(signature, TIMESTAMP, BODY);
        assert_eq!(
            result,
            Err(SignatureError::MalformedSignature),
            "{signature}"
        );
    }
}

#[test]
fn the_unit_of_the_timestamp_is_told_by_its_magnitude() {
    let verifier = verifier(&[SECRET]);
    let times = [
        "1684439316",
        "1684439316408",
        "1684439316408000",
        "2023-05-18T19:48:36Z",
        "2023-05-18T21:48:36.408+02:00",
    ];
    for timestamp in times {
        let signature = sign(&Secret::new(SECRET), timestamp, BODY);
        assert_eq!(check(&signature, timestamp, BODY), Ok(()), "{timestamp}");
        let later = Timestamp::from_millis(NOW.as_millis() + 301_000);
        let result = verifier.claim(signature.as_bytes(), timestamp.as_bytes(), later);
        let code = result.map(|_| ()).map_err(SignatureError::code);
        assert_eq!(code, Err("timestamp_expired"), "{timestamp}");
    }
}

#[test]
fn a_timestamp_that_is_no_time_is_malformed_whatever_the_tolerance() {
    let no_time = [
        "",
        " ",
        "-1",
        "12.5",
        "soon",
        "99999999999999999999",
        "1684439316408:{}",
        "2023-05-18",
        "2023-05-18T19:48:36",
        // What a longer timestamp begins with, so that the rest of it could be taken for the begin of the body.
        "2023-05-18T21:48:36+02",
        "2023-05-18T19:48:36Z[UTC",
        "20230518T194836Z",
    ];
    for timestamp in no_time {
        for tolerance_secs in [0, 300] {
            let verifier = Verifier::new([Secret::new(SECRET)], tolerance_secs);
            let result = verifier.claim(SIGNATURE.as_bytes(), timestamp.as_bytes(), NOW);
            let error = result.map(|_| ()).unwrap_err();
            assert_eq!(error, SignatureError::MalformedTimestamp, "{timestamp}");
        }
    }
}

#[test]
fn a_request_is_expired_when_its_timestamp_is_too_far_off_in_either_direction() {
    let claim = |tolerance_secs, now| {
        let verifier = Verifier::new([Secret::new(SECRET)], tolerance_secs);
        let now = Timestamp::from_millis(now);
        let claim = verifier.claim(SIGNATURE.as_bytes(), TIMESTAMP.as_bytes(), now);
        claim.map(|_| ())
    };
    let now = NOW.as_millis();
    assert_eq!(claim(300, now + 300_000), Ok(()));
    assert_eq!(claim(300, now - 300_000), Ok(()));
    let expired = |off_secs| Err(SignatureError::Expired { off_secs });
    assert_eq!(claim(300, now + 300_001), expired(301));
    assert_eq!(claim(300, now - 300_001), expired(301));
    assert_eq!(claim(0, now + 300_001), Ok(()));
    assert_eq!(claim(u64::MAX, i64::MAX), Ok(()));
    assert_eq!(
        claim(300, i64::MIN).map_err(SignatureError::code),
        Err("timestamp_expired")
    );
}

#[test]
fn other_bytes_another_timestamp_or_another_secret_do_not_match() {
    let mismatch = Err(SignatureError::Mismatch);
    assert_eq!(check(SIGNATURE, TIMESTAMP, br#"{"id":"2"}"#), mismatch);
    // The same second in another unit: what counts is the text as sent.
    assert_eq!(check(SIGNATURE, "1684439316", BODY), mismatch);
    let other = sign(&Secret::new("another"), TIMESTAMP, BODY);
    assert_eq!(check(&other, TIMESTAMP, BODY), mismatch);
}

#[test]
fn any_secret_may_have_signed_but_never_an_empty_one() {
    let passes = |secrets: &[&str], signer: &str| {
        let verifier = verifier(secrets);
        let signature = sign(&Secret::new(signer), TIMESTAMP, BODY);
        let claim = verifier
            .claim(signature.as_bytes(), TIMESTAMP.as_bytes(), NOW)
            .unwrap();
        verifier.verify(&claim, Bytes::from_static(BODY)).is_ok()
    };
    assert!(passes(&["new", "old"], "new"));
    assert!(passes(&["new", "old"], "old"));
    assert!(!passes(&["new"], "old"));
    assert!(!passes(&["new", ""], ""));
    assert!(!passes(&[], ""));
}

#[test]
fn nothing_shows_a_secret() {
    let shown = format!("{:?}", verifier(&[SECRET]));
    assert_eq!(shown, "Verifier { secrets: 1, tolerance_secs: 300 }");
}

proptest::proptest! {
    #[test]
    fn any_header_values_are_answered(signature: Vec<u8>, timestamp: Vec<u8>, now: i64) {
        let _ = verifier(&[SECRET]).claim(&signature, &timestamp, Timestamp::from_millis(now));
    }

    #[test]
    fn what_is_signed_verifies(secret in ".+", body: Vec<u8>) {
        let verifier = verifier(&[&secret]);
        let signature = sign(&Secret::new(secret), TIMESTAMP, &body);
        let claim = verifier.claim(signature.as_bytes(), TIMESTAMP.as_bytes(), NOW).unwrap();
        assert!(verifier.verify(&claim, body.into()).is_ok());
    }
}
