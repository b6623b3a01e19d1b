use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use landfall_appcues::{AppcuesEvent, Field, convert};
use landfall_core::{Event, Transform};
use serde::de::IgnoredAny;

use crate::hash::Hasher;
use crate::json::{content, quoted};
use crate::mention::{self, Mention};
use crate::rules::{Effect, Rules};
use crate::walk::{Leaf, Place, Role, top, walk};
use crate::{url, withheld};

/// What stands for a text that was taken out, where something has to.
const REDACTED: &str = "[redacted]";

/// Of all that is looked for in one body. No event tells of so many people.
const MAX_MENTIONS: usize = 16;

/// JSON in strings in JSON is followed so deep, which nobody writes.
const MAX_DEPTH: usize = 4;

/// What an anonymous user's id begins with. It stays, for the column that tells of it.
const ANONYMOUS: &str = "anon:";

#[derive(Debug)]
pub(crate) struct Redact {
    rules: Rules,
    hasher: Hasher,
    top: Vec<Place>,
}

/// A JSON text, and what was found in it.
struct Text<'a> {
    text: Cow<'a, str>,
    wholes: Vec<(Range<usize>, usize)>,
    leaves: Vec<(Leaf, Held)>,
}

/// The JSON in a string.
enum Held {
    Nothing,
    Text(Text<'static>),
    TooDeep,
}

/// Why nobody can be sure that all would be found.
struct Unsure(&'static str);

impl Transform for Redact {
    fn transform(&self, event: Event) -> Option<Event> {
        let changed = self.redacted(&event.body);
        Some(match changed {
            Some(body) => Event {
                body: body.into(),
                ..event
            },
            None => event,
        })
    }
}

impl Redact {
    pub(crate) fn new(rules: Rules, hasher: Hasher) -> Self {
        Self {
            top: top(&rules),
            rules,
            hasher,
        }
    }

    /// What takes the place of `body`; `None` if it may stay as it is.
    fn redacted(&self, body: &[u8]) -> Option<String> {
        let changed = match AppcuesEvent::parse(body) {
            Ok(event) => self.event(event.body()),
            Err(reason) => Err(Unsure(reason.reason())),
        };
        changed.unwrap_or_else(|Unsure(reason)| withheld::note(body, reason, &self.hasher))
    }

    /// What takes the place of a body that is an event.
    fn event(&self, body: &str) -> Result<Option<String>, Unsure> {
        let mut mentions = Vec::new();
        // All of it is read before any of it is edited: an id may stand behind what mentions it.
        let text = self.read(body.into(), &self.top, &mut mentions, 0)?;
        Ok(self.edited(text, &mentions))
    }

    /// Reads a JSON text, into which `places` lead. The ids that it holds are added to `mentions`.
    fn read<'a>(
        &self,
        text: Cow<'a, str>,
        places: &[Place],
        mentions: &mut Vec<Mention>,
        depth: usize,
    ) -> Result<Text<'a>, Unsure> {
        let found = walk(&text, &self.rules, places, depth == 0).ok_or(Unsure("not_readable"))?;
        for (span, effect) in found.sought {
            self.seek(&text[span], effect, mentions)?;
        }
        let mut leaves = Vec::with_capacity(found.leaves.len());
        for leaf in found.leaves {
            let held = match held_json(&text[leaf.span.clone()]) {
                None => Held::Nothing,
                Some(_) if depth == MAX_DEPTH => Held::TooDeep,
                Some(held) => {
                    let held = Cow::Owned(held.into_owned());
                    Held::Text(self.read(held, &leaf.places, mentions, depth + 1)?)
                }
            };
            leaves.push((leaf, held));
        }
        Ok(Text {
            text,
            wholes: found.wholes,
            leaves,
        })
    }

    /// What takes the place of a text that was read; `None` if it may stay as it is.
    fn edited(&self, text: Text<'_>, mentions: &[Mention]) -> Option<String> {
        let Text {
            text,
            wholes,
            leaves,
        } = text;
        let mut edits = Vec::new();
        for (span, rule) in wholes {
            let replacement = self.replaced(&text[span.clone()], self.rules.rule(rule).effect);
            edits.extend(replacement.map(|replacement| (span, replacement)));
        }
        for (Leaf { span, role, .. }, held) in leaves {
            let replacement = match (held, role) {
                (_, Role::Replaced) => None,
                (Held::Text(_) | Held::TooDeep, Role::Meant(rule))
                    if !self.rules.rule(rule).effect.replaces() =>
                {
                    // No URL holds JSON.
                    Some(quoted(REDACTED))
                }
                (Held::Text(held), Role::InPlaceOf(_) | Role::Key | Role::Kind | Role::Free) => {
                    self.edited(held, mentions).map(|changed| quoted(&changed))
                }
                (Held::TooDeep, Role::Key | Role::Kind | Role::Free) => Some(quoted(REDACTED)),
                (_, role) => self.leaf(&text[span.clone()], role, mentions),
            };
            edits.extend(replacement.map(|replacement| (span, replacement)));
        }
        with_edits(&text, edits)
    }

    fn seek(&self, raw: &str, effect: Effect, mentions: &mut Vec<Mention>) -> Result<(), Unsure> {
        let text = content(raw);
        let id = text.strip_prefix(ANONYMOUS).unwrap_or(&text);
        let trimmed = id.trim();
        let is_id = raw.starts_with(|first: char| matches!(first, '"' | '-' | '0'..='9'));
        if !is_id
            || self.hasher.is_hash(id.as_bytes())
            || mentions.iter().any(|mention| mention.is_of(trimmed))
        {
            return Ok(());
        }
        if mentions.len() == MAX_MENTIONS {
            return Err(Unsure("too_many_ids"));
        }
        let replacement = match effect {
            Effect::Hash => self.hasher.hash(id.as_bytes()),
            _ => REDACTED.to_owned(),
        };
        mentions.extend(Mention::new(trimmed.to_owned(), replacement));
        Ok(())
    }

    /// What takes the place of the key or value `raw`; `None` if it may stay.
    fn leaf(&self, raw: &str, role: Role, mentions: &[Mention]) -> Option<String> {
        let (rule, long_only) = match role {
            Role::Meant(rule) | Role::InPlaceOf(rule) => (Some(self.rules.rule(rule)), false),
            // Else nobody would find the columns of an event whose user is called "context".
            Role::Key if KNOWN_KEYS.contains(&*content(raw)) => return None,
            Role::Kind => (None, true),
            Role::Key | Role::Free | Role::Replaced => (None, false),
        };
        if rule.is_some_and(|rule| rule.spares_scores) && is_score(raw) {
            return None;
        }
        let effect = rule.map(|rule| rule.effect);
        match effect {
            Some(effect) if effect.replaces() => self.replaced(raw, effect),
            _ if raw.starts_with('"') => {
                let text = content(raw);
                let without = mention::replace(&text, mentions, long_only);
                let text = without.as_deref().unwrap_or(&text);
                let cut = match effect {
                    Some(effect) => url::cut(text, self.hasher_of(effect)),
                    None => {
                        let effect = self.rules.urls;
                        effect.and_then(|effect| url::cut_all(text, self.hasher_of(effect)))
                    }
                };
                cut.or(without).map(|text| quoted(&text))
            }
            _ => mention::replacement(raw, mentions).map(quoted),
        }
    }

    /// What takes the place of a value that a rule replaces; `None` if it is that already.
    fn replaced(&self, raw: &str, effect: Effect) -> Option<String> {
        let replacement = match effect {
            Effect::Blank => quoted(REDACTED),
            Effect::Hash => {
                let text = content(raw);
                let (anonymous, id) = match text.strip_prefix(ANONYMOUS) {
                    Some(id) => (ANONYMOUS, id),
                    None => ("", &*text),
                };
                quoted(&format!("{anonymous}{}", self.hasher.hash(id.as_bytes())))
            }
            _ => "null".to_owned(),
        };
        (replacement != raw).then_some(replacement)
    }

    fn hasher_of(&self, effect: Effect) -> Option<&Hasher> {
        (effect == Effect::HashQuery).then_some(&self.hasher)
    }
}

/// All keys on the way to what Landfall reads.
static KNOWN_KEYS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let paths = Field::ALL.into_iter().map(Field::path);
    paths.flat_map(|path| path.split('.')).collect()
});

/// The object, list or string that the string `raw` holds.
fn held_json(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.starts_with('"') {
        return None;
    }
    let text = content(raw);
    let may_be = text.trim_start().starts_with(['{', '[', '"']);
    (may_be && serde_json::from_str::<IgnoredAny>(&text).is_ok()).then_some(text)
}

fn is_score(raw: &str) -> bool {
    convert::int32(raw).is_ok_and(|score| score.is_some_and(|score| (0..=10).contains(&score)))
}

/// `text` with these spans of it replaced; `None` if there are none.
fn with_edits(text: &str, mut edits: Vec<(Range<usize>, String)>) -> Option<String> {
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|(span, _)| span.start);
    let mut edited = String::with_capacity(text.len());
    let mut kept = 0;
    for (span, replacement) in edits {
        edited.push_str(&text[kept..span.start]);
        edited.push_str(&replacement);
        kept = span.end;
    }
    edited.push_str(&text[kept..]);
    Some(edited)
}

#[cfg(test)]
mod tests;
