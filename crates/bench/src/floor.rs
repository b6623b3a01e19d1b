//! The least that an event can cost here: what any server must do that verifies it and writes the same columns.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use landfall_appcues::{AppcuesEvent, Verifier};
use landfall_core::Timestamp;
use landfall_table::EventsBuilder;
use landfall_testkit::free_address;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::Requests;
use crate::batch::ROWS_PER_GROUP;
use crate::file::File;
use crate::load::Load;
use crate::process::Usage;
use crate::server::{Server, secret};

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
        let http = http(load, requests)?;
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

fn http(load: &Load, requests: &mut Requests) -> anyhow::Result<f64> {
    let address = free_address();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", &address.to_string()]);
    let server = Server::start(&mut command, address)?;
    let before = Usage::of(server.process.id())?;
    let sent = load.send(address, requests)?;
    let used = Usage::of(server.process.id())?.cpu() - before.cpu();
    Ok(used.as_secs_f64() * 1e6 / sent.accepted as f64)
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
            None => file.insert(File::create(Arc::clone(landfall_table::schema()))?),
        };
        file.write_row_group(&rows)?;
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

/// The bare server, until the process is ended.
///
/// # Errors
/// The address cannot be had.
pub(crate) fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let verifier = Arc::new(Verifier::new([secret()], 300));
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let verifier = Arc::clone(&verifier);
            let service = service_fn(move |request| answer(Arc::clone(&verifier), request));
            let mut http = http1::Builder::new();
            let serve = http
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serve);
        }
    })
}

async fn answer(
    verifier: Arc<Verifier>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
    if !verifies(&verifier, &head.headers, body).await {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    Ok(response)
}

async fn verifies(verifier: &Verifier, headers: &HeaderMap, body: Incoming) -> bool {
    let header = |name| headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
    let claim = verifier.claim(
        header("x-apc-signature"),
        header("x-apc-timestamp"),
        Timestamp::now(),
    );
    let (Ok(claim), Ok(body)) = (claim, body.collect().await) else {
        return false;
    };
    verifier.verify(&claim, body.to_bytes()).is_ok()
}
