//! Looks for the mistakes with which a signature would be right.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use landfall_core::Secret;
use sha2::Sha256;

use super::json;
use crate::signature::{BASE64, read_timestamp, standard_alphabet};

const MISTAKES_AT_MOST: usize = 2;

/// Something as it is, or changed as a mistake would change it; then with the sentence that says so.
struct Guess<T> {
    value: T,
    mistake: Option<&'static str>,
}

type Layout = fn(&[u8], &[u8]) -> Vec<u8>;

/// The fewest mistakes with which `digest`, or as much as there is of it, is right; `None` if none are known.
pub(super) fn mistakes(
    digest: &[u8],
    secret: &Secret,
    timestamp: &str,
    body: &[u8],
) -> Option<Vec<&'static str>> {
    let keys = keys(secret.expose());
    let timestamps = timestamps(timestamp);
    let bodies = bodies(body);
    for allowed in 0..=MISTAKES_AT_MOST {
        for key in &keys {
            let key_state = Hmac::<Sha256>::new_from_slice(&key.value).ok()?;
            for layout in &LAYOUTS {
                for timestamp in &timestamps {
                    for body in &bodies {
                        let mistakes =
                            [key.mistake, layout.mistake, timestamp.mistake, body.mistake];
                        let mistakes: Vec<_> = mistakes.into_iter().flatten().collect();
                        if mistakes.len() != allowed {
                            continue;
                        }
                        let message = (layout.value)(&timestamp.value, &body.value);
                        let mac = key_state.clone().chain_update(message).finalize();
                        if mac
                            .into_bytes()
                            .iter()
                            .zip(digest)
                            .all(|(right, given)| right == given)
                        {
                            return Some(mistakes);
                        }
                    }
                }
            }
        }
    }
    None
}

const LAYOUTS: [Guess<Layout>; 6] = [
    Guess {
        value: |timestamp, body| [timestamp, b":", body].concat(),
        mistake: None,
    },
    Guess {
        value: |_, body| body.to_vec(),
        mistake: Some("The body alone was signed: sign timestamp, colon and body."),
    },
    Guess {
        value: |timestamp, body| [timestamp, b".", body].concat(),
        mistake: Some("A full stop was signed between timestamp and body: sign a colon there."),
    },
    Guess {
        value: |timestamp, body| [timestamp, body].concat(),
        mistake: Some("Nothing was signed between timestamp and body: sign a colon there."),
    },
    Guess {
        value: |timestamp, body| [timestamp, b"\n", body].concat(),
        mistake: Some("A line break was signed between timestamp and body: sign a colon there."),
    },
    Guess {
        value: |timestamp, body| [body, b":", timestamp].concat(),
        mistake: Some("The body was signed before the timestamp: sign the timestamp first."),
    },
];

fn keys(secret: &str) -> Vec<Guess<Vec<u8>>> {
    let trimmed = secret.trim();
    let unquoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| trimmed.strip_prefix(quote)?.strip_suffix(quote));
    let text = |text: &str| Some(text.as_bytes().to_vec());
    guesses(
        secret.as_bytes(),
        [
            (
                text(trimmed),
                "The secret has white space or a line break at an end that the sender's key does not have: remove it.",
            ),
            (
                unquoted.and_then(text),
                "The secret has quotation marks around it that the sender's key does not have: remove them.",
            ),
            (
                text(&format!("{secret}\n")),
                "The sender's key ends in a line break: remove it there.",
            ),
            (
                text(&format!("\"{secret}\"")),
                "The sender's key has quotation marks around it: remove them there.",
            ),
            (
                hex::decode(trimmed).ok(),
                "The sender's key is the bytes that the secret is the hex text of: the text itself is the key.",
            ),
            (
                BASE64.decode(standard_alphabet(trimmed.as_bytes())).ok(),
                "The sender's key is the bytes that the secret is the base64 text of: the text itself is the key.",
            ),
            (
                text(&hex::encode(secret)),
                "The sender's key is the secret written in hex: the secret itself is the key.",
            ),
            (
                text(&STANDARD.encode(secret)),
                "The sender's key is the secret written in base64: the secret itself is the key.",
            ),
        ],
    )
}

fn timestamps(timestamp: &str) -> Vec<Guess<Vec<u8>>> {
    let millis = read_timestamp(timestamp.trim().as_bytes());
    let written = |write: fn(i64) -> Option<String>| millis.and_then(write).map(String::into_bytes);
    guesses(
        timestamp.as_bytes(),
        [
            (
                Some(timestamp.trim().as_bytes().to_vec()),
                "The timestamp was signed without the white space around it: send it as it was signed.",
            ),
            (
                written(|millis| Some((millis.div_euclid(1000)).to_string())),
                "The timestamp was signed in seconds but is sent in another form: send the text that was signed.",
            ),
            (
                written(|millis| Some(millis.to_string())),
                "The timestamp was signed in milliseconds but is sent in another form: send the text that was signed.",
            ),
            (
                written(|millis| Some(format!("{millis}000"))),
                "The timestamp was signed in microseconds but is sent in another form: send the text that was signed.",
            ),
            (
                written(|millis| Some(jiff::Timestamp::from_millisecond(millis).ok()?.to_string())),
                "The timestamp was signed as RFC 3339 but is sent in another form: send the text that was signed.",
            ),
        ],
    )
}

fn bodies(body: &[u8]) -> Vec<Guess<Vec<u8>>> {
    const BOM: &[u8] = b"\xef\xbb\xbf";
    let text = str::from_utf8(body).ok();
    let json = |style| {
        text.and_then(|text| json::rewritten(text, style))
            .map(String::into_bytes)
    };
    let sorted = |style| {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        json::rewritten(&value.to_string(), style).map(String::into_bytes)
    };
    guesses(
        body,
        [
            (
                Some(body.trim_ascii().to_vec()),
                "The body was signed without the white space or line break at its end: keep the bytes as they came.",
            ),
            (
                Some([body, b"\n"].concat()),
                "The body was signed with a line break at its end: keep the bytes as they came.",
            ),
            (
                Some([body, b"\r\n"].concat()),
                "The body was signed with a line break (CR LF) at its end: keep the bytes as they came.",
            ),
            (
                body.strip_prefix(BOM).map(<[u8]>::to_vec),
                "The body was signed without the byte order mark at its begin: keep the bytes as they came.",
            ),
            (
                Some([BOM, body].concat()),
                "The body was signed with a byte order mark at its begin: keep the bytes as they came.",
            ),
            (
                text.map(|text| text.replace("\r\n", "\n").into_bytes()),
                "The body was signed with line breaks LF, and has CR LF: keep the bytes as they came.",
            ),
            (
                text.map(|text| text.replace('\n', "\r\n").into_bytes()),
                "The body was signed with line breaks CR LF, and has LF: keep the bytes as they came.",
            ),
            (
                json(json::COMPACT),
                "The body was signed as compact JSON and then written anew: keep the bytes as they came.",
            ),
            (
                json(json::SPACED),
                "The body was signed as JSON with a space after each comma and colon, and then written anew: keep the bytes as they came.",
            ),
            (
                json(json::INDENTED_BY_2),
                "The body was signed as indented JSON and then written anew: keep the bytes as they came.",
            ),
            (
                json(json::INDENTED_BY_4),
                "The body was signed as indented JSON and then written anew: keep the bytes as they came.",
            ),
            (
                sorted(json::COMPACT),
                "The body was signed as compact JSON with its keys in order, and then written anew: keep the bytes as they came.",
            ),
            (
                sorted(json::SPACED),
                "The body was signed as JSON with its keys in order, and then written anew: keep the bytes as they came.",
            ),
            (
                sorted(json::INDENTED_BY_2),
                "The body was signed as indented JSON with its keys in order, and then written anew: keep the bytes as they came.",
            ),
        ],
    )
}

/// `given` as it is, then the changed ones that differ from it.
fn guesses<const N: usize>(
    given: &[u8],
    changed: [(Option<Vec<u8>>, &'static str); N],
) -> Vec<Guess<Vec<u8>>> {
    let as_it_is = Guess {
        value: given.to_vec(),
        mistake: None,
    };
    let changed = changed.into_iter().filter_map(|(value, mistake)| {
        Some(Guess {
            value: value.filter(|value| value != given)?,
            mistake: Some(mistake),
        })
    });
    std::iter::once(as_it_is).chain(changed).collect()
}
