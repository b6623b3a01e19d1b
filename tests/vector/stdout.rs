//! What sources receive is written to standard output, for Vector's `exec` and `stdin` sources.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use landfall_testkit::{Landfall, Process, Request, Signal};
use serde_json::Value;

use crate::{SECRET, WEBHOOKS, event, ids, prepare};

const LONG: Duration = Duration::from_secs(60);

/// A configuration whose sink, with this input, must be left alone.
fn config(input: &str) -> String {
    format!(
        r#"{WEBHOOKS}
[sinks.lake]
type = "parquet"
inputs = ["{input}"]
uri = "{{dir}}/lake"
"#
    )
}

fn request(body: &[u8]) -> Request {
    let request = Request::post("/webhooks/appcues");
    request.signed(SECRET, body).body(body)
}

/// Sends `body` as soon as somebody listens; the status of the answer.
#[track_caller]
fn post(address: SocketAddr, body: &[u8]) -> u16 {
    let deadline = Instant::now() + LONG;
    loop {
        match request(body).try_send(address) {
            Ok(answer) => return answer.status,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn source(landfall: &Landfall, config: &str) -> Command {
    landfall.command(["source", "--stdout", "--config", config])
}

#[test]
fn events_are_lines_on_standard_output_and_nothing_else_is() {
    let (landfall, config) = prepare(&config("appcues"));
    let mut process = Process::spawn(&mut source(&landfall, &config.display().to_string()));
    let address = landfall.source();
    let several_lines = "{\"id\": \"1\",\r\n  \"n\": 1.50}";
    for body in [
        event("first").as_bytes(),
        several_lines.as_bytes(),
        b"no \xff JSON",
    ] {
        assert_eq!(post(address, body), 200);
    }
    let unsigned = Request::post("/webhooks/appcues").body(b"{}").send(address);
    assert_eq!(unsigned.status, 401);
    process.signal(Signal::TERM);
    let ended = process.wait(LONG);
    assert_eq!(ended.code, Some(0), "{ended}");
    let expected = [
        &*event("first"),
        "{\"id\": \"1\",  \"n\": 1.50}",
        "\"no \u{fffd} JSON\"",
    ];
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), expected);
    for line in ended.stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    for left_out in ["lake", "data"] {
        assert!(!landfall.dir().join(left_out).exists(), "{left_out}");
    }
}

#[test]
fn who_waits_is_told_when_nobody_reads_any_more() {
    let (landfall, config) = prepare(&config("appcues"));
    let pipe = landfall.command::<&str>([]);
    let landfall_exe = pipe.get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$0\" source --stdout --config \"$1\" | head -n 1"]);
    shell.arg(landfall_exe).arg(config);
    for (name, value) in pipe.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    drop(pipe);
    let shell = Process::spawn(&mut shell);
    assert_eq!(post(landfall.source(), event("first").as_bytes()), 200);
    // `head` may still be there for some more; but not for all.
    let refused = ids("more", 1000).into_iter().any(|id| {
        let answer = request(event(&id).as_bytes()).try_send(landfall.source());
        answer.map_or(true, |answer| answer.status == 503)
    });
    assert!(refused);
    let ended = shell.wait(LONG);
    assert_eq!(ended.stdout, event("first") + "\n");
    assert!(
        ended.stderr.contains("cannot write to standard output"),
        "{ended}"
    );
}

#[test]
fn a_transform_is_not_passed_over_in_silence() {
    let transform = "\n[transforms.some]\ntype = \"filter\"\ninputs = [\"appcues\"]\nevent_types = { deny = [\"nps_score\"] }\n";
    let (landfall, config) = prepare(&(config("some") + transform));
    let ended = Process::spawn(&mut source(&landfall, &config.display().to_string())).wait(LONG);
    assert_eq!(ended.code, Some(78), "{ended}");
    assert!(
        ended.stderr.contains("transforms: are not gone through"),
        "{ended}"
    );
}
