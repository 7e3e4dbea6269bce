use proptest::prelude::*;
use sluice_filter::testing::{Harness, Report, Request, Response, json};

use super::JsonMask;

mod masking;
mod model;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn filter(config: impl serde::Serialize) -> Harness<JsonMask> {
    Harness::<JsonMask>::setup().secret("mask-key", SECRET).configure(config).unwrap()
}

fn run(config: impl serde::Serialize, response: Response) -> Report {
    filter(config).exchange().response(response).run()
}

fn json_of(body: impl Into<Vec<u8>>) -> Response {
    Response::new(200).header("content-type", "application/json").body(body)
}

/// The body that the client gets.
fn masked(config: impl serde::Serialize, body: &str) -> String {
    let report = run(config, json_of(body));
    assert!(!report.aborted(), "{body}");
    String::from_utf8(report.response_body().to_vec()).unwrap()
}

fn refusal(config: impl serde::Serialize) -> String {
    let setup = Harness::<JsonMask>::setup().secret("mask-key", SECRET).secret("short", b"0123456789");
    setup.configure(config).err().unwrap().to_string()
}

#[test]
fn json_is_masked_whatever_its_media_type_is_called() {
    for (media_type, body) in [
        ("application/json", "{}"),
        ("Application/JSON; charset=utf-8", "{}"),
        ("application/problem+json ;x=y", "{}"),
        ("application/vnd.api+JSON", "{}"),
        ("application/jsonp", r#"{"a":1}"#),
        ("text/html", r#"{"a":1}"#),
        ("+json", r#"{"a":1}"#),
    ] {
        let response = Response::new(200).header("Content-Type", media_type).body(r#"{"a":1}"#);
        let report = run(json!({ "remove": ["a"] }), response);
        assert_eq!(report.response_body(), body.as_bytes(), "{media_type}");
    }
    let without = run(json!({ "remove": ["a"] }), Response::new(200).body(r#"{"a":1}"#));
    assert_eq!(without.response_body(), br#"{"a":1}"#);
}

#[test]
fn an_upstream_is_asked_for_whole_bodies_without_coding() {
    let request = Request::get("/")
        .header("range", "bytes=10-20")
        .header("if-range", "\"a\"")
        .header("accept-encoding", "gzip")
        .header("accept-encoding", "br");
    let report = filter(json!({ "remove": ["a"] })).exchange().request(request).run();
    let sent = report.request().unwrap();
    assert_eq!(sent.header_values("accept-encoding"), ["identity"]);
    assert_eq!(sent.header("range"), None);
    assert_eq!(sent.header("if-range"), None);
}

#[test]
fn json_that_cannot_be_read_is_no_answer_unless_the_operator_says_so() {
    let encoded = |coding: &str| json_of("\x1f").header("content-encoding", coding);
    let part = || Response::new(206).header("content-type", "application/json").body("1}");
    let range = json_of("1}").header("content-range", "bytes 1-2/3");
    for response in [encoded("gzip"), encoded("identity, BR"), part(), range] {
        let report = run(json!({ "remove": ["a"] }), response.clone());
        assert_eq!(report.reply().unwrap().status(), 502);
        assert_eq!(report.log().len(), 1);
        let passed = run(json!({ "remove": ["a"], "on-invalid": "pass" }), response);
        assert!(passed.reply().is_none());
        assert!(!passed.response_body().is_empty());
    }
    assert_eq!(run(json!({ "remove": ["a"] }), encoded(" Identity")).reply().map(|_| ()), None);
    let html = Response::new(200).header("content-type", "text/html").header("content-encoding", "gzip");
    assert!(run(json!({ "remove": ["a"] }), html).reply().is_none(), "no business of this filter");
}

#[test]
fn what_describes_the_upstreams_bytes_goes() {
    let head = |tag: &str| {
        let response = json_of("{}").header("etag", tag).header("content-digest", "sha-256=:AA==:");
        let response = response.header("Accept-Ranges", "bytes").header("content-md5", "AA==");
        run(json!({ "remove": ["a"] }), response)
    };
    let report = head("\"v1\"");
    let sent = report.response().unwrap();
    assert_eq!(sent.header("etag").unwrap(), "W/\"v1\"");
    for name in ["content-digest", "accept-ranges", "content-md5"] {
        assert_eq!(sent.header(name), None, "{name}");
    }
    assert_eq!(head("W/\"v1\"").response().unwrap().header("etag").unwrap(), "W/\"v1\"");
}

#[test]
fn a_body_that_is_no_json_breaks_off_or_passes() {
    let broken = r#"{"b":[1,{"a":2}], oops"#;
    let report = run(json!({ "remove": ["**.a"] }), json_of(broken));
    assert!(report.aborted());
    assert_eq!(report.log()[0].message, "a body that says it is JSON is not, or is nested too deep");

    let pass = json!({ "remove": ["**.a"], "on-invalid": "pass" });
    let report = run(&pass, json_of(broken));
    assert!(!report.aborted());
    assert_eq!(String::from_utf8_lossy(report.response_body()), r#"{"b":[1,{}], oops"#);

    // The rest of a body that was given up passes without another look.
    let response = Response::new(200).header("content-type", "application/json");
    let report = run(&pass, response.chunks([r#"{"aa"#, r#"" "#, "1}", r#"{"a":1}"#]));
    assert_eq!(String::from_utf8_lossy(report.response_body()), r#"{"aa" 1}{"a":1}"#);
    assert_eq!(report.log().len(), 1);
}

#[test]
fn a_body_that_ends_too_early_breaks_off() {
    for body in [r#"{"b":1"#, r#"{"b"#, "[", "\"a", "tru", "-", "1.", " ", "\u{feff}", "[1,"] {
        assert!(run(json!({ "remove": ["a"] }), json_of(body)).aborted(), "{body:?}");
    }
    for body in ["1", "[]", "\"\"", "null", "\u{feff}1 ", "-0.5e+10"] {
        assert_eq!(masked(json!({ "remove": ["a"] }), body), body);
    }
    let empty = Response::new(200).header("content-type", "application/json").body("");
    assert!(!run(json!({ "remove": ["a"] }), empty).aborted(), "nothing is nothing to mask");
}

#[test]
fn a_bad_configuration_is_refused_with_its_key() {
    for (config, sentence) in [
        (json!(null), "config: expected at least one path, in `remove` or `hash`"),
        (
            json!({ "remove": ["a", "b..c"] }),
            "config.remove[1]: the path has an empty step; `/` before each step allows it",
        ),
        (json!({ "remove": ["**"] }), "config.remove[0]: this path removes the whole document"),
        (json!({ "hash": ["a"] }), "config.hash-secret: `hash` needs the name of a secret to hash with"),
        (
            json!({ "hash": ["a"], "hash-secret": "other" }),
            r#"config.hash-secret: the secret "other" is not granted"#,
        ),
        (
            json!({ "hash": ["a"], "hash-secret": "short" }),
            "config.hash-secret: the secret has 10 bytes, fewer than 16",
        ),
        (
            json!({ "remove": ["a"], "on-invalid": "ignore" }),
            "config.on-invalid: unknown variant `ignore`, expected `reset` or `pass`",
        ),
    ] {
        assert_eq!(refusal(config), sentence);
    }
}

proptest! {
    #[test]
    fn whatever_bytes_a_body_is_the_filter_does_not_panic_and_breaks_off_or_reads_json(
        body in proptest::collection::vec(
            prop_oneof![8 => proptest::sample::select(&b"{}[]\":,\\u0 aeEtrufalsn1.-\n\xc3\xa4"[..]), 1 => any::<u8>()],
            0..40,
        )
    ) {
        let report = run(json!({ "remove": ["a"], "hash": ["**.u"], "hash-secret": "mask-key" }), json_of(body.clone()));
        prop_assert_eq!(report.failure(), None);
        // serde_json agrees on what is JSON, but for half a pair of escaped surrogates, and takes no byte order mark.
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        if is_json || !body.windows(2).any(|pair| pair == b"\\u") {
            prop_assert_eq!(report.aborted(), !is_json && !body.is_empty(), "{}", body.escape_ascii());
        }
        if is_json {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(report.response_body()).is_ok());
        }
    }
}
