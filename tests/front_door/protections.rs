use landfall_testkit::Request;

use crate::{
    EVENT, PATH, SECRET, SIGNED, assert_outcomes, assert_refused, landfall, signed, start,
    start_in, unsigned, validate,
};

/// base64 of `appcues:sword:fish`.
const CREDENTIALS: &str = "Basic YXBwY3Vlczpzd29yZDpmaXNo";
const AUTH: &str =
    r#"auth = { strategy = "basic", username = "appcues", password = "sword:fish" }"#;

#[test]
fn the_path_token_stands_alone_or_beside_the_signature() {
    let token = "/webhooks/appcues/tok3n-._~of-this-test";
    let settings = r#"path_token = "tok3n-._~of-this-test""#;
    let instance = start(&format!("{settings}\nsignature.mode = \"off\""));
    assert_outcomes(
        &instance,
        [
            ("the token", unsigned(token).body(EVENT), "200"),
            (
                "a slash behind it",
                unsigned(&format!("{token}/")).body(EVENT),
                "200",
            ),
            (
                "a query behind it",
                unsigned(&format!("{token}?a=b")).body(EVENT),
                "200",
            ),
            ("no token", unsigned(PATH).body(EVENT), "404 not_found"),
            (
                "an empty token",
                unsigned(&format!("{PATH}/")).body(EVENT),
                "404 not_found",
            ),
            (
                "another token",
                unsigned(&format!("{PATH}/token")).body(EVENT),
                "404 not_found",
            ),
            (
                "half the token",
                unsigned(&token[..token.len() - 1]).body(EVENT),
                "404 not_found",
            ),
            (
                "more than the token",
                unsigned(&format!("{token}x")).body(EVENT),
                "404 not_found",
            ),
            (
                "the token as query",
                unsigned(&format!("{PATH}?tok3n-._~of-this-test")).body(EVENT),
                "404 not_found",
            ),
            (
                "no token and another method",
                Request::new("GET", PATH),
                "404 not_found",
            ),
            (
                "another method",
                Request::new("GET", token),
                "405 method_not_allowed",
            ),
        ],
    );

    let instance = start(&format!("{settings}\n{SIGNED}"));
    let signed_to = |path: &str| Request::post(path).signed(SECRET, EVENT).body(EVENT);
    assert_outcomes(
        &instance,
        [
            ("both", signed_to(token), "200"),
            ("the signature alone", signed_to(PATH), "404 not_found"),
            (
                "the token alone",
                unsigned(token).body(EVENT),
                "401 signature_missing",
            ),
        ],
    );
}

#[test]
fn credentials_stand_alone_or_beside_the_signature() {
    let instance = start(&format!("{AUTH}\nsignature.mode = \"off\""));
    let with = |authorization: &str| {
        unsigned(PATH)
            .header("Authorization", authorization)
            .body(EVENT)
    };
    let wrong = "401 credentials_wrong";
    assert_outcomes(
        &instance,
        [
            ("the credentials", with(CREDENTIALS), "200"),
            (
                "another case",
                with("bASIC YXBwY3Vlczpzd29yZDpmaXNo"),
                "200",
            ),
            (
                "none",
                unsigned(PATH).body(EVENT),
                "401 credentials_missing",
            ),
            ("another password", with("Basic YXBwY3Vlczpvcg=="), wrong),
            (
                "another username",
                with("Basic eHBwY3Vlczpzd29yZDpmaXNo"),
                wrong,
            ),
            ("not base64", with("Basic %%%"), wrong),
            (
                "another strategy",
                with("Bearer YXBwY3Vlczpzd29yZDpmaXNo"),
                wrong,
            ),
            ("the strategy alone", with("Basic"), wrong),
            ("an empty header", with(""), wrong),
            (
                "two in one header",
                with(&format!("{CREDENTIALS}, {CREDENTIALS}")),
                wrong,
            ),
            ("not ASCII", with("Basic é"), wrong),
        ],
    );
    let answer = unsigned(PATH).body(EVENT).send(instance.source());
    let challenge = answer.header("WWW-Authenticate").expect("a challenge");
    assert!(challenge.starts_with("Basic realm="), "{challenge}");

    let instance = start(&format!("{AUTH}\n{SIGNED}"));
    assert_outcomes(
        &instance,
        [
            (
                "both",
                signed().header("Authorization", CREDENTIALS).body(EVENT),
                "200",
            ),
            (
                "the signature alone",
                signed().body(EVENT),
                "401 credentials_missing",
            ),
            (
                "the credentials alone",
                with(CREDENTIALS),
                "401 signature_missing",
            ),
        ],
    );
}

#[test]
fn only_allowed_networks_get_in_and_only_proxies_speak_for_others() {
    // A network alone, without proxies: what headers say is nothing.
    let instance = start("allow_networks = [\"203.0.113.0/24\"]\nsignature.mode = \"off\"");
    let from = |header: &str, value: &str| unsigned(PATH).header(header, value).body(EVENT);
    let refused = "401 network_not_allowed";
    assert_outcomes(
        &instance,
        [
            ("from here", unsigned(PATH).body(EVENT), refused),
            (
                "said to be from there",
                from("X-Forwarded-For", "203.0.113.5"),
                refused,
            ),
            ("any path", unsigned("/").body(EVENT), refused),
            ("any method", Request::new("GET", PATH), refused),
        ],
    );

    let instance = start(
        r#"
allow_networks = ["203.0.113.0/24", "2001:db8::17"]
trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]
signature.mode = "off"
"#,
    );
    assert_outcomes(
        &instance,
        [
            ("allowed", from("X-Forwarded-For", "203.0.113.5"), "200"),
            (
                "allowed, by two proxies",
                from("X-Forwarded-For", "203.0.113.5, 10.1.1.1"),
                "200",
            ),
            (
                "allowed, with a port",
                from("Forwarded", "for=\"[2001:db8::17]:80\""),
                "200",
            ),
            ("the proxy itself", unsigned(PATH).body(EVENT), refused),
            ("another", from("X-Forwarded-For", "198.51.100.1"), refused),
            (
                "another that claims to be allowed",
                from("X-Forwarded-For", "203.0.113.5, 198.51.100.1"),
                refused,
            ),
            ("no address", from("X-Forwarded-For", "unknown"), refused),
            (
                "two headers that do not agree",
                from("X-Forwarded-For", "198.51.100.1").header("Forwarded", "for=203.0.113.5"),
                refused,
            ),
        ],
    );

    let instance = start(&format!("allow_networks = [\"127.0.0.1\"]\n{SIGNED}"));
    assert_outcomes(
        &instance,
        [
            ("both", signed().body(EVENT), "200"),
            (
                "the network alone",
                unsigned(PATH).body(EVENT),
                "401 signature_missing",
            ),
        ],
    );
}

#[test]
fn a_source_that_asks_for_no_signature_needs_a_protection_or_says_that_it_is_meant() {
    let landfall = landfall();
    for mode in ["off", "optional"] {
        let mode = format!("signature.secrets = [\"x\"]\nsignature.mode = \"{mode}\"");
        for (settings, code) in [
            ("", 78),
            ("allow_networks = []", 78),
            ("allow_networks = [\"203.0.113.0/24\", \"::/0\"]", 78),
            ("signature.allow_unauthenticated = true", 0),
            ("path_token = \"token\"", 0),
            (AUTH, 0),
            ("allow_networks = [\"127.0.0.1\"]", 0),
        ] {
            let ended = validate(&landfall, &format!("{mode}\n{settings}"));
            assert_eq!(ended.code, Some(code), "{mode} {settings}\n{ended}");
            let names_the_way_out = ended.stderr.contains("allow_unauthenticated");
            assert_eq!(names_the_way_out, code == 78, "{mode} {settings}\n{ended}");
        }
        // Also where nothing is wrong, whoever starts it is told.
        let mut instance = start(&format!("{mode}\nsignature.allow_unauthenticated = true"));
        instance.wait_until("it warns", |instance| {
            instance.stderr().contains("\"WARN\"")
        });
        let answer = unsigned(PATH).body(EVENT).send(instance.source());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn an_optional_signature_must_be_right_where_there_is_one() {
    let instance = start(&format!(
        "{SIGNED}\nsignature.mode = \"optional\"\nsignature.allow_unauthenticated = true"
    ));
    let forged = Request::post(PATH).signed("another secret", EVENT);
    assert_outcomes(
        &instance,
        [
            ("none", unsigned(PATH).body(EVENT), "200"),
            ("a right one", signed().body(EVENT), "200"),
            ("a wrong one", forged.body(EVENT), "401 signature_mismatch"),
            (
                "half of one",
                unsigned(PATH).header("X-Apc-Timestamp", "1").body(EVENT),
                "401 signature_missing",
            ),
        ],
    );
}

#[test]
fn settings_that_keep_nobody_out_or_everybody_are_refused() {
    let landfall = landfall();
    for (settings, problem) in [
        ("path_token = \"\"", "path_token"),
        ("path_token = \"a/b\"", "path_token"),
        ("path_token = \"..\"", "path_token"),
        ("path_token = 17", "path_token: a secret must be a string"),
        ("allow_networks = [\"203.0.113.0/33\"]", "allow_networks"),
        ("allow_networks = [\"example.com\"]", "allow_networks"),
        ("trusted_proxies = \"10.0.0.0/8\"", "trusted_proxies"),
        ("trusted_proxies = [\"0.0.0.0/0\"]", "trusted_proxies"),
        ("path = \"/web hooks\"", "path"),
        ("path = \"/webhooks/é\"", "path"),
        (
            "auth = { strategy = \"basic\", username = \"a:b\", password = \"x\" }",
            "auth.username",
        ),
        (
            "auth = { strategy = \"basic\", username = \"a\", password = \"\" }",
            "auth.password",
        ),
        (
            "auth = { strategy = \"basic\", username = \"a\" }",
            "password",
        ),
        ("auth = { strategy = \"none\" }", "basic"),
    ] {
        assert_refused(&landfall, &format!("{SIGNED}\n{settings}"), problem);
    }
}

#[test]
fn no_secret_of_the_door_is_shown_whatever_is_logged() {
    let landfall = landfall()
        .env("LANDFALL_LOG", "trace")
        .env("TOKEN", "token-of-this-test")
        .env("PASSWORD", "password of this test");
    let file = landfall.write("secret", "secret in a file of this test\n");
    let settings = format!(
        r#"
path_token = "${{TOKEN}}"
auth = {{ strategy = "basic", username = "appcues", password = "${{PASSWORD}}" }}
signature.secret_files = ["{}"]
"#,
        file.display()
    );
    let instance = start_in(landfall, &settings);
    // base64 of `appcues:password of this test`.
    let credentials = "YXBwY3VlczpwYXNzd29yZCBvZiB0aGlzIHRlc3Q=";
    let genuine = |path: &str| {
        Request::post(path)
            .header("Authorization", &format!("Basic {credentials}"))
            .signed("secret in a file of this test", EVENT)
            .body(EVENT)
    };
    let path = format!("{PATH}/token-of-this-test");
    assert_outcomes(
        &instance,
        [
            ("genuine", genuine(&path), "200"),
            (
                "unsigned",
                unsigned(&path).body(EVENT),
                "401 credentials_missing",
            ),
            ("elsewhere", genuine(&format!("{path}/x")), "404 not_found"),
        ],
    );
    let ended = instance.terminate();
    assert_eq!(ended.code, Some(0), "{ended}");
    for shown in ["of-this-test", "of this test", credentials] {
        assert!(!format!("{ended}").contains(shown), "{shown}\n{ended}");
    }
}
