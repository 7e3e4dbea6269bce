//! "A filter, before and after" of docs/filters/proxy-wasm.md: what is Sluice's, as it stands there.

use sluice_filter::{Decision, Error, Exchange, Filter, Reply, Request, filter};

/// What the operator writes under `config:`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    token: String,
}

/// The filter: one value in each instance.
pub struct Auth {
    token: String,
}

// Sluice
#[filter]
impl Filter for Auth {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        Ok(Self { token: settings.token })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        match request.header("x-token") {
            Some(token) if token == self.token.as_str() => {
                request.remove_header("x-token");
                Decision::Proceed
            }
            _ => Reply::new(403).body("no").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Auth;
    use sluice_filter::testing::{Harness, Request, json};

    #[test]
    fn the_token_lets_a_request_pass_and_goes_no_further() {
        let mut filter = Harness::<Auth>::configure(json!({ "token": "t1" })).unwrap();

        let passed = filter.exchange().request(Request::get("/").header("x-token", "t1")).run();
        assert_eq!(passed.request().unwrap().header("x-token"), None);
        for request in [Request::get("/"), Request::get("/").header("x-token", "t2")] {
            assert_eq!(filter.exchange().request(request).run().reply().unwrap().status(), 403);
        }
    }
}
