//! Ids of the event's own people, wherever else they are mentioned in it.

use crate::json::content;

/// Shorter ids are found everywhere, and say nothing.
const MIN_LENGTH: usize = 3;

/// Shorter ids count only as whole words, since they may be parts of others by chance.
const LONG: usize = 8;

/// An id to look for, and what takes its place.
#[derive(Debug)]
pub(crate) struct Mention {
    id: String,
    replacement: String,
}

impl Mention {
    /// `None` if `id` is too short to be told from anything else.
    pub(crate) fn new(id: String, replacement: String) -> Option<Self> {
        (id.len() >= MIN_LENGTH).then_some(Self { id, replacement })
    }

    pub(crate) fn is_of(&self, id: &str) -> bool {
        self.id == id
    }

    /// Where an occurrence that begins at `at` ends. Case does not count, and characters may be written as in URLs.
    fn end_at(&self, text: &[u8], at: usize) -> Option<usize> {
        let mut end = at;
        for wanted in self.id.bytes() {
            let is_wanted = |byte: u8| byte.eq_ignore_ascii_case(&wanted);
            let found = *text.get(end)?;
            end += match percent_encoded(text, end) {
                Some(byte) if is_wanted(byte) => 3,
                _ if is_wanted(found) || (found == b'+' && wanted == b' ') => 1,
                _ => return None,
            };
        }
        let is_word = !is_in_word(text, at) && !text.get(end).is_some_and(|byte| is_of_word(*byte));
        (is_word || self.id.len() >= LONG).then_some(end)
    }
}

/// `text` with all that is mentioned replaced; `None` if nothing is. With `long_only`, short ids are not looked for.
pub(crate) fn replace(text: &str, mentions: &[Mention], long_only: bool) -> Option<String> {
    let bytes = text.as_bytes();
    // Most places are dismissed by their first byte: bodies may be large, and ids many.
    let mut may_begin = [false; 256];
    may_begin[usize::from(b'%')] = true;
    for first in mentions
        .iter()
        .filter_map(|mention| mention.id.bytes().next())
    {
        may_begin[usize::from(first.to_ascii_lowercase())] = true;
        may_begin[usize::from(first.to_ascii_uppercase())] = true;
    }
    let mut replaced = None::<String>;
    let mut kept = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !may_begin[usize::from(bytes[at])] {
            at += 1;
            continue;
        }
        let looked_for = mentions
            .iter()
            .filter(|mention| !long_only || mention.id.len() >= LONG);
        // The longest, so that what is left of it is not left behind.
        let found = looked_for
            .filter_map(|mention| Some((mention.end_at(bytes, at)?, mention)))
            .max_by_key(|(end, _)| *end);
        let Some((end, mention)) = found else {
            at += 1;
            continue;
        };
        let replaced = replaced.get_or_insert_default();
        replaced.push_str(&text[kept..at]);
        replaced.push_str(&mention.replacement);
        (kept, at) = (end, end);
    }
    let mut replaced = replaced?;
    replaced.push_str(&text[kept..]);
    Some(replaced)
}

/// What takes the place of the number or boolean `raw`, if it is an id.
pub(crate) fn replacement<'m>(raw: &str, mentions: &'m [Mention]) -> Option<&'m str> {
    let mention = mentions
        .iter()
        .find(|mention| mention.is_of(&content(raw)))?;
    Some(&mention.replacement)
}

fn percent_encoded(text: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = *text.get(at..at + 3)? else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn is_in_word(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    // As in the %2F of a URL.
    let is_encoded = at
        .checked_sub(3)
        .is_some_and(|start| percent_encoded(text, start).is_some());
    before.is_some_and(|byte| is_of_word(*byte)) && !is_encoded
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}
