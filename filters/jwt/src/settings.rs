use std::collections::BTreeMap;

use serde::Deserialize;
use sluice_filter::Error;
use sluice_filter::values::{Duration, HeaderName, OneOrMore};

use crate::algorithm::Algorithm;
use crate::key::Jwk;

/// What the operator writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    issuer: OneOrMore<String>,
    audience: OneOrMore<String>,
    #[serde(default = "leeway")]
    leeway: Duration,
    #[serde(default = "yes")]
    require_expiry: bool,
    #[serde(default)]
    pub(crate) scopes: OneOrMore<String>,
    #[serde(rename = "type")]
    pub(crate) media_type: Option<String>,
    pub(crate) algorithms: Option<OneOrMore<Algorithm>>,
    pub(crate) jwks: Option<JwksSettings>,
    #[serde(default)]
    pub(crate) keys: Vec<Jwk>,
    #[serde(default)]
    pub(crate) secrets: Vec<SecretSettings>,
    /// None: `Authorization: Bearer`.
    pub(crate) header: Option<HeaderName>,
    pub(crate) cookie: Option<String>,
    #[serde(default = "yes")]
    pub(crate) forward_token: bool,
    #[serde(default)]
    pub(crate) claims: BTreeMap<HeaderName, String>,
    #[serde(default)]
    pub(crate) optional: bool,
    #[serde(default = "realm")]
    pub(crate) realm: String,
}

/// Where public keys are fetched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct JwksSettings {
    pub(crate) upstream: String,
    pub(crate) path: String,
    #[serde(default = "cache")]
    pub(crate) cache: Duration,
    #[serde(default = "cooldown")]
    pub(crate) cooldown: Duration,
    #[serde(default = "stale")]
    pub(crate) stale: Duration,
    #[serde(default = "timeout")]
    pub(crate) timeout: Duration,
}

/// A secret that is shared with the issuer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SecretSettings {
    pub(crate) secret: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
}

/// What the claims of a token have to say.
#[derive(Debug)]
pub(crate) struct Demands {
    pub(crate) issuer: Vec<String>,
    pub(crate) audience: Vec<String>,
    pub(crate) leeway: Duration,
    pub(crate) expiry: bool,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.jwks.is_none() && self.keys.is_empty() && self.secrets.is_empty() {
            return Err(Error::new("config: expected keys, in `jwks`, `keys` or `secrets`"));
        }
        if let Some(jwks) = &self.jwks {
            sluice_filter::rules::check_path(&jwks.path, "GET")
                .map_err(|sentence| Error::at("jwks.path", sentence))?;
            if u32::try_from(jwks.timeout.as_ms()).is_err() {
                return Err(Error::at("jwks.timeout", "expected less than 49 days"));
            }
        }
        if let Some(cookie) = &self.cookie
            && (cookie.is_empty() || cookie.contains(|c: char| !c.is_ascii_graphic() || "=;,\"".contains(c)))
        {
            return Err(Error::at("cookie", format!("{cookie:?} is no name of a cookie")));
        }
        // What a quoted string holds as it is (RFC 9110 §5.6.4).
        let quotable =
            |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"\"\\".contains(&byte));
        if !quotable(&self.realm) {
            return Err(Error::at("realm", "expected printable ASCII without quotes and backslashes"));
        }
        if self.scopes.iter().any(|scope| scope.is_empty() || scope.contains(' ') || !quotable(scope)) {
            return Err(Error::at(
                "scopes",
                "expected printable ASCII without spaces, quotes and backslashes",
            ));
        }
        Ok(())
    }

    pub(crate) fn demands(&self) -> Demands {
        Demands {
            issuer: self.issuer.to_vec(),
            audience: self.audience.to_vec(),
            leeway: self.leeway,
            expiry: self.require_expiry,
        }
    }
}

/// What clocks that are kept in step may differ by.
fn leeway() -> Duration {
    Duration::from_secs(30)
}

fn yes() -> bool {
    true
}

fn realm() -> String {
    "api".to_owned()
}

fn cache() -> Duration {
    Duration::from_secs(600)
}

fn cooldown() -> Duration {
    Duration::from_secs(30)
}

fn stale() -> Duration {
    Duration::from_secs(3_600)
}

fn timeout() -> Duration {
    Duration::from_secs(2)
}
