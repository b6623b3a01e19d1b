use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use landfall_core::{Ack, Activity, Delivery, DeliverySender, Labels, Outcome, Refusal};
use landfall_listen::{Refusals, RequestSpan, trace_id};
use landfall_vector_proto::{
    self as proto, Code, Compression, HEALTH_CHECK, HealthCheckResponse, PUSH_EVENTS,
    PushEventsResponse, ServingStatus, Status, frame,
};
use metrics::{Counter, counter};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::BodyRule;
use crate::config::{Limits, VectorSourceConfig};
use crate::read::{Read, Reader};

/// The body of an answer: a frame and its trailers, or nothing.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// Answers the calls of all connections.
pub(crate) struct Service {
    labels: Labels,
    received: Counter,
    reader: Reader,
    limits: Limits,
    requests: Semaphore,
    out: DeliverySender,
    refusals: Refusals,
    activity: Activity,
    is_stopping: AtomicBool,
}

/// Why a call is not answered OK.
#[derive(Debug)]
pub(crate) struct Refused {
    /// A name for metrics, of a bounded set.
    code: &'static str,
    status: Status,
}

impl Refused {
    pub(crate) fn new(code: &'static str, status: Status) -> Self {
        Self { code, status }
    }

    fn unavailable(code: &'static str, problem: &str) -> Self {
        Self::new(code, Status::new(Code::Unavailable, problem))
    }

    pub(crate) fn overloaded() -> Self {
        Self::unavailable(
            "overloaded",
            "more comes at a time than limits.max_requests and limits.max_bytes_in_flight allow",
        )
    }

    pub(crate) fn stopping() -> Self {
        Self::unavailable("draining", "the service is stopping")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let mut status = Status::too_large(limit);
        status.message +=
            "; raise limits.max_message_bytes here, or lower batch.max_events of the sender";
        Self::new("message_too_large", status)
    }
}

impl Service {
    pub(crate) fn new(
        labels: &Labels,
        activity: Activity,
        config: &VectorSourceConfig,
        out: DeliverySender,
    ) -> Self {
        let limits = config.limits.clone();
        for (reason, ..) in DISCARDED {
            // There before it counts, or nobody who asks whether it grows would see the first time.
            discarded(labels, reason).increment(0);
        }
        Self {
            received: counter!("component_received_events_total", labels),
            labels: labels.clone(),
            reader: Reader {
                rule: BodyRule::new(&config.body_field, &config.except_fields),
                limit: limits.max_message_bytes,
                timeout: Duration::from_secs(limits.read_timeout_secs),
                memory: Arc::new(Semaphore::new(limits.max_bytes_in_flight)),
                decoding: Arc::new(Semaphore::new(1)),
            },
            requests: Semaphore::new(limits.max_requests),
            limits,
            out,
            refusals: Refusals::new(labels.clone(), activity.clone()),
            activity,
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Where what goes wrong is counted and told.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// From now on every new call is answered UNAVAILABLE.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Answers one call. OK comes only after every event was acknowledged as durable.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<AnswerBody> {
        let (head, body) = request.into_parts();
        let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let prefix = proto::CONTENT_TYPE.as_bytes();
        if !content_type.is_some_and(|content_type| content_type.starts_with(prefix)) {
            return no_grpc();
        }
        let span = RequestSpan::begin(&self.labels, &head);
        let answered = match head.uri.path() {
            PUSH_EVENTS => self.push(&head.headers, body).await,
            HEALTH_CHECK => Ok(self.health()),
            _ => {
                let status = Status::new(Code::Unimplemented, "there is no such method");
                Err(Refused::new("method_unknown", status))
            }
        };
        let refused_for = answered.as_ref().err().map(|refused| refused.code);
        span.end(StatusCode::OK, refused_for);
        match answered {
            Ok(frame) => ok(frame),
            Err(Refused { code, status }) => {
                let trace_id = trace_id(&head.headers);
                self.refusals
                    .tell(code, &status.message, Some(peer), trace_id);
                refused(&status)
            }
        }
    }

    fn health(&self) -> Bytes {
        let status = if self.is_stopping.load(Ordering::Relaxed) {
            ServingStatus::NotServing
        } else {
            ServingStatus::Serving
        };
        let status = status.into();
        uncompressed(&HealthCheckResponse { status })
    }

    async fn push(&self, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Refused> {
        let began = Instant::now();
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(Refused::stopping());
        }
        let permit = self.requests.try_acquire();
        let _permit = permit.map_err(|_| Refused::overloaded())?;
        let mut read = self.reader.read(headers, body).await?;
        let count = self.deliver(&mut read).await?;
        // What can be taken is safe by now. The rest never can be: Vector must not send it again without end.
        self.reject(&read)?;
        self.activity.answered(began.elapsed(), count);
        Ok(uncompressed(&PushEventsResponse {}))
    }

    /// Makes the events of `read` durable, all of them, and says how many there are.
    async fn deliver(&self, read: &mut Read) -> Result<u64, Refused> {
        let events = std::mem::take(&mut read.events);
        let count = events.len() as u64;
        if count == 0 {
            return Ok(0);
        }
        let (mut ack, answer) = Ack::channel();
        // The events may wait for longer than the request does.
        ack.hold(read.reserved.take());
        let delivered = async {
            self.out.send(Delivery::new(events, ack)).await;
            answer.await
        };
        let limit = Duration::from_secs(self.limits.ack_timeout_secs);
        match timeout(limit, delivered).await {
            Ok(Outcome::Durable) => {
                self.received.increment(count);
                Ok(count)
            }
            Ok(Outcome::Refused(Refusal::Full)) => {
                Err(Refused::unavailable("full", "the buffer is full"))
            }
            Ok(Outcome::Refused(Refusal::TooLarge)) => Err(Refused::new(
                "too_large_for_buffer",
                Status::new(
                    Code::DataLoss,
                    "an event is larger than the buffer can take",
                ),
            )),
            Ok(Outcome::Refused(_)) | Err(_) => Err(Refused::unavailable(
                "not_durable",
                "the events could not be made durable",
            )),
        }
    }

    fn reject(&self, read: &Read) -> Result<(), Refused> {
        let counts = [read.metrics, read.traces, read.unknown, read.too_large];
        let rejected = DISCARDED.iter().zip(counts);
        let rejected: Vec<_> = rejected.filter(|(_, count)| *count > 0).collect();
        for ((reason, ..), count) in &rejected {
            discarded(&self.labels, reason).increment(*count);
        }
        match rejected.first() {
            None => Ok(()),
            Some(((reason, code, problem), _)) => {
                let message = format!("{problem}; all others of this request are safe");
                Err(Refused::new(reason, Status::new(*code, message)))
            }
        }
    }
}

/// What is never taken: why, in metrics, and what its sender is told.
const DISCARDED: [(&str, Code, &str); 4] = [
    (
        "metric_not_taken",
        Code::InvalidArgument,
        "metrics are not taken, only logs",
    ),
    (
        "trace_not_taken",
        Code::InvalidArgument,
        "traces are not taken, only logs",
    ),
    (
        "event_unknown",
        Code::DataLoss,
        "events of a newer protocol cannot be read",
    ),
    (
        "event_too_large",
        Code::DataLoss,
        "events are larger than 15 MiB",
    ),
];

/// What counts the events of the component with these `labels` that are discarded for this `reason`.
fn discarded(labels: &Labels, reason: &str) -> Counter {
    let mut labels = labels.to_vec();
    labels.push(("intentional", "false".to_owned()));
    labels.push(("reason", reason.to_owned()));
    counter!("component_discarded_events_total", &labels)
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

fn uncompressed(message: &impl prost::Message) -> Bytes {
    // Only compressors fail.
    frame::encode(message, Compression::None).unwrap_or_default()
}

/// The answer to what only a call by mistake is.
fn no_grpc() -> Response<AnswerBody> {
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

fn ok(frame: Bytes) -> Response<AnswerBody> {
    let trailers = Status::new(Code::Ok, "").headers();
    let body = Full::new(frame).with_trailers(ready(Some(Ok(trailers))));
    let mut response = Response::new(body.boxed_unsync());
    add_common(response.headers_mut());
    response
}

fn refused(status: &Status) -> Response<AnswerBody> {
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.headers_mut() = status.headers();
    add_common(response.headers_mut());
    response
}

fn add_common(headers: &mut HeaderMap) {
    let content_type = HeaderValue::from_static(proto::CONTENT_TYPE);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(frame::ACCEPT_ENCODING, frame::ACCEPTED);
}
