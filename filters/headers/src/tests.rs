use proptest::prelude::*;
use sluice_filter::Phases;
use sluice_filter::testing::{Facts, Harness, Report, Request, Response, json};

use super::Headers;

fn run(config: impl serde::Serialize, request: Request, response: Response) -> Report {
    let mut filter = Harness::<Headers>::configure(config).unwrap();
    let facts = Facts::default().request_id("r-1").route("api");
    filter.exchange().facts(facts).request(request).response(response).run()
}

fn refusal(config: impl serde::Serialize) -> String {
    Harness::<Headers>::configure(config).err().unwrap().to_string()
}

/// The value that a request's template gives.
fn rendered(template: &str, request: Request) -> Vec<u8> {
    let config = json!({ "request": { "set": { "x-out": template } } });
    let report = run(config, request, Response::new(200));
    report.request().unwrap().header("x-out").unwrap().into_bytes()
}

#[test]
fn requests_are_edited_on_their_way_to_the_upstream() {
    let config = json!({ "request": {
        "remove": ["X-Internal"],
        "set": { "x-set": "new" },
        "append": { "x-team": ["blue", "red"], "x-one": "1" },
    } });
    let request = Request::get("/")
        .header("x-internal", "a")
        .header("X-Set", "old")
        .header("x-internal", "b")
        .header("x-team", "green");
    let report = run(config, request, Response::new(200));
    let sent = report.request().unwrap();
    assert_eq!(sent.header_values("x-internal"), [""; 0]);
    assert_eq!(sent.header_values("x-set"), ["new"]);
    assert_eq!(sent.header_values("x-team"), ["green", "blue", "red"]);
    assert_eq!(sent.header_values("x-one"), ["1"]);
}

#[test]
fn responses_are_edited_on_their_way_to_the_client() {
    let config = json!({ "response": {
        "remove": ["server"],
        "set": { "x-about": "{request-id} {route} {status}" },
        "append": { "cache-control": "private" },
    } });
    let response = Response::new(404).header("server", "a").header("cache-control", "no-store");
    let report = run(config, Request::get("/"), response);
    let sent = report.response().unwrap();
    assert_eq!(sent.header("server"), None);
    assert_eq!(sent.header("x-about").unwrap(), "r-1 api 404");
    assert_eq!(sent.header_values("cache-control"), ["no-store", "private"]);
}

#[test]
fn templates_of_requests_know_the_request() {
    let request = || Request::post("/a?b=c").header("x-user", b"caf\xe9".to_vec());
    for (template, value) in [
        ("", &b""[..]),
        ("plain", b"plain"),
        ("{request-id}", b"r-1"),
        ("{route}/{method} {path}", b"api/POST /a?b=c"),
        ("<{header:X-User}>", b"<caf\xe9>"),
        ("<{header:x-none}>", b"<>"),
        ("{header:host}", b"example.com"),
        ("{{route}", b"{route}"),
        ("{{{route}}", b"{api}"),
        ("a}b", b"a}b"),
    ] {
        assert_eq!(rendered(template, request()), value, "{template}");
    }
}

#[test]
fn a_header_can_be_renamed() {
    let config = json!({ "request": { "remove": ["x-old"], "set": { "x-new": "{header:x-old}" } } });
    let report = run(config, Request::get("/").header("x-old", "1"), Response::new(200));
    assert_eq!(report.request().unwrap().header("x-new").unwrap(), "1");
    assert_eq!(report.request().unwrap().header("x-old"), None);
}

#[test]
fn a_side_without_edits_is_never_called() {
    let plan = |config| Harness::<Headers>::configure(config).unwrap().plan().phases;
    assert_eq!(plan(json!(null)), Phases::empty());
    assert_eq!(plan(json!({ "request": { "set": { "a": "1" } } })), Phases::REQUEST);
    assert_eq!(plan(json!({ "response": { "remove": ["a"] } })), Phases::RESPONSE);
}

#[test]
fn a_bad_configuration_is_refused_with_its_key() {
    for (config, sentence) in [
        (
            json!({ "request": { "set": { "x-a": "{nope}" } } }),
            "config.request.set.x-a: unknown substitution `{nope}`, \
             expected `{request-id}`, `{route}`, `{method}`, `{path}` or `{header:NAME}`",
        ),
        (
            json!({ "response": { "append": { "x-a": ["1", "{path}"] } } }),
            "config.response.append.x-a[1]: unknown substitution `{path}`, \
             expected `{request-id}`, `{route}` or `{status}`",
        ),
        (
            json!({ "request": { "set": { "x-a": "a {route" } } }),
            "config.request.set.x-a: `{route` has no closing brace; `{{` stands for a brace",
        ),
        (
            json!({ "request": { "set": { "x-a": "{header:a b}" } } }),
            r#"config.request.set.x-a: "a b" is no field name"#,
        ),
        (
            json!({ "request": { "set": { "x-a": "a\r\nb" } } }),
            "config.request.set.x-a: the value holds a control byte (0x0d)",
        ),
        (
            json!({ "request": { "set": { "Host": "a" } } }),
            r#"config.request.set.Host: "Host" frames or routes the message"#,
        ),
        (
            json!({ "response": { "remove": ["a", "transfer-encoding"] } }),
            r#"config.response.remove[1]: "transfer-encoding" frames or routes the message"#,
        ),
        (
            json!({ "request": { "set": { "X-A": "1", "x-a": "2" } } }),
            "config.request.set.x-a: the same header as `X-A`",
        ),
        (
            json!({ "request": { "append": { "x-a": 1 } } }),
            "config.request.append.x-a: invalid type: integer `1`, expected a string",
        ),
        (
            json!({ "request": { "add": {} } }),
            "config.request.add: unknown field `add`, expected one of `remove`, `set`, `append`",
        ),
    ] {
        assert_eq!(refusal(config), sentence);
    }
}

proptest! {
    #[test]
    fn whatever_a_header_holds_it_is_copied_byte_for_byte(value in proptest::collection::vec(0x20u8.., 0..64)) {
        prop_assume!(!value.contains(&0x7f));
        prop_assert_eq!(rendered("{header:x-in}", Request::get("/").header("x-in", value.clone())), value);
    }

    #[test]
    fn whatever_a_template_is_it_is_refused_or_renders(template in "[{}a-z:-]{0,20}") {
        let config = json!({ "request": { "set": { "x-out": template } } });
        if let Ok(mut filter) = Harness::<Headers>::configure(config) {
            let report = filter.exchange().run();
            prop_assert_eq!(report.failure(), None);
        }
    }
}
