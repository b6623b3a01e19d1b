use std::fs;
use std::thread::sleep;
use std::time::Duration;

use landfall_testkit::{Browser, Instance, Landfall, Request, SIGNED, config};
use landfall_traffic::{Plan, requests};

use crate::services;
use crate::step::{build_landfall, workspace_root};

const SECRET: &str = "a secret only of this picture";
const ANOTHER_SECRET: &str = "the secret of another webhook";

/// How many events come in each second of a minute, minute by minute.
const RATES: [usize; 4] = [4, 7, 5, 3];

/// Takes the README's picture of the console, of a service to which made-up events come for some minutes.
pub(crate) fn take() -> anyhow::Result<()> {
    services::install()?;
    let landfall = Landfall::new(build_landfall()?).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = landfall.write("landfall.toml", &config(SIGNED, "batch.timeout_secs = 20"));
    let instance = landfall.start(&config);
    println!("    events come for {} minutes", RATES.len());
    let plan = Plan {
        days: 14,
        users: 50,
        seed: 1,
        first_day: 1_780_272_000_000,
    };
    let mut bodies = requests(&plan).into_iter().map(|request| request.body);
    for (minute, rate) in RATES.into_iter().enumerate() {
        for _ in 0..60 {
            for body in bodies.by_ref().take(rate) {
                post(&instance, SECRET, &body);
            }
            sleep(Duration::from_secs(1));
        }
        post(&instance, ANOTHER_SECRET, "{}");
        post(&instance, SECRET, &format!("no event, {minute}"));
    }
    // One of each kind, oldest first; the oldest is opened.
    let [opened, later, last] = [(); 3].map(|()| bodies.next().unwrap_or_default());
    for (secret, body) in [
        (SECRET, &*opened),
        (SECRET, &*opened),
        (SECRET, "no event, at last"),
        (ANOTHER_SECRET, "{}"),
        (SECRET, &*later),
        (SECRET, &*last),
    ] {
        post(&instance, secret, body);
    }

    let browser = Browser::start();
    browser.resize(1100, 1620);
    browser.prefer("light");
    browser.open(&format!("http://{}/", instance.api()));
    browser.wait_until("document.querySelector('#deliveries .quarantined')");
    browser.run("document.querySelectorAll('#deliveries .accepted summary')[2].click()");
    browser.wait_until("document.querySelector('#deliveries [open] pre').innerText.includes('{')");
    let picture = workspace_root()?.join("docs/images/console.png");
    fs::write(&picture, browser.screenshot())?;
    println!("    taken: {}", picture.display());
    Ok(())
}

fn post(instance: &Instance, secret: &str, body: &str) {
    let body = body.as_bytes();
    let request = Request::post("/webhooks/appcues").signed(secret, body);
    request.body(body).send(instance.source());
}
