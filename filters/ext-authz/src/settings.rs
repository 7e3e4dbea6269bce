use serde::{Deserialize, Deserializer, de};
use sluice_filter::values::{Duration, HeaderName, OneOrMore};
use sluice_filter::{Error, rules};

use crate::question::TOLD;

/// What the operator writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    pub(crate) upstream: String,
    pub(crate) path: String,
    #[serde(default = "get")]
    pub(crate) method: String,
    #[serde(default = "timeout")]
    pub(crate) timeout: Duration,
    #[serde(default = "headers")]
    pub(crate) headers: OneOrMore<HeaderName>,
    #[serde(default)]
    pub(crate) to_upstream: OneOrMore<HeaderName>,
    #[serde(default = "to_client")]
    pub(crate) to_client: OneOrMore<HeaderName>,
    #[serde(default = "yes")]
    pub(crate) body: bool,
    pub(crate) cache: Option<CacheSettings>,
    #[serde(default)]
    pub(crate) on_error: OnError,
}

/// How long answers count, and for which requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CacheSettings {
    #[serde(rename = "for")]
    pub(crate) allowed: Duration,
    #[serde(default = "never")]
    pub(crate) refused: Duration,
    /// None: all that the service is told.
    pub(crate) key: Option<OneOrMore<Part>>,
    #[serde(default = "entries")]
    pub(crate) entries: usize,
}

/// Something of a request that answers are kept by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Header(HeaderName),
    Host,
    Method,
    Path,
    Scheme,
}

/// What becomes of a request when the service does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnError {
    #[default]
    Closed,
    Open,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Error> {
        rules::check_method(&self.method).map_err(|sentence| Error::at("method", sentence))?;
        rules::check_path(&self.path, &self.method).map_err(|sentence| Error::at("path", sentence))?;
        for (index, name) in self.headers.iter().enumerate() {
            if TOLD.iter().any(|told| name.eq_ignore_ascii_case(told)) {
                let sentence =
                    format!("{name} is what this filter tells the service, not what a client says");
                return Err(Error::at(format!("headers[{index}]"), sentence));
            }
        }
        if u32::try_from(self.timeout.as_ms()).is_err() || self.timeout.is_zero() {
            return Err(Error::at("timeout", "expected more than 0 and less than 49 days"));
        }
        if self.cache.as_ref().is_some_and(|cache| cache.entries == 0) {
            return Err(Error::at("cache.entries", "expected more than 0"));
        }
        if self.cache.as_ref().and_then(|cache| cache.key.as_ref()).is_some_and(|parts| parts.is_empty()) {
            return Err(Error::at("cache.key", "one answer would count for all requests"));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match (text.as_str(), text.strip_prefix("header:")) {
            (_, Some(name)) => Self::Header(HeaderName::new(name).map_err(de::Error::custom)?),
            ("host", _) => Self::Host,
            ("method", _) => Self::Method,
            ("path", _) => Self::Path,
            ("scheme", _) => Self::Scheme,
            _ => {
                let sentence = format!("{text:?} is none of header:NAME, host, method, path and scheme");
                return Err(de::Error::custom(sentence));
            }
        })
    }
}

fn get() -> String {
    "GET".to_owned()
}

fn timeout() -> Duration {
    Duration::from_secs(1)
}

fn headers() -> OneOrMore<HeaderName> {
    named(&["authorization", "cookie"])
}

fn to_client() -> OneOrMore<HeaderName> {
    named(&["www-authenticate", "location", "set-cookie", "content-type", "retry-after"])
}

fn named(names: &[&str]) -> OneOrMore<HeaderName> {
    names.iter().filter_map(|name| HeaderName::new(*name).ok()).collect::<Vec<_>>().into()
}

fn yes() -> bool {
    true
}

fn never() -> Duration {
    Duration::from_millis(0)
}

fn entries() -> usize {
    1_000
}
