use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use landfall_core::{Position, StateStore, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dedupe::Key;

const PENDING: &str = "pending";
const LANDED: &str = "landed";
const CHECKSUM_LENGTH: usize = 8;

/// What landing a batch will do. It is durable before the first upload, so that after a crash the same batch is landed
/// again under the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) span: Span,
    pub(crate) content: Content,
    /// The keys of its events.
    pub(crate) keys: Vec<Key>,
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

/// The part of a plan that is written as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// When the plan was made, in milliseconds since the Unix epoch.
    pub(crate) planned_at: i64,
    /// The version of Landfall that encoded the files. The same version makes the same bytes again.
    pub(crate) encoder: String,
    /// The names of the files below the lake's root.
    pub(crate) files: Vec<String>,
}

/// The plans of one sink, kept beside its buffer: one that is being landed, and those that landed within the window.
///
/// A plan is named after its state and its positions, so that the positions survive even where the content does not:
/// `pending-<first>-<last>`, then `landed-<first>-<last>`. The content is a line of JSON, the keys, and a checksum.
#[derive(Debug)]
pub(crate) struct Plans {
    state: Arc<dyn StateStore>,
    window: Duration,
    /// Plans that landed, oldest first: name and time of planning.
    landed: VecDeque<(String, Timestamp)>,
}

/// What the plans of an earlier run say.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Everything up to this position has landed.
    pub(crate) landed: Option<Position>,
    /// This batch was being landed.
    pub(crate) pending: Option<Plan>,
    /// The keys of what landed, with their age; oldest first.
    pub(crate) keys: Vec<(Duration, Vec<Key>)>,
}

impl Plans {
    pub(crate) async fn load(
        state: Arc<dyn StateStore>,
        window: Duration,
    ) -> io::Result<(Self, Restored)> {
        let mut plans = Self {
            state,
            window,
            landed: VecDeque::new(),
        };
        let mut restored = Restored::default();
        let now = Timestamp::now();
        for name in plans.state.list().await? {
            let Some((kind, span)) = parse_name(&name) else {
                continue;
            };
            let bytes = plans.state.get(&name).await?.unwrap_or_default();
            let (content, keys) = decode(&bytes).unwrap_or_else(|| {
                tracing::error!(
                    plan = name,
                    "a batch plan is damaged; its positions are in its name, but its events can no \
                     longer be told from duplicates"
                );
                Default::default()
            });
            let plan = Plan {
                span,
                content,
                keys,
            };
            if kind == PENDING {
                restored.pending = Some(plan);
            } else {
                let planned_at = Timestamp::from_millis(plan.content.planned_at);
                restored.landed = restored.landed.max(Some(span.last));
                restored.keys.push((age(planned_at, now), plan.keys));
                plans.landed.push_back((name, planned_at));
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

    /// Remembers a finished plan, and drops the plans that are past the window.
    pub(crate) async fn expire(&mut self, plan: &Plan) -> io::Result<()> {
        let planned_at = Timestamp::from_millis(plan.content.planned_at);
        self.landed.push_back((name(LANDED, plan), planned_at));
        let now = Timestamp::now();
        // The newest stays whatever its age: it says how far the lake is.
        while self.landed.len() > 1
            && let Some((oldest, planned_at)) = self.landed.front()
            && age(*planned_at, now) > self.window
        {
            self.state.remove(oldest).await?;
            self.landed.pop_front();
        }
        Ok(())
    }
}

/// A clock that was set back makes no plan younger than new.
fn age(planned_at: Timestamp, now: Timestamp) -> Duration {
    let millis = now.as_millis().saturating_sub(planned_at.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn name(kind: &str, plan: &Plan) -> String {
    format!("{kind}-{}", plan.span)
}

fn parse_name(name: &str) -> Option<(&str, Span)> {
    let mut parts = name.split('-');
    let kind = parts
        .next()
        .filter(|kind| [PENDING, LANDED].contains(kind))?;
    let mut position = || parts.next()?.parse().ok().map(Position::new);
    let (first, last) = (position()?, position()?);
    Some((kind, Span { first, last }))
}

fn encode(plan: &Plan) -> io::Result<Bytes> {
    let mut bytes = BytesMut::new();
    bytes.put_slice(&serde_json::to_vec(&plan.content)?);
    bytes.put_u8(b'\n');
    for key in &plan.keys {
        bytes.put_slice(&key.to_bytes());
    }
    let digest = Sha256::digest(&bytes);
    bytes.put_slice(&digest[..CHECKSUM_LENGTH]);
    Ok(bytes.freeze())
}

fn decode(bytes: &[u8]) -> Option<(Content, Vec<Key>)> {
    let (bytes, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LENGTH)?)?;
    if Sha256::digest(bytes)[..CHECKSUM_LENGTH] != *checksum {
        return None;
    }
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    let content = serde_json::from_slice(&bytes[..line]).ok()?;
    let (keys, rest) = bytes[line + 1..].as_chunks();
    rest.is_empty().then(|| {
        (
            content,
            keys.iter().map(|key| Key::from_bytes(*key)).collect(),
        )
    })
}
