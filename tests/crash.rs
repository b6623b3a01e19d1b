//! Nothing that was answered 2xx is lost or doubled, whenever and wherever the process is killed.
//!
//! The real binary takes events from several senders while it is killed and started again. A sender sends each event
//! until it is answered 200, so that an event whose answer was lost with the process comes twice. In the end every event
//! must stand in the Parquet files exactly once.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an unmet expectation is a failed test"
)]

mod lake;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use landfall_testkit::{Instance, Landfall, Request, Signal};

use crate::lake::landed_ids;

const SECRET: &str = "a secret only of this test";
const SENDERS: usize = 8;

/// Small batches, and partitions by the hundred, so that each step of a landing is under way most of the time.
const CONFIG: &str = r#"
data_dir = "{dir}/data"
api.address = "{api}"

[sources.appcues]
type = "appcues"
address = "{source}"
signature.secrets = ["${APPCUES_WEBHOOK_SECRET}"]

[sinks.lake]
type = "parquet"
inputs = ["appcues"]
uri = "{dir}/lake"
batch = { max_events = 60, timeout_secs = 1 }
"#;

/// How often the process is killed at a random moment. `LANDFALL_CRASH_ROUNDS` sets another number for a long run.
fn rounds() -> usize {
    let rounds = std::env::var("LANDFALL_CRASH_ROUNDS").ok();
    rounds.map_or(25, |rounds| {
        rounds.parse().expect("LANDFALL_CRASH_ROUNDS is a number")
    })
}

#[test]
fn no_event_is_lost_or_doubled_when_killed_at_random_moments() {
    let (landfall, config) = prepare();
    let load = Load::start(landfall.source());
    let mut random = Random(0x5eed);
    let mut landfall = landfall;
    for round in 0..rounds() {
        let instance = landfall.start(&config);
        let accepted = load.accepted();
        load.wait_for(accepted + 1 + random.below(400), round);
        landfall = instance.kill();
    }
    finish(landfall, &config, load);
}

#[test]
fn no_event_is_lost_or_doubled_when_killed_at_any_step() {
    let (landfall, config) = prepare();
    let load = Load::start(landfall.source());
    let mut landfall = landfall;
    for point in [
        "journal.write",
        "journal.write:30",
        "journal.sync",
        "journal.sync:30",
        "journal.synced",
        "journal.synced:30",
        "plan",
        "planned",
        "planned:3",
        "file",
        "file:2",
        "uploaded",
        "landed",
        "landed:3",
        "cursor.write",
        "cursor.written",
    ] {
        let mut instance = landfall.env("LANDFALL_KILL_AT", point).spawn(&config);
        let deadline = Instant::now() + Duration::from_secs(60);
        while instance.is_running() {
            assert!(
                Instant::now() < deadline,
                "the process never came to {point}"
            );
            thread::sleep(Duration::from_millis(5));
        }
        let ended;
        (ended, landfall) = instance.stop(Signal::KILL);
        assert_eq!(ended.code, None, "{point} was not what ended it\n{ended}");
    }
    finish(landfall.env("LANDFALL_KILL_AT", ""), &config, load);
}

fn prepare() -> (Landfall, std::path::PathBuf) {
    let landfall =
        Landfall::new(env!("CARGO_BIN_EXE_landfall")).env("APPCUES_WEBHOOK_SECRET", SECRET);
    let config = landfall.write("landfall.toml", CONFIG);
    (landfall, config)
}

/// Lets the senders have their last answers, lands everything, and compares.
fn finish(landfall: Landfall, config: &Path, load: Load) {
    let instance = landfall.start(config);
    let accepted = load.stop();
    let instance = land_everything(instance, accepted.len());
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");

    println!("{} events were accepted", accepted.len());
    let rows = landed_ids(&landfall.dir().join("lake"));
    for id in &accepted {
        let count = rows.get(id).copied().unwrap_or(0);
        assert_eq!(
            count, 1,
            "{id} was answered 200 and stands {count} times in the lake\n{ended}"
        );
    }
    assert_eq!(
        rows.len(),
        accepted.len(),
        "the lake holds events that were never sent"
    );
}

fn land_everything(instance: Instance, count: usize) -> Instance {
    let deadline = Instant::now() + Duration::from_secs(60);
    while landed_ids(&instance.dir().join("lake")).len() < count {
        assert!(
            Instant::now() < deadline,
            "accepted events do not land\n{}",
            instance.stderr()
        );
        thread::sleep(Duration::from_millis(100));
    }
    instance
}

/// Senders that go on until they are stopped, whether there is a server or not.
struct Load {
    stop: Arc<AtomicBool>,
    accepted: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let count = Arc::new(AtomicUsize::new(0));
        let senders = (0..SENDERS).map(|sender| {
            let (stop, accepted, count) = (stop.clone(), accepted.clone(), count.clone());
            thread::spawn(move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("{sender}-{number}");
                    deliver(address, &id, sender * 1000 + number);
                    accepted.lock().unwrap().push(id);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self {
            senders: senders.collect(),
            stop,
            accepted,
            count,
        }
    }

    fn accepted(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn wait_for(&self, accepted: usize, round: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.accepted() < accepted {
            assert!(
                Instant::now() < deadline,
                "round {round}: events are not accepted"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.join().expect("a sender has its answer");
        }
        Arc::into_inner(self.accepted)
            .unwrap()
            .into_inner()
            .unwrap()
    }
}

/// Sends an event until it is answered 200, as a patient Appcues would.
fn deliver(address: SocketAddr, id: &str, number: usize) {
    // A few days, so that a batch is several files.
    let timestamp = 1_700_000_000_000_i64 + (number % 3) as i64 * 86_400_000;
    let body = format!(
        r#"{{"id":"{id}","name":"appcues:flow_started","account_id":"1","timestamp":{timestamp},"attributes":{{"flowId":"f"}}}}"#
    );
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let request = Request::post("/webhooks/appcues")
            .signed(SECRET, body.as_bytes())
            .body(body.as_bytes());
        match request.try_send(address) {
            Ok(answer) if answer.status == 200 => return,
            _ => assert!(Instant::now() < deadline, "{id} is never accepted"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Xorshift: the same seed kills at the same counts of events.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
