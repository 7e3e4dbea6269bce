use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sluice_filter::store::{self, Exchanged, Lifetime};
use sluice_filter::{Exchange, Request, random};

use crate::Trouble;
use crate::key::Part;

/// Gives each client, or whatever requests are counted by, its name in the store: a keyed hash, so that the store holds no
/// address and no credential, and whoever reads it cannot try out all addresses there are.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// None until the store has said which key all instances use.
    digest: Option<Hmac<Sha256>>,
    ipv6_prefix: u8,
}

/// In the store, where the key is. Filters that share a store and their allowances count together.
const KEY_NAME: &[u8] = b"rate-limit key";
const KEY_BYTES: u32 = 32;

/// Of the hash: enough that no two clients meet in one bucket.
const HASH_BYTES: usize = 16;

impl Buckets {
    pub(crate) fn new(ipv6_prefix: u8) -> Self {
        Self { digest: None, ipv6_prefix }
    }

    /// The name of the bucket that a request takes from.
    pub(crate) fn of<S>(
        &mut self,
        parts: &[Part],
        request: &Request,
        exchange: &Exchange<S>,
    ) -> Result<Vec<u8>, Trouble> {
        let ipv6_prefix = self.ipv6_prefix;
        let mut digest = self.digest()?;
        for part in parts {
            absorb(&mut digest, part.read(request, exchange, ipv6_prefix)?.as_deref());
        }
        let hash = digest.finalize().into_bytes();
        Ok(b"rate-limit ".iter().chain(hash.iter().take(HASH_BYTES)).copied().collect())
    }

    fn digest(&mut self) -> Result<Hmac<Sha256>, store::Error> {
        if let Some(digest) = &self.digest {
            return Ok(digest.clone());
        }
        let digest = keyed(&shared_key()?)?;
        self.digest = Some(digest.clone());
        Ok(digest)
    }
}

/// The key that is in the store. Whoever finds none puts one there, and one of those who try at once is the first.
fn shared_key() -> Result<Vec<u8>, store::Error> {
    if let Some(key) = store::get(KEY_NAME)? {
        return Ok(key);
    }
    let mine = random::bytes(KEY_BYTES);
    match store::compare_and_set(KEY_NAME, None, &mine, Lifetime::Unbounded)? {
        Exchanged::Found(Some(theirs)) => Ok(theirs),
        Exchanged::Stored | Exchanged::Found(None) => Ok(mine),
    }
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>, store::Error> {
    Hmac::new_from_slice(key).map_err(|error| store::Error::Other(error.to_string()))
}

/// With its length in front, so that two parts never read like two others. No part and an empty one differ.
fn absorb(digest: &mut Hmac<Sha256>, part: Option<&[u8]>) {
    let length = part.map_or(u64::MAX, |part| part.len() as u64);
    digest.update(&length.to_le_bytes());
    digest.update(part.unwrap_or_default());
}
