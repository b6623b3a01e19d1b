//! The console in a real browser.

use landfall_testkit::{Browser, Instance, Landfall, Outage, Request, SIGNED, config, get};
use serde_json::json;

const SECRET: &str = "a secret only of this test";

/// A running service, and a browser that looks at its console.
fn start(api: &str) -> (Instance, Browser) {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let text = format!("{api}\n{}", config(SIGNED, "batch.timeout_secs = 1"));
    let config = landfall.write("landfall.toml", &text);
    let instance = landfall.start(&config);
    let browser = Browser::start();
    browser.open(&format!("http://{}/", instance.api()));
    (instance, browser)
}

fn send(instance: &Instance, id: u32, account: &str) {
    let body = json!({ "id": id.to_string(), "name": "appcues:flow_started", "account_id": account, "timestamp": 1_700_000_000_000_i64 });
    let body = body.to_string();
    let answer = Request::post("/webhooks/appcues")
        .signed(SECRET, body.as_bytes())
        .body(body.as_bytes())
        .send(instance.source());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Whether the element `id` shows `text`.
fn shows(id: &str, text: &str) -> String {
    format!("document.getElementById('{id}').innerText.includes({text:?})")
}

const ACCEPTED: &str = "document.getElementById('verdict').innerText == 'Events are accepted'";

#[test]
fn what_comes_is_seen_live_with_what_became_of_it_and_why() {
    let (instance, browser) = start("");
    browser.wait_until(ACCEPTED);
    browser.wait_until(&shows("hint", "Nothing has come"));

    send(&instance, 1, "12345");
    browser.wait_until(&shows("deliveries", "accepted"));
    browser.wait_until(&shows("deliveries", "web_flow_started"));
    browser.wait_until(&shows("deliveries", "account 12345"));
    browser.wait_until(&shows("chart-words", "1 events in the last hour"));
    browser.wait_until(&shows("files", ".parquet"));
    browser.wait_until(&shows("files", "1 row,"));
    send(&instance, 1, "12345");
    browser.wait_until(&shows("deliveries", "duplicate"));

    for _ in 0..2 {
        let wrong = Request::post("/webhooks/appcues").signed("another", b"{}");
        assert_eq!(wrong.body(b"{}").send(instance.source()).status, 401);
    }
    browser.wait_until(&shows("deliveries", "signature_mismatch"));
    browser.wait_until(&shows(
        "deliveries",
        "no configured secret signed it: compare the webhook's secret key",
    ));
    browser.wait_until(&shows("deliveries", "2 times"));

    let genuine = Request::post("/webhooks/appcues").signed(SECRET, b"no event");
    assert_eq!(
        genuine.body(b"no event").send(instance.source()).status,
        200
    );
    browser.wait_until(&shows("deliveries", "quarantined"));
    browser.wait_until(&shows("components", "works"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn what_senders_write_is_shown_as_text_and_bodies_only_when_asked_for() {
    let (instance, browser) = start("");
    let hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>";
    send(&instance, 1, hostile);
    browser.wait_until(&shows("deliveries", hostile));
    assert_eq!(
        browser.run("return document.querySelectorAll('img, script').length"),
        1
    );
    assert_eq!(
        browser.run("return document.getElementById('bodies').textContent"),
        ""
    );

    browser.run("document.getElementById('show-bodies').click()");
    let mut id = 1;
    while browser.run(&format!("return {}", shows("bodies", hostile))) != true {
        id += 1;
        send(&instance, id, hostile);
    }
    browser.run("document.getElementById('show-bodies').click()");
    assert_eq!(
        browser.run("return document.getElementById('bodies').textContent"),
        ""
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn it_fits_a_phone_and_follows_light_and_dark() {
    let (instance, browser) = start("");
    send(&instance, 1, &"long".repeat(100));
    browser.wait_until(&shows("files", ".parquet"));
    browser.run("document.getElementById('numbers').open = true");
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.devtools("Emulation.setEmulatedMedia", &scheme);
        for width in [320_u64, 390, 1280] {
            let screen = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 1000 });
            browser.devtools("Emulation.setDeviceMetricsOverride", &screen);
            let measured = "return [innerWidth, document.documentElement.scrollWidth]";
            let measured = browser.run(measured);
            assert!(
                measured[0] == width && measured[1].as_u64() <= Some(width),
                "{measured}"
            );
        }
        grounds.push(browser.run("return getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1]);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn it_finds_a_service_that_was_restarted() {
    let (instance, browser) = start("");
    browser.wait_until(ACCEPTED);
    let config = instance.dir().join("landfall.toml");
    let landfall = instance.kill();
    browser.wait_until(&shows("verdict", "The service does not answer"));
    let instance = landfall.start(&config);
    browser.wait_until(ACCEPTED);
    send(&instance, 1, "12345");
    browser.wait_until(&shows("deliveries", "account 12345"));
}

#[test]
fn it_goes_on_and_says_what_is_wrong_while_the_store_is_away() {
    let (instance, browser) = start("");
    browser.wait_until(ACCEPTED);
    let outage = Outage::of(&instance.dir().join("lake"));
    send(&instance, 1, "12345");
    browser.wait_until(&shows("verdict", "Events are accepted, but see to this"));
    browser.wait_until(&shows("reasons", "sinks.lake: cannot upload a batch"));
    browser.wait_until(&shows("deliveries", "account 12345"));
    outage.end();
    browser.wait_until(ACCEPTED);
    browser.wait_until(&shows("files", ".parquet"));
}

#[test]
fn it_asks_for_the_token_and_keeps_it_no_longer_than_the_tab() {
    let (_instance, browser) = start("api.token = \"s3cret-token\"");
    browser.wait_until(&shows("verdict", "A token is needed"));
    browser.run(
        "document.getElementById('token').value = 's3cret-token';
         document.querySelector('#ask button').click()",
    );
    browser.wait_until(ACCEPTED);
    let kept =
        "return [localStorage.length, document.cookie, location.search, sessionStorage.length]";
    assert_eq!(browser.run(kept), json!([0, "", "", 1]));
}

#[test]
fn whose_events_came_is_not_told_where_events_may_not_be_watched() {
    let (mut instance, browser) = start("api.tap = false");
    send(&instance, 1, "12345");
    let wrong = Request::post("/webhooks/appcues").signed("another", b"{}");
    assert_eq!(wrong.body(b"{}").send(instance.source()).status, 401);
    let activity = |instance: &Instance| {
        get(instance.api(), "/api/v1/activity")
            .expect("an answer")
            .text()
    };
    instance.wait_until("the event is seen", |instance| {
        activity(instance).contains("web_flow_started")
    });
    let said = activity(&instance);
    assert!(
        !said.contains("12345") && !said.contains("127.0.0.1"),
        "{said}"
    );
    browser.wait_until(&shows("bodies-note", "does not let bodies be shown"));
    assert_eq!(
        browser.run("return document.getElementById('show-bodies').disabled"),
        true
    );
}
