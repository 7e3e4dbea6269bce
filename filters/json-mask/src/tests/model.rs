//! The masker against a model that has the whole document and knows nothing of bytes.

use hmac::Mac;
use proptest::prelude::*;
use serde_json::Value;
use sluice_filter::testing::{Response, json};

use super::{SECRET, run};
use crate::digest::{hex, keyed};

/// Names and steps out of few letters, so that they meet.
const NAMES: [&str; 5] = ["a", "b", "ä", "0", "1"];

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zäß😀\"\\\\\n]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(proptest::sample::select(&NAMES[..]), inner, 0..4).prop_map(
                |members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            ),
        ]
    })
}

fn path() -> impl Strategy<Value = Vec<&'static str>> {
    let step = prop_oneof![
        5 => proptest::sample::select(&NAMES[..]),
        1 => Just("*"),
        1 => Just("**"),
    ];
    let all = |path: &Vec<&str>| path.iter().all(|step| *step == "**");
    proptest::collection::vec(step, 1..4).prop_filter("removes all", move |path| !all(path))
}

/// Whether a path leads to this place.
fn leads(path: &[&str], place: &[String]) -> bool {
    match (path.split_first(), place.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), None) => leads(rest, place),
        (Some((&"**", rest)), Some((_, deeper))) => leads(rest, place) || leads(path, deeper),
        (Some((step, rest)), Some((name, deeper))) => (*step == "*" || step == name) && leads(rest, deeper),
        _ => false,
    }
}

fn model(
    value: &Value,
    place: &mut Vec<String>,
    hashed: bool,
    remove: &[Vec<&str>],
    hash: &[Vec<&str>],
) -> Option<Value> {
    if remove.iter().any(|path| leads(path, place)) {
        return None;
    }
    let hashed = hashed || hash.iter().any(|path| leads(path, place));
    let mut inner = |name: String, value: &Value| {
        place.push(name);
        let masked = model(value, place, hashed, remove, hash);
        place.pop();
        masked
    };
    let digest = |text: &str| {
        let digest = keyed(SECRET).unwrap().chain_update(text).finalize().into_bytes();
        Value::from(String::from_utf8(hex(&digest)).unwrap())
    };
    Some(match value {
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .filter_map(|(index, element)| inner(index.to_string(), element))
            .collect(),
        Value::Object(members) => members
            .iter()
            .filter_map(|(name, member)| Some((name.clone(), inner(name.clone(), member)?)))
            .collect(),
        Value::String(text) if hashed => digest(text),
        Value::Number(_) | Value::Bool(_) if hashed => digest(&value.to_string()),
        _ => value.clone(),
    })
}

/// Writes a document with white space and escapes wherever they may be, as `whims` has it.
fn write(value: &Value, whims: &mut impl Iterator<Item = u8>, out: &mut String) {
    space(whims, out);
    match value {
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(element, whims, out);
            }
            space(whims, out);
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                space(whims, out);
                string(name, whims, out);
                space(whims, out);
                out.push(':');
                write(member, whims, out);
            }
            space(whims, out);
            out.push('}');
        }
        Value::String(text) => string(text, whims, out),
        _ => out.push_str(&value.to_string()),
    }
    space(whims, out);
}

fn space(whims: &mut impl Iterator<Item = u8>, out: &mut String) {
    out.push_str(match whims.next().unwrap_or(0) % 8 {
        0 => " ",
        1 => "\n\t",
        2 => "\r\n  ",
        _ => "",
    });
}

fn string(text: &str, whims: &mut impl Iterator<Item = u8>, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        let must = matches!(char, '"' | '\\' | '\n');
        if must || whims.next().unwrap_or(1).is_multiple_of(3) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(char);
        }
    }
    out.push('"');
}

proptest! {
    #[test]
    fn however_a_document_is_written_and_cut_it_is_masked_as_the_model_says(
        document in document(),
        remove in proptest::collection::vec(path(), 0..3),
        hash in proptest::collection::vec(path(), 1..3),
        whims in proptest::collection::vec(any::<u8>(), 1..50),
        cuts in proptest::collection::vec(0usize..12, 1..30),
    ) {
        let mut text = String::new();
        write(&document, &mut whims.iter().copied().cycle(), &mut text);
        let mut rest = text.as_bytes();
        let mut chunks = Vec::new();
        for cut in cuts {
            let (chunk, left) = rest.split_at(cut.min(rest.len()));
            chunks.push(chunk.to_vec());
            rest = left;
        }
        chunks.push(rest.to_vec());
        let write = |paths: &[Vec<&str>]| paths.iter().map(|path| path.join(".")).collect::<Vec<_>>();
        let config = json!({ "remove": write(&remove), "hash": write(&hash), "hash-secret": "mask-key" });

        let response = Response::new(200).header("content-type", "application/json").chunks(chunks);
        let report = run(config, response);

        prop_assert!(!report.aborted(), "{}", text);
        let masked: Value = serde_json::from_slice(report.response_body()).unwrap();
        let expected = model(&document, &mut Vec::new(), false, &remove, &hash);
        prop_assert_eq!(Some(masked), expected, "{}", text);
    }
}
