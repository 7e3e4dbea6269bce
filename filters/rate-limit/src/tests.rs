use std::time::Duration;

use proptest::prelude::*;
use sluice_filter::Phases;
use sluice_filter::testing::{Facts, Harness, Report, Request, Response, json};

use super::RateLimit;

fn filter(config: impl serde::Serialize) -> Harness<RateLimit> {
    Harness::<RateLimit>::configure(config).unwrap()
}

fn from(filter: &mut Harness<RateLimit>, address: &str) -> Report {
    let facts = Facts::default().filter_name("slow").client_address(address);
    filter.exchange().facts(facts).run()
}

fn passes(filter: &mut Harness<RateLimit>, request: Request) -> bool {
    filter.exchange().request(request).run().reply().is_none()
}

fn refusal(config: impl serde::Serialize) -> String {
    Harness::<RateLimit>::configure(config).err().unwrap().to_string()
}

#[test]
fn a_client_that_asks_too_often_is_told_to_wait() {
    let mut filter = filter(json!({ "limit": 60, "period": "1m", "burst": 2, "key": "client-address" }));
    for left in ["1", "0"] {
        let report = from(&mut filter, "192.0.2.1");
        let response = report.response().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.header("ratelimit").unwrap(), &*format!("\"slow\";r={left}"));
        assert_eq!(response.header("ratelimit-policy").unwrap(), "\"slow\";q=60;w=60");
        assert_eq!(response.header("retry-after"), None);
    }
    let report = from(&mut filter, "192.0.2.1");
    let reply = report.reply().unwrap();
    assert_eq!(reply.status(), 429);
    assert_eq!(reply.header("retry-after").unwrap(), "1");
    assert_eq!(reply.header("ratelimit").unwrap(), "\"slow\";r=0;t=1");
    assert!(report.request().is_none(), "the upstream saw a refused request");
    assert!(from(&mut filter, "192.0.2.2").reply().is_none(), "another client pays for it");

    filter.advance(Duration::from_secs(1));
    assert!(from(&mut filter, "192.0.2.1").reply().is_none());
    assert_eq!(from(&mut filter, "192.0.2.1").reply().unwrap().status(), 429);
}

#[test]
fn requests_are_counted_by_what_the_operator_names() {
    for (key, one, same, other) in [
        (json!("path"), Request::get("/a?x=1"), Request::post("/a?x=2"), Request::get("/b")),
        (json!("method"), Request::get("/a"), Request::get("/b"), Request::post("/a")),
        (
            json!("host"),
            Request::get("/").authority("A.example"),
            Request::get("/b").authority("a.EXAMPLE"),
            Request::get("/").authority("b.example"),
        ),
        (
            json!("header:X-Key"),
            Request::get("/").header("x-key", "1"),
            Request::get("/a").header("X-KEY", "1"),
            Request::get("/").header("x-key", b"\xff"),
        ),
        (
            json!(["header:x-key"]),
            Request::get("/"),
            Request::post("/"),
            Request::get("/").header("x-key", ""),
        ),
        (
            json!(["header:a", "header:b"]),
            Request::get("/").header("a", "xy").header("b", ""),
            Request::get("/").header("b", "").header("a", "xy"),
            Request::get("/").header("a", "x").header("b", "y"),
        ),
    ] {
        let mut filter = filter(json!({ "limit": 1, "period": "1h", "key": key }));
        assert!(passes(&mut filter, one), "{key}");
        assert!(!passes(&mut filter, same), "{key}: counted apart");
        assert!(passes(&mut filter, other), "{key}: counted together");
    }
    let mut filter = filter(json!({ "limit": 1, "period": "1h", "key": "route" }));
    let mut on = |route: &str| filter.exchange().facts(Facts::default().route(route)).run().reply().is_none();
    assert_eq!([on("a"), on("a"), on("b")], [true, false, true]);
}

#[test]
fn a_cost_takes_more_than_one() {
    let mut filter = filter(json!({ "limit": 10, "period": "10s", "cost": 5, "key": "path" }));
    assert_eq!([(); 3].map(|()| passes(&mut filter, Request::get("/"))), [true, true, false]);
    filter.advance(Duration::from_secs(4));
    assert!(!passes(&mut filter, Request::get("/")));
    filter.advance(Duration::from_secs(1));
    assert!(passes(&mut filter, Request::get("/")));
}

#[test]
fn the_store_holds_no_address_and_no_credential() {
    let mut filter =
        filter(json!({ "limit": 9, "period": "1s", "key": ["client-address", "header:authorization"] }));
    let facts = Facts::default().client_address("192.0.2.77");
    let request = Request::get("/").header("authorization", "Bearer hunter2");
    filter.exchange().facts(facts).request(request).run();
    let keys = filter.store_keys();
    assert_eq!(keys.len(), 2, "the shared key and one bucket");
    for key in keys {
        let text = String::from_utf8_lossy(&key).into_owned();
        assert!(!text.contains("hunter2") && !text.contains("192.0.2"), "{text}");
        assert!(!key.windows(4).any(|bytes| bytes == [192, 0, 2, 77]), "{text}");
    }
}

#[test]
fn without_a_store_requests_pass_or_not_as_the_operator_says() {
    for (policy, status) in [("open", 200), ("closed", 503)] {
        let config = json!({ "limit": 1, "period": "1s", "key": "path", "on-unavailable": policy });
        let mut filter = filter(config);
        filter.lose_store();
        let first = filter.exchange().run();
        assert_eq!(first.response().unwrap().status(), status, "{policy}");
        assert_eq!(first.response().unwrap().header("ratelimit"), None, "nothing is known");
        assert_eq!(first.log()[0].attribute("why"), Some("Error::Unavailable"));
        assert!(filter.exchange().run().log().is_empty(), "said with each request");
        filter.find_store();
        let found = filter.exchange().run();
        assert_eq!(found.log()[0].message, "the store answers again");
        assert!(found.reply().is_none());
        filter.lose_store();
        assert_eq!(filter.exchange().run().response().unwrap().status(), status);
    }
}

#[test]
fn an_address_that_is_not_granted_is_a_mistake_and_no_limit() {
    let mut filter = filter(json!({ "limit": 1, "period": "1s", "key": "client-address" }));
    let report = filter.exchange().run();
    assert_eq!(report.reply().unwrap().status(), 500);
    assert_eq!(report.log()[0].message, "the client's address is not granted: grant.client-address");
}

#[test]
fn fields_can_be_left_out_and_join_those_of_others() {
    let without = json!({ "limit": 1, "period": "1s", "key": "path", "fields": false });
    let mut quiet = filter(without);
    assert_eq!(quiet.plan().phases, Phases::REQUEST);
    assert!(passes(&mut quiet, Request::get("/")));
    let refused = quiet.exchange().run();
    assert_eq!(refused.reply().unwrap().header("ratelimit"), None);
    assert_eq!(refused.reply().unwrap().header("retry-after").unwrap(), "1");

    let mut filter = filter(json!({ "limit": 5, "period": "1500ms", "key": "path" }));
    let facts = Facts::default().filter_name("a\"b\\ü");
    let response = Response::new(200).header("ratelimit", "\"theirs\";r=1");
    let report = filter.exchange().facts(facts).response(response).run();
    let sent = report.response().unwrap();
    assert_eq!(sent.header_values("ratelimit"), ["\"theirs\";r=1", r#""a\"b\\?";r=4"#]);
    assert_eq!(sent.header("ratelimit-policy").unwrap(), r#""a\"b\\?";q=5;w=2"#);
}

#[test]
fn a_bad_configuration_is_refused_with_its_key() {
    for (config, sentence) in [
        (json!({ "period": "1s", "key": "path" }), "config: missing field `limit`"),
        (json!({ "limit": 0, "period": "1s", "key": "path" }), "config.limit: expected more than 0"),
        (json!({ "limit": 1, "period": "0s", "key": "path" }), "config.period: expected more than 0"),
        (
            json!({ "limit": 1, "period": "1s", "burst": 0, "key": "path" }),
            "config.burst: expected more than 0",
        ),
        (
            json!({ "limit": 9, "period": "1s", "burst": 2, "cost": 3, "key": "path" }),
            "config.cost: no request would pass: `burst` is 2",
        ),
        (
            json!({ "limit": 1, "period": "1s", "key": [] }),
            "config.key: expected what requests are counted by",
        ),
        (
            json!({ "limit": 1, "period": "1s", "key": ["path", "ip"] }),
            r#"config.key[1]: "ip" is none of client-address, header:NAME, host, method, path and route"#,
        ),
        (json!({ "limit": 1, "period": "1s", "key": "header:a b" }), r#"config.key: "a b" is no field name"#),
        (
            json!({ "limit": 1, "period": "60", "key": "path" }),
            r#"config.period: "60" is no duration like "250ms", "5s", "1m" or "2h""#,
        ),
        (
            json!({ "limit": 1, "period": "1s", "key": "path", "ipv6-prefix": 129 }),
            "config.ipv6-prefix: expected 128 bits at most",
        ),
    ] {
        assert_eq!(refusal(config), sentence);
    }
}

proptest! {
    #[test]
    fn in_no_time_span_pass_more_than_the_rate_and_the_burst_allow(
        limit in 1u32..20,
        burst in 1u32..20,
        steps in proptest::collection::vec(0u64..400, 1..120),
    ) {
        let mut filter = filter(json!({ "limit": limit, "period": "1s", "burst": burst, "key": "path" }));
        let mut passed = Vec::new();
        let mut now = 0;
        for step in steps {
            filter.advance(Duration::from_millis(step));
            now += step;
            if passes(&mut filter, Request::get("/")) {
                passed.push(now);
            }
        }
        for (index, from) in passed.iter().enumerate() {
            for (count, to) in (1u64..).zip(&passed[index..]) {
                let allowed = u64::from(burst) + ((to - from) * u64::from(limit)).div_ceil(1_000);
                prop_assert!(count <= allowed, "{} from {} to {}", count, from, to);
            }
        }
    }
}
