//! What a body looks like afterwards.

use super::{SECRET, filter, json_of, masked, run};
use crate::digest::{hex, keyed};
use crate::masker::DEPTH_MAX;
use hmac::Mac;
use sluice_filter::testing::{Response, json};

/// A hashed value as it is written.
fn hashed(text: &str) -> String {
    let digest = keyed(SECRET).unwrap().chain_update(text).finalize().into_bytes();
    format!("\"{}\"", String::from_utf8(hex(&digest)).unwrap())
}

#[test]
fn members_and_elements_go_with_their_commas_and_the_rest_stays_as_it_was_written() {
    for (path, body, expected) in [
        ("a", r#"{"a":1}"#, "{}"),
        ("a", r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
        ("a", r#"{ "b":2 , "a":1 , "c" : 3 }"#, r#"{ "b":2 , "c" : 3 }"#),
        ("a", r#"{"b":2,"a":{"x":[1,{"a":2}]}}"#, r#"{"b":2}"#),
        ("a", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "{\n  \"b\": 2\n}\n"),
        ("a", r#"{"a":1,"a":2,"b":3,"a":4}"#, r#"{"b":3}"#),
        ("a", r#"[{"a":1}]"#, r#"[{"a":1}]"#),
        ("**.a", r#"[{"a":1},{"b":{"a":"}"}},[[{"a":"\""}]]]"#, r#"[{},{"b":{}},[[{}]]]"#),
        ("1", "[1,2,3]", "[1,3]"),
        ("0", "[1]", "[]"),
        ("*", "[1, 2, 3]", "[]"),
        ("*.b", r#"[{"b":1,"c":2},{"c":{"b":1}}]"#, r#"[{"c":2},{"c":{"b":1}}]"#),
        ("/a/b", r#"{"a":{"b":1}}"#, r#"{"a":{}}"#),
        ("*.*", r#"{"a":{"x":1},"b":[1,[]],"c":3}"#, r#"{"a":{},"b":[],"c":3}"#),
    ] {
        assert_eq!(masked(json!({ "remove": [path] }), body), expected, "{path} of {body}");
    }
}

#[test]
fn a_name_matches_however_it_is_written() {
    for name in ["päß", r"p\u00e4\u00df", r"\u0070\u00E4ß", "😀", r"\ud83d\ude00"] {
        let body = format!(r#"{{"x":1,"{name}":2}}"#);
        assert_eq!(masked(json!({ "remove": ["päß", "😀"] }), &body), r#"{"x":1}"#, "{name}");
    }
    for name in ["pä", "pä߀", r"\ud83d", r"p\u00e4\u00df\u0000", "PÄSS"] {
        let body = format!(r#"{{"{name}":2}}"#);
        assert_eq!(masked(json!({ "remove": ["päß", "😀"] }), &body), body);
    }
    let quoted = json!({ "remove": ["a\"b", "a\nb", ""] , "hash": [] });
    let refused = crate::tests::refusal(quoted);
    assert!(refused.starts_with("config.remove[2]"), "{refused}");
    assert_eq!(masked(json!({ "remove": ["a\"b", "/"] }), r#"{"a\"b":1,"":2,"c":3}"#), r#"{"c":3}"#);
}

#[test]
fn scalars_are_replaced_by_their_keyed_hash() {
    let config = json!({ "hash": ["a"], "hash-secret": "mask-key" });
    let one = |value: &str| masked(&config, &format!(r#"{{"a":{value},"b":1}}"#));
    let expected = |text: &str| format!(r#"{{"a":{},"b":1}}"#, hashed(text));
    assert_eq!(one(r#""secret""#), expected("secret"));
    assert_eq!(one(r#""\u0073ecre\u0074""#), expected("secret"), "the same text written in another way");
    assert_eq!(one(r#""""#), expected(""));
    assert_eq!(one("-12.5e3"), expected("-12.5e3"));
    assert_eq!(one("0 "), expected("0").replace(",", " ,"));
    assert_eq!(one("true"), expected("true"));
    assert_eq!(one("null"), r#"{"a":null,"b":1}"#, "no value has nothing to hide");
    let names = one(r#"{"x":["y",{"z":null}]}"#);
    assert_eq!(names, format!(r#"{{"a":{{"x":[{},{{"z":null}}]}},"b":1}}"#, hashed("y")), "names stay");
    assert_eq!(masked(json!({ "hash": ["**"], "hash-secret": "mask-key" }), "1"), hashed("1"));
    // A known answer, so that what is stored elsewhere stays comparable: printf secret | openssl dgst -sha256 -mac HMAC …
    assert_eq!(hashed("secret"), r#""0ad814968caefdecab8a6c0c55414688""#);
}

#[test]
fn what_is_removed_is_not_hashed() {
    let config = json!({ "hash": ["a", "b"], "remove": ["a.x", "b"], "hash-secret": "mask-key" });
    assert_eq!(masked(config, r#"{"a":{"x":1,"y":null},"b":2}"#), r#"{"a":{"y":null}}"#);
}

#[test]
fn nesting_has_a_bound() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(masked(json!({ "remove": ["a"] }), &nested(DEPTH_MAX)), nested(DEPTH_MAX));
    assert!(run(json!({ "remove": ["a"] }), json_of(nested(DEPTH_MAX + 1))).aborted());
}

#[test]
fn a_chunk_that_changes_nothing_is_not_copied_back() {
    let mut harness = filter(json!({ "remove": ["secret"] }));
    let response = Response::new(200).header("content-type", "application/json");
    let report = harness.exchange().response(response.chunks([r#"{"a":"#, "1}"])).run();
    assert_eq!(report.response_body(), br#"{"a":1}"#);
}

#[test]
fn what_is_kept_does_not_grow_with_the_body() {
    let config = json!({ "remove": ["secret"], "hash": ["**.card"], "hash-secret": "mask-key" });
    let harness = filter(config);
    let rules = &harness.filter().rules;
    let long = |unit: &str| unit.repeat(100_000);
    for body in [
        format!(r#"{{"{}":1}}"#, long("n")),
        format!(r#"{{"{}":1}}"#, long(r"\u006e")),
        format!(r#"{{"secret":"{}"}}"#, long("s")),
        format!(r#"{{"card":"{}"}}"#, long("c")),
        format!(r#"{{"card":{}}}"#, long("1")),
        format!(r#"{{{}"a":1}}"#, long(" ")),
        format!("[{}1]", long("1,\n")),
        format!(r#"[{}{{}}]"#, long(r#"{"card":1,"secret":[]}, "#)),
    ] {
        let mut masker = crate::masker::Masker::new(rules);
        let mut out = Vec::new();
        let mut kept_max = 0;
        for piece in body.as_bytes().chunks(1_000) {
            masker.feed(rules, piece, &mut out).unwrap();
            kept_max = kept_max.max(masker.kept_bytes());
            out.clear();
        }
        masker.end(&mut out).unwrap();
        assert!(kept_max < 4_096, "{kept_max} bytes are kept of {}…", body.get(..20).unwrap());
    }
}
