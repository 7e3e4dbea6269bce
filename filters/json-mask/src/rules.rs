use sluice_filter::{Error, secrets};

use crate::digest::{Digest, keyed};
use crate::paths::{Action, Paths};
use crate::settings::Settings;

/// What is masked, compiled once and the same for all bodies.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) paths: Paths,
    /// Of an empty key when nothing is hashed: then it is never used.
    pub(crate) digest: Digest,
}

impl Rules {
    pub(crate) fn compile(settings: &Settings) -> Result<Self, Error> {
        let mut paths = Paths::default();
        for (key, list, action) in
            [("remove", &settings.remove, Action::Remove), ("hash", &settings.hash, Action::Hash)]
        {
            for (index, path) in list.iter().enumerate() {
                paths.add(path, action).map_err(|sentence| Error::at(format!("{key}[{index}]"), sentence))?;
            }
        }
        let digest = match (&settings.hash_secret, settings.hash.is_empty()) {
            (None, true) => keyed(&[0; 32])?,
            (None, false) => {
                return Err(Error::at("hash-secret", "`hash` needs the name of a secret to hash with"));
            }
            (Some(name), _) => {
                let key = secrets::secret(name)
                    .ok_or_else(|| Error::at("hash-secret", format!("the secret {name:?} is not granted")))?;
                keyed(&key)?
            }
        };
        Ok(Self { paths, digest })
    }
}
