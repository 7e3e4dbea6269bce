//! Takes the version out of paths, and puts it back into redirects: `/v2/orders?open` is `/orders?open` for the upstream.

use sluice_filter::{Decision, Exchange, Filter, Reply, Request, Response, filter};

/// The filter: one value in each instance.
#[derive(Default)]
pub struct Versions;

/// What one exchange keeps.
#[derive(Default)]
pub struct Asked {
    /// `/v2`
    prefix: String,
}

#[filter]
impl Filter for Versions {
    type State = Asked;

    fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange<Asked>) -> Decision {
        let path = request.path();
        let end = path.get(1..).and_then(|rest| rest.find(['/', '?'])).map_or(path.len(), |at| at + 1);
        let (prefix, rest) = path.split_at(end);
        let version = prefix.strip_prefix("/v").unwrap_or_default();
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            return Reply::new(404).body("A path begins with a version: /v2/orders.\n").into();
        }
        request.set_header("x-api-version", version);
        request.set_path(&format!("/{}", rest.strip_prefix('/').unwrap_or(rest)));
        exchange.state.prefix = prefix.to_owned();
        Decision::Proceed
    }

    fn on_response(&mut self, response: &mut Response, exchange: &mut Exchange<Asked>) -> Decision {
        // `//host/…` names another host, and is none of ours.
        let location = response.header_str("location");
        if let Some(path) = location.filter(|path| path.starts_with('/') && !path.starts_with("//")) {
            response.set_header("location", format!("{}{path}", exchange.state.prefix));
        }
        Decision::Proceed
    }
}

#[cfg(test)]
mod tests {
    use super::Versions;
    use sluice_filter::testing::{Harness, Report, Request, Response, json};

    fn run(path: &str, response: Response) -> Report {
        let mut filter = Harness::<Versions>::configure(json!(null)).unwrap();
        filter.exchange().request(Request::get(path)).response(response).run()
    }

    #[test]
    fn the_upstream_sees_paths_without_versions() {
        for (path, seen) in [
            ("/v2/orders?at=/v1/", "/orders?at=/v1/"),
            ("/v10", "/"),
            ("/v10?a=/b", "/?a=/b"),
            ("/v2//a", "//a"),
        ] {
            let exchange = run(path, Response::new(200));
            assert_eq!(exchange.request().unwrap().path(), seen);
        }
        for path in ["/orders", "/v", "/v2x/orders", "/"] {
            assert_eq!(run(path, Response::new(200)).reply().unwrap().status(), 404, "{path}");
        }
    }

    #[test]
    fn redirects_stay_within_the_version() {
        for (location, seen) in [("/login", "/v2/login"), ("//cdn.example/a", "//cdn.example/a")] {
            let exchange = run("/v2/orders", Response::new(302).header("location", location));
            assert_eq!(exchange.response().unwrap().header("location").unwrap(), seen);
        }
    }
}
