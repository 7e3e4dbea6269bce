use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use sluice_filter::Error;

/// Keyed, since what is masked can mostly be guessed: an address, a card number.
pub(crate) type Digest = Hmac<Sha256>;

/// Half of the digest tells values apart as well as all of it would.
const BYTES: usize = 16;

/// As RFC 2104 §3 has it, a key shorter than this weakens the digest.
const KEY_BYTES_MIN: usize = 16;

pub(crate) fn keyed(key: &[u8]) -> Result<Digest, Error> {
    if key.len() < KEY_BYTES_MIN {
        return Err(Error::at(
            "hash-secret",
            format!("the secret has {} bytes, fewer than {KEY_BYTES_MIN}", key.len()),
        ));
    }
    Digest::new_from_slice(key).map_err(|error| Error::at("hash-secret", error))
}

/// What stands in the place of a hashed value.
pub(crate) fn hex(digest: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    digest.iter().take(BYTES).flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}
