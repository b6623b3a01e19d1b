use std::fmt;

use landfall_core::lenient;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Problem;

/// What holds deliveries between a source and a sink.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BufferConfig {
    /// Where events are held until the sink has landed them.
    pub r#type: BufferType,
    /// How much a disk buffer may hold, in bytes, at least 1048576.
    #[serde(deserialize_with = "lenient")]
    pub max_size: u64,
    /// What happens to an event when the buffer is full.
    pub when_full: WhenFull,
}

/// Where deliveries are held.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BufferType {
    /// An event is accepted once it is on disk and fsynced.
    Disk,
    /// An event is accepted once the sink has landed it.
    Memory,
}

impl fmt::Display for BufferType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
        })
    }
}

/// What happens to a delivery when the buffer is full.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WhenFull {
    /// It is refused at once; the sender gets a 503 with Retry-After.
    Reject,
    /// It waits for room, and its sender with it.
    Block,
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self {
            r#type: BufferType::Disk,
            max_size: 10 * 1024 * 1024 * 1024,
            when_full: WhenFull::Reject,
        }
    }
}

impl BufferConfig {
    /// Everything that is wrong with the settings.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        if self.r#type == BufferType::Disk && self.max_size < MIN_SIZE {
            let advice = format!("must be at least {MIN_SIZE} bytes");
            vec![Problem::new("buffer.max_size", advice)]
        } else {
            Vec::new()
        }
    }
}

/// A journal is divided into segments; below this there would be too few.
const MIN_SIZE: u64 = 1024 * 1024;
