//! What takes the place of a body in which personal data cannot be told from the rest.

use serde::Deserialize;

use crate::hash::Hasher;

/// A body that says of another one what tells nothing of its content. It is no event, and lands in quarantine.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note<'a> {
    #[serde(borrow)]
    withheld: Withheld<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withheld<'a> {
    reason: &'a str,
    bytes: usize,
    hash: &'a str,
}

/// The note that stands for `body`, withheld for `reason`; `None` if `body` is such a note already.
pub(crate) fn note(body: &[u8], reason: &str, hasher: &Hasher) -> Option<String> {
    let note = |Withheld {
                    reason,
                    bytes,
                    hash,
                }: Withheld<'_>| {
        format!(r#"{{"withheld":{{"reason":"{reason}","bytes":{bytes},"hash":"{hash}"}}}}"#)
    };
    if let Ok(Note { withheld }) = serde_json::from_slice(body)
        && hasher.is_hash(withheld.hash.as_bytes())
        && note(withheld).as_bytes() == body
    {
        return None;
    }
    Some(note(Withheld {
        reason,
        bytes: body.len(),
        hash: &hasher.hash(body),
    }))
}
