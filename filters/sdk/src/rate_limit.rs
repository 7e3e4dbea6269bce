//! A rate limit on top of the store: the generic cell rate algorithm.

use crate::host;

pub use crate::bindings::sluice::filter::rate_limit::{Error, Rate, Verdict};

/// Takes `cost` from the allowance under a key.
///
/// ```
/// # use sluice_filter::rate_limit::{self, Rate, Verdict};
/// let rate = Rate { limit: 1, period_ms: 1_000, burst: 2 };
/// assert_eq!(rate_limit::take("client-1", rate, 1), Ok(Verdict::Allowed(1)));
/// assert_eq!(rate_limit::take("client-1", rate, 1), Ok(Verdict::Allowed(0)));
/// assert_eq!(rate_limit::take("client-1", rate, 1), Ok(Verdict::Refused(1_000)));
/// ```
pub fn take(key: impl AsRef<[u8]>, rate: Rate, cost: u32) -> Result<Verdict, Error> {
    host::rate_limit::take(key.as_ref(), rate, cost)
}
