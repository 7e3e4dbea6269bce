use serde::Deserialize;
use sluice_filter::Error;
use sluice_filter::rate_limit::Rate;
use sluice_filter::values::{Duration, OneOrMore};

use crate::key::Part;

/// What the operator writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    limit: u32,
    period: Duration,
    burst: Option<u32>,
    #[serde(default = "one")]
    pub(crate) cost: u32,
    pub(crate) key: OneOrMore<Part>,
    #[serde(default = "ipv6_prefix")]
    pub(crate) ipv6_prefix: u8,
    #[serde(default = "yes")]
    pub(crate) fields: bool,
    #[serde(default)]
    pub(crate) on_unavailable: OnUnavailable,
}

/// What becomes of requests while the store does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnUnavailable {
    #[default]
    Open,
    Closed,
}

impl Settings {
    pub(crate) fn rate(&self) -> Result<Rate, Error> {
        let burst = self.burst.unwrap_or(self.limit);
        for (key, number) in [
            ("limit", u64::from(self.limit)),
            ("period", self.period.as_ms()),
            ("burst", burst.into()),
            ("cost", self.cost.into()),
        ] {
            if number == 0 {
                return Err(Error::at(key, "expected more than 0"));
            }
        }
        if self.cost > burst {
            return Err(Error::at("cost", format!("no request would pass: `burst` is {burst}")));
        }
        if self.key.is_empty() {
            return Err(Error::at("key", "expected what requests are counted by"));
        }
        if self.ipv6_prefix > 128 {
            return Err(Error::at("ipv6-prefix", "expected 128 bits at most"));
        }
        Ok(Rate { limit: self.limit, period_ms: self.period.as_ms(), burst })
    }
}

fn one() -> u32 {
    1
}

/// What a network gives to one customer: whoever has one address has them all.
fn ipv6_prefix() -> u8 {
    64
}

fn yes() -> bool {
    true
}
