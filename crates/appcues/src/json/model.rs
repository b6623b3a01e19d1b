//! The same reading by serde_json, which tests and fuzzing hold ours to.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What [`Paths::read`](landfall_appcues::Paths::read) should give for `paths`.
pub(crate) fn read<'a, const N: usize>(
    paths: [&str; N],
    text: &'a str,
) -> serde_json::Result<[Option<&'a str>; N]> {
    let mut slots = [None; N];
    let mut json = serde_json::Deserializer::from_str(text);
    let walk = Walk {
        text,
        paths: &paths,
        prefix: String::new(),
        slots: &mut slots,
    };
    walk.deserialize(&mut json)?;
    json.end()?;
    Ok(slots)
}

/// Holds what was read to what should have been, as slices of the same text, and errors where they stand.
pub(crate) fn assert_same<const N: usize>(
    paths: [&str; N],
    text: &str,
    read: serde_json::Result<[Option<&str>; N]>,
) {
    let place = |slot: Option<&str>| slot.map(|value| (value.as_ptr().addr(), value.len()));
    match (read, self::read(paths, text)) {
        (Ok(read), Ok(expected)) => assert_eq!(read.map(place), expected.map(place), "{text}"),
        (Err(read), Err(expected)) => {
            // serde_json looks no further into what begins as no object.
            if text.trim_start().starts_with('{') {
                let place = |error: &serde_json::Error| (error.line(), error.column());
                assert_eq!(place(&read), place(&expected), "{text}");
            }
        }
        (read, expected) => panic!("{text}: {read:?} instead of {expected:?}"),
    }
}

/// An object that is at `prefix`.
struct Walk<'w, 'a> {
    text: &'a str,
    paths: &'w [&'w str],
    prefix: String,
    slots: &'w mut [Option<&'a str>],
}

impl<'a> DeserializeSeed<'a> for Walk<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Walk<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(raw_key) = map.next_key::<&'a RawValue>()? {
            let key: Option<String> = serde_json::from_str(raw_key.get()).ok();
            let path = key
                .filter(|key| !key.contains('.'))
                .map(|key| format!("{}{key}", self.prefix));
            let slot = path
                .as_ref()
                .and_then(|path| self.paths.iter().position(|other| other == path));
            let (Some(path), Some(slot)) = (path, slot) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let prefix = format!("{path}.");
            let mut leads_on = false;
            for (below, path) in self.slots.iter_mut().zip(self.paths) {
                if path.starts_with(&prefix) {
                    leads_on = true;
                    *below = None;
                }
            }
            if leads_on && opens_object(self.text, raw_key.get()) {
                self.slots[slot] = None;
                map.next_value_seed(Walk {
                    text: self.text,
                    paths: self.paths,
                    prefix,
                    slots: &mut *self.slots,
                })?;
            } else {
                let value = map.next_value::<&'a RawValue>()?.get();
                self.slots[slot] = (value != "null").then_some(value);
            }
        }
        Ok(())
    }
}

/// Whether the value after `key`, which is a part of `text`, is an object.
///
/// serde cannot look ahead, and a value of another type fails the whole parse once it has been entered as an object.
fn opens_object(text: &str, key: &str) -> bool {
    let end = (key.as_ptr().addr() - text.as_ptr().addr()) + key.len();
    let value = text[end..].trim_start().strip_prefix(':');
    value.is_some_and(|value| value.trim_start().starts_with('{'))
}
