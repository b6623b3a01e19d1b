//! The server as a user starts it, and what its senders are answered.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use landfall_testkit::{Process, Request, Response, Signal, files_below, free_address, get};

const SECRET: &str = "a secret only of this test";
const LIMIT: Duration = Duration::from_secs(60);
const BODY: &str = r#"{"id":"1"}"#;

struct Server {
    process: Process,
    address: SocketAddr,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let address = free_address();
        let mut process = Process::spawn(
            Command::new(env!("CARGO_BIN_EXE_mount-in-axum"))
                .arg(address.to_string())
                .arg(directory)
                .env("APPCUES_WEBHOOK_SECRET", SECRET),
        );
        process.wait_until("it is healthy", |_| {
            get(address, "/health").is_ok_and(|health| health.status == 200)
        });
        Self { process, address }
    }

    fn post(&self, secret: &str) -> Response {
        Request::post("/webhooks/appcues")
            .signed(secret, BODY.as_bytes())
            .body(BODY.as_bytes())
            .send(self.address)
    }
}

#[test]
fn a_genuine_event_is_answered_200_when_it_is_kept_and_any_other_401() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    for _ in 0..2 {
        assert_eq!(server.post(SECRET).status, 200);
        let kept = files_below(dir.path(), "");
        let bodies = kept
            .iter()
            .map(|file| std::fs::read_to_string(file).unwrap());
        assert_eq!(bodies.collect::<Vec<_>>(), [BODY]);
    }
    let refused = server.post("another secret");
    assert_eq!(refused.status, 401);
    assert!(
        refused.text().contains("signature_mismatch"),
        "{}",
        refused.text()
    );
    assert_eq!(
        get(server.address, "/webhooks/appcues").unwrap().status,
        405
    );
    assert_eq!(get(server.address, "/elsewhere").unwrap().status, 404);

    server.process.signal(Signal::INT);
    let ended = server.process.wait(LIMIT);
    assert_eq!(ended.code, Some(0), "{ended}");
}

#[test]
fn an_event_that_cannot_be_kept_is_answered_503() {
    let server = Server::start(Path::new("/nowhere"));
    let refused = server.post(SECRET);
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("not_durable"), "{}", refused.text());
    assert!(refused.header("Retry-After").is_some());
}
