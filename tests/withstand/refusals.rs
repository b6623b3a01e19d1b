//! What the operator learns of refusals.

use std::time::Instant;

use landfall_testkit::Request;

use crate::{PATH, SECRET, assert_refused, event, refused, start};

#[test]
fn refusals_are_counted_by_their_code_and_told_once_in_a_while_with_what_to_mend() {
    let began = Instant::now();
    let instance = start("");
    let body = event("forged");
    for _ in 0..50 {
        let forged = Request::post(PATH).signed("another secret", body.as_bytes());
        let answer = forged.body(body.as_bytes()).send(instance.source());
        assert_refused(&answer, 401, "signature_mismatch");
        let answer = Request::new("GET", "/etc/passwd").send(instance.source());
        assert_refused(&answer, 404, "not_found");
    }
    assert_eq!(refused(&instance, "signature_mismatch"), 50);
    assert_eq!(refused(&instance, "not_found"), 50);

    let log = instance.stderr();
    let told = |code: &str| {
        let lines = log.lines().filter(|line| line.contains(code));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let mismatch = told("signature_mismatch");
    let most = 1 + began.elapsed().as_secs() as usize / 10;
    assert!((1..=most).contains(&mismatch.len()), "{log}");
    for part in ["WARN", "127.0.0.1:", "secret key"] {
        assert!(mismatch[0].contains(part), "{part}: {}", mismatch[0]);
    }
    assert!((1..=most).contains(&told("not_found").len()), "{log}");
    assert!(
        !log.contains(SECRET) && !log.contains("another secret"),
        "{log}"
    );
}
