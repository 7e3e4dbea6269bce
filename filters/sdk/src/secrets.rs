//! Secrets that the configuration grants by name.

use crate::host;

/// The bytes of a secret; none when the name is not granted.
///
/// ```
/// # use sluice_filter::{Error, Filter, NoConfig, filter, secrets, testing::{Harness, json}};
/// struct Sign {
///     key: Vec<u8>,
/// }
///
/// #[filter]
/// impl Filter for Sign {
///     fn configure(_: NoConfig) -> Result<Self, Error> {
///         let key = secrets::secret("signing-key").ok_or("the secret `signing-key` is not granted")?;
///         Ok(Self { key })
///     }
/// }
///
/// let sign = Harness::<Sign>::setup().secret("signing-key", b"k1").configure(json!(null))?;
/// assert_eq!(sign.filter().key, b"k1");
/// # Ok::<(), Error>(())
/// ```
#[inline]
pub fn secret(name: &str) -> Option<Vec<u8>> {
    host::secrets::secret(name)
}
