use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use landfall_core::Secret;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// What every hash begins with, so that people see what it is.
const PREFIX: &str = "hash-";

/// Of an HMAC-SHA256, in bytes: enough that no two values of a lake share a hash.
const HASH_BYTES: usize = 16;

/// Enough that nobody passes off a text of his own as a hash.
const SEAL_BYTES: usize = 8;

/// Turns texts into hashes that only the holder of the key can make.
///
/// A hash carries a seal, by which the transform knows its own: hashing one gives the same again, and a text that only looks like one
/// is hashed as any other.
#[derive(Clone)]
pub(crate) struct Hasher(Hmac<Sha256>);

impl Hasher {
    #[expect(clippy::expect_used, reason = "stated invariant")]
    pub(crate) fn new(key: &Secret) -> Self {
        let hmac = Hmac::new_from_slice(key.expose().as_bytes());
        Self(hmac.expect("HMAC takes keys of any length"))
    }

    /// `hash-`, then in hex the first 16 bytes of the HMAC-SHA256 of `value`, and 8 of that of what stands before.
    pub(crate) fn hash(&self, value: &[u8]) -> String {
        if self.is_hash(value) {
            return String::from_utf8_lossy(value).into_owned();
        }
        let mut text = PREFIX.to_owned();
        text.push_str(&hex::encode(&self.hmac(value)[..HASH_BYTES]));
        let seal = self.seal(text.as_bytes());
        text.push_str(&seal);
        text
    }

    /// Whether `value` is what [`hash`](Self::hash) once gave.
    pub(crate) fn is_hash(&self, value: &[u8]) -> bool {
        let sealed = PREFIX.len() + 2 * HASH_BYTES;
        value.len() == sealed + 2 * SEAL_BYTES
            && value.starts_with(PREFIX.as_bytes())
            && self
                .seal(&value[..sealed])
                .as_bytes()
                .ct_eq(&value[sealed..])
                .into()
    }

    fn seal(&self, text: &[u8]) -> String {
        hex::encode(&self.hmac(text)[..SEAL_BYTES])
    }

    fn hmac(&self, value: &[u8]) -> [u8; 32] {
        self.0
            .clone()
            .chain_update(value)
            .finalize()
            .into_bytes()
            .into()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(key: &str) -> Hasher {
        Hasher::new(&Secret::new(key))
    }

    #[test]
    fn a_hash_is_what_any_hmac_gives_and_stays_what_it_is() {
        // Python: hmac.new(b"0123456789abcdef", b"g1j77no", "sha256").hexdigest()[:32], and the same of b"hash-" and that, [:16].
        let hash = hasher("0123456789abcdef").hash(b"g1j77no");
        assert_eq!(
            hash,
            "hash-bfeceeae22e70c9782884051d0c8d01593dae7cfa2fbd9ad"
        );
        assert_eq!(hasher("0123456789abcdef").hash(hash.as_bytes()), hash);
    }

    #[test]
    fn what_only_looks_like_a_hash_is_hashed() {
        let (one, other) = (hasher("0123456789abcdef"), hasher("fedcba9876543210"));
        let hash = one.hash(b"g1j77no");
        assert_ne!(other.hash(hash.as_bytes()), hash);
        let forged = hash.replace("hash-", "hash-0")[..hash.len()].to_owned();
        assert_ne!(one.hash(forged.as_bytes()), forged);
        assert_eq!(format!("{one:?}"), "Hasher(..)");
    }
}
