use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use landfall_core::{Position, StateStore, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dedupe::{Key, Remembered};

const PENDING: &str = "pending";
const LANDED: &str = "landed";
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The version of Landfall that encodes the files. The same version makes the same bytes again.
    pub(crate) encoder: String,
    /// When the first and the last of the events were accepted, in milliseconds since the Unix epoch.
    pub(crate) received: (i64, i64),
    /// The names of the files below the lake's root.
    pub(crate) files: Vec<String>,
    /// The keys of the events.
    #[serde(skip)]
    pub(crate) keys: Vec<Key>,
}

impl Content {
    pub(crate) fn received(&self) -> (Timestamp, Timestamp) {
        let (first, last) = self.received;
        (Timestamp::from_millis(first), Timestamp::from_millis(last))
    }
}

/// The plans of one sink, kept beside its buffer: one that is being landed, and those that landed within the window.
///
/// A plan is named `pending-<first>-<last>-<writer>`, then `landed-…`, so that what it is for survives even where its
/// content does not. The content is a line of JSON, the keys, and a checksum.
#[derive(Debug)]
pub(crate) struct Plans {
    state: Arc<dyn StateStore>,
    window: Duration,
    /// Plans that landed, oldest first.
    landed: Vec<(String, Remembered)>,
}

/// What the plans of an earlier run say.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Everything up to this position has landed.
    pub(crate) landed: Option<Position>,
    /// This batch was being landed.
    pub(crate) pending: Option<Plan>,
    /// What the batches that landed were, oldest first.
    pub(crate) contents: Vec<Content>,
}

impl Plans {
    pub(crate) async fn load(
        state: Arc<dyn StateStore>,
        window: Duration,
    ) -> io::Result<(Self, Restored)> {
        let mut plans = Self {
            state,
            window,
            landed: Vec::new(),
        };
        let mut restored = Restored::default();
        let names = plans.state.list().await?;
        let newest = names.iter().rfind(|name| name.starts_with(LANDED)).cloned();
        for name in names {
            let Some((kind, mut plan)) = parse_name(&name) else {
                continue;
            };
            let bytes = plans.state.get(&name).await?.unwrap_or_default();
            plan.content = decode(&bytes);
            if plan.content.is_none() {
                tracing::error!(
                    plan = name,
                    "a batch plan is damaged; what it is for stands in its name, but its events can no longer be told \
                     from duplicates"
                );
            }
            if kind == PENDING {
                restored.pending = Some(plan);
            } else {
                restored.landed = restored.landed.max(Some(plan.span.last));
                plans.remember(&name, &plan);
                restored.contents.extend(plan.content);
                // No monotonic clock reaches over a restart. A wall clock that is wrong by a whole window is still borne.
                let now = Timestamp::now();
                let is_old = |(_, age): &mut (String, Remembered)| {
                    age.distance(now) > window.saturating_mul(2)
                };
                if newest != Some(name)
                    && let Some((old, _)) = plans.landed.pop_if(is_old)
                {
                    plans.state.remove(&old).await?;
                    restored.contents.pop();
                }
            }
        }
        Ok((plans, restored))
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
        let now = Instant::now();
        if let Some(content) = &plan.content {
            let (_, received_at) = content.received();
            let window = self.window;
            let is_over = |age: &Remembered| age.is_over(now, received_at, window);
            while let Some(old) = self.landed.iter().position(|(_, age)| is_over(age)) {
                self.state.remove(&self.landed[old].0).await?;
                self.landed.remove(old);
            }
        }
        // After the others are gone: the newest always stays, since it says how far the lake is.
        self.remember(&name(LANDED, plan), plan);
        Ok(())
    }

    fn remember(&mut self, name: &str, plan: &Plan) {
        let now = Timestamp::now();
        let (first, last) = plan.content.as_ref().map_or((now, now), Content::received);
        self.landed
            .push((name.to_owned(), Remembered::new(first, last)));
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
    let mut bytes = BytesMut::new();
    if let Some(content) = &plan.content {
        bytes.put_slice(&serde_json::to_vec(content)?);
        bytes.put_u8(b'\n');
        for key in &content.keys {
            bytes.put_slice(&key.to_bytes());
        }
        let digest = Sha256::digest(&bytes);
        bytes.put_slice(&digest[..CHECKSUM_LENGTH]);
    }
    Ok(bytes.freeze())
}

fn decode(bytes: &[u8]) -> Option<Content> {
    let (bytes, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LENGTH)?)?;
    if Sha256::digest(bytes)[..CHECKSUM_LENGTH] != *checksum {
        return None;
    }
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    let mut content: Content = serde_json::from_slice(&bytes[..line]).ok()?;
    let (keys, rest) = bytes[line + 1..].as_chunks();
    content.keys = keys.iter().map(|key| Key::from_bytes(*key)).collect();
    rest.is_empty().then_some(content)
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
                encoder: "1.0.0".to_owned(),
                received: (5, 6),
                files: vec!["events/date=2023-05-18/f.parquet".to_owned()],
                keys: vec![Key::new(b"one", None), Key::new(b"two", None)],
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
