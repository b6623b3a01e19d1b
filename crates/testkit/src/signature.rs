use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A signature as Appcues' page describes it: HMAC-SHA256 of `timestamp:body` under the account secret key.
///
/// Made here from the hash alone, so that a mistake in Landfall's own signing cannot cancel out.
#[derive(Clone, Copy, Debug)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Signs `body` together with `timestamp`, the text of `X-Apc-Timestamp`.
    pub fn new(secret: &str, timestamp: &str, body: &[u8]) -> Self {
        Self(hmac_sha256(
            secret.as_bytes(),
            &[timestamp.as_bytes(), b":", body],
        ))
    }

    /// Signs `message` as it is.
    pub fn of_message(secret: &str, message: &[u8]) -> Self {
        Self(hmac_sha256(secret.as_bytes(), &[message]))
    }

    /// The digest in lower-case hex.
    pub fn hex(self) -> String {
        hex::encode(self.0)
    }

    /// The digest in padded standard base64.
    pub fn base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// This machine's clock, in whole seconds since 1970 UTC.
pub fn epoch_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_gives_the_digest_of_rfc_4231_test_case_2() {
        let digest = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(
            hex::encode(digest),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
