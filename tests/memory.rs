//! What the process takes in memory follows from its configuration, not from its traffic.

#![expect(clippy::unwrap_used, reason = "an unmet expectation is a failed test")]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use landfall_testkit::{Instance, Landfall, Request, SIGNED, Signal, config, files_below};

const SECRET: &str = "a secret only of this test";

const MIB: u64 = 1024 * 1024;

const BATCH_BYTES: u64 = 48 * MIB;

/// What docs/lake.md says of a process that remembers few events.
const BOUND: u64 = 3 * BATCH_BYTES + 100 * MIB;

const SINK: &str = r#"
partition = "events/date={date}/hour={hour}"
batch = { max_bytes = {batch_bytes}, max_events = 4000, timeout_secs = 300 }
"#;

#[test]
fn memory_is_bounded_by_the_configuration_whatever_the_traffic() {
    // Many partitions with few small events each, and one with large ones.
    for (partitions, events, noise) in [(1000, 8000, 380), (1, 600, 100_000)] {
        let peak = land(partitions, events, noise);
        println!("{partitions} partitions: {} MiB at most", peak / MIB);
        assert!(peak < BOUND, "{peak} bytes, {BOUND} were promised");
    }
}

/// Lands events of so many partitions in turn, each with so many bytes of noise. Returns the most memory that the process
/// had, in bytes.
fn land(partitions: usize, events: usize, noise: usize) -> u64 {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let sink = SINK.replace("{batch_bytes}", &BATCH_BYTES.to_string());
    let config = landfall.write("landfall.toml", &config(SIGNED, &sink));
    let mut instance = landfall.start(&config);
    // What is in flight is the source's to bound, and small here.
    let at_a_time = (1_000_000 / noise).min(200);
    for first in (0..events).step_by(at_a_time) {
        let numbers = first..events.min(first + at_a_time);
        let bodies = numbers.map(|number| event(number, partitions, noise));
        send(&instance, bodies);
    }
    // The last batch waits for more.
    instance.wait_until("a batch has landed", |instance| {
        instance.metric_with("component_sent_events_total", r#"component_kind="sink""#)
            >= events as f64 / 2.0
    });
    let peak = peak_memory(&instance);
    let lake = instance.dir().join("lake");
    let files = files_below(&lake, ".parquet").len();
    assert!(files >= partitions, "{files} files");
    let (ended, _landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    peak
}

/// Sends events down one connection, without waiting for the answer of one before the next.
fn send(instance: &Instance, bodies: impl Iterator<Item = String>) {
    let (mut requests, mut count) = (Vec::new(), 0);
    for body in bodies {
        let request = Request::post("/webhooks/appcues").signed(SECRET, body.as_bytes());
        requests.extend(request.body(body.as_bytes()).to_bytes());
        count += 1;
    }
    let mut stream = TcpStream::connect(instance.source()).unwrap();
    let mut reading = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| stream.write_all(&requests).unwrap());
        let (mut answers, mut accepted) = (String::new(), 0);
        let mut chunk = [0; 16 * 1024];
        while accepted < count {
            let read = reading.read(&mut chunk).unwrap();
            assert!(read > 0, "closed after {accepted} of {count}: {answers}");
            answers.push_str(&String::from_utf8_lossy(&chunk[..read]));
            accepted = answers.matches("HTTP/1.1 200").count();
        }
    });
}

/// An event that belongs into one of so many hours.
fn event(number: usize, partitions: usize, noise: usize) -> String {
    let hour = (number % partitions) as u64;
    let mut text = String::new();
    let mut random = number as u64 + 1;
    while text.len() < noise {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        write!(text, "{random:x}").unwrap();
    }
    format!(
        r#"{{"id":"{number}","name":"appcues:flow_started","account_id":"1","timestamp":{},"user_id":"user-{}","attributes":{{"flowId":"5f","flowName":"Welcome","noise":"{text}"}}}}"#,
        1_700_000_000_000 + hour * 3_600_000,
        number % 1000,
    )
}

/// The most memory that the process ever had, from Linux' own account.
fn peak_memory(instance: &Instance) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", instance.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}
