//! What to tell the person whose webhook is refused. Nothing here decides what is let in.

mod guess;
mod json;

use base64::Engine as _;
use landfall_core::{Secret, Timestamp};

use crate::signature::{BASE64, read_digest, standard_alphabet};
use crate::{SignatureError, Verifier};

/// A signed request as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// `X-Apc-Signature`.
    pub signature: &'a str,
    /// `X-Apc-Timestamp`.
    pub timestamp: &'a str,
    /// The request body.
    pub body: &'a [u8],
}

/// Why `request` is not accepted with `secret`: a sentence for each reason, none if it is.
///
/// It tries what people and programs on the way get wrong, up to two mistakes at a time: in the secret, the text of the
/// timestamp, the body, and the way they are put together. No sentence holds the secret or a right signature.
pub fn explain(
    request: Captured<'_>,
    secret: &Secret,
    now: Timestamp,
    tolerance_secs: u64,
) -> Vec<String> {
    let mut sentences = Vec::new();
    let digest = match read_digest(request.signature.as_bytes()) {
        Some(digest) => Some(digest.to_vec()),
        None => {
            let (digest, problem) = read_malformed(request.signature);
            sentences.push(problem);
            digest
        }
    };
    if let Some(digest) = digest {
        match guess::mistakes(&digest, secret, request.timestamp, request.body) {
            Some(mistakes) => sentences.extend(mistakes.into_iter().map(str::to_owned)),
            None => sentences.push(UNKNOWN.to_owned()),
        }
    }
    let well_formed = "0".repeat(64);
    let timestamp = request.timestamp.as_bytes();
    let claim = Verifier::new([], tolerance_secs).claim(well_formed.as_bytes(), timestamp, now);
    match claim {
        Ok(_) => {}
        Err(SignatureError::Expired { off_secs }) => sentences.push(format!(
            "The timestamp is {off_secs} s off this clock; {tolerance_secs} s are tolerated. If the request was kept \
             from before, --tolerance-secs 0 judges the rest; if it is fresh, check both clocks."
        )),
        Err(error) => sentences.push(format!("{error}.")),
    }
    sentences
}

/// So many bytes are not the same by chance.
const COMPARED_AT_LEAST: usize = 8;

const UNKNOWN: &str = "No mistake that is known here gives this signature. The secret is most likely another one than \
    the sender's: compare it with the account secret key in Appcues. Or the body is not the one that was signed, byte \
    for byte.";

/// The bytes of a signature that is written in no accepted way, where there is any use in comparing them; and what is
/// wrong with it.
fn read_malformed(signature: &str) -> (Option<Vec<u8>>, String) {
    let bare = signature.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    let scheme = bare.trim_end_matches('=').rfind('=');
    let written = scheme.map_or(bare, |end| &bare[end + 1..]);
    if let Some(digest) = read_digest(written.as_bytes()) {
        let problem = "X-Apc-Signature has something around the digest: send the digest alone, or after sha256=.";
        return (Some(digest.to_vec()), problem.to_owned());
    }
    let Some(bytes) = read_bytes(written) else {
        let problem = "X-Apc-Signature is neither hex nor base64: send the 32 bytes of the digest in one of them.";
        return (None, problem.to_owned());
    };
    let length = bytes.len();
    let algorithm = match length {
        16 => "MD5",
        20 => "SHA-1",
        28 => "SHA-224",
        48 => "SHA-384",
        64 => "SHA-512",
        _ => {
            let problem = format!(
                "X-Apc-Signature has {length} bytes, and a digest 32: send all of it, and nothing else."
            );
            return (
                Some(bytes).filter(|bytes| bytes.len() >= COMPARED_AT_LEAST),
                problem,
            );
        }
    };
    let problem = format!(
        "X-Apc-Signature has {length} bytes, as a digest by {algorithm} has: sign with HMAC-SHA256, which has 32."
    );
    (None, problem)
}

fn read_bytes(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        // Of an odd number of digits the last one is half a byte.
        return hex::decode(&text[..text.len() / 2 * 2]).ok();
    }
    BASE64.decode(standard_alphabet(text.as_bytes())).ok()
}

#[cfg(test)]
mod tests;
