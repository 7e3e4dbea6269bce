//! "State" and "Tests" of docs/filters/writing.md, as they stand there.

use sluice_filter::{Decision, Exchange, Filter, Outcome, Request, Response, filter, log};

#[derive(Default)]
struct Versions;

/// What one exchange keeps.
#[derive(Default)]
struct Asked {
    version: Vec<u8>,
}

#[filter]
impl Filter for Versions {
    type State = Asked;

    fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange<Asked>) -> Decision {
        exchange.state.version = request.header("x-api-version").unwrap_or_default().into_bytes();
        request.remove_header("x-api-version");
        Decision::Proceed
    }

    fn on_response(&mut self, response: &mut Response, exchange: &mut Exchange<Asked>) -> Decision {
        response.set_header("x-api-version", &exchange.state.version);
        Decision::Proceed
    }

    fn on_end(&mut self, outcome: &Outcome, _: &mut Exchange<Asked>) {
        if outcome.status.is_none() {
            log::warn("nobody was answered", &[]);
        }
    }
}

#[test]
fn the_version_comes_back() {
    use sluice_filter::testing::{self, Harness, json};

    let mut filter = Harness::<Versions>::configure(json!(null)).unwrap();
    let request = testing::Request::get("/").header("x-api-version", "2");
    let exchange = filter.exchange().request(request).response(testing::Response::new(404)).run();

    assert_eq!(exchange.request().unwrap().header("x-api-version"), None);
    assert_eq!(exchange.response().unwrap().header("x-api-version").unwrap(), "2");
    assert_eq!(exchange.failure(), None);
}
