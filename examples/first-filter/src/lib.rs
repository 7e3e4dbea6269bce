//! Refuses clients by what they call themselves.

use sluice_filter::{Decision, Error, Exchange, Filter, Reply, Request, filter};

/// What the operator writes under `config:`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    refuse: Vec<String>,
}

/// The filter: one value in each instance.
pub struct Agents {
    refuse: Vec<String>,
}

#[filter]
impl Filter for Agents {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        if settings.refuse.iter().any(String::is_empty) {
            return Err(Error::at("refuse", "every client begins with an empty name"));
        }
        Ok(Self { refuse: settings.refuse })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        // A header is bytes, which need not be UTF-8.
        let agent = request.header("user-agent").unwrap_or_default();
        if self.refuse.iter().any(|name| agent.starts_with(name.as_bytes())) {
            return Reply::new(403).body("Not with this client.\n").into();
        }
        Decision::Proceed
    }
}

#[cfg(test)]
mod tests {
    use super::Agents;
    use sluice_filter::testing::{Harness, Request, json};

    #[test]
    fn a_refused_client_does_not_reach_the_upstream() {
        let mut filter = Harness::<Agents>::configure(json!({ "refuse": ["curl"] })).unwrap();

        let curl = filter.exchange().request(Request::get("/").header("user-agent", "curl/8.7")).run();
        assert_eq!(curl.reply().unwrap().status(), 403);
        assert!(curl.request().is_none());

        let other = filter.exchange().request(Request::get("/").header("user-agent", b"\xff")).run();
        assert!(other.request().is_some());
    }
}
