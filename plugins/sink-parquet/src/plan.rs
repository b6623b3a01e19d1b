use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use landfall_core::{Position, Seldom, StateStore, Timestamp, log_seldom};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dedupe::{Key, Remembered};

/// What the name of a plan begins with: the batch is being landed, or has landed.
pub(crate) const PENDING: &str = "pending";
pub(crate) const LANDED: &str = "landed";
const CHECKSUM_LENGTH: usize = 8;

/// What landing a batch will do. It is durable before the first upload, so that after a crash the same batch is landed
/// under the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) span: Span,
    /// What the names of the batch's files begin with.
    pub(crate) writer: String,
    /// `None` where the plan was damaged on disk.
    pub(crate) content: Option<Content>,
}

/// The events of a batch: the positions of the first and the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Position,
    pub(crate) last: Position,
}

/// As it stands in names: of equal length, so that names sort as positions do.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:020}", self.first.get(), self.last.get())
    }
}

/// What a plan says about its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// When the first and the last of the events were accepted.
    pub(crate) received: (Timestamp, Timestamp),
    pub(crate) files: Vec<PlannedFile>,
}

/// A file of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedFile {
    /// Its name below the lake's root.
    pub(crate) name: String,
    /// The keys of the events in it.
    pub(crate) keys: Arc<[Key]>,
}

impl Content {
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.files.iter().flat_map(|file| file.keys.iter().copied())
    }
}

/// The part of a plan that is written as JSON. The keys follow it, file by file.
#[derive(Serialize, Deserialize)]
struct Head {
    /// In milliseconds since the Unix epoch.
    received: (i64, i64),
    /// Name and number of events.
    files: Vec<(String, usize)>,
}

/// The plans of one sink, kept beside its buffer: one that is being landed, and those that landed within the window.
///
/// A plan is named `pending-<first>-<last>-<writer>`, then `landed-…`, so that what it is for survives even where its
/// content does not. The content is a line of JSON, the keys of its events, and a checksum.
#[derive(Debug)]
pub(crate) struct Plans {
    state: Arc<dyn StateStore>,
    window: Duration,
    /// Plans that landed, oldest first.
    landed: Vec<(String, Remembered)>,
    seldom: Seldom,
}

impl Plans {
    pub(crate) fn new(state: Arc<dyn StateStore>, window: Duration, seldom: Seldom) -> Self {
        Self {
            state,
            window,
            landed: Vec::new(),
            seldom,
        }
    }

    /// What an earlier run has planned, as far as names say it: the batches that landed, oldest first, and the one that was
    /// being landed.
    pub(crate) async fn list(&self) -> io::Result<(Vec<Plan>, Option<Plan>)> {
        let (mut landed, mut pending) = (Vec::new(), None);
        for name in self.state.list().await? {
            match parse_name(&name) {
                Some((PENDING, plan)) => pending = Some(plan),
                Some((_, plan)) => landed.push(plan),
                None => {}
            }
        }
        Ok((landed, pending))
    }

    /// The content of a plan that was listed; `None` if it is damaged.
    pub(crate) async fn read(&self, kind: &str, plan: &Plan) -> io::Result<Option<Content>> {
        let name = name(kind, plan);
        let bytes = self.state.get(&name).await?.unwrap_or_default();
        let content = decode(&bytes);
        if content.is_none() {
            log_seldom!(
                &self.seldom,
                "damaged_plan",
                error,
                plan = name,
                "a batch plan is damaged; what it is for stands in its name, but its events can no longer be told from \
                 duplicates"
            );
        }
        Ok(content)
    }

    /// Makes `plan` durable.
    pub(crate) async fn begin(&self, plan: &Plan) -> io::Result<()> {
        self.state.put(&name(PENDING, plan), encode(plan)?).await
    }

    /// Records durably that `plan` has landed. Succeeds as well when it is already recorded.
    pub(crate) async fn finish(&self, plan: &Plan) -> io::Result<()> {
        let landed = name(LANDED, plan);
        let renamed = self.state.rename(&name(PENDING, plan), &landed).await;
        match renamed {
            // An attempt before this one may have renamed it and failed only to make that durable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.state.put(&landed, encode(plan)?).await
            }
            other => other,
        }
    }

    /// Remembers a finished plan, and removes those that are past the window.
    pub(crate) async fn expire(&mut self, plan: &Plan) -> io::Result<()> {
        // Last in the list, where it stays whatever its age: it says how far the lake is.
        self.remember(plan);
        let Some(content) = &plan.content else {
            return Ok(());
        };
        let now = Instant::now();
        let received_at = content.received.0;
        let window = self.window;
        // No monotonic clock reaches over restarts, which must not keep plans for ever.
        let is_over = |age: &Remembered| {
            age.is_over(now, received_at, window)
                || age.distance(received_at) > window.saturating_mul(2)
        };
        let mut at = 0;
        while at + 1 < self.landed.len() {
            if is_over(&self.landed[at].1) {
                self.state.remove(&self.landed[at].0).await?;
                self.landed.remove(at);
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    /// Remembers a plan that has landed, after those of older batches.
    pub(crate) fn remember(&mut self, plan: &Plan) {
        let now = Timestamp::now();
        let received = plan.content.as_ref().map(|content| content.received);
        let (first, last) = received.unwrap_or((now, now));
        let age = Remembered::new(first, last);
        self.landed.push((name(LANDED, plan), age));
    }
}

fn name(kind: &str, plan: &Plan) -> String {
    format!("{kind}-{}-{}", plan.span, plan.writer)
}

fn parse_name(name: &str) -> Option<(&str, Plan)> {
    let mut parts = name.splitn(4, '-');
    let kind = parts
        .next()
        .filter(|kind| [PENDING, LANDED].contains(kind))?;
    let mut position = || parts.next()?.parse().ok().map(Position::new);
    let (first, last) = (position()?, position()?);
    let plan = Plan {
        span: Span { first, last },
        writer: parts.next()?.to_owned(),
        content: None,
    };
    Some((kind, plan))
}

fn encode(plan: &Plan) -> io::Result<Bytes> {
    let Some(content) = &plan.content else {
        return Ok(Bytes::new());
    };
    let (first, last) = content.received;
    let files = content.files.iter();
    let files = files.map(|file| (file.name.clone(), file.keys.len()));
    let head = Head {
        received: (first.as_millis(), last.as_millis()),
        files: files.collect(),
    };
    let mut bytes = serde_json::to_vec(&head)?;
    // These are megabytes, which would be there twice if they grew.
    bytes.reserve_exact(1 + content.keys().count() * Key::LENGTH + CHECKSUM_LENGTH);
    bytes.push(b'\n');
    for key in content.keys() {
        bytes.extend_from_slice(&key.to_bytes());
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest[..CHECKSUM_LENGTH]);
    Ok(bytes.into())
}

fn decode(bytes: &[u8]) -> Option<Content> {
    let (bytes, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LENGTH)?)?;
    if Sha256::digest(bytes)[..CHECKSUM_LENGTH] != *checksum {
        return None;
    }
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    let head: Head = serde_json::from_slice(&bytes[..line]).ok()?;
    let (mut keys, rest) = bytes[line + 1..].as_chunks();
    let mut files = Vec::with_capacity(head.files.len());
    for (name, count) in head.files {
        let (own, others) = keys.split_at_checked(count)?;
        keys = others;
        files.push(PlannedFile {
            name,
            keys: own.iter().map(|key| Key::from_bytes(*key)).collect(),
        });
    }
    let (first, last) = head.received;
    let received = (Timestamp::from_millis(first), Timestamp::from_millis(last));
    (keys.is_empty() && rest.is_empty()).then_some(Content { received, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_its_written_form_and_no_damaged_one_is_believed() {
        let plan = Plan {
            span: Span {
                first: Position::new(3),
                last: Position::new(9),
            },
            writer: "a-b".to_owned(),
            content: Some(Content {
                received: (Timestamp::from_millis(5), Timestamp::from_millis(6)),
                files: vec![
                    PlannedFile {
                        name: "events/date=2023-05-18/f.parquet".to_owned(),
                        keys: Arc::new([Key::new(b"one", None), Key::new(b"two", None)]),
                    },
                    PlannedFile {
                        name: "quarantine/date=2023-05-18/f.parquet".to_owned(),
                        keys: Arc::new([Key::new(b"three", None)]),
                    },
                ],
            }),
        };
        let bytes = encode(&plan).unwrap();
        let (kind, mut read) =
            parse_name("pending-00000000000000000003-00000000000000000009-a-b").unwrap();
        read.content = decode(&bytes);
        assert_eq!((kind, &read), (PENDING, &plan));
        assert_eq!(
            name(kind, &read),
            "pending-00000000000000000003-00000000000000000009-a-b"
        );
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None);
            assert_eq!(decode(&bytes[..at]), None);
        }
    }
}
