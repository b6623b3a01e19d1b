use std::error::Error as _;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use http::header::{CONTENT_TYPE, TE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use landfall_core::BuildError;
use landfall_vector_proto::{
    self as proto, Code, Compression, HEALTH_CHECK, HealthCheckRequest, HealthCheckResponse,
    PUSH_EVENTS, ServingStatus, Status, frame,
};
use tokio::time::timeout;

use crate::connect::Peer;
use crate::{KeepaliveConfig, VectorSinkConfig};

/// More than any answer has.
const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// Calls the peer's methods, over one connection at a time, which is made anew when it is lost.
pub(crate) struct Client {
    peer: Peer,
    timeout: Duration,
    keepalive: Option<KeepaliveConfig>,
    compression: Compression,
    connection: Mutex<Option<Connection>>,
}

/// Where calls are sent, and how the connection under them ends.
#[derive(Clone)]
struct Connection {
    calls: SendRequest<Full<Bytes>>,
    end: Shared<BoxFuture<'static, Option<String>>>,
}

/// Why a call was not answered OK.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// A name for metrics, of a bounded set.
    pub(crate) code: &'static str,
    problem: String,
    /// The connection can be used for the next call.
    is_answer: bool,
    /// Less at a time might be taken.
    pub(crate) is_too_large: bool,
}

impl Failure {
    pub(crate) fn new(code: &'static str, problem: String) -> Self {
        Self {
            code,
            problem,
            is_answer: false,
            is_too_large: false,
        }
    }

    fn answer(status: &Status) -> Self {
        Self {
            code: status.code.name(),
            problem: format!("the peer answered {status}"),
            is_answer: true,
            is_too_large: matches!(status.code, Code::OutOfRange | Code::ResourceExhausted),
        }
    }

    fn lost(problem: String) -> Self {
        Self::new("connection_lost", problem)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// # Errors
    /// [`BuildError`] if the address or a file cannot be used.
    pub(crate) fn new(config: &VectorSinkConfig) -> Result<Self, BuildError> {
        let peer = Peer::of(config).map_err(BuildError::new)?;
        peer.try_files()
            .map_err(|problem| BuildError::new(format!("tls: {problem}")))?;
        Ok(Self {
            peer,
            timeout: Duration::from_secs(config.request.timeout_secs),
            keepalive: config.keepalive.clone(),
            compression: config.compression,
            connection: Mutex::new(None),
        })
    }

    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    /// Sends the frame of a `PushEventsRequest`, made with [`compression`](Self::compression).
    pub(crate) async fn push(&self, frame: Bytes) -> Result<(), Failure> {
        self.call(PUSH_EVENTS, frame).await?;
        Ok(())
    }

    /// Asks whether the peer would take events.
    pub(crate) async fn check_health(&self) -> Result<(), Failure> {
        let broken = |problem: &dyn fmt::Display| Failure::new("internal", problem.to_string());
        let frame = frame::encode(&HealthCheckRequest {}, self.compression);
        let answer = self
            .call(HEALTH_CHECK, frame.map_err(|error| broken(&error))?)
            .await?;
        let answer: HealthCheckResponse =
            frame::decode(answer, Compression::None, MOST_ANSWER_BYTES)
                .map_err(|error| broken(&error))?;
        match answer.status() {
            ServingStatus::Serving => Ok(()),
            ServingStatus::NotServing => Err(Failure::new(
                "not_serving",
                "the peer says that it takes no events".to_owned(),
            )),
        }
    }

    async fn call(&self, path: &'static str, frame: Bytes) -> Result<Bytes, Failure> {
        let answered = timeout(self.timeout, self.attempt(path, frame)).await;
        let answered = answered.unwrap_or_else(|_| {
            let secs = self.timeout.as_secs();
            let problem = format!("the peer has not answered in {secs} s");
            Err(Failure::new("timeout", problem))
        });
        if answered.as_ref().is_err_and(|failure| !failure.is_answer) {
            *self.kept() = None;
        }
        answered
    }

    async fn attempt(&self, path: &'static str, frame: Bytes) -> Result<Bytes, Failure> {
        let Connection { mut calls, end } = self.connection().await?;
        let request = self.request(path, frame);
        let request = request.map_err(|error| Failure::new("internal", error.to_string()))?;
        let answered = async {
            calls.ready().await?;
            calls.send_request(request).await
        };
        let (head, body) = match answered.await {
            Ok(answer) => answer.into_parts(),
            // The call itself only knows that there is no connection.
            Err(error) if error.is_closed() || error.is_canceled() => {
                let problem = end.await.unwrap_or_else(|| explain(&error));
                return Err(Failure::lost(problem));
            }
            Err(error) => return Err(Failure::lost(explain(&error))),
        };
        if head.status != StatusCode::OK {
            let problem = format!(
                "the peer answered HTTP {}: is it a vector source?",
                head.status
            );
            return Err(Failure::new("no_grpc", problem));
        }
        let body = Limited::new(body, MOST_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Failure::lost(error.to_string()))?;
        let status = body.trailers().and_then(Status::of);
        match status.or_else(|| Status::of(&head.headers)) {
            Some(status) if status.code == Code::Ok => Ok(body.to_bytes()),
            Some(status) => Err(Failure::answer(&status)),
            None => {
                let problem = "the answer broke off before it said how it ended";
                Err(Failure::lost(problem.to_owned()))
            }
        }
    }

    fn request(&self, path: &'static str, frame: Bytes) -> http::Result<Request<Full<Bytes>>> {
        let mut request = Request::post(self.peer.uri(path)?)
            .header(CONTENT_TYPE, proto::CONTENT_TYPE)
            .header(TE, "trailers");
        // Vectors before 0.56 refuse requests that say in so many words that they are not compressed.
        if self.compression != Compression::None {
            request = request.header(frame::ENCODING, self.compression.name());
        }
        request.body(Full::new(frame))
    }

    /// The connection that is there, or a new one.
    async fn connection(&self) -> Result<Connection, Failure> {
        let kept = self.kept().clone();
        if let Some(connection) = kept.filter(|connection| !connection.calls.is_closed()) {
            return Ok(connection);
        }
        let stream = self.peer.connect().await?;
        let mut builder = Builder::new(TokioExecutor::new());
        if let Some(keepalive) = &self.keepalive {
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(Duration::from_secs(keepalive.interval_secs))
                .keep_alive_timeout(Duration::from_secs(keepalive.timeout_secs))
                .keep_alive_while_idle(true);
        }
        let (calls, driver) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::lost(explain(&error)))?;
        // It ends with the last handle of the connection, if not earlier.
        let driver = tokio::spawn(driver);
        let end = async move { driver.await.ok()?.err().map(|error| explain(&error)) };
        let end = end.boxed().shared();
        let connection = Connection { calls, end };
        *self.kept() = Some(connection.clone());
        Ok(connection)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn explain(error: &hyper::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_compressed_requests_name_a_compression() {
        let named = |compression| {
            let mut config = VectorSinkConfig::to("127.0.0.1:6000");
            config.compression = compression;
            let client = Client::new(&config).unwrap();
            let request = client.request(PUSH_EVENTS, Bytes::new()).unwrap();
            let named = request.headers().get(frame::ENCODING);
            named.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(named(Compression::None), None);
        assert_eq!(named(Compression::Gzip).as_deref(), Some("gzip"));
        assert_eq!(named(Compression::Zstd).as_deref(), Some("zstd"));
    }
}
