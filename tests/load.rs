//! Load that outlasts the service, kills that the service must outlast, and the account at the end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use landfall_testkit::{Landfall, Request, Signal};

pub(crate) const SECRET: &str = "a secret only of this test";
const SENDERS: usize = 8;

/// Kills the process `rounds` times, each after a random number of accepted events.
pub(crate) fn kill_at_random_moments(
    mut landfall: Landfall,
    config: &Path,
    load: &Load,
    rounds: usize,
) -> Landfall {
    let mut random = Random(0x5eed);
    for _ in 0..rounds {
        let instance = landfall.start(config);
        load.wait_for(1 + random.below(400));
        landfall = instance.kill();
    }
    landfall
}

/// Lets the process kill itself at each of `points`, in one life after the other.
pub(crate) fn kill_at_steps(mut landfall: Landfall, config: &Path, points: &[&str]) -> Landfall {
    for point in points {
        let ended;
        let instance = landfall.env("LANDFALL_KILL_AT", point).spawn(config);
        (ended, landfall) = instance.end();
        assert_eq!(ended.code, None, "{point} was not what ended it\n{ended}");
    }
    landfall.env("LANDFALL_KILL_AT", "")
}

/// Lets the senders have their last answers, lands everything, and compares. `landed` gives how often each event's id
/// stands in the lake.
pub(crate) fn finish(
    landfall: Landfall,
    config: &Path,
    load: Load,
    mut landed: impl FnMut(&Landfall) -> HashMap<String, usize>,
) -> Landfall {
    let mut instance = landfall.start(config);
    let accepted = load.stop();
    instance.wait_until("all accepted events land", |instance| {
        landed(instance.landfall()).len() >= accepted.len()
    });
    let (ended, landfall) = instance.stop(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{ended}");
    println!("{ended}");
    assert_once(&landed(&landfall), &accepted);
    landfall
}

/// The lake holds each of `accepted` once, and nothing else.
#[track_caller]
pub(crate) fn assert_once(rows: &HashMap<String, usize>, accepted: &[String]) {
    for id in accepted {
        let count = rows.get(id).copied().unwrap_or(0);
        assert_eq!(
            count, 1,
            "{id} was answered 200 and stands {count} times in the lake"
        );
    }
    assert_eq!(
        rows.len(),
        accepted.len(),
        "the lake holds events that were never sent"
    );
}

/// Senders that go on until they are stopped, whether there is a server or not.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    accepted: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts [`SENDERS`] of them, whose events carry `name` in their ids.
    pub(crate) fn start(name: &str, address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let count = Arc::new(AtomicUsize::new(0));
        let senders = (0..SENDERS).map(|sender| {
            let (stop, accepted, count) = (stop.clone(), accepted.clone(), count.clone());
            let name = name.to_owned();
            thread::spawn(move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("{name}-{sender}-{number}");
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

    /// How many events were answered 200 so far.
    pub(crate) fn accepted(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until `more` events were answered 200.
    #[track_caller]
    pub(crate) fn wait_for(&self, more: usize) {
        let accepted = self.accepted() + more;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.accepted() < accepted {
            assert!(Instant::now() < deadline, "events are not accepted");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets every sender have its last answer 200; the ids of all that were.
    pub(crate) fn stop(self) -> Vec<String> {
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
