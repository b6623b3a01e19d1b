//! Goes over a JSON text once, as RFC 8259 has it.
//!
//! Each function passes something that begins at `at`, and gives where it has ended; `None` if the text is not JSON there.
//! How deep a value is costs memory, a byte a level, but no stack. Strings are only checked for the form of their escapes:
//! whether the halves of surrogate pairs fit together is for who reads the string.

/// Passes white space.
pub(super) fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Passes white space and `symbol`.
pub(super) fn symbol(text: &[u8], at: usize, symbol: u8) -> Option<usize> {
    let is_at = |at| text.get(at) == Some(&symbol);
    // Mostly there is no white space.
    if is_at(at) {
        return Some(at + 1);
    }
    let at = space(text, at);
    is_at(at).then_some(at + 1)
}

/// Passes what follows an element: a comma, which gives `true`, or the `closer` of the list or object.
pub(super) fn after_element(text: &[u8], at: usize, closer: u8) -> Option<(usize, bool)> {
    match symbol(text, at, b',') {
        Some(at) => Some((at, true)),
        None => Some((symbol(text, at, closer)?, false)),
    }
}

/// A key as it is written between its quotes.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) raw: &'a [u8],
    /// There are no escapes in it. Where this is not set there may be.
    pub(super) is_plain: bool,
}

impl Key<'_> {
    /// What it says; `None` if that is not Unicode.
    pub(super) fn unescaped(self) -> Option<String> {
        serde_json::from_slice(&[b"\"", self.raw, b"\""].concat()).ok()
    }
}

/// Passes a key and its colon.
#[inline]
pub(super) fn key(text: &[u8], at: usize) -> Option<(usize, Key<'_>)> {
    let start = symbol(text, at, b'"')?;
    let (end, is_plain) = string(text, start)?;
    let raw = text.get(start..end - 1)?;
    Some((symbol(text, end, b':')?, Key { raw, is_plain }))
}

/// Passes a value.
pub(super) fn value(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string(text, at + 1).map(|(end, _)| end),
        b'{' | b'[' => nested(text, at),
        b't' => literal(text, at, b"true"),
        b'f' => literal(text, at, b"false"),
        b'n' => literal(text, at, b"null"),
        _ => number(text, at),
    }
}

/// Passes a list or an object.
#[inline(never)] // Or it would make all other values dearer, of which there are many more.
fn nested(text: &[u8], mut at: usize) -> Option<usize> {
    let mut closers = Vec::new();
    loop {
        at = space(text, at);
        let closer = match text.get(at)? {
            b'{' => b'}',
            b'[' => b']',
            _ => 0,
        };
        if closer == 0 {
            at = value(text, at)?;
        } else if let Some(end) = symbol(text, at + 1, closer) {
            at = end;
        } else {
            closers.push(closer);
            at = before_value(text, at + 1, closer)?;
            continue;
        }
        while let Some(closer) = closers.last() {
            let (end, has_more) = after_element(text, at, *closer)?;
            at = end;
            if has_more {
                at = before_value(text, at, *closer)?;
                break;
            }
            closers.pop();
        }
        if closers.is_empty() {
            return Some(at);
        }
    }
}

/// Passes the key of an element, if it has one.
fn before_value(text: &[u8], at: usize, closer: u8) -> Option<usize> {
    if closer == b'}' {
        key(text, at).map(|(end, _)| end)
    } else {
        Some(at)
    }
}

fn literal(text: &[u8], at: usize, literal: &[u8]) -> Option<usize> {
    text.get(at..)?
        .starts_with(literal)
        .then_some(at + literal.len())
}

fn number(text: &[u8], mut at: usize) -> Option<usize> {
    let is = |at: usize, these: &[u8]| text.get(at).is_some_and(|byte| these.contains(byte));
    at += usize::from(is(at, b"-"));
    at = if is(at, b"0") {
        at + 1
    } else {
        digits(text, at)?
    };
    if is(at, b".") {
        at = digits(text, at + 1)?;
    }
    if is(at, b"eE") {
        let sign = usize::from(is(at + 1, b"+-"));
        at = digits(text, at + 1 + sign)?;
    }
    Some(at)
}

/// Passes one digit or more.
fn digits(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > start).then_some(at)
}

/// Passes a string from behind its first quote on, and says whether it is known to have no escapes.
#[inline]
fn string(text: &[u8], at: usize) -> Option<(usize, bool)> {
    let end = plain(text, at);
    if text.get(end) == Some(&b'"') {
        Some((end + 1, true))
    } else {
        Some((rest_of_string(text, end)?, false))
    }
}

/// Passes a string from an escape on, or from where the text is about to end.
#[cold]
fn rest_of_string(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => plain(text, escape(text, at + 1)?),
            0x20.. => at + 1,
            _ => return None,
        };
    }
}

/// Passes what is neither a quote nor a backslash nor a control character, but for the last bytes of the text.
///
/// Eight bytes are looked at together, which makes the scanner fast: most of an event is strings.
#[inline]
fn plain(text: &[u8], mut at: usize) -> usize {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    // Sets the highest bit of the first byte that is below `limit`, and perhaps of some after it.
    let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word & (EACH * 0x80);
    while let Some(Ok(word)) = text.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(word);
        // Of all bytes only control characters and the quote are below 0x21 when their second bit is turned.
        let found = below(word ^ (EACH * 2), 0x21) | below(word ^ (EACH * u64::from(b'\\')), 1);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at
}

/// Passes what follows a backslash.
fn escape(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => {
            let digits = text.get(at + 1..at + 5)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
        }
        _ => None,
    }
}
