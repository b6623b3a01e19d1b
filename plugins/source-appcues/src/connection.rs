use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{Request, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulConnection;
use landfall_core::Shutdown;
use landfall_listen::Slot;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use crate::answer::Rejection;
use crate::body::{DISCARD_BYTES, DISCARD_TIME};
use crate::pace::{Pace, Phase};
use crate::wire::{Protocol, Wire};
use crate::{Endpoint, Limits};

/// How long a client that was told to go may take to do so, once all its requests are answered.
const LEAVE_TIME: Duration = Duration::from_secs(1);

/// The requests of one HTTP/2 connection that are served at a time.
const MAX_STREAMS: u32 = 100;
/// How much of their bodies may be on its way: enough for a fast sender, and little to hold for a slow reader.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Streams that the client resets before they are served, and errors of its own, before it is sent away.
const MAX_PENDING_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 100;

/// The least buffer that hyper takes, for what was read of a head or a body.
const LEAST_BUFFER: usize = 16 * 1024;

/// How HTTP is spoken on every connection.
pub(crate) struct Http {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    endpoint: Endpoint,
    limits: Limits,
}

/// Why a connection is over.
enum End {
    /// It ended by itself.
    Of(hyper::Result<()>),
    /// We end it; a client that is in the middle of a head is told why.
    Ours(Rejection),
}

impl Http {
    pub(crate) fn new(limits: &Limits, endpoint: Endpoint) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // A sender that ends its side behind its request still waits for the answer. One that is gone looks the same, and
            // holds what it has until its request ends by itself, in the same time as if it were there.
            .half_close(true)
            .max_headers(limits.max_headers)
            .max_header_size(limits.max_header_bytes)
            .max_buf_size(limits.max_header_bytes.max(LEAST_BUFFER));
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        let list_size = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
        http2
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_ERROR_RESETS)
            // Twice as much as is allowed, so that we get to see and to answer what is a little larger.
            .max_header_list_size(list_size.saturating_mul(2))
            .max_send_buf_size(LEAST_BUFFER);
        Self {
            http1,
            http2,
            endpoint,
            limits: limits.clone(),
        }
    }

    /// Serves what comes over `stream` until either side ends it, its slot is lost, or `stopping` and the last request is
    /// answered.
    pub(crate) async fn serve<S>(
        self: Arc<Self>,
        stream: S,
        peer: SocketAddr,
        slot: Slot,
        mut stopping: Shutdown,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let pace = Arc::new(Pace::new(slot));
        let mut wire = Wire::new(stream, Arc::clone(&pace));
        let protocol = tokio::select! {
            protocol = timeout(self.read_timeout(), wire.protocol()) => match protocol {
                Ok(Ok(protocol)) => Ok(protocol),
                Ok(Err(_)) => return,
                Err(_) => Err(Rejection::HeaderTimeout),
            },
            () = pace.slot().evicted() => Err(Rejection::Overloaded),
            () = stopping.wait_without_successor() => Err(Rejection::Draining),
        };
        let service = {
            let (http, pace) = (Arc::clone(&self), Arc::clone(&pace));
            service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(Arc::clone(&pace));
                // Of those that are refused too, or the connection would seem to be in the middle of a head.
                let in_request = Arc::new(pace.begin());
                let admitted = http.admit(&pace, &request);
                let http = Arc::clone(&http);
                async move {
                    if let Err(rejection) = admitted {
                        let headers = request.headers();
                        let refused = http.endpoint.refuse(rejection, headers, Some(peer));
                        return Ok::<_, Infallible>(refused);
                    }
                    // It is over when it is answered and nobody reads its body any more.
                    let body_too = Arc::clone(&in_request);
                    let request = request.map(|body| {
                        body.map_frame(move |frame| {
                            let _ = &body_too;
                            frame
                        })
                    });
                    let answer = http.endpoint.handle(request).await;
                    drop(in_request);
                    Ok(answer)
                }
            })
        };
        let (stream, end) = match protocol {
            Ok(Protocol::Http1) => {
                let mut connection = self.http1.serve_connection(TokioIo::new(wire), service);
                let end = self.drive(&mut connection, &pace, stopping).await;
                (connection.into_parts().io.into_inner().into_stream(), end)
            }
            Ok(Protocol::Http2) => {
                // Boxed, since it is large and rare.
                let connection = self.http2.serve_connection(TokioIo::new(wire), service);
                self.drive(&mut *Box::new(connection), &pace, stopping)
                    .await;
                return;
            }
            Err(rejection) => (wire.into_stream(), End::Ours(rejection)),
        };
        let refusal = match end {
            End::Of(Err(error)) if error.is_parse_too_large() => Some(Rejection::HeadersTooLarge),
            End::Of(Err(error)) if error.is_parse() => Some(Rejection::Malformed),
            End::Of(_) => None,
            End::Ours(rejection) => (pace.phase().0 == Phase::Head).then_some(rejection),
        };
        if let Some(rejection) = refusal {
            self.endpoint.note(rejection, Some(peer), None);
        }
        let closed = timeout(DISCARD_TIME, close(stream, refusal));
        tokio::select! {
            _ = closed => {}
            () = pace.slot().evicted() => {}
        }
    }

    /// Whether the head of a request may be looked at. For HTTP/1.1 hyper sees to its size.
    fn admit(&self, pace: &Pace, request: &Request<Incoming>) -> Result<(), Rejection> {
        let headers = request.headers();
        let bytes = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum::<usize>();
        let limits = &self.limits;
        if headers.len() > limits.max_headers || bytes > limits.max_header_bytes {
            return Err(Rejection::HeadersTooLarge);
        }
        // RFC 9112, section 3.2.
        let hosts = headers.get_all(HOST).iter().count();
        if request.version() == Version::HTTP_11 && hosts != 1 {
            return Err(Rejection::Malformed);
        }
        // The slot can still be lost, though to nobody before those who have been idle until now: of the body nothing may
        // have come yet, and nothing may ever come.
        drop(pace.slot().begin().ok_or(Rejection::Overloaded)?);
        Ok(())
    }

    /// Lets `connection` run until it ends, or must.
    async fn drive<C>(&self, connection: &mut C, pace: &Pace, stopping: Shutdown) -> End
    where
        C: GracefulConnection<Error = hyper::Error> + Unpin,
    {
        let mut connection = Pin::new(connection);
        let age = self.limits.max_connection_age_secs;
        let old = (age > 0).then(|| Instant::now() + Duration::from_secs(age));
        // Since when the client knows that it must leave.
        let mut leaving = None;
        // All that is waited for beside the connection is set up once, since it is looked at with every request.
        let mut evicted = pin!(pace.slot().evicted());
        let mut stop = stopping.clone();
        let mut stop = pin!(stop.wait());
        let mut look = pin!(sleep_until(self.next_look(pace, None, old)));
        loop {
            let leave = tokio::select! {
                biased;
                ended = connection.as_mut() => return End::Of(ended),
                () = &mut evicted => return End::Ours(Rejection::Overloaded),
                () = &mut stop, if leaving.is_none() => {
                    // Who has just come to us while another takes over has one request.
                    if matches!(pace.phase().0, Phase::Silent | Phase::Head) && !stopping.has_successor() {
                        return End::Ours(Rejection::Draining);
                    }
                    true
                }
                () = &mut look => {
                    let (phase, since) = pace.phase();
                    let now = Instant::now();
                    let expired = self.deadline(phase, since, leaving).is_some_and(|deadline| deadline <= now);
                    if expired && (leaving.is_some() || phase != Phase::Idle) {
                        return End::Ours(Rejection::HeaderTimeout);
                    }
                    // A head that has begun to arrive is still taken.
                    let is_old = phase != Phase::Head && old.is_some_and(|old| old <= now);
                    leaving.is_none() && (expired || is_old)
                }
            };
            if leave {
                leaving = Some(Instant::now());
                connection.as_mut().graceful_shutdown();
            }
            look.as_mut().reset(self.next_look(pace, leaving, old));
        }
    }

    /// When to look next whether the connection must end: no phase that begins before that is over by then. So phases,
    /// which change several times with each request, need not be told.
    fn next_look(&self, pace: &Pace, leaving: Option<Instant>, old: Option<Instant>) -> Instant {
        let (phase, since) = pace.phase();
        let now = Instant::now();
        let is_old = old.is_some_and(|old| old <= now);
        let shortest = match leaving {
            None if !is_old => self.read_timeout().min(self.idle_timeout()),
            _ => LEAVE_TIME,
        };
        let old = old.filter(|_| leaving.is_none() && !is_old);
        let deadline = self.deadline(phase, since, leaving);
        [deadline, old]
            .into_iter()
            .flatten()
            .fold(now + shortest, Instant::min)
    }

    /// Until when the connection may go on with what it does.
    fn deadline(&self, phase: Phase, since: Instant, leaving: Option<Instant>) -> Option<Instant> {
        let read_timeout = self.read_timeout();
        match (phase, leaving) {
            // Requests end in time by themselves.
            (Phase::Requests, None) => None,
            // But over HTTP/2 there may be ever new ones.
            (Phase::Requests, Some(leaving)) => {
                let ack_timeout = Duration::from_secs(self.limits.ack_timeout_secs);
                Some(leaving + read_timeout + ack_timeout + LEAVE_TIME)
            }
            (Phase::Idle, None) => Some(since + self.idle_timeout()),
            (Phase::Silent | Phase::Head, None) => Some(since + read_timeout),
            (_, Some(leaving)) => Some(since.max(leaving) + LEAVE_TIME),
        }
    }

    fn read_timeout(&self) -> Duration {
        Duration::from_secs(self.limits.read_timeout_secs)
    }

    fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.limits.idle_timeout_secs)
    }
}

/// Says why, if there is something to say, and closes the stream.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    refusal: Option<Rejection>,
) -> io::Result<()> {
    if let Some(rejection) = refusal {
        stream.write_all(&rejection.to_http1()).await?;
    }
    stream.shutdown().await?;
    if let Some(Rejection::Malformed | Rejection::HeadersTooLarge) = refusal {
        // Bytes that nobody reads would make the system reset the connection, and the answer be lost on its way.
        let mut rest = stream.take(DISCARD_BYTES as u64);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    }
    Ok(())
}
