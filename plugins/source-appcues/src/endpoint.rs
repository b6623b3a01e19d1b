use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use landfall_appcues::VerifiedBody;
use landfall_core::{
    Ack, BuildError, Delivery, DeliverySender, Event, Outcome, Refusal, Timestamp,
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::AppcuesConfig;
use crate::answer::{Rejection, ResponseBody, accepted};
use crate::gate::{Admitted, Gate};

/// Once a body is refused, this much more of it is read and thrown away, so that a sender who writes the whole body
/// before reading gets to see the answer instead of a reset.
const DISCARD_BYTES: usize = 8 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Answers webhook requests: verifies each and sends it on as a delivery. Cheap to clone.
///
/// It takes any HTTP request whatever server it came from, so it can stand in a server of your own. With
/// `allow_networks` that server must put the peer's address into the request's extensions, as a
/// [`SocketAddr`](std::net::SocketAddr): without it nobody is let in.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    gate: Gate,
    max_body_bytes: usize,
    read_timeout: Duration,
    ack_timeout: Duration,
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
        Ok(Self::with_gate(Gate::new(config)?, config, out))
    }

    pub(crate) fn with_gate(gate: Gate, config: &AppcuesConfig, out: DeliverySender) -> Self {
        Self(Arc::new(Inner {
            gate,
            max_body_bytes: config.limits.max_body_bytes,
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
        match self.accept(request).await {
            Ok(()) => {
                metrics::counter!("component_received_events_total").increment(1);
                accepted()
            }
            Err(rejection) => {
                metrics::counter!("component_errors_total", "error_code" => rejection.code())
                    .increment(1);
                tracing::debug!(code = rejection.code(), "request refused");
                rejection.response()
            }
        }
    }

    /// From now on every request is answered 503; those that wait for their acknowledgement still get it.
    pub fn drain(&self) {
        self.out().take();
    }

    /// Drains, and answers 503 to those that wait for their acknowledgement too.
    pub fn close(&self) {
        self.drain();
        self.0.closed.send_replace(true);
    }

    async fn accept<B>(&self, request: Request<B>) -> Result<(), Rejection>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (head, mut body) = request.into_parts();
        let admitted = self.0.gate.admit(&head)?;
        let body = match self
            .read_verified(&admitted, &head.headers, &mut body)
            .await
        {
            Ok(verified) => verified,
            Err(rejection) => {
                if !body.is_end_stream() {
                    tokio::spawn(timeout(DISCARD_TIME, discard(body)));
                }
                return Err(rejection);
            }
        };
        self.deliver(body).await
    }

    /// Reads no more of the body than a sender with plausible headers may ask for.
    async fn read_verified<B>(
        &self,
        admitted: &Admitted,
        headers: &HeaderMap,
        body: &mut B,
    ) -> Result<VerifiedBody, Rejection>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if headers.contains_key(CONTENT_ENCODING) && !is_identity(headers) {
            return Err(Rejection::EncodingNotAllowed);
        }
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let limit = self.0.max_body_bytes;
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(Rejection::TooLarge { limit });
        }
        let bytes = timeout(self.0.read_timeout, read(body, limit))
            .await
            .map_err(|_| Rejection::BodyTimeout)??;
        let (verified, owners) = admitted.verify(&bytes)?;
        owners.check(&bytes)?;
        Ok(verified)
    }

    async fn deliver(&self, body: VerifiedBody) -> Result<(), Rejection> {
        let out = self.out().clone().ok_or(Rejection::Draining)?;
        let (ack, answer) = Ack::channel();
        let event = Event::new(Timestamp::now(), body.into_bytes());
        let delivered = async {
            out.send(Delivery::new(vec![event], ack)).await;
            drop(out);
            answer.await
        };
        let mut closed = self.0.closed.subscribe();
        let answered = tokio::select! {
            biased;
            answered = timeout(self.0.ack_timeout, delivered) => answered,
            _ = closed.wait_for(|closed| *closed) => return Err(Rejection::Draining),
        };
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

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("gate", &self.0.gate)
            .finish_non_exhaustive()
    }
}

fn is_identity(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    encodings.all(|encoding| {
        encoding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    })
}

async fn read<B>(body: &mut B, limit: usize) -> Result<Bytes, Rejection>
where
    B: Body<Data = Bytes> + Unpin,
{
    // Most bodies come in one piece, which then need not be copied.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Rejection::BodyBroken)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > limit {
            return Err(Rejection::TooLarge { limit });
        }
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = DISCARD_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
