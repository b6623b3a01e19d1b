//! The least that an event can cost here: what any server must do that verifies it and writes the same columns.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use landfall_appcues::AppcuesEvent;
use landfall_core::Timestamp;
use landfall_table::EventsBuilder;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::Requests;
use crate::bare;
use crate::batch::ROWS_PER_GROUP;
use crate::file::File;
use crate::load::Load;

/// CPU an event, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Floor {
    /// Of a bare server that reads requests with hyper, verifies them and forgets them, the kernel's part included.
    pub(crate) http: f64,
    /// One thread: the body read.
    pub(crate) parse: f64,
    /// One thread: its values made the types of their columns.
    pub(crate) columns: f64,
    /// One thread: rows sorted, columns encoded and compressed as Landfall's files are.
    pub(crate) encode: f64,
}

impl Floor {
    /// Measures it: the server under `load`, the rest with so many events.
    ///
    /// # Errors
    /// The server fails, or the columns cannot be encoded.
    pub(crate) fn measure(
        load: &Load,
        requests: &mut Requests,
        events: usize,
    ) -> anyhow::Result<Self> {
        let http = bare::measure(load, requests, None)?.cpu_us_per_event;
        let mut best = [f64::MAX; 3];
        // What else the machine does only adds to the time.
        for _ in 0..3 {
            let round = one_thread(requests, events)?;
            for (best, time) in best.iter_mut().zip(round) {
                *best = best.min(time.as_secs_f64() * 1e6 / events as f64);
            }
        }
        let [parse, columns, encode] = best;
        Ok(Self {
            http,
            parse,
            columns,
            encode,
        })
    }

    /// All of it.
    pub(crate) fn sum(&self) -> f64 {
        self.http + self.parse + self.columns + self.encode
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            http,
            parse,
            columns,
            encode,
        } = self;
        write!(
            f,
            "the floor, in us of CPU an event: {http:.1} HTTP and HMAC, {parse:.1} to parse, {columns:.1} to fill columns, \
             {encode:.1} to encode: {:.1} together",
            self.sum()
        )
    }
}

/// CPU time to parse, to make columns of, and to encode so many events.
fn one_thread(requests: &mut Requests, events: usize) -> anyhow::Result<[Duration; 3]> {
    let mut times = [Duration::ZERO; 3];
    let mut timed = |stage: usize, begun: Duration| times[stage] += cpu_of_thread() - begun;
    let mut file = None;
    for first in (0..events).step_by(ROWS_PER_GROUP) {
        let bodies: Vec<_> = (first..events.min(first + ROWS_PER_GROUP))
            .map(|_| requests.take_body().to_vec())
            .collect();
        let received_at = Timestamp::now();

        let begun = cpu_of_thread();
        let events: Vec<_> = bodies
            .iter()
            .map(|body| AppcuesEvent::parse(body))
            .collect();
        timed(0, begun);

        let begun = cpu_of_thread();
        let mut rows = EventsBuilder::new();
        for event in events.iter().flatten() {
            rows.append(event, received_at);
        }
        timed(1, begun);

        let begun = cpu_of_thread();
        let rows = rows.finish();
        let file = match &mut file {
            Some(file) => file,
            None => file.insert(File::create(
                Arc::clone(landfall_table::schema()),
                Vec::new(),
            )?),
        };
        file.write_row_group(rows)?;
        timed(2, begun);
    }
    let begun = cpu_of_thread();
    if let Some(file) = file {
        file.finish(&[])?;
    }
    timed(2, begun);
    Ok(times)
}

fn cpu_of_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
