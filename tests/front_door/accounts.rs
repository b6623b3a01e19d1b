use landfall_testkit::Request;

use crate::{assert_outcomes, assert_refused, landed, outcome, start};

const ACCOUNTS: &str = r#"
signature.secrets = ["for any account"]
accounts = [
    { id = "1", secrets = ["of one", "of one, newer"] },
    { id = "2", secrets = ["of two"] },
    { id = "3", secrets = ["of three"], path = "/webhooks/3" },
    { id = "4", secrets = ["of two"] },
]
"#;

/// An event of an account, whose `account_id` is written as given.
fn of(account_id: &str) -> Vec<u8> {
    let event = r#"{"id": "1", "name": "appcues:flow_started", "timestamp": 1684867471283"#;
    match account_id {
        "" => format!("{event}}}").into(),
        id => format!("{event}, \"account_id\": {id}}}").into(),
    }
}

fn request(path: &str, secret: &str, body: &[u8]) -> Request {
    Request::post(path).signed(secret, body).body(body)
}

#[test]
fn an_event_must_be_of_the_account_whose_key_signed_it() {
    let instance = start(ACCOUNTS);
    let shared = |secret, account_id| request("/webhooks/appcues", secret, &of(account_id));
    let own = |secret, account_id| request("/webhooks/3", secret, &of(account_id));
    assert_outcomes(
        &instance,
        [
            ("its own key", shared("of one", r#""1""#), "200"),
            ("its newer key", shared("of one, newer", r#""1""#), "200"),
            ("a number as account", shared("of one", "1"), "200"),
            ("an escaped account", shared("of one", r#""\u0031""#), "200"),
            ("one key of two accounts", shared("of two", r#""2""#), "200"),
            ("the other of the two", shared("of two", r#""4""#), "200"),
            ("its own path", own("of three", r#""3""#), "200"),
            ("a key for all", shared("for any account", r#""9""#), "200"),
            (
                "a key for all, no account",
                shared("for any account", ""),
                "200",
            ),
            (
                "another's event",
                shared("of one", r#""2""#),
                "401 account_mismatch",
            ),
            (
                "another's event behind an own",
                shared("of one", r#""1", "account_id": "2""#),
                "401 account_mismatch",
            ),
            (
                "an event of none",
                shared("of one", ""),
                "401 account_mismatch",
            ),
            (
                "null as account",
                shared("of one", "null"),
                "401 account_mismatch",
            ),
            (
                "a list of accounts",
                shared("of one", r#"["1"]"#),
                "401 account_mismatch",
            ),
            (
                "its key on another path",
                own("of one", r#""1""#),
                "401 signature_mismatch",
            ),
            (
                "another's path for the event",
                own("of three", r#""1""#),
                "401 account_mismatch",
            ),
            (
                "the key for all on the path of one",
                own("for any account", r#""3""#),
                "401 signature_mismatch",
            ),
            (
                "the key of a path on the shared one",
                shared("of three", r#""3""#),
                "401 signature_mismatch",
            ),
            (
                "nobody's key",
                shared("of nobody", r#""1""#),
                "401 signature_mismatch",
            ),
        ],
    );
    assert_eq!(landed(&instance, "events"), 9);
    assert_eq!(landed(&instance, "quarantine"), 0);
}

#[test]
fn what_an_account_signed_and_is_no_event_goes_to_quarantine() {
    let instance = start(ACCOUNTS);
    let bodies: [&[u8]; 5] = [b"not JSON", b"", b"\xff\xfe", b"[1]", br#"{"id": "1"}"#];
    for body in bodies {
        let answer = request("/webhooks/3", "of three", body).send(instance.source());
        assert_eq!(outcome(&answer), "200", "{body:?}");
    }
    assert_eq!(landed(&instance, "quarantine"), bodies.len());
    assert_eq!(landed(&instance, "events"), 0);
}

#[test]
fn without_signatures_the_path_of_an_account_takes_events_of_that_account_alone() {
    let instance = start(
        r#"
signature = { mode = "off", allow_unauthenticated = true }
accounts = [{ id = "1", path = "/webhooks/1" }, { id = "2", path = "/webhooks/2" }]
"#,
    );
    let to = |path, account_id| {
        let body = of(account_id);
        Request::post(path).body(&body)
    };
    assert_outcomes(
        &instance,
        [
            ("its own path", to("/webhooks/1", r#""1""#), "200"),
            ("the other", to("/webhooks/2", r#""2""#), "200"),
            (
                "crossed",
                to("/webhooks/1", r#""2""#),
                "401 account_mismatch",
            ),
            (
                "no account's path",
                to("/webhooks/appcues", r#""1""#),
                "404 not_found",
            ),
        ],
    );
}

#[test]
fn accounts_that_cannot_work_are_refused_by_name() {
    let landfall = crate::landfall();
    for (settings, problem) in [
        (
            r#"accounts = [{ id = "77" }]"#,
            r#"accounts[0]: "77" needs secrets"#,
        ),
        (
            r#"accounts = [{ id = "77", secrets = ["x"] }, { id = "77", secrets = ["y"] }]"#,
            r#"accounts[1].id: "77" is there twice"#,
        ),
        (
            r#"accounts = [{ id = "77", secrets = [""] }]"#,
            "accounts[0].secrets[0]: an empty secret",
        ),
        (
            r#"accounts = [{ id = "77", secrets = ["x", "hunter2\n"] }]"#,
            "accounts[0].secrets[1]: begins or ends with",
        ),
        (
            r#"accounts = [{ id = "", secrets = ["x"] }]"#,
            "accounts[0].id: an account needs an id",
        ),
        (
            r#"accounts = [{ id = "77", secrets = ["x"], path = "webhooks" }]"#,
            "accounts[0].path: must begin with /",
        ),
        (
            r#"accounts = [{ id = "77", secrets = ["x"], paths = "/webhooks" }]"#,
            "accounts[0].paths: there is no such setting",
        ),
        (
            r#"accounts = [{ id = "77", secret_files = ["{dir}/absent"] }]"#,
            "/absent: cannot be read",
        ),
    ] {
        assert_refused(&landfall, settings, problem);
    }
}
