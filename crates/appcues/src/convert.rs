//! From the JSON text of a value to the type of its column.
//!
//! The rule is that of the events table: a value that can be read as the type is read, and one that cannot is a
//! [`Mismatch`]. Each function takes the text of one valid JSON value and gives `None` for null.

use std::borrow::Cow;
use std::fmt;

use landfall_core::Timestamp;
use serde_json::value::RawValue;

/// A value that cannot be read as its column's type: `expected an integer, got "ten"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch<'a> {
    /// What the column takes, such as `an integer`.
    pub expected: &'static str,
    /// The JSON text of the value.
    pub found: &'a str,
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_CHARS: usize = 40;
        let Self { expected, found } = self;
        match found.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => write!(f, "expected {expected}, got {}…", &found[..end]),
            None => write!(f, "expected {expected}, got {found}"),
        }
    }
}

/// Text: a string unescaped, a number or a boolean as it is written.
///
/// # Errors
/// [`Mismatch`] for lists and objects, and for strings that are not Unicode (half a surrogate pair).
pub fn string(raw: &str) -> Result<Option<Cow<'_, str>>, Mismatch<'_>> {
    match raw.as_bytes().first() {
        Some(b'"') => unquoted(raw)
            .map(Some)
            .ok_or(mismatch("a string of valid Unicode", raw)),
        Some(b'{' | b'[') | None => Err(mismatch("a string", raw)),
        _ if raw == "null" => Ok(None),
        _ => Ok(Some(Cow::Borrowed(raw))),
    }
}

/// An integer of 32 bits, read as [`int64`].
///
/// # Errors
/// As [`int64`], and if it needs more than 32 bits.
pub fn int32(raw: &str) -> Result<Option<i32>, Mismatch<'_>> {
    let wide = int64(raw)?;
    wide.map(i32::try_from)
        .transpose()
        .map_err(|_| mismatch("a 32-bit integer", raw))
}

/// An integer: `10`, `10.0`, `1e1`, or a string that holds one of these.
///
/// # Errors
/// [`Mismatch`] for everything else. A number with a point or an exponent must be below 2^53, where it is exact.
pub fn int64(raw: &str) -> Result<Option<i64>, Mismatch<'_>> {
    const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
    read(raw, "an integer", |text| {
        text.parse().ok().or_else(|| {
            let number: f64 = text.parse().ok()?;
            let exact = number.fract() == 0.0 && number.abs() < EXACT_BELOW;
            // Digits alone did not fit in 64 bits, or this is a form that loses nothing.
            exact.then_some(number as i64)
        })
    })
}

/// A boolean, or a string that holds `true` or `false`.
///
/// # Errors
/// [`Mismatch`] for everything else.
pub fn boolean(raw: &str) -> Result<Option<bool>, Mismatch<'_>> {
    read(raw, "true or false", |text| text.parse().ok())
}

/// A time in the years 1 to 9999: a number of milliseconds since the epoch, RFC 3339, or a string that holds either.
/// Fractions of a millisecond are cut off, towards the past.
///
/// # Errors
/// [`Mismatch`] for everything else.
pub fn timestamp(raw: &str) -> Result<Option<Timestamp>, Mismatch<'_>> {
    const YEARS_1_TO_9999: std::ops::Range<i64> = -62_135_596_800_000..253_402_300_800_000;
    read(raw, "a time (epoch ms or RFC 3339)", |text| {
        let millis = if let Ok(millis) = text.parse() {
            millis
        } else if let Ok(number) = text.parse::<f64>() {
            // Saturates far outside of the range, and turns what is not a number into 0.
            (!number.is_nan()).then(|| number.floor() as i64)?
        } else {
            let time: jiff::Timestamp = text.parse().ok()?;
            i64::try_from(time.as_nanosecond().div_euclid(1_000_000)).ok()?
        };
        YEARS_1_TO_9999
            .contains(&millis)
            .then_some(Timestamp::from_millis(millis))
    })
}

/// The JSON texts of a list's elements.
///
/// # Errors
/// [`Mismatch`] for everything else.
pub fn list(raw: &str) -> Result<Option<Vec<&str>>, Mismatch<'_>> {
    let elements: Option<Vec<&RawValue>> =
        serde_json::from_str(raw).map_err(|_| mismatch("a list", raw))?;
    Ok(elements.map(|elements| elements.into_iter().map(RawValue::get).collect()))
}

/// Reads the trimmed content of a string, or the text of any other value.
fn read<'a, T>(
    raw: &'a str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Mismatch<'a>> {
    if raw == "null" {
        return Ok(None);
    }
    let text = unquoted(raw).unwrap_or(Cow::Borrowed(raw));
    parse(text.trim()).map(Some).ok_or(mismatch(expected, raw))
}

/// The content of a JSON string; a copy only if it has escapes.
fn unquoted(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

fn mismatch<'a>(expected: &'static str, found: &'a str) -> Mismatch<'a> {
    Mismatch { expected, found }
}

#[cfg(test)]
mod tests;
