use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use sluice_filter::values::OneOrMore;
use sluice_filter::{Error, rules};
use subtle::{ConditionallySelectable, ConstantTimeEq};

type Hash = [u8; 32];

/// All keys that are let pass.
#[derive(Debug)]
pub(crate) struct Keys {
    keys: Vec<Key>,
}

/// A key, known by its hash.
#[derive(Debug)]
pub(crate) struct Key {
    hash: Hash,
    name: Option<String>,
}

impl Key {
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Keys {
    pub(crate) fn parse(
        named: BTreeMap<String, OneOrMore<String>>,
        unnamed: Vec<String>,
    ) -> Result<Self, Error> {
        let mut places: BTreeMap<Hash, String> = BTreeMap::new();
        let mut keys = Vec::new();
        let mut add = |place: String, name: Option<String>, text: &str| {
            let hash = parse_hash(text).map_err(|sentence| Error::at(&place, sentence))?;
            if let Some(other) = places.insert(hash, place.clone()) {
                return Err(Error::at(place, format!("the same key as {other}")));
            }
            keys.push(Key { hash, name });
            Ok(())
        };
        for (name, hashes) in named {
            check_name(&name)?;
            for (place, hash) in hashes.into_places(&format!("keys.{name}")) {
                add(place, Some(name.clone()), &hash)?;
            }
        }
        for (index, hash) in unnamed.iter().enumerate() {
            add(format!("sha256[{index}]"), None, hash)?;
        }
        if keys.is_empty() {
            return Err(Error::at("keys", "expected at least one key, here or in `sha256`"));
        }
        Ok(Self { keys })
    }

    /// The key that has this text. The time it takes tells neither which key it is nor how near a wrong one came: all hashes
    /// are compared, in full.
    pub(crate) fn find(&self, text: &[u8]) -> Option<&Key> {
        let hash: Hash = Sha256::digest(text).into();
        let mut found = u32::MAX;
        for (index, key) in (0u32..).zip(&self.keys) {
            found.conditional_assign(&index, key.hash.ct_eq(&hash));
        }
        self.keys.get(usize::try_from(found).ok()?)
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::at("keys", "expected a name for each key, found an empty one"));
    }
    rules::check_value(name).map_err(|sentence| Error::at(format!("keys.{name:?}"), sentence))
}

fn parse_hash(text: &str) -> Result<Hash, String> {
    let digits = text.chars().count();
    if digits != 64 {
        return Err(format!("expected a SHA-256 hash of 64 hexadecimal digits, found {digits} characters"));
    }
    let mut hash = Hash::default();
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte =
            hex(pair).ok_or("expected a SHA-256 hash of 64 hexadecimal digits, found another character")?;
    }
    if hash == <Hash>::from(Sha256::digest(b"")) {
        return Err(
            "this is the hash of an empty key: every request with an empty header would pass".to_owned()
        );
    }
    Ok(hash)
}

fn hex(pair: &[u8]) -> Option<u8> {
    pair.iter().try_fold(0, |byte, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(byte << 4 | u8::try_from(value).ok()?)
    })
}
