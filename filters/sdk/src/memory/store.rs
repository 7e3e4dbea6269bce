use super::limits::{STORE_KEY_BYTES, STORE_VALUE_BYTES};
use super::world::{World, with};
use crate::store::{Error, Exchanged, Lifetime};

/// A value in the store and when it goes.
pub(crate) struct Entry {
    value: Stored,
    expires_ns: u64,
}

enum Stored {
    Bytes(Vec<u8>),
    Counter(i64),
}

impl Stored {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Counter(number) => number.to_string().into_bytes(),
        }
    }
}

pub(crate) fn get(key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    check(key, &[])?;
    Ok(with(|world| live(world, key).map(|stored| stored.to_bytes())))
}

pub(crate) fn set(key: &[u8], value: &[u8], lifetime: Lifetime) -> Result<(), Error> {
    check(key, value)?;
    with(|world| put(world, key, Stored::Bytes(value.to_vec()), lifetime));
    Ok(())
}

pub(crate) fn delete(key: &[u8]) -> Result<(), Error> {
    check(key, &[])?;
    with(|world| world.store.remove(key));
    Ok(())
}

pub(crate) fn compare_and_set(
    key: &[u8],
    expected: Option<&[u8]>,
    value: &[u8],
    lifetime: Lifetime,
) -> Result<Exchanged, Error> {
    check(key, value)?;
    Ok(with(|world| {
        let present = live(world, key).map(|stored| stored.to_bytes());
        if present.as_deref() != expected {
            return Exchanged::Found(present);
        }
        put(world, key, Stored::Bytes(value.to_vec()), lifetime);
        Exchanged::Stored
    }))
}

pub(crate) fn add(key: &[u8], amount: i64, lifetime: Lifetime) -> Result<i64, Error> {
    check(key, &[])?;
    with(|world| match live(world, key) {
        Some(Stored::Counter(number)) => {
            *number = number.checked_add(amount).ok_or_else(|| Error::Other("the counter is full".into()))?;
            Ok(*number)
        }
        Some(Stored::Bytes(_)) => Err(Error::WrongType),
        None => {
            put(world, key, Stored::Counter(amount), lifetime);
            Ok(amount)
        }
    })
}

pub(super) fn check(key: &[u8], value: &[u8]) -> Result<(), Error> {
    if key.len() > STORE_KEY_BYTES || value.len() > STORE_VALUE_BYTES {
        return Err(Error::TooLarge);
    }
    if with(|world| world.store_gone) { Err(Error::Unavailable) } else { Ok(()) }
}

fn live<'w>(world: &'w mut World, key: &[u8]) -> Option<&'w mut Stored> {
    let now = world.monotonic_ns;
    world.store.get_mut(key).filter(|entry| entry.expires_ns > now).map(|entry| &mut entry.value)
}

fn put(world: &mut World, key: &[u8], value: Stored, lifetime: Lifetime) {
    let expires_ns = match lifetime {
        Lifetime::Unbounded => u64::MAX,
        Lifetime::Ms(ms) => world.monotonic_ns.saturating_add(ms.saturating_mul(1_000_000)),
    };
    world.store.insert(key.to_vec(), Entry { value, expires_ns });
}
