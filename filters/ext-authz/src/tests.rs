use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use sluice_filter::http_client::{Error, Outgoing};
use sluice_filter::testing::{Harness, Report, Request, Response, json};

use super::ExtAuthz;

/// A service that answers as a test says, and remembers what it was asked.
#[derive(Clone)]
struct Service {
    answer: Rc<RefCell<Result<Response, Error>>>,
    asked: Rc<RefCell<Vec<Outgoing>>>,
}

impl Service {
    fn new(answer: Response) -> Self {
        Self { answer: Rc::new(RefCell::new(Ok(answer))), asked: Rc::default() }
    }

    fn answers(&self, answer: Result<Response, Error>) {
        *self.answer.borrow_mut() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.borrow().len()
    }

    fn filter(&self, others: Value) -> Harness<ExtAuthz> {
        let service = self.clone();
        let setup = Harness::<ExtAuthz>::setup().upstream("authz", move |outgoing| {
            service.asked.borrow_mut().push(outgoing.clone());
            service.answer.borrow().clone()
        });
        setup.configure(config(others)).unwrap()
    }

    fn run(&self, others: Value, request: Request) -> Report {
        self.filter(others).exchange().request(request).run()
    }
}

fn config(others: Value) -> Value {
    let mut config = json!({ "upstream": "authz", "path": "/check" });
    config.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    config
}

fn status(filter: &mut Harness<ExtAuthz>, request: Request) -> u16 {
    filter.exchange().request(request).run().response().unwrap().status()
}

#[test]
fn the_service_is_told_what_the_request_is() {
    let service = Service::new(Response::new(200));
    let request = Request::post("/a?b=c").authority("shop.example:8080").scheme("https");
    let request = request
        .header("Authorization", "Bearer x")
        .header("x-forwarded-uri", "/other")
        .header("x-tenant", "1");
    service.run(json!({}), request.header("cookie", "a=b").header("cookie", "c=d"));

    let asked = service.asked.borrow();
    let Outgoing { upstream, method, path, headers, body, timeout_ms } = &asked[0];
    assert_eq!(
        (upstream.as_str(), method.as_str(), path.as_str(), *timeout_ms),
        ("authz", "GET", "/check", 1_000)
    );
    assert!(body.is_empty());
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
    assert_eq!(
        headers,
        [
            "authorization: Bearer x",
            "cookie: a=b",
            "cookie: c=d",
            "x-forwarded-method: POST",
            "x-forwarded-proto: https",
            "x-forwarded-host: shop.example:8080",
            "x-forwarded-uri: /a?b=c",
        ]
    );
}

#[test]
fn a_yes_lets_the_request_pass_with_what_the_service_says_of_it() {
    let answer = Response::new(204).header("X-User", "alice").header("x-group", "a").header("x-group", "b");
    let service = Service::new(answer.header("x-secret", "1"));
    let request =
        Request::get("/").header("x-user", "root").header("X-USER", "admin").header("x-role", "admin");
    let report = service.run(json!({ "to-upstream": ["x-user", "x-group", "x-role"] }), request);
    let sent = report.request().unwrap();
    assert_eq!(sent.header_values("x-user"), ["alice"]);
    assert_eq!(sent.header_values("x-group"), ["a", "b"]);
    assert_eq!(sent.header("x-role"), None, "a client's own copy got through");
    assert_eq!(sent.header("x-secret"), None);
}

#[test]
fn a_no_is_the_clients_answer() {
    let answer = Response::new(302)
        .header("Location", "/login")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2");
    let service = Service::new(answer.header("x-internal", "1").body("this way"));
    let report = service.run(json!({}), Request::get("/"));
    let reply = report.reply().unwrap();
    assert_eq!(reply.status(), 302);
    assert_eq!(reply.header("location").unwrap(), "/login");
    assert_eq!(reply.header_values("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(reply.header("x-internal"), None);
    assert_eq!(report.response_body(), b"this way");
    assert!(report.request().is_none());

    let report = service.run(json!({ "body": false, "to-client": [] }), Request::get("/"));
    assert_eq!(report.reply().unwrap().headers(), []);
    assert_eq!(report.response_body(), b"");
}

#[test]
fn without_an_answer_the_request_passes_or_not_as_the_operator_says() {
    let service = Service::new(Response::new(500));
    let broken = [
        Ok(Response::new(500)),
        Ok(Response::new(503).body("oops")),
        Ok(Response::new(304)),
        Err(Error::TimedOut),
        Err(Error::Unreachable),
        Err(Error::Busy),
        Err(Error::TooLarge),
        Err(Error::Other("x".to_owned())),
    ];
    for answer in broken {
        service.answers(answer.clone());
        let closed = service.run(json!({}), Request::get("/"));
        assert_eq!(closed.reply().unwrap().status(), 503, "{answer:?}");
        assert_eq!(closed.response_body(), b"", "{answer:?}: the client learned what the service said");
        assert_eq!(closed.log()[0].message, "the service has not answered");
        let request = Request::get("/").header("x-user", "root");
        let open = service.run(json!({ "on-error": "open", "to-upstream": "x-user" }), request);
        assert_eq!(
            open.request().unwrap().header("x-user"),
            None,
            "{answer:?}: a client's own copy got through"
        );
    }
}

#[test]
fn a_mistake_of_the_configuration_opens_nothing() {
    let config = config(json!({ "on-error": "open" }));
    let mut filter = Harness::<ExtAuthz>::configure(config).unwrap();
    assert_eq!(status(&mut filter, Request::get("/")), 500);
}

#[test]
fn a_yes_counts_for_a_time_and_for_the_same_request_only() {
    let service = Service::new(Response::new(200).header("x-user", "alice"));
    let mut filter = service.filter(json!({ "cache": { "for": "10s" }, "to-upstream": "x-user" }));
    let request = || Request::get("/a").header("authorization", "1");
    for _ in 0..3 {
        let report = filter.exchange().request(request()).run();
        assert_eq!(report.request().unwrap().header_values("x-user"), ["alice"]);
    }
    assert_eq!(service.asked(), 1);
    for other in [
        Request::get("/b").header("authorization", "1"),
        Request::get("/a?").header("authorization", "1"),
        Request::post("/a").header("authorization", "1"),
        request().scheme("https"),
        request().authority("other.example"),
        Request::get("/a").header("authorization", "2"),
        Request::get("/a"),
        request().header("authorization", ""),
        request().header("cookie", "a"),
    ] {
        let before = service.asked();
        status(&mut filter, other.clone());
        assert_eq!(service.asked(), before + 1, "{other:?}");
    }
    service.answers(Ok(Response::new(403)));
    filter.advance(Duration::from_millis(9_999));
    assert_eq!(status(&mut filter, request()), 200);
    filter.advance(Duration::from_millis(1));
    assert_eq!(status(&mut filter, request()), 403);
}

#[test]
fn the_operator_may_keep_answers_by_less() {
    let service = Service::new(Response::new(200));
    let mut filter =
        service.filter(json!({ "cache": { "for": "10s", "key": ["header:authorization", "method"] } }));
    let with = |path: &str, token: &str| Request::get(path).header("authorization", token);
    for (request, asked) in
        [(with("/a", "1"), 1), (with("/b", "1"), 1), (with("/a", "2"), 2), (Request::post("/a"), 3)]
    {
        status(&mut filter, request);
        assert_eq!(service.asked(), asked);
    }
}

#[test]
fn a_no_counts_only_when_the_operator_says_so_and_errors_never() {
    let service = Service::new(Response::new(403));
    let mut filter = service.filter(json!({ "cache": { "for": "10s" } }));
    assert_eq!([(); 2].map(|()| status(&mut filter, Request::get("/"))), [403; 2]);
    assert_eq!(service.asked(), 2);

    let mut filter = service.filter(json!({ "cache": { "for": "10s", "refused": "1s" } }));
    assert_eq!([(); 2].map(|()| status(&mut filter, Request::get("/"))), [403; 2]);
    assert_eq!(service.asked(), 3);
    service.answers(Err(Error::TimedOut));
    filter.advance(Duration::from_secs(1));
    assert_eq!(status(&mut filter, Request::get("/")), 503);
    service.answers(Ok(Response::new(200)));
    assert_eq!(status(&mut filter, Request::get("/")), 200);
}

#[test]
fn what_the_service_forbids_to_store_is_not_stored() {
    let service = Service::new(Response::new(200).header("cache-control", "private, No-Store"));
    let mut filter = service.filter(json!({ "cache": { "for": "10s" } }));
    assert_eq!([(); 2].map(|()| status(&mut filter, Request::get("/"))), [200; 2]);
    assert_eq!(service.asked(), 2);
}

#[test]
fn so_many_answers_are_kept_and_the_oldest_go_first() {
    let service = Service::new(Response::new(200));
    let mut filter = service.filter(json!({ "cache": { "for": "10s", "entries": 2 } }));
    let mut asked = |path: &str| {
        filter.advance(Duration::from_millis(1));
        let before = service.asked();
        status(&mut filter, Request::get(path));
        service.asked() > before
    };
    assert_eq!(["/1", "/2", "/2", "/1"].map(&mut asked), [true, true, false, false]);
    assert_eq!(["/3", "/2", "/3"].map(&mut asked), [true, false, false]);
    assert!(asked("/1"), "more are kept than the bound says");
}

#[test]
fn a_bad_configuration_is_refused_with_its_key() {
    for (others, sentence) in [
        (json!({ "path": "check" }), r#"config.path: "check" is no path"#),
        (json!({ "method": "CONNECT" }), r#"config.method: "CONNECT" is no method that a filter may set"#),
        (
            json!({ "headers": ["cookie", "X-Forwarded-Uri"] }),
            "config.headers[1]: X-Forwarded-Uri is what this filter tells the service, not what a client says",
        ),
        (json!({ "to-upstream": ["host"] }), r#"config.to-upstream[0]: "host" frames or routes the message"#),
        (json!({ "timeout": "0s" }), "config.timeout: expected more than 0 and less than 49 days"),
        (json!({ "cache": { "for": "1s", "entries": 0 } }), "config.cache.entries: expected more than 0"),
        (
            json!({ "cache": { "for": "1s", "key": [] } }),
            "config.cache.key: one answer would count for all requests",
        ),
        (
            json!({ "cache": { "for": "1s", "key": ["body"] } }),
            r#"config.cache.key[0]: "body" is none of header:NAME, host, method, path and scheme"#,
        ),
        (json!({ "cache": {} }), "config.cache: missing field `for`"),
        (
            json!({ "on-error": "maybe" }),
            "config.on-error: unknown variant `maybe`, expected `closed` or `open`",
        ),
    ] {
        let refused = Harness::<ExtAuthz>::configure(config(others)).err().unwrap();
        assert_eq!(refused.to_string(), sentence);
    }
}

proptest! {
    #[test]
    fn whatever_comes_and_goes_the_cache_keeps_its_bound_and_no_answer_too_long(
        steps in proptest::collection::vec((0u64..4_000, 0u8..6, any::<bool>()), 1..80),
    ) {
        let service = Service::new(Response::new(200));
        let mut filter = service.filter(json!({ "cache": { "for": "5s", "refused": "2s", "entries": 3 } }));
        let mut now = 0;
        let mut answered = std::collections::BTreeMap::new();
        for (step, path, allowed) in steps {
            filter.advance(Duration::from_millis(step));
            now += step;
            service.answers(Ok(Response::new(if allowed { 200 } else { 403 })));
            let before = service.asked();
            let got = status(&mut filter, Request::get(format!("/{path}")));
            if service.asked() > before {
                answered.insert(path, (now, got));
            }
            let (at, said) = answered[&path];
            prop_assert_eq!(got, said);
            let lifetime = if said == 200 { 5_000 } else { 2_000 };
            prop_assert!(now - at < lifetime);
            prop_assert!(filter.filter().cache.as_ref().unwrap().len() <= 3);
        }
    }
}
