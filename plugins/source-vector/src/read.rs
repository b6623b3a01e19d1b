use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use landfall_core::{Event as Received, Timestamp};
use landfall_vector_proto::{Code, Compression, Event, PushEventsRequest, Status, frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::BodyRule;
use crate::service::Refused;

/// What fits into one record of the journal, which takes 16 MiB.
const MOST_BODY_BYTES: usize = 15 * 1024 * 1024;

/// Events of one request. They take more memory when they are decoded than they took on their way.
const MOST_EVENTS: usize = 100_000;

/// Reads requests, within the memory that all of them together may take up.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) rule: BodyRule,
    pub(crate) limit: usize,
    pub(crate) timeout: Duration,
    pub(crate) memory: Arc<Semaphore>,
    /// One, for requests to be decoded one at a time: what that takes is only bounded for each.
    pub(crate) decoding: Arc<Semaphore>,
}

/// A request that was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) events: Vec<Received>,
    /// Memory for the events, given back when dropped.
    pub(crate) reserved: Option<OwnedSemaphorePermit>,
    pub(crate) metrics: u64,
    pub(crate) traces: u64,
    /// Logs of a later version's kind.
    pub(crate) unknown: u64,
    /// Bodies that no buffer could take.
    pub(crate) too_large: u64,
}

impl Reader {
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Incoming) -> Result<Read, Refused> {
        let unsupported = |status| Refused::new("compression_unknown", status);
        let compression = Compression::of(headers).map_err(unsupported)?;
        let arrived = timeout(self.timeout, self.whole(body)).await;
        let (message, mut reserved) = arrived.map_err(|_| {
            let problem = "the request took too long to arrive; is the connection slow, or limits.read_timeout_secs too short?";
            Refused::new("read_timeout", Status::new(Code::DeadlineExceeded, problem))
        })??;
        let (rule, limit) = (self.rule.clone(), self.limit);
        if compression != Compression::None {
            // Those that are unpacked at the same time wait for each other, which does not take long.
            let most = u32::try_from(limit).unwrap_or(u32::MAX);
            let memory = Arc::clone(&self.memory).acquire_many_owned(most);
            match timeout(self.timeout, memory).await {
                Ok(Ok(memory)) => reserved.merge(memory),
                _ => return Err(Refused::overloaded()),
            }
        }
        // What is reserved stays so until the thread is done, also if nobody waits for it any more.
        let turn = Arc::clone(&self.decoding).acquire_owned().await;
        let read = spawn_blocking(move || {
            let _turn = turn;
            let message = frame::unpack(message, compression, limit)?;
            if PushEventsRequest::events_in(&message) > MOST_EVENTS {
                let problem = format!(
                    "it holds more than {MOST_EVENTS} events; lower batch.max_events of the sender"
                );
                return Err(Status::new(Code::OutOfRange, problem));
            }
            // The bodies are slices of it.
            let used = message.len().min(reserved.num_permits());
            let reserved = reserved.split(used);
            let read = unpack(frame::message(message)?, &rule);
            Ok(Read { reserved, ..read })
        });
        // It is lost only when the runtime goes down.
        let read = read.await.map_err(|_| Refused::stopping())?;
        read.map_err(|status: Status| match status.code {
            Code::ResourceExhausted => Refused::too_large(limit),
            // Not OUT_OF_RANGE itself, at which Vector drops the events.
            Code::OutOfRange => Refused::new(
                "too_many_events",
                Status::new(Code::ResourceExhausted, status.message),
            ),
            _ => Refused::new("request_broken", status),
        })
    }

    /// The whole body, with the memory for it. Memory is reserved for what has come, not for what was announced.
    async fn whole(&self, mut body: Incoming) -> Result<(Bytes, OwnedSemaphorePermit), Refused> {
        let most = self.limit + frame::HEAD_LENGTH;
        if body.size_hint().lower() > most as u64 {
            return Err(Refused::too_large(self.limit));
        }
        let reserve = |bytes: usize| {
            let bytes = u32::try_from(bytes).map_err(|_| Refused::overloaded())?;
            let memory = Arc::clone(&self.memory).try_acquire_many_owned(bytes);
            memory.map_err(|_| Refused::overloaded())
        };
        let mut reserved = reserve(0)?;
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let broken = "the request broke off";
            let frame = frame.map_err(|_| {
                Refused::new("request_broken", Status::new(Code::Cancelled, broken))
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if whole.len() + data.len() > most {
                return Err(Refused::too_large(self.limit));
            }
            reserved.merge(reserve(data.len())?);
            whole.extend_from_slice(&data);
        }
        Ok((whole.freeze(), reserved))
    }
}

fn unpack(request: PushEventsRequest, rule: &BodyRule) -> Read {
    let mut read = Read::default();
    let now = Timestamp::now();
    for wrapper in request.events {
        let log = match wrapper.event {
            Some(Event::Log(log)) => log,
            Some(Event::Metric(_)) => {
                read.metrics += 1;
                continue;
            }
            Some(Event::Trace(_)) => {
                read.traces += 1;
                continue;
            }
            None => {
                read.unknown += 1;
                continue;
            }
        };
        match rule.body(log) {
            Ok(body) if body.len() <= MOST_BODY_BYTES => read.events.push(Received::new(now, body)),
            Ok(_) => read.too_large += 1,
            Err(_) => read.unknown += 1,
        }
    }
    read
}
