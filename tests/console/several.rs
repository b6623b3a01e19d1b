//! Several sources and sinks at once.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use landfall_testkit::{Browser, Landfall, free_address, python};
use serde_json::json;

use crate::{ACCEPTED, SECRET, event, send, send_wrong, shows};

const CONFIG: &str = r#"
data_dir = "{dir}/data"
api.address = "{api}"

[sources.webhooks]
type = "appcues"
address = "{source}"
signature.secrets = ["${APPCUES_WEBHOOK_SECRET}"]

[sources.elsewhere]
type = "vector"
address = "{vector}"

[sinks.all]
type = "parquet"
inputs = ["webhooks", "elsewhere"]
uri = "{dir}/all"
batch.timeout_secs = 1

[sinks.only]
type = "parquet"
inputs = ["webhooks"]
uri = "{dir}/only"
batch.timeout_secs = 1
"#;

#[test]
fn of_several_sources_all_is_counted_and_of_several_sinks_one_is_shown() {
    let vector = free_address().to_string();
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = landfall.write("landfall.toml", &CONFIG.replace("{vector}", &vector));
    let messages: Vec<_> = (10..13)
        .map(|id| json!({ "message": BASE64_STANDARD.encode(event(id, "of-vector")) }))
        .collect();
    let requests = landfall.write("requests.jsonl", &json!({ "events": messages }).to_string());
    let instance = landfall.start(&config);
    let browser = Browser::start();
    browser.open(&format!("http://{}/", instance.api()));
    send(&instance, 1, "of-webhook");
    send(&instance, 2, "of-webhook");
    send_wrong(&instance);
    let pushed = python(
        "vector_client.py",
        [
            "--address",
            &vector,
            "--requests",
            requests.to_str().unwrap(),
        ],
    );
    assert!(pushed.contains("OK"), "{pushed}");

    browser.wait_until(ACCEPTED);
    // A request of Vector holds several events.
    browser.wait_until("document.querySelector('#figures dd span').innerText == '3'");
    browser.wait_until(&shows("chart-words", "5 events in the last hour"));
    browser.wait_until(&format!("!{}", shows("legend", "not looked into")));
    browser.wait_until("document.getElementById('sink').value == 'all'");
    for text in ["of-webhook", "of-vector", "by webhooks"] {
        browser.wait_until(&shows("deliveries", text));
    }
    for sink in ["all", "only"] {
        browser.wait_until(&shows("files", sink));
        browser.wait_until(&shows("components", sink));
    }

    browser.run("const sink = document.getElementById('sink'); sink.value = 'only'; sink.dispatchEvent(new Event('change'))");
    browser.wait_until(&shows("chart-words", "2 events in the last hour"));
    browser.wait_until(&format!("!{}", shows("deliveries", "of-vector")));
    browser.wait_until(&format!("!{}", shows("legend", "not looked into")));
    browser.wait_until(&shows("deliveries", "refused"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
