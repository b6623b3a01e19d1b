//! The console in a real browser.

#[path = "console/several.rs"]
mod several;
#[path = "console/usable.rs"]
mod usable;

use std::hint;
use std::time::UNIX_EPOCH;

use landfall_testkit::{Browser, Instance, Landfall, Outage, Request, SIGNED, config, get};
use serde_json::{Value, json};

const SECRET: &str = "a secret only of this test";

/// A running service, and a browser that looks at its console.
fn start(api: &str) -> (Instance, Browser) {
    start_with(api, "")
}

/// As [`start`], with more settings of the sink.
fn start_with(api: &str, sink: &str) -> (Instance, Browser) {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let text = format!(
        "{api}\n{}",
        config(SIGNED, &format!("batch.timeout_secs = 1\n{sink}"))
    );
    let config = landfall.write("landfall.toml", &text);
    let instance = landfall.start(&config);
    let browser = Browser::start();
    browser.open(&format!("http://{}/", instance.api()));
    (instance, browser)
}

fn event(id: u32, account: &str) -> String {
    let event = json!({ "id": id.to_string(), "name": "appcues:flow_started", "account_id": account, "timestamp": 1_700_000_000_000_i64 });
    event.to_string()
}

fn send(instance: &Instance, id: u32, account: &str) {
    let body = event(id, account);
    let answer = Request::post("/webhooks/appcues")
        .signed(SECRET, body.as_bytes())
        .body(body.as_bytes())
        .send(instance.source());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Sends what must be refused.
fn send_wrong(instance: &Instance) {
    let wrong = Request::post("/webhooks/appcues").signed("another", b"{}");
    assert_eq!(wrong.body(b"{}").send(instance.source()).status, 401);
}

/// Of what comes in the same millisecond the page knows no order.
fn wait_for_next_millisecond() {
    let millis = || {
        UNIX_EPOCH
            .elapsed()
            .map_or(0, |elapsed| elapsed.as_millis())
    };
    let before = millis();
    while millis() == before {
        hint::spin_loop();
    }
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
        send_wrong(&instance);
    }
    browser.wait_until(&shows("deliveries", "signature_mismatch"));
    browser.wait_until(&shows(
        "deliveries",
        "no configured secret signed it: compare the webhook's secret key",
    ));
    browser.wait_until(&shows("deliveries", "2 since the start"));
    send(&instance, 2, "12345");
    wait_for_next_millisecond();
    send_wrong(&instance);
    browser.wait_until(&shows("deliveries", "3 since the start"));
    let fates =
        "Array.from(document.querySelectorAll('#deliveries .mark'), mark => mark.innerText).join()";
    browser.wait_until(&format!(
        "{fates} == 'refused,accepted,refused,duplicate,accepted'"
    ));
    browser.wait_until(&shows("deliveries", "2 times"));

    let genuine = Request::post("/webhooks/appcues").signed(SECRET, b"no event");
    assert_eq!(
        genuine.body(b"no event").send(instance.source()).status,
        200
    );
    browser.wait_until(&shows("deliveries", "quarantined"));
    browser.wait_until(&shows("deliveries", "the body is not JSON"));
    browser.wait_until(&shows("components", "works"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn what_senders_write_is_shown_as_text_and_values_only_when_asked_for() {
    let (instance, browser) = start("");
    let hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>";
    send(&instance, 1, hostile);
    browser.wait_until(&shows("deliveries", hostile));
    let opened = "document.querySelector('#deliveries pre').innerText";
    browser.run("document.querySelector('#deliveries summary').click()");
    browser.wait_until(&format!("{opened}.includes('\"account_id\": \"(text)\"')"));
    browser.wait_until(&format!("{opened}.includes('\"timestamp\": \"(number)\"')"));
    assert_eq!(
        browser.run(&format!("return {opened}.includes({hostile:?})")),
        false
    );

    browser.run("document.getElementById('values').click()");
    browser.wait_until(&format!("{opened}.includes({hostile:?})"));
    browser.wait_until(&format!(
        "{opened}.includes('\"timestamp\": 1700000000000')"
    ));
    browser.run("document.getElementById('values').click()");
    browser.wait_until(&format!("{opened}.includes('\"(text)\"')"));
    let elements = "return document.querySelectorAll('img, script').length";
    assert_eq!(browser.run(elements), 1);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_list_stands_still_while_a_row_is_read_or_it_is_held() {
    let (instance, browser) = start("");
    send(&instance, 1, "first");
    browser.wait_until(&shows("deliveries", "first"));
    browser.run("document.querySelector('#deliveries summary').click()");
    send(&instance, 2, "second");
    browser.wait_until(&shows("chart-words", "2 events in the last hour"));
    browser.wait_until(&shows(
        "deliveries-note",
        "stands still while a row is open",
    ));
    let is_shown = |text| browser.run(&format!("return {}", shows("deliveries", text)));
    assert_eq!(is_shown("second"), false);
    browser.run("document.querySelector('#deliveries summary').click()");
    browser.wait_until(&shows("deliveries", "second"));

    browser.run("document.getElementById('hold').click()");
    send(&instance, 3, "third");
    browser.wait_until(&shows("chart-words", "3 events in the last hour"));
    assert_eq!(is_shown("third"), false);
    browser.run("document.getElementById('hold').click()");
    browser.wait_until(&shows("deliveries", "third"));
}

#[test]
fn it_fits_a_phone_and_follows_light_and_dark() {
    let (instance, browser) = start("");
    send(&instance, 1, &"long".repeat(100));
    browser.wait_until(&shows("files", ".parquet"));
    browser.run("document.getElementById('numbers').open = true");
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        for width in [320_u64, 390, 1280] {
            browser.resize(width, 800);
            browser.wait_until(&format!("innerWidth == {width}"));
            let needed = browser.run("return document.documentElement.scrollWidth");
            assert!(needed.as_u64() <= Some(width), "{needed} for {width}");
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
fn whose_events_came_and_what_is_in_them_is_not_told_where_events_may_not_be_watched() {
    let by_account = "partition = \"events/account={account_id}\"";
    let (instance, browser) = start_with("api.tap = false", by_account);
    send(&instance, 1, "12345");
    send_wrong(&instance);
    browser.wait_until(&shows("files", ".parquet"));
    browser.wait_until(&shows("deliveries", "web_flow_started"));
    browser.wait_until(&shows("deliveries", "signature_mismatch"));
    browser.wait_until(&shows(
        "deliveries-note",
        "lets nobody look into events here",
    ));
    let offered =
        "return document.querySelectorAll('#deliveries summary, #values:not([hidden])').length";
    assert_eq!(browser.run(offered), 0);
    let said = get(instance.api(), "/api/v1/activity").unwrap().text();
    let number =
        serde_json::from_str::<Value>(&said).unwrap()["lake"]["events"][0]["number"].clone();
    assert!(
        number.is_i64() && !said.contains("12345") && !said.contains("127.0.0.1"),
        "{said}"
    );
    let event = format!("/api/v1/event?component=lake&number={number}");
    assert_eq!(get(instance.api(), &event).unwrap().status, 403);
}

#[test]
fn what_is_in_an_event_is_answered_without_values_unless_they_are_asked_for() {
    let (mut instance, _) = start("");
    send(&instance, 1, "12345");
    let answer = |instance: &Instance, path: &str| {
        let answer = get(instance.api(), path).unwrap();
        serde_json::from_str::<Value>(&answer.text()).unwrap()
    };
    let first = |instance: &Instance| {
        answer(instance, "/api/v1/activity")["lake"]["events"][0]["number"].clone()
    };
    instance.wait_until("the event is seen", |instance| first(instance).is_i64());
    let event = format!("/api/v1/event?component=lake&number={}", first(&instance));
    let shape = answer(&instance, &event);
    assert_eq!(shape["event"]["account_id"], "(text)");
    assert!(!shape.to_string().contains("12345"), "{shape}");
    let whole = answer(&instance, &format!("{event}&values=true"));
    assert_eq!(whole["event"]["account_id"], "12345");
    for unknown in ["component=lake&number=1", "component=other&number=1"] {
        let answer = get(instance.api(), &format!("/api/v1/event?{unknown}")).unwrap();
        assert_eq!(answer.status, 404, "{}", answer.text());
    }
}
