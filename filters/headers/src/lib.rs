//! Sets, appends and removes headers of requests and responses.
//!
//! ```yaml
//! request:
//!   remove: [x-internal]
//!   set:
//!     x-request-id: "{request-id}"
//!     x-original: "{method} {path}"
//!     x-user: "{header:x-remote-user}"
//!   append:
//!     x-team: [blue, red]          # one value, or several
//! response:
//!   set: { x-served-by: "{route}", x-upstream-status: "{status}" }
//! ```
//!
//! Values are templates. In requests they know `{request-id}`, `{route}`, `{method}`, `{path}` and `{header:NAME}`, the first
//! value of that header, empty when there is none; in responses `{request-id}`, `{route}` and `{status}`. `{{` stands for a
//! brace. All of them see the message as it was before this filter's own edits, so that a header can be renamed; then headers
//! are removed, set, appended, in this order.

mod edits;
mod settings;
mod template;

use sluice_filter::{Decision, Error, Exchange, Filter, Phases, Plan, Request, Response, filter};

use edits::Edits;
use settings::Settings;
use template::{InRequest, InResponse};

/// The filter `headers`.
#[derive(Debug)]
pub struct Headers {
    request: Edits<InRequest>,
    response: Edits<InResponse>,
}

#[filter]
impl Filter for Headers {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        Ok(Self {
            request: Edits::parse(settings.request, "request")?,
            response: Edits::parse(settings.response, "response")?,
        })
    }

    fn plan(&self) -> Plan {
        let mut plan = Self::PLAN;
        if self.request.is_empty() {
            plan = plan.without(Phases::REQUEST);
        }
        if self.response.is_empty() {
            plan = plan.without(Phases::RESPONSE);
        }
        plan
    }

    fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange) -> Decision {
        self.request.apply(request, |text, message, out| text.render(message, exchange, out));
        Decision::Proceed
    }

    fn on_response(&mut self, response: &mut Response, exchange: &mut Exchange) -> Decision {
        self.response.apply(response, |text, message, out| text.render(message, exchange, out));
        Decision::Proceed
    }
}

#[cfg(test)]
mod tests;
