use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::POLL_INTERVAL;
use crate::services::{self, Chromium};
use crate::{Process, Request};

const LIMIT: Duration = Duration::from_secs(60);

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
        let services = services::directory().expect("the folder of the tests' services");
        let chromium = Chromium::find(&services).unwrap_or_else(|missing| panic!("{missing}"));
        let mut command = Command::new(&chromium.driver);
        let driver = Process::spawn(command.arg("--port=0").envs(chromium.environment()));
        let deadline = Instant::now() + LIMIT;
        let port = loop {
            let said = driver.stdout();
            let port = said.split_once("successfully on port ");
            let port = port.and_then(|(_, rest)| rest.split_once('.')?.0.parse().ok());
            if let Some(port) = port {
                break port;
            }
            assert!(Instant::now() < deadline, "no driver: {said}");
            thread::sleep(POLL_INTERVAL);
        };
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

    /// Does `command` of the DevTools protocol, such as `Emulation.setEmulatedMedia`.
    pub fn devtools(&self, command: &str, params: &Value) {
        self.post(
            "goog/cdp/execute",
            &json!({ "cmd": command, "params": params }),
        );
    }

    /// What the browser has complained of since the last look, such as errors of scripts.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("a list of entries");
        entries.iter().map(Value::to_string).collect()
    }

    /// A PNG of what there is to see, as Base64.
    pub fn screenshot(&self) -> String {
        let path = format!("/session/{}/screenshot", self.session);
        let png = self.ask("GET", &path, &Value::Null);
        png.as_str().expect("Base64").to_owned()
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
