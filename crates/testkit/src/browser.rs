use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::process::{LIMIT, POLL_INTERVAL};
use crate::services::{self, Chromium};
use crate::{Process, Request};

/// Held by the one that starts: it is the most that a browser does, and takes too long where many do it at once.
static STARTING: Mutex<()> = Mutex::new(());

/// Chromium without a window, with one page open. Spoken to by `WebDriver` (<https://www.w3.org/TR/webdriver2>).
#[derive(Debug)]
pub struct Browser {
    driver: Process,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// Starts a browser that knows nothing of any other.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    #[track_caller]
    pub fn start() -> Self {
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let services = services::directory().expect("the folder of the tests' services");
        let chromium = Chromium::find(&services).unwrap_or_else(|missing| panic!("{missing}"));
        let mut command = Command::new(&chromium.driver);
        let mut driver = Process::spawn(command.arg("--port=0").envs(chromium.environment()));
        let mut port = None;
        driver.wait_until("the browser's driver says its port", |driver| {
            let said = driver.stdout();
            let said = said.split_once("successfully on port ");
            port = said.and_then(|(_, rest)| rest.split_once('.')?.0.parse().ok());
            port.is_some()
        });
        let port = port.expect("it has said its port");
        let mut browser = Self {
            driver,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            session: String::new(),
        };
        // Sandboxes and shared memory are what machines that run tests often have not.
        let args = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage"];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "binary": chromium.browser, "args": args },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let started = browser.ask("POST", "/session", &wanted);
        let id = started["sessionId"].as_str();
        browser.session = id.expect("the id of a session").to_owned();
        browser
    }

    /// Opens `url`, and waits until it has loaded.
    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// What `script`, the body of a function, returns in the page.
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until `expression` holds in the page.
    ///
    /// # Panics
    /// If it does not within a minute; then with the text of the page.
    #[track_caller]
    pub fn wait_until(&self, expression: &str) {
        let deadline = Instant::now() + LIMIT;
        while self.run(&format!("return Boolean({expression})")) != true {
            if Instant::now() > deadline {
                let page = self.run("return document.body.innerText");
                panic!("never in the page: {expression}\n{page:#}");
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Presses a key as a person would, and lets it go: a character, or such as `\u{e004}`, which is Tab
    /// (<https://www.w3.org/TR/webdriver2/#keyboard-actions>).
    pub fn press(&self, key: char) {
        let actions = ["keyDown", "keyUp"].map(|r#type| json!({ "type": r#type, "value": key }));
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("actions", &json!({ "actions": [keyboard] }));
    }

    /// What `command` of the DevTools protocol answers, such as `Emulation.setEmulatedMedia`.
    pub fn devtools(&self, command: &str, params: &Value) -> Value {
        let command = json!({ "cmd": command, "params": params });
        self.post("goog/cdp/execute", &command)
    }

    /// Makes the page `width` by `height` CSS pixels large, as on a phone if it is narrow.
    pub fn resize(&self, width: u64, height: u64) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 1000 });
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
    }

    /// Makes the page `light` or `dark`, as its reader prefers.
    pub fn prefer(&self, scheme: &str) {
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &scheme);
    }

    /// What the browser has complained of since the last look, such as errors of scripts.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("a list of entries");
        entries.iter().map(Value::to_string).collect()
    }

    /// A PNG of what there is to see.
    pub fn screenshot(&self) -> Vec<u8> {
        let path = format!("/session/{}/screenshot", self.session);
        let png = self.ask("GET", &path, &Value::Null);
        let png = BASE64_STANDARD.decode(png.as_str().unwrap_or_default());
        png.expect("Base64")
    }

    #[track_caller]
    fn post(&self, command: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        self.ask("POST", &path, body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut request = Request::new(method, path);
        if method == "POST" {
            let json = request.header("Content-Type", "application/json");
            request = json.body(body.to_string().as_bytes());
        }
        let answer = request.send(self.address);
        let mut value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let driver = self.driver.stderr();
        assert_eq!(
            answer.status, 200,
            "{path} of WebDriver: {value:#}\n{driver}"
        );
        value["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Only the driver would end with its process, not the browser.
        let path = format!("/session/{}", self.session);
        if let Err(error) = Request::new("DELETE", &path).try_send(self.address) {
            eprintln!("the browser may still run: {error}");
        }
    }
}
