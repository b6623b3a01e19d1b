//! The stages of an event's way, each by itself, for callgrind to count: `cargo xtask stages`.

// What it takes from the sink is tested there.
#![cfg(not(test))]

// What is counted is what the sink does, not a copy of it.
#[path = "../../../plugins/sink-parquet/src/dedupe.rs"]
#[allow(dead_code, reason = "the sink needs more of it")]
mod dedupe;
#[path = "../../../plugins/sink-parquet/src/file.rs"]
#[expect(dead_code, reason = "the sink needs more of it")]
mod file;
#[path = "../../../plugins/sink-parquet/src/scratch.rs"]
#[expect(dead_code, reason = "the sink needs more of it")]
mod scratch;

mod batch {
    pub(crate) const ROWS_PER_GROUP: usize = 32 * 1024;
}

use std::error::Error;
use std::sync::{Arc, Barrier};

use bytes::Bytes;
use landfall_appcues::{AppcuesEvent, SAMPLES, Secret, Timestamp, Verifier, sign};
use landfall_journal::{Journal, OnSync, Options};
use landfall_traffic::Plan;
use tempfile::TempDir;
use tokio::runtime::Runtime;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// A request as it comes in.
struct Request {
    received_at: Timestamp,
    timestamp: String,
    signature: String,
    body: Bytes,
}

/// What the stages need.
struct Prepared {
    requests: Vec<Request>,
    verifier: Verifier,
    journal: Journal,
    /// The journal's thread comes here twice after each fsync: to say so, and to be let go.
    gate: Arc<Barrier>,
    runtime: Runtime,
    _folder: TempDir,
}

/// Each is a function over all events, which `cargo xtask stages` finds by its name.
mod stage {
    use std::hint::black_box;
    use std::iter;
    use std::time::Duration;

    use arrow_array::RecordBatch;
    use futures::future::{join_all, poll_immediate};
    use landfall_appcues::Claim;
    use landfall_core::Seldom;
    use landfall_table::EventsBuilder;
    use tokio::task::unconstrained;

    use super::*;
    use crate::dedupe::{Index, Key};
    use crate::file::File;
    use crate::scratch::Scratch;

    /// As many as share an fsync when so many senders wait for their answers.
    const EVENTS_A_SYNC: usize = 64;

    /// Not a stage: what it takes is counted by itself, so that it is not counted with the first.
    #[inline(never)]
    pub(super) fn prepare() -> Result<Prepared> {
        let secret = Secret::new("a key only of this benchmark");
        let gate = Arc::new(Barrier::new(2));
        let on_sync = OnSync::new({
            let gate = Arc::clone(&gate);
            move |_| {
                gate.wait();
                gate.wait();
            }
        });
        let options = Options {
            on_sync,
            ..Options::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let folder = tempfile::tempdir()?;
        Ok(Prepared {
            requests: requests(&secret),
            verifier: Verifier::new([secret], 300),
            journal: runtime.block_on(Journal::open(folder.path(), options))?,
            gate,
            runtime,
            _folder: folder,
        })
    }

    #[inline(never)]
    pub(super) fn claim(requests: &[Request], verifier: &Verifier) -> Result<Vec<Claim>> {
        let claim = |request: &Request| {
            let (signature, timestamp) = (&request.signature, &request.timestamp);
            let now = request.received_at;
            Ok(verifier.claim(signature.as_bytes(), timestamp.as_bytes(), now)?)
        };
        requests.iter().map(claim).collect()
    }

    #[inline(never)]
    pub(super) fn verify(
        requests: &[Request],
        claims: &[Claim],
        verifier: &Verifier,
    ) -> Result<()> {
        for (request, claim) in requests.iter().zip(claims) {
            black_box(verifier.verify(claim, request.body.clone())?);
        }
        Ok(())
    }

    /// From the call to the answer, without what the kernel does.
    ///
    /// While the journal's thread is held at the gate appends gather, so that what shares an fsync does not depend on how
    /// threads are scheduled.
    #[inline(never)]
    pub(super) fn journal(
        requests: &[Request],
        journal: &Journal,
        gate: &Barrier,
        runtime: &Runtime,
    ) -> Result<()> {
        let append = async |request: &Request| {
            let head = request.received_at.as_millis().to_le_bytes();
            journal.append(&[&head, &request.body]).await
        };
        // The first goes alone: there is nothing yet to hold the thread with.
        let (first, rest) = requests.split_at(1);
        let groups = iter::once(first).chain(rest.chunks(EVENTS_A_SYNC));
        // Or tokio would let only some of a group go on at a time.
        runtime.block_on(unconstrained(async {
            let mut before = None;
            for group in groups {
                let mut appends = Box::pin(join_all(group.iter().map(append)));
                assert!(poll_immediate(&mut appends).await.is_none());
                if let Some(before) = before.replace(appends) {
                    gate.wait();
                    before.await.into_iter().collect::<Result<Vec<_>, _>>()?;
                }
                gate.wait();
            }
            gate.wait();
            if let Some(last) = before {
                last.await.into_iter().collect::<Result<Vec<_>, _>>()?;
            }
            Ok(())
        }))
    }

    #[inline(never)]
    pub(super) fn parse(requests: &[Request]) -> Result<Vec<AppcuesEvent<'_>>> {
        let events = requests
            .iter()
            .map(|request| AppcuesEvent::parse(&request.body));
        Ok(events.collect::<Result<_, _>>()?)
    }

    #[inline(never)]
    pub(super) fn classify(events: &[AppcuesEvent<'_>]) {
        for event in events {
            black_box(event.event_type());
        }
    }

    #[inline(never)]
    pub(super) fn deduplicate(requests: &[Request], events: &[AppcuesEvent<'_>]) -> Result<()> {
        let window = Duration::from_secs(86_400);
        let mut index = Index::new(window, 10_000_000, Scratch::default(), Seldom::default());
        for (request, event) in requests.iter().zip(events) {
            let key = Key::new(&request.body, Some(event));
            black_box(index.insert(key, request.received_at)?);
        }
        Ok(())
    }

    #[inline(never)]
    pub(super) fn project(requests: &[Request], events: &[AppcuesEvent<'_>]) -> RecordBatch {
        let mut rows = EventsBuilder::new();
        for (request, event) in requests.iter().zip(events) {
            rows.append(event, request.received_at);
        }
        rows.finish()
    }

    #[inline(never)]
    pub(super) fn encode(rows: RecordBatch) -> Result<Vec<u8>> {
        let mut file = File::create(Arc::clone(landfall_table::schema()), Vec::new())?;
        file.write_row_group(rows)?;
        Ok(file.finish(&[])?)
    }
}

fn main() -> Result<()> {
    let Prepared {
        requests,
        verifier,
        journal,
        gate,
        runtime,
        ..
    } = &stage::prepare()?;
    // For who divides by it.
    println!("{} events", requests.len());

    let claims = stage::claim(requests, verifier)?;
    stage::verify(requests, &claims, verifier)?;
    stage::journal(requests, journal, gate, runtime)?;
    let events = stage::parse(requests)?;
    stage::classify(&events);
    stage::deduplicate(requests, &events)?;
    let rows = stage::project(requests, &events);
    stage::encode(rows)?;
    Ok(())
}

/// The documented samples, and what an application would send, the same each time.
fn requests(secret: &Secret) -> Vec<Request> {
    let plan = Plan {
        days: 1,
        users: 4_000,
        seed: 1,
        first_day: 1_780_272_000_000,
    };
    let samples = SAMPLES.iter();
    let samples = samples.map(|sample| (plan.first_day, Bytes::from(sample.body)));
    let traffic = landfall_traffic::requests(&plan).into_iter();
    let traffic = traffic.map(|request| (request.sent_at, Bytes::from(request.body)));
    let sign = |(sent_at, body): (i64, Bytes)| {
        let timestamp = sent_at.to_string();
        Request {
            received_at: Timestamp::from_millis(sent_at),
            signature: sign(secret, &timestamp, &body),
            timestamp,
            body,
        }
    };
    samples.chain(traffic).map(sign).collect()
}
