//! Key-value pairs and counters that all instances share: those of one process, or of many machines when the store is a
//! server. Keys and values are bounded by the host's limits.

use std::time::Duration;

use crate::host;

pub use crate::bindings::sluice::filter::store::{Error, Exchanged, Lifetime};

impl From<Duration> for Lifetime {
    fn from(duration: Duration) -> Self {
        Self::Ms(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The value under a key.
///
/// ```
/// # use sluice_filter::store;
/// assert_eq!(store::get("nothing"), Ok(None));
/// ```
pub fn get(key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
    host::store::get(key.as_ref())
}

/// Stores a value, whatever was there.
///
/// ```
/// # use sluice_filter::store::{self, Lifetime};
/// store::set("tenant", "blue", Lifetime::Ms(60_000))?;
/// assert_eq!(store::get("tenant")?.as_deref(), Some(&b"blue"[..]));
/// # Ok::<(), store::Error>(())
/// ```
pub fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, lifetime: Lifetime) -> Result<(), Error> {
    host::store::set(key.as_ref(), value.as_ref(), lifetime)
}

/// Removes a value. No such key: nothing happens.
///
/// ```
/// # use sluice_filter::store::{self, Lifetime};
/// store::set("tenant", "blue", Lifetime::Unbounded)?;
/// store::delete("tenant")?;
/// assert_eq!(store::get("tenant")?, None);
/// # Ok::<(), store::Error>(())
/// ```
pub fn delete(key: impl AsRef<[u8]>) -> Result<(), Error> {
    host::store::delete(key.as_ref())
}

/// Stores `value` when the present value equals `expected` (none: when there is none).
///
/// ```
/// # use sluice_filter::store::{self, Exchanged, Lifetime};
/// assert_eq!(store::compare_and_set("lock", None, "me", Lifetime::Ms(1_000))?, Exchanged::Stored);
/// let second = store::compare_and_set("lock", None, "you", Lifetime::Ms(1_000))?;
/// assert_eq!(second, Exchanged::Found(Some(b"me".to_vec())));
/// # Ok::<(), store::Error>(())
/// ```
pub fn compare_and_set(
    key: impl AsRef<[u8]>,
    expected: Option<&[u8]>,
    value: impl AsRef<[u8]>,
    lifetime: Lifetime,
) -> Result<Exchanged, Error> {
    host::store::compare_and_set(key.as_ref(), expected, value.as_ref(), lifetime)
}

/// Adds to a counter and gives its new value. The first addition makes it, with this lifetime; later ones do not prolong
/// it.
///
/// ```
/// # use sluice_filter::store::{self, Lifetime};
/// assert_eq!(store::add("hits", 2, Lifetime::Unbounded), Ok(2));
/// assert_eq!(store::add("hits", -1, Lifetime::Unbounded), Ok(1));
/// ```
pub fn add(key: impl AsRef<[u8]>, amount: i64, lifetime: Lifetime) -> Result<i64, Error> {
    host::store::add(key.as_ref(), amount, lifetime)
}
