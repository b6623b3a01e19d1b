//! Appcues signs a request with HMAC-SHA256 over `timestamp:body`, keyed with the account secret key.
//!
//! The page on webhooks says neither how the digest is written nor the unit of the timestamp, so every usual form of
//! both is read. All forms of a digest compare the same 32 bytes, so reading several is no weaker.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use landfall_core::{Secret, Timestamp};
use sha2::Sha256;

type HmacSha256 = Hmac<Sha256>;

/// Base64 with or without padding.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Signs `body` as Appcues does: lower-case hex HMAC-SHA256 over `timestamp:body`.
///
/// `timestamp` is the text of `X-Apc-Timestamp` as it will be sent.
pub fn sign(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    let mac = authenticate(keyed(secret), timestamp.as_bytes(), body);
    hex::encode(mac.finalize().into_bytes())
}

/// Tells requests that Appcues signed from all others.
///
/// It holds one prepared key state per secret; any of the secrets may have signed, so that a key can be rotated.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<HmacSha256>,
    tolerance_secs: u64,
}

impl Verifier {
    /// A verifier for `secrets` that takes timestamps up to `tolerance_secs` away from now, in either direction; 0
    /// takes any.
    ///
    /// Empty secrets are left out, since everybody could sign with them. Without secrets nothing verifies.
    pub fn new(secrets: impl IntoIterator<Item = Secret>, tolerance_secs: u64) -> Self {
        let secrets = secrets.into_iter();
        let keys = secrets
            .filter(|secret| !secret.expose().is_empty())
            .map(|secret| keyed(&secret))
            .collect();
        Self {
            keys,
            tolerance_secs,
        }
    }

    /// Reads what a request claims in `X-Apc-Signature` and `X-Apc-Timestamp`, both exactly as sent.
    ///
    /// This needs no body, so that a hopeless request can be refused before its body is read.
    ///
    /// # Errors
    /// All variants of [`SignatureError`] but `Mismatch`.
    pub fn claim(
        &self,
        signature: &[u8],
        timestamp: &[u8],
        now: Timestamp,
    ) -> Result<Claim, SignatureError> {
        let digest = read_digest(signature).ok_or(SignatureError::MalformedSignature)?;
        // Read even if any age will do: were any text a timestamp, the colon between timestamp and body could be moved
        // to a later one in the body, and a part of a signed body would pass for a signed body.
        let signed_at = read_timestamp(timestamp).ok_or(SignatureError::MalformedTimestamp)?;
        let off_millis = now.as_millis().abs_diff(signed_at);
        if self.tolerance_secs > 0 && off_millis > self.tolerance_secs.saturating_mul(1000) {
            return Err(SignatureError::Expired {
                off_secs: off_millis.div_ceil(1000),
            });
        }
        Ok(Claim {
            digest,
            timestamp: timestamp.to_vec(),
        })
    }

    /// Verifies that one of the secrets signed `body`, in time that depends on the length of `body` alone.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`].
    pub fn verify(&self, claim: &Claim, body: Bytes) -> Result<VerifiedBody, SignatureError> {
        let matched = self.keys.iter().fold(false, |matched, key| {
            let mac = authenticate(key.clone(), &claim.timestamp, &body);
            matched | mac.verify_slice(&claim.digest).is_ok()
        });
        if matched {
            Ok(VerifiedBody(body))
        } else {
            Err(SignatureError::Mismatch)
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("secrets", &self.keys.len())
            .field("tolerance_secs", &self.tolerance_secs)
            .finish()
    }
}

/// What a request's headers say about its signature, well-formed and recent but not yet verified.
#[derive(Clone, Debug)]
pub struct Claim {
    digest: [u8; 32],
    /// The header's text as sent, since that is what was signed.
    timestamp: Vec<u8>,
}

/// A request body that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedBody(Bytes);

impl VerifiedBody {
    /// Lets a body pass that nobody verified, for a source that is configured to trust its network.
    pub fn unauthenticated(body: Bytes) -> Self {
        Self(body)
    }

    /// The body's bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Why a request is not taken as Appcues' own. Says nothing about secrets or expected digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// `X-Apc-Signature` is not 32 bytes in hex or base64.
    #[error("X-Apc-Signature is not an HMAC-SHA256 digest: send its 32 bytes in hex or base64")]
    MalformedSignature,
    /// `X-Apc-Timestamp` is not a time.
    #[error("X-Apc-Timestamp is not a time: send an epoch in s, ms or us, or RFC 3339")]
    MalformedTimestamp,
    /// `X-Apc-Timestamp` is too far from now.
    #[error(
        "X-Apc-Timestamp is {off_secs} s off this server's clock: send the request anew, or check both clocks"
    )]
    Expired {
        /// The distance between the timestamp and now, in seconds.
        off_secs: u64,
    },
    /// No secret gives this signature for this timestamp and body.
    #[error(
        "the signature does not match: sign \"timestamp:body\", bytes as sent, with the account secret key"
    )]
    Mismatch,
}

impl SignatureError {
    /// A stable name for responses and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MalformedSignature => "signature_malformed",
            Self::MalformedTimestamp => "timestamp_malformed",
            Self::Expired { .. } => "timestamp_expired",
            Self::Mismatch => "signature_mismatch",
        }
    }
}

#[expect(clippy::expect_used, reason = "stated invariant")]
fn keyed(secret: &Secret) -> HmacSha256 {
    HmacSha256::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length")
}

fn authenticate(mut mac: HmacSha256, timestamp: &[u8], body: &[u8]) -> HmacSha256 {
    mac.update(timestamp);
    mac.update(b":");
    mac.update(body);
    mac
}

/// 32 bytes in hex (64 digits) or base64 (43 or 44), told apart by length.
pub(crate) fn read_digest(text: &[u8]) -> Option<[u8; 32]> {
    let text = text.strip_prefix(b"sha256=").unwrap_or(text);
    let mut digest = [0; 32];
    match text.len() {
        64 => hex::decode_to_slice(text, &mut digest).ok()?,
        43 | 44 => {
            digest = BASE64
                .decode(standard_alphabet(text))
                .ok()?
                .try_into()
                .ok()?;
        }
        _ => return None,
    }
    Some(digest)
}

/// Base64 for URLs in the alphabet of other base64.
pub(crate) fn standard_alphabet(text: &[u8]) -> Vec<u8> {
    let standard = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    text.iter().map(standard).collect()
}

/// Epoch milliseconds from an epoch in s, ms or us, told apart by magnitude, or from RFC 3339.
pub(crate) fn read_timestamp(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let time: jiff::Timestamp = is_rfc3339(text.as_bytes()).then(|| text.parse().ok())??;
        return Some(time.as_millisecond());
    }
    // Each range ends in the year 5138 of its unit, and the next one begins in 1973.
    match text.parse::<i64>().ok()? {
        secs @ ..100_000_000_000 => Some(secs * 1000),
        millis @ ..100_000_000_000_000 => Some(millis),
        micros @ ..100_000_000_000_000_000 => Some(micros / 1000),
        _ => None,
    }
}

/// Whether `text` is written as RFC 3339 writes a time, to its last digit.
///
/// jiff also reads shorter forms. Were these times here, the colon between timestamp and body could be moved: who signs
/// `…T21:48:36+02:00` and a body would have signed `…T21:48:36+02` and the body `00:…` too.
fn is_rfc3339(text: &[u8]) -> bool {
    let is_like = |text: &[u8], pattern: &[u8]| {
        let fits = |(byte, wanted): (&u8, &u8)| match wanted {
            b'0' => byte.is_ascii_digit(),
            b'T' | b'Z' => byte.eq_ignore_ascii_case(wanted),
            b'+' => matches!(byte, b'+' | b'-'),
            _ => byte == wanted,
        };
        text.len() == pattern.len() && text.iter().zip(pattern).all(fits)
    };
    const DATE_TIME: &[u8] = b"0000-00-00T00:00:00";
    let Some((date_time, rest)) = text.split_at_checked(DATE_TIME.len()) else {
        return false;
    };
    let offset = rest.strip_prefix(b".").map_or(rest, |fraction| {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit());
        &fraction[digits.count()..]
    });
    is_like(date_time, DATE_TIME) && (is_like(offset, b"Z") || is_like(offset, b"+00:00"))
}

#[cfg(test)]
mod tests;
