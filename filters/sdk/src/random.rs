//! Randomness from the operating system's generator, fit for keys. In tests it is the same in every run.

use crate::host;

/// So many random bytes, 65 536 at most; more traps.
///
/// ```
/// assert_eq!(sluice_filter::random::bytes(16).len(), 16);
/// ```
#[inline]
pub fn bytes(length: u32) -> Vec<u8> {
    host::random::bytes(length)
}

/// A random number.
///
/// ```
/// assert_ne!(sluice_filter::random::next(), sluice_filter::random::next());
/// ```
#[inline]
pub fn next() -> u64 {
    host::random::next()
}
