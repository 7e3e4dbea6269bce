//! Asks an HTTP service whether a request may pass.
//!
//! ```yaml
//! upstream: authz                     # the granted upstream that is asked
//! path: /check                        # what it is asked for
//! headers: [authorization, cookie]    # what it is told of the request, beside method, path and host
//! to-upstream: [x-user]               # headers of a yes that go on with the request
//! to-client: [www-authenticate, location, set-cookie, content-type]   # headers of a no that go to the client
//! cache: { for: 10s }                 # how long a yes counts; without it every request is asked for
//! on-error: closed                    # or open: what happens without an answer
//! ```
//!
//! An answer of 2xx is a yes, one of 3xx and 4xx a no that the client gets, any other is no answer.

mod cache;
mod question;
mod settings;
mod verdict;

use sluice_filter::values::HeaderName;
use sluice_filter::{Decision, Error, Exchange, Filter, Reply, Request, clock, filter, http_client, log};

use cache::Cache;
use question::Question;
use settings::{OnError, Settings};
use verdict::{Verdict, Verdicts};

/// The filter `ext-authz`.
#[derive(Debug)]
pub struct ExtAuthz {
    question: Question,
    verdicts: Verdicts,
    cache: Option<Cache>,
    to_upstream: Vec<HeaderName>,
    on_error: OnError,
}

#[filter]
impl Filter for ExtAuthz {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        let cache = settings.cache.map(Cache::new);
        Ok(Self {
            question: Question::new(
                &settings.upstream,
                &settings.method,
                &settings.path,
                settings.timeout,
                settings.headers.into_vec(),
            ),
            verdicts: Verdicts::new(
                settings.to_upstream.to_vec(),
                settings.to_client.into_vec(),
                settings.body,
            ),
            cache,
            to_upstream: settings.to_upstream.into_vec(),
            on_error: settings.on_error,
        })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        let verdict = match self.known(request) {
            Some(verdict) => verdict.clone(),
            None => match self.ask(request) {
                Ok(verdict) => verdict,
                Err(decision) => {
                    self.remove_copies(request);
                    return decision;
                }
            },
        };
        match verdict {
            Verdict::Allowed(headers) => {
                self.remove_copies(request);
                for (name, value) in headers {
                    request.append_header(&name, value);
                }
                Decision::Proceed
            }
            Verdict::Refused(reply) => reply.into(),
        }
    }
}

impl ExtAuthz {
    fn known(&self, request: &Request) -> Option<&Verdict> {
        let cache = self.cache.as_ref()?;
        let key = self.question.key(request, cache.parts());
        cache.find(&key, clock::monotonic_ns())
    }

    /// What the service says; or what becomes of the request without an answer.
    fn ask(&mut self, request: &Request) -> Result<Verdict, Decision> {
        let answer = match self.question.ask(request) {
            Ok(answer) => answer,
            // A mistake of the configuration opens nothing.
            Err(error @ (http_client::Error::NotGranted | http_client::Error::Invalid(_))) => {
                log::error("the service cannot be asked", &[("why", &format!("{error:?}"))]);
                return Err(Reply::new(500).into());
            }
            Err(error) => return Err(self.without_answer(&format!("{error:?}"))),
        };
        let Some(verdict) = self.verdicts.read(&answer) else {
            return Err(self.without_answer(&format!("status {}", answer.status)));
        };
        if let Some(cache) = &mut self.cache
            && !verdict::forbids_storing(&answer)
        {
            let key = self.question.key(request, cache.parts());
            cache.keep(key, &verdict, clock::monotonic_ns());
        }
        Ok(verdict)
    }

    fn without_answer(&self, why: &str) -> Decision {
        log::warn("the service has not answered", &[("why", why)]);
        match self.on_error {
            OnError::Open => Decision::Proceed,
            OnError::Closed => Reply::new(503).header("retry-after", "1").into(),
        }
    }

    /// What the service says comes from the service alone: a client's own copies would count as its.
    fn remove_copies(&self, request: &mut Request) {
        for name in &self.to_upstream {
            request.remove_header(name);
        }
    }
}

#[cfg(test)]
mod tests;
