use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sluice_filter::store::{self, Exchanged, Lifetime};
use sluice_filter::{Error, Exchange, Request, random, secrets};

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

/// In the store, where the key is.
const KEY_NAME: &[u8] = b"rate-limit key";
const KEY_BYTES: u32 = 32;

/// Of the hash: enough that no two clients meet in one bucket.
const HASH_BYTES: usize = 16;

impl Buckets {
    /// With a granted secret, or with a random key that instances agree on through the store.
    pub(crate) fn new(secret: Option<&str>, ipv6_prefix: u8) -> Result<Self, Error> {
        let digest = match secret {
            None => None,
            Some(name) => {
                let key = secrets::secret(name)
                    .ok_or_else(|| Error::at("hash-secret", format!("the secret {name:?} is not granted")))?;
                if key.len() < 16 {
                    return Err(Error::at("hash-secret", "expected a secret of 16 bytes or more"));
                }
                Some(keyed(&key).map_err(|_| Error::at("hash-secret", "no key"))?)
            }
        };
        Ok(Self { digest, ipv6_prefix })
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
        let filter = exchange.filter_name();
        absorb(&mut digest, Some(filter.as_bytes()));
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
