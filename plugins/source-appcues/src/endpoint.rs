use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use landfall_core::{
    Ack, Activity, BuildError, Delivery, DeliverySender, Event, Labels, Outcome, Refusal,
    SourceContext, Timestamp,
};
use landfall_listen::{Refusals, RequestSpan, Slots, trace_id};
use metrics::{Counter, Histogram, counter, gauge, histogram};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::AppcuesConfig;
use crate::answer::{Rejection, ResponseBody, Said, accepted};
use crate::body::{DISCARD_TIME, Encoding, Memory, Reserved, discard};
use crate::gate::{Admitted, Gate};
use crate::pace::Pace;

/// Answers webhook requests: verifies each and sends it on as a delivery. Cheap to clone.
///
/// It takes any HTTP request whatever server it came from, so it can stand in a server of your own. With
/// `allow_networks` that server must put the peer's address into the request's extensions, as a
/// [`SocketAddr`](std::net::SocketAddr): without it nobody is let in.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    gate: Gate,
    decompression: bool,
    max_body_bytes: usize,
    requests: Slots,
    memory: Memory,
    refusals: Refusals,
    read_timeout: Duration,
    ack_timeout: Duration,
    received: Counter,
    /// How long answers took that are 200. The others are fewer, and looked up when they are given.
    accepted: Histogram,
    labels: Labels,
    activity: Activity,
    /// `None` once the endpoint drains: with the last sender gone, the receiver sees the end of the stream.
    out: Mutex<Option<DeliverySender>>,
    /// Whether requests that wait for their acknowledgement give up.
    closed: watch::Sender<bool>,
}

impl Endpoint {
    /// An endpoint that sends what it accepts to `out`.
    ///
    /// # Errors
    /// [`BuildError`] if a file of secrets cannot be read.
    pub fn new(config: &AppcuesConfig, out: DeliverySender) -> Result<Self, BuildError> {
        let labels = SourceContext::new("appcues", "appcues").labels();
        Ok(Self::with_gate(
            Gate::new(config, &labels)?,
            config,
            out,
            labels,
            Activity::default(),
        ))
    }

    pub(crate) fn with_gate(
        gate: Gate,
        config: &AppcuesConfig,
        out: DeliverySender,
        labels: Labels,
        activity: Activity,
    ) -> Self {
        let requests = Slots::new(
            config.limits.max_requests,
            gauge!("requests_in_flight", &labels),
        );
        Self(Arc::new(Inner {
            gate,
            decompression: config.decompression,
            max_body_bytes: config.limits.max_body_bytes,
            memory: Memory::new(config.limits.max_bytes_in_flight, requests.clone()),
            requests,
            received: counter!("component_received_events_total", &labels),
            accepted: answer_time(&labels, StatusCode::OK),
            refusals: Refusals::new(labels.clone(), activity.clone()),
            labels,
            activity,
            read_timeout: Duration::from_secs(config.limits.read_timeout_secs),
            ack_timeout: Duration::from_secs(config.limits.ack_timeout_secs),
            out: Mutex::new(Some(out)),
            closed: watch::Sender::new(false),
        }))
    }

    /// Answers one request. Returns 200 only after the event was acknowledged as durable.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let began = Instant::now();
        let (head, mut body) = request.into_parts();
        let span = RequestSpan::begin(&self.0.labels, &head);
        match self.accept(&head, &mut body).await {
            Ok(()) => {
                self.0.received.increment(1);
                let took = began.elapsed();
                self.0.accepted.record(took);
                self.0.activity.answered(took, 1);
                span.end(StatusCode::OK, None);
                accepted()
            }
            Err(rejection) => {
                if !body.is_end_stream() {
                    tokio::spawn(timeout(DISCARD_TIME, discard(body)));
                }
                let Said { status, code, .. } = rejection.said();
                answer_time(&self.0.labels, status).record(began.elapsed());
                span.end(status, Some(code));
                self.refuse(rejection, &head.headers, head.extensions.get().copied())
            }
        }
    }

    /// Answers a request that was refused before it came here.
    pub(crate) fn refuse(
        &self,
        rejection: Rejection,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Response<ResponseBody> {
        self.note(rejection, peer, trace_id(headers));
        rejection.response()
    }

    /// Counts a refusal and tells it.
    pub(crate) fn note(
        &self,
        rejection: Rejection,
        peer: Option<SocketAddr>,
        trace_id: Option<&str>,
    ) {
        let Said { code, remedy, .. } = rejection.said();
        self.0.refusals.tell(code, &remedy, peer, trace_id);
    }

    /// Where refusals are counted and told.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// From now on every new request is answered 503; those that have come are still taken in and answered.
    pub fn drain(&self) {
        self.out().take();
    }

    /// Drains, and answers 503 to those that have come too.
    pub fn close(&self) {
        self.drain();
        self.0.closed.send_replace(true);
    }

    async fn accept<B>(&self, head: &Parts, body: &mut B) -> Result<(), Rejection>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let admitted = self.0.gate.admit(head)?;
        let encoding = self.encoding(&head.headers)?;
        // Whoever comes before the endpoint drains is still served.
        let out = self.out().clone().ok_or(Rejection::Draining)?;
        let mut closed = self.0.closed.subscribe();
        tokio::select! {
            biased;
            taken = self.take(&admitted, encoding, head, body, out) => taken,
            _ = closed.wait_for(|closed| *closed) => Err(Rejection::Draining),
        }
    }

    /// Takes in the body, once its sender has shown that it is worth it.
    async fn take<B>(
        &self,
        admitted: &Admitted,
        encoding: Encoding,
        head: &Parts,
        body: &mut B,
        out: DeliverySender,
    ) -> Result<(), Rejection>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let slot = self.0.requests.try_take().ok_or(Rejection::Overloaded)?;
        let mut reserved = self.0.memory.reserve(0).await?;
        let bytes = tokio::select! {
            biased;
            bytes = self.read(&head.headers, body, &mut reserved) => bytes?,
            () = slot.evicted() => return Err(Rejection::Overloaded),
        };
        // From here on it is us who keep the sender waiting: neither the request nor its connection gives way any more.
        let connection = head.extensions.get::<Arc<Pace>>();
        let of_connection = connection.map(|pace| pace.slot().begin().ok_or(Rejection::Overloaded));
        let _until_answered = (
            slot.begin().ok_or(Rejection::Overloaded)?,
            of_connection.transpose()?,
        );
        drop(slot);
        // Signed are the bytes as they were sent.
        let (verified, owners) = admitted.verify(&bytes).await?;
        let limit = self.0.max_body_bytes;
        let memory = &self.0.memory;
        let (body, reserved) = memory
            .inflate(encoding, verified.into_bytes(), limit, reserved)
            .await?;
        owners.check(&body)?;
        self.deliver(body, reserved, out).await
    }

    /// How the body is compressed, if that is allowed.
    fn encoding(&self, headers: &HeaderMap) -> Result<Encoding, Rejection> {
        // What else than `chunked` was applied on the way, nobody has taken away.
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let coding = codings.next();
        if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
            || codings.next().is_some()
        {
            return Err(Rejection::Malformed);
        }
        match Encoding::of(headers)? {
            Encoding::Gzip | Encoding::Deflate if !self.0.decompression => {
                Err(Rejection::EncodingNotAllowed)
            }
            encoding => Ok(encoding),
        }
    }

    async fn read<B>(
        &self,
        headers: &HeaderMap,
        body: &mut B,
        reserved: &mut Reserved,
    ) -> Result<Bytes, Rejection>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let limit = self.0.max_body_bytes;
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(Rejection::TooLarge { limit });
        }
        let read = timeout(
            self.0.read_timeout,
            self.0.memory.read(body, limit, reserved),
        )
        .await;
        read.unwrap_or(Err(Rejection::BodyTimeout))
    }

    async fn deliver(
        &self,
        body: Bytes,
        reserved: Reserved,
        out: DeliverySender,
    ) -> Result<(), Rejection> {
        let (mut ack, answer) = Ack::channel();
        // The body may wait for longer than the request does.
        ack.hold(reserved);
        let event = Event::new(Timestamp::now(), body);
        let delivered = async {
            out.send(Delivery::new(vec![event], ack)).await;
            drop(out);
            answer.await
        };
        let answered = timeout(self.0.ack_timeout, delivered).await;
        match answered {
            Ok(Outcome::Durable) => Ok(()),
            Ok(Outcome::Refused(Refusal::Full)) => Err(Rejection::Full),
            Ok(Outcome::Refused(Refusal::TooLarge)) => Err(Rejection::TooLargeForBuffer),
            Ok(Outcome::Refused(_)) | Err(_) => Err(Rejection::NotDurable),
        }
    }

    fn out(&self) -> std::sync::MutexGuard<'_, Option<DeliverySender>> {
        self.0.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From a request's head to its answer.
fn answer_time(labels: &Labels, status: StatusCode) -> Histogram {
    let [id, kind, r#type] = labels.clone();
    let labels = [id, kind, r#type, ("status", status.as_str().to_owned())];
    histogram!("http_server_handler_duration_seconds", &labels)
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("gate", &self.0.gate)
            .finish_non_exhaustive()
    }
}
