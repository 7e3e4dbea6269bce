//! Limits how many requests come in a time, counted by header, path, client address or a combination of them, together on all
//! workers and, with a store that machines share, on all machines.
//!
//! ```yaml
//! limit: 100                  # so many requests …
//! period: 1m                  # … in so long, each on its own schedule
//! burst: 20                   # how many may come at once; without it as many as `limit`
//! key: client-address         # or path, method, host, route, header:NAME, or a list of them, counted together
//! on-unavailable: open        # or closed: what happens while the store does not answer
//! ```
//!
//! What is counted by is never stored, only a keyed hash of it.

mod bucket;
mod fields;
mod key;
mod settings;

use sluice_filter::rate_limit::{self, Rate, Verdict};
use sluice_filter::{
    Decision, Error, Exchange, Filter, Phases, Plan, Reply, Request, Response, filter, log, store,
};

use bucket::Buckets;
use fields::Fields;
use key::{Missing, Part};
use settings::{OnUnavailable, Settings};

/// The filter `rate-limit`.
#[derive(Debug)]
pub struct RateLimit {
    rate: Rate,
    cost: u32,
    parts: Vec<Part>,
    buckets: Buckets,
    fields: Option<Fields>,
    on_unavailable: OnUnavailable,
    /// The last call of the store came to nothing. Said once, and not with each request.
    unavailable: bool,
}

#[filter]
impl Filter for RateLimit {
    type Config = Settings;
    /// How many more the client may send, for the response.
    type State = Option<u32>;

    fn configure(settings: Settings) -> Result<Self, Error> {
        let rate = settings.rate()?;
        Ok(Self {
            rate,
            cost: settings.cost,
            parts: settings.key.into_vec(),
            buckets: Buckets::new(settings.ipv6_prefix),
            fields: settings.fields.then(|| Fields::new(rate)),
            on_unavailable: settings.on_unavailable,
            unavailable: false,
        })
    }

    fn plan(&self) -> Plan {
        if self.fields.is_some() { Self::PLAN } else { Self::PLAN.without(Phases::RESPONSE) }
    }

    fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange<Self::State>) -> Decision {
        match self.take(request, exchange) {
            Ok(Verdict::Allowed(left)) => {
                self.answered();
                exchange.state = Some(left);
                Decision::Proceed
            }
            Ok(Verdict::Refused(wait_ms)) => {
                self.answered();
                self.refusal(wait_ms, exchange)
            }
            Err(Trouble::Store(error)) => self.without_store(&error),
            Err(Trouble::Missing(Missing)) => {
                log::error("the client's address is not granted: grant.client-address", &[]);
                Reply::new(500).into()
            }
        }
    }

    fn on_response(&mut self, response: &mut Response, exchange: &mut Exchange<Self::State>) -> Decision {
        if let (Some(fields), Some(left)) = (&mut self.fields, exchange.state) {
            for (name, value) in fields.allowed(left, exchange) {
                response.append_header(name, value);
            }
        }
        Decision::Proceed
    }
}

/// Why nobody knows whether a request is allowed.
enum Trouble {
    Store(store::Error),
    Missing(Missing),
}

impl RateLimit {
    fn take(&mut self, request: &Request, exchange: &Exchange<Option<u32>>) -> Result<Verdict, Trouble> {
        let bucket = self.buckets.of(&self.parts, request, exchange)?;
        rate_limit::take(bucket, self.rate, self.cost).map_err(Trouble::Store)
    }

    fn refusal(&mut self, wait_ms: u64, exchange: &Exchange<Option<u32>>) -> Decision {
        let seconds = wait_ms.div_ceil(1_000).max(1);
        let mut reply = Reply::new(429)
            .header("retry-after", seconds.to_string())
            .header("content-type", "text/plain; charset=utf-8")
            .body("Too many requests.\n");
        if let Some(fields) = &mut self.fields {
            for (name, value) in fields.refused(seconds, exchange) {
                reply = reply.header(name, value);
            }
        }
        reply.into()
    }

    fn without_store(&mut self, error: &store::Error) -> Decision {
        if !self.unavailable {
            self.unavailable = true;
            log::warn("the store cannot be asked", &[("why", &format!("{error:?}"))]);
        }
        match self.on_unavailable {
            OnUnavailable::Open => Decision::Proceed,
            OnUnavailable::Closed => Reply::new(503).header("retry-after", "1").into(),
        }
    }

    fn answered(&mut self) {
        if self.unavailable {
            self.unavailable = false;
            log::info("the store answers again", &[]);
        }
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Missing> for Trouble {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

#[cfg(test)]
mod tests;
