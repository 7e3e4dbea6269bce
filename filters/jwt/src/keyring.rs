use sluice_filter::{Error, secrets};

use crate::algorithm::Algorithm;
use crate::jwks::{Jwks, Wanted};
use crate::key::Key;
use crate::settings::Settings;
use crate::token::{Reason, Token};

/// All keys that tokens are held against.
#[derive(Debug)]
pub(crate) struct Keyring {
    own: Vec<Key>,
    fetched: Option<Jwks>,
    /// None: all that the keys allow.
    algorithms: Option<Vec<Algorithm>>,
}

/// Why a token is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    Refused(Reason),
    /// There are no keys to be had.
    NoKeys,
}

/// A token that names no key is tried with each that fits; each try costs work.
const TRIES_MAX: usize = 8;

impl Keyring {
    pub(crate) fn new(settings: &mut Settings) -> Result<Self, Error> {
        let mut own = Vec::new();
        for (index, jwk) in std::mem::take(&mut settings.keys).into_iter().enumerate() {
            own.push(Key::public(jwk).map_err(|sentence| Error::at(format!("keys[{index}]"), sentence))?);
        }
        for (index, shared) in std::mem::take(&mut settings.secrets).into_iter().enumerate() {
            let at = |sentence: String| Error::at(format!("secrets[{index}]"), sentence);
            let secret = secrets::secret(&shared.secret)
                .ok_or_else(|| at(format!("the secret {:?} is not granted", shared.secret)))?;
            own.push(Key::secret(secret, shared.algorithm, shared.kid).map_err(at)?);
        }
        let fetched = settings.jwks.take().map(Jwks::new);
        let algorithms = settings.algorithms.take().map(sluice_filter::values::OneOrMore::into_vec);
        Ok(Self { own, fetched, algorithms })
    }

    /// Finds the key that has signed the token.
    pub(crate) fn verify(&mut self, token: &Token<'_>) -> Result<(), Doubt> {
        if self.algorithms.as_ref().is_some_and(|accepted| !accepted.contains(&token.algorithm)) {
            return Err(Doubt::Refused("the token's algorithm is not accepted"));
        }
        let own = self.try_own(token);
        if own == Some(true) {
            return Ok(());
        }
        let fetched = match &mut self.fetched {
            Some(jwks) => {
                let wanted = token.key_id.as_deref().map_or(Wanted::Any, Wanted::Id);
                match jwks.keys(wanted) {
                    Some(keys) => try_all(keys, token),
                    // An own key may have been the right one, with a wrong signature.
                    None if own.is_none() => return Err(Doubt::NoKeys),
                    None => None,
                }
            }
            None => None,
        };
        match (own, fetched) {
            (_, Some(true)) => Ok(()),
            (None, None) => Err(Doubt::Refused("the token's key is not known")),
            _ => Err(Doubt::Refused("the token's signature is wrong")),
        }
    }

    fn try_own(&self, token: &Token<'_>) -> Option<bool> {
        try_all(&self.own, token)
    }
}

/// Whether one of the keys has signed the token; none when none of them fits it.
fn try_all(keys: &[Key], token: &Token<'_>) -> Option<bool> {
    let named = |key: &&Key| match (&token.key_id, key.id()) {
        (Some(wanted), Some(id)) => wanted == id,
        _ => true,
    };
    let fitting = keys.iter().filter(|key| key.accepts(token.algorithm)).filter(named).take(TRIES_MAX);
    fitting.map(|key| token.is_signed_by(key)).reduce(|one, other| one || other)
}
