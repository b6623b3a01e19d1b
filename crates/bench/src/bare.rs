//! A server that does the least: it verifies a request, and may make its body durable before it answers.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;
use std::{io, thread};

use anyhow::ensure;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use landfall_appcues::Verifier;
use landfall_core::Timestamp;
use landfall_testkit::free_address;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::Requests;
use crate::load::Load;
use crate::percentiles::Percentiles;
use crate::process::Usage;
use crate::report::load_name;
use crate::server::{Server, secret};

/// What a load costs a bare server.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Bare {
    connections: usize,
    /// Requests a second that were due; `None` where each waited for the answer before.
    rate: Option<u32>,
    /// In microseconds, the kernel's part included.
    pub(crate) cpu_us_per_event: f64,
    answer_ms: Percentiles,
}

/// Puts `load` on a bare server, which appends each body to `file` and has it on the disk before it answers, or, without
/// one, forgets it.
///
/// # Errors
/// The server fails.
pub(crate) fn measure(
    load: &Load,
    requests: &mut Requests,
    file: Option<&Path>,
) -> anyhow::Result<Bare> {
    let address = free_address();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", &address.to_string()]).args(file);
    let server = Server::start(&mut command, address)?;
    let before = Usage::of(server.process.id())?;
    let sent = load.send(address, requests)?;
    let used = Usage::of(server.process.id())?.cpu() - before.cpu();
    ensure!(sent.refused == 0, "{} were refused", sent.refused);
    Ok(Bare {
        connections: load.connections,
        rate: load.rate(),
        cpu_us_per_event: used.as_secs_f64() * 1e6 / sent.accepted as f64,
        answer_ms: Percentiles::of(sent.micros),
    })
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<10} {:>4.0} us of CPU an event; {}",
            load_name(self.connections, self.rate),
            self.cpu_us_per_event,
            self.answer_ms
        )
    }
}

/// The server, until the process is ended.
///
/// # Errors
/// The address or the file cannot be had.
pub(crate) fn serve(address: SocketAddr, file: Option<&Path>) -> anyhow::Result<()> {
    let service = Arc::new(Service {
        verifier: Verifier::new([secret()], 300),
        log: file.map(Log::create).transpose()?,
    });
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = Arc::clone(&service);
            let answer = service_fn(move |request| Arc::clone(&service).answer(request));
            let mut http = http1::Builder::new();
            let serve = http
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(serve);
        }
    })
}

struct Service {
    verifier: Verifier,
    log: Option<Log>,
}

impl Service {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let status = match self.verified(&head.headers, body).await {
            None => StatusCode::UNAUTHORIZED,
            Some(body) => match &self.log {
                Some(log) if !log.append(body).await => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::OK,
            },
        };
        let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
        *response.status_mut() = status;
        Ok(response)
    }

    async fn verified(&self, headers: &HeaderMap, body: Incoming) -> Option<Bytes> {
        let header = |name| headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
        let claim = self.verifier.claim(
            header("x-apc-signature"),
            header("x-apc-timestamp"),
            Timestamp::now(),
        );
        let (claim, body) = (claim.ok()?, body.collect().await.ok()?.to_bytes());
        self.verifier.verify(&claim, body.clone()).ok()?;
        Some(body)
    }
}

/// A file that bodies are appended to by a thread of its own: those that have come meanwhile with one write and one fsync.
struct Log(mpsc::Sender<(Bytes, oneshot::Sender<()>)>);

impl Log {
    fn create(path: &Path) -> io::Result<Self> {
        let mut file = File::create(path)?;
        let (appends, queue) = mpsc::channel::<(Bytes, oneshot::Sender<()>)>();
        thread::spawn(move || -> io::Result<()> {
            while let Ok(first) = queue.recv() {
                let group: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
                let bodies: Vec<_> = group.iter().map(|(body, _)| &**body).collect();
                file.write_all(&bodies.concat())?;
                file.sync_data()?;
                for (_, durable) in group {
                    let _ = durable.send(());
                }
            }
            Ok(())
        });
        Ok(Self(appends))
    }

    /// Whether `body` is on the disk.
    async fn append(&self, body: Bytes) -> bool {
        let (durable, answer) = oneshot::channel();
        self.0.send((body, durable)).is_ok() && answer.await.is_ok()
    }
}
