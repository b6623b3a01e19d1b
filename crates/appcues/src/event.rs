use std::borrow::Cow;
use std::sync::LazyLock;

use landfall_core::Timestamp;

use crate::{Field, Paths, catalogue, convert};

static FIELDS: LazyLock<Paths<{ Field::ALL.len() }>> =
    LazyLock::new(|| Paths::new(Field::ALL.map(Field::path)));

/// One event, as slices of the request body it came in.
///
/// Only what every event must have is converted up front: `id`, `name` and `timestamp`.
#[derive(Clone, Debug)]
pub struct AppcuesEvent<'a> {
    body: &'a str,
    fields: [Option<&'a str>; Field::ALL.len()],
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    occurred_at: Timestamp,
}

impl<'a> AppcuesEvent<'a> {
    /// Reads `body` in one pass. An unknown name, unknown fields and values of unexpected types are no errors.
    ///
    /// # Errors
    /// [`NotAnEvent`], if `body` is not a JSON object with an `id`, a `name` and a `timestamp`.
    pub fn parse(body: &'a [u8]) -> Result<Self, NotAnEvent> {
        let body = str::from_utf8(body).map_err(|_| NotAnEvent::NotUtf8)?;
        let fields = FIELDS.read(body).map_err(|error| not_an_event(&error))?;
        let raw = |field: Field| fields[field as usize];
        let text = |field| raw(field).and_then(|raw| convert::string(raw).ok().flatten());
        let time = raw(Field::Timestamp).and_then(|raw| convert::timestamp(raw).ok().flatten());
        Ok(Self {
            body,
            fields,
            id: text(Field::Id).ok_or(NotAnEvent::NoId)?,
            name: text(Field::Name).ok_or(NotAnEvent::NoName)?,
            occurred_at: time.ok_or(NotAnEvent::NoTimestamp)?,
        })
    }

    /// The whole body, byte for byte.
    pub fn body(&self) -> &'a str {
        self.body
    }

    /// The JSON text of a field, which [`convert`] reads; `None` if it is absent or null.
    pub fn raw(&self, field: Field) -> Option<&'a str> {
        self.fields[field as usize]
    }

    /// The event's id. Not unique: an NPS score and its feedback share one.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The event's name on the wire, such as `appcues:flow_started`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Appcues account, if the event names one as text or number.
    pub fn account_id(&self) -> Option<Cow<'a, str>> {
        self.raw(Field::AccountId)
            .and_then(|raw| convert::string(raw).ok().flatten())
    }

    /// When the event occurred, by the clock of the user's device.
    pub fn occurred_at(&self) -> Timestamp {
        self.occurred_at
    }

    /// What kind of event it is: a name of [`EVENT_TYPES`](crate::EVENT_TYPES).
    pub fn event_type(&self) -> &'static str {
        catalogue::event_type(self)
    }
}

/// Why a body is not an event. It never quotes the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnEvent {
    /// Not UTF-8, which JSON has to be.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// Not JSON.
    #[error("the body is not JSON: it breaks off or goes wrong at line {line}, column {column}")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("the body is JSON but not an object")]
    NotAnObject,
    /// No `id`, or one that is neither text nor number.
    #[error("the event has no usable id")]
    NoId,
    /// No `name`, or one that is neither text nor number.
    #[error("the event has no usable name")]
    NoName,
    /// No `timestamp`, or one that is not a time in the years 1 to 9999.
    #[error("the event has no usable timestamp: it must be epoch milliseconds or RFC 3339")]
    NoTimestamp,
}

impl NotAnEvent {
    /// A stable name for the quarantine and for metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::NotJson { .. } => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::NoId => "no_id",
            Self::NoName => "no_name",
            Self::NoTimestamp => "no_timestamp",
        }
    }
}

fn not_an_event(error: &serde_json::Error) -> NotAnEvent {
    if error.is_data() {
        NotAnEvent::NotAnObject
    } else {
        NotAnEvent::NotJson {
            line: error.line(),
            column: error.column(),
        }
    }
}

#[cfg(test)]
mod tests;
