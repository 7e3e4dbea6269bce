//! Asks a service who a client is, and tells the upstream.

use sluice_filter::http_client::{Incoming, Outgoing};
use sluice_filter::values::Duration;
use sluice_filter::{Decision, Error, Exchange, Filter, Reply, Request, filter, log, rules};

/// Where the service says who it is, and where the upstream finds it.
const USER: &str = "x-user";

/// What the operator writes under `config:`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    upstream: String,
    #[serde(default = "path")]
    path: String,
    #[serde(default = "timeout")]
    timeout: Duration,
}

fn path() -> String {
    "/whoami".to_owned()
}

fn timeout() -> Duration {
    Duration::from_secs(1)
}

/// The filter: one value in each instance.
pub struct Ask {
    question: Outgoing,
}

#[filter]
impl Filter for Ask {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        rules::check_path(&settings.path, "GET").map_err(|sentence| Error::at("path", sentence))?;
        let timeout_ms = u32::try_from(settings.timeout.as_ms()).unwrap_or(u32::MAX);
        Ok(Self {
            question: Outgoing::new(settings.upstream, "GET", settings.path).timeout_ms(timeout_ms),
        })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        // A client's own value must not count as the service's, whatever becomes of the request.
        request.remove_header(USER);
        let Some(credentials) = request.header("authorization") else {
            return unknown();
        };
        let answer = self
            .question
            .clone()
            .header("authorization", credentials.into_bytes())
            .send();
        match answer {
            Ok(answer) if answer.status == 200 => match user(&answer) {
                Some(user) => {
                    request.set_header(USER, user);
                    Decision::Proceed
                }
                None => unanswered("the answer has no user"),
            },
            Ok(answer) if answer.status == 401 => unknown(),
            Ok(answer) => unanswered(&format!("status {}", answer.status)),
            Err(error) => unanswered(&format!("{error:?}")),
        }
    }
}

/// What the service answers is not ours: a value that no header can have would fail the call.
fn user(answer: &Incoming) -> Option<&[u8]> {
    answer
        .header(USER)
        .filter(|user| !user.is_empty() && rules::check_value(user).is_ok())
}

fn unknown() -> Decision {
    Reply::new(401)
        .header("www-authenticate", "Bearer")
        .body("Who are you?\n")
        .into()
}

/// Why is for the log, and no business of the client's.
fn unanswered(why: &str) -> Decision {
    log::warn("the service has not answered", &[("why", why)]);
    Reply::new(503).header("retry-after", "1").into()
}

#[cfg(test)]
mod tests;
