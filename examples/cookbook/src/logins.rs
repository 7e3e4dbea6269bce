//! Slows down whoever guesses passwords: so many tries a minute from one address, and none for an account after too many failures.

use std::time::Duration;

use sluice_filter::rate_limit::{self, Rate, Verdict};
use sluice_filter::{Decision, Exchange, Filter, Reply, Request, Response, filter, store};

/// From one address.
const TRIES: Rate = Rate { limit: 10, period_ms: 60_000, burst: 5 };

/// For one account, from wherever they come.
const FAILURES_MAX: i64 = 5;
const LOCKED: Duration = Duration::from_secs(15 * 60);

/// The filter: one value in each instance.
#[derive(Default)]
pub struct Logins;

/// What one exchange keeps.
#[derive(Default)]
pub struct Try {
    /// The key of the account in the store; none when this is no login.
    account: Option<String>,
}

#[filter]
impl Filter for Logins {
    type State = Try;

    fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange<Try>) -> Decision {
        if request.method() != "POST" || request.path() != "/login" {
            return Decision::Proceed;
        }
        let address = exchange.client_address().unwrap_or_default();
        // When the store does not answer people can log in: it is the server that knows passwords.
        if let Ok(Verdict::Refused(ms)) = rate_limit::take(&address, TRIES, 1) {
            return too_many(ms.div_ceil(1_000));
        }
        let account = request.header_str("x-account").unwrap_or_default();
        let key = format!("failures {account}");
        let failures =
            store::get(&key).ok().flatten().and_then(|digits| String::from_utf8(digits).ok()?.parse().ok());
        if failures.unwrap_or(0) >= FAILURES_MAX {
            return too_many(LOCKED.as_secs());
        }
        exchange.state.account = Some(key);
        Decision::Proceed
    }

    fn on_response(&mut self, response: &mut Response, exchange: &mut Exchange<Try>) -> Decision {
        if let (401, Some(key)) = (response.status(), &exchange.state.account) {
            // Adds for all workers at once, where get and set would lose what others add between them.
            let _ = store::add(key, 1, LOCKED.into());
        }
        Decision::Proceed
    }
}

fn too_many(seconds: u64) -> Decision {
    Reply::new(429).header("retry-after", seconds.to_string()).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Logins;
    use sluice_filter::testing::{Facts, Harness, Report, Request, Response, json};

    fn login(filter: &mut Harness<Logins>, address: &str, status: u16) -> Report {
        let request = Request::post("/login").header("x-account", "alice");
        let exchange = filter.exchange().request(request).facts(Facts::default().client_address(address));
        exchange.response(Response::new(status)).run()
    }

    fn filter() -> Harness<Logins> {
        Harness::configure(json!(null)).unwrap()
    }

    #[test]
    fn an_address_has_so_many_tries() {
        let mut filter = filter();
        for _ in 0..5 {
            assert!(login(&mut filter, "192.0.2.1", 200).reply().is_none());
        }
        let refused = login(&mut filter, "192.0.2.1", 200);
        assert_eq!(refused.reply().unwrap().header("retry-after").unwrap(), "6");
        assert!(login(&mut filter, "192.0.2.2", 200).reply().is_none());
    }

    #[test]
    fn an_account_is_locked_after_failures_from_anywhere_and_on_every_instance() {
        let mut filter = filter();
        for host in 1..=5 {
            assert!(login(&mut filter, &format!("192.0.2.{host}"), 401).reply().is_none());
            filter.renew();
        }
        assert_eq!(login(&mut filter, "192.0.2.9", 200).reply().unwrap().status(), 429);
        filter.advance(Duration::from_secs(15 * 60 + 1));
        assert!(login(&mut filter, "192.0.2.9", 200).reply().is_none());
    }

    #[test]
    fn without_a_store_people_can_log_in() {
        let mut filter = filter();
        filter.lose_store();
        assert!(login(&mut filter, "192.0.2.1", 200).reply().is_none());
    }
}
