//! How an event stands in the journal.

use landfall_core::{Event, Timestamp};
use landfall_journal::Record;

/// What stands before the body in a record: the version of this layout, then `received_at` in milliseconds since the
/// Unix epoch, little-endian.
const RECORD_VERSION: u8 = 1;
const HEAD_LENGTH: usize = 9;

pub(super) fn encode_head(received_at: Timestamp) -> [u8; HEAD_LENGTH] {
    let mut head = [RECORD_VERSION; HEAD_LENGTH];
    head[1..].copy_from_slice(&received_at.as_millis().to_le_bytes());
    head
}

/// The event in a record of a sink's journal; `None` if another version wrote it.
pub fn decode_record(record: &Record) -> Option<Event> {
    let (head, _) = record.payload.split_first_chunk::<HEAD_LENGTH>()?;
    let [RECORD_VERSION, millis @ ..] = *head else {
        return None;
    };
    Some(Event {
        received_at: Timestamp::from_millis(i64::from_le_bytes(millis)),
        body: record.payload.slice(HEAD_LENGTH..),
        position: Some(record.position),
    })
}
