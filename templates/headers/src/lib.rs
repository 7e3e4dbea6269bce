//! Keeps from clients what servers tell of themselves, sets headers that browsers act on, and tells the upstream the request's id.

use std::collections::BTreeMap;

use sluice_filter::values::HeaderName;
use sluice_filter::{Decision, Error, Exchange, Filter, Request, Response, filter, rules};

/// What the operator writes under `config:`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    #[serde(default = "request_id_header")]
    request_id_header: HeaderName,
    #[serde(default)]
    remove: Vec<HeaderName>,
    #[serde(default)]
    set: BTreeMap<HeaderName, String>,
}

fn request_id_header() -> HeaderName {
    HeaderName::new("x-request-id").unwrap_or_else(|sentence| unreachable!("{sentence}"))
}

/// The filter: one value in each instance.
pub struct Headers {
    settings: Settings,
}

#[filter]
impl Filter for Headers {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        // Found here it costs a refused swap; found in `on_response` it would cost responses.
        for (name, value) in &settings.set {
            rules::check_value(value)
                .map_err(|sentence| Error::at(format!("set.{name}"), sentence))?;
        }
        Ok(Self { settings })
    }

    fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange) -> Decision {
        // Sets, and does not append: a client's own value must not count as ours.
        request.set_header(&self.settings.request_id_header, exchange.request_id());
        Decision::Proceed
    }

    fn on_response(&mut self, response: &mut Response, _: &mut Exchange) -> Decision {
        for name in &self.settings.remove {
            response.remove_header(name);
        }
        for (name, value) in &self.settings.set {
            response.set_header(name, value);
        }
        Decision::Proceed
    }
}

#[cfg(test)]
mod tests;
