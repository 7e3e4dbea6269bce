//! Time. Both clocks stand still within a call.

use crate::host;

/// Nanoseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// assert!(sluice_filter::clock::now_ns() > 0);
/// ```
#[inline]
pub fn now_ns() -> u64 {
    host::clock::now_ns()
}

/// Nanoseconds since some moment before this instance; it never goes back.
///
/// ```
/// let before = sluice_filter::clock::monotonic_ns();
/// assert!(sluice_filter::clock::monotonic_ns() >= before);
/// ```
#[inline]
pub fn monotonic_ns() -> u64 {
    host::clock::monotonic_ns()
}
