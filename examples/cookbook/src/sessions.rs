//! Asks a service whose session it is, once a minute for each, and tells the upstream.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sluice_filter::http_client::Outgoing;
use sluice_filter::{Decision, Exchange, Filter, Reply, Request, filter, log, store};

const REMEMBERED: Duration = Duration::from_secs(60);

/// The filter: one value in each instance.
#[derive(Default)]
pub struct Sessions;

#[filter]
impl Filter for Sessions {
    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        // A client must not say itself who it is.
        request.remove_header("x-user");
        let Some(session) = session(request) else {
            return Decision::Proceed;
        };
        match user(&session) {
            Ok(Some(user)) => {
                request.set_header("x-user", user);
                Decision::Proceed
            }
            Ok(None) => Reply::new(401).body("This session has ended.\n").into(),
            Err(sentence) => {
                log::warn("the session's user is not known", &[("why", &sentence)]);
                Reply::new(503).header("retry-after", "1").into()
            }
        }
    }
}

/// The value of the cookie, where it is one that can stand in a path.
fn session(request: &Request) -> Option<String> {
    let cookies = request.header_str("cookie")?;
    let (_, value) = cookies
        .split(';')
        .find_map(|pair| pair.trim().split_once('=').filter(|(name, _)| *name == "session"))?;
    let fits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| value.to_owned())
}

/// Nobody, or who; a sentence when that cannot be found out.
fn user(session: &str) -> Result<Option<Vec<u8>>, String> {
    // Whoever can read the store cannot take over sessions.
    let key = Sha256::digest(session);
    if let Ok(Some(known)) = store::get(key) {
        return Ok(Some(known));
    }
    let answer = Outgoing::new("users", "GET", format!("/sessions/{session}")).timeout_ms(500).send();
    let answer = answer.map_err(|error| format!("{error:?}"))?;
    match answer.status {
        200 => {
            // Without a store each request is a question, and that is all.
            let _ = store::set(key, &answer.body, REMEMBERED.into());
            Ok(Some(answer.body))
        }
        404 => Ok(None),
        status => Err(format!("status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::Sessions;
    use sluice_filter::http_client::Error;
    use sluice_filter::testing::{Harness, Request, Response, json};

    fn with_session(session: &str) -> Request {
        Request::get("/").header("cookie", format!("theme=dark; session={session}")).header("x-user", "root")
    }

    #[test]
    fn the_service_is_asked_once_a_minute() {
        let asked = Rc::new(Cell::new(0));
        let counter = Rc::clone(&asked);
        let setup = Harness::<Sessions>::setup().upstream("users", move |outgoing| {
            counter.set(counter.get() + 1);
            assert_eq!(outgoing.path, "/sessions/s1");
            Ok(Response::new(200).body("alice"))
        });
        let mut filter = setup.configure(json!(null)).unwrap();

        for _ in 0..3 {
            let exchange = filter.exchange().request(with_session("s1")).run();
            assert_eq!(exchange.request().unwrap().header_values("x-user"), ["alice"]);
        }
        assert_eq!(asked.get(), 1);
        filter.advance(Duration::from_secs(61));
        filter.exchange().request(with_session("s1")).run();
        assert_eq!(asked.get(), 2);
    }

    #[test]
    fn nobody_is_let_in_by_a_service_that_does_not_answer() {
        for (answer, status) in
            [(Err(Error::TimedOut), 503), (Ok(Response::new(500)), 503), (Ok(Response::new(404)), 401)]
        {
            let setup = Harness::<Sessions>::setup().upstream("users", move |_| answer.clone());
            let exchange = setup.configure(json!(null)).unwrap().exchange().request(with_session("s1")).run();
            assert_eq!(exchange.reply().unwrap().status(), status);
            assert!(exchange.request().is_none());
        }
    }

    #[test]
    fn a_request_without_a_session_is_nobody_s() {
        let mut filter = Harness::<Sessions>::configure(json!(null)).unwrap();
        let exchange = filter.exchange().request(Request::get("/").header("x-user", "root")).run();
        assert_eq!(exchange.request().unwrap().header("x-user"), None);
    }
}
