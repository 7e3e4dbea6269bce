use proptest::prelude::*;
use sluice_filter::testing::{Harness, Report, Request, json};

use super::ApiKey;

// printf %s wonderland | sha256sum, and so on.
const WONDERLAND: &str = "a71a7c7011f53a1bab3642ec2ce12593f05230ace8de1e3e7645f69efac1443d";
const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn filter() -> Harness<ApiKey> {
    Harness::configure(json!({ "keys": { "alice": WONDERLAND }, "sha256": [SECRET] })).unwrap()
}

fn get(key: &[u8]) -> Report {
    filter().exchange().request(Request::get("/").header("X-Api-Key", key)).run()
}

fn refusal(config: impl serde::Serialize) -> String {
    Harness::<ApiKey>::configure(config).err().unwrap().to_string()
}

#[test]
fn a_known_key_passes_and_the_upstream_is_told_its_name() {
    let report = get(b"wonderland");
    let request = report.request().unwrap();
    assert_eq!(request.header_values("x-api-key-name"), ["alice"]);
    assert_eq!(request.header("x-api-key"), None, "the upstream saw the key");
}

#[test]
fn a_key_without_a_name_passes_without_one() {
    let report = get(b"secret");
    assert_eq!(report.request().unwrap().header("x-api-key-name"), None);
}

#[test]
fn any_other_key_is_refused_with_a_challenge() {
    for key in [&b"Wonderland"[..], b"wonderland ", b"", b"\xff\xfe", WONDERLAND.as_bytes()] {
        let report = get(key);
        let reply = report.reply().unwrap();
        assert_eq!(reply.status(), 401);
        assert_eq!(reply.header("www-authenticate").unwrap(), r#"ApiKey realm="api", header="x-api-key""#);
        assert!(report.request().is_none(), "the upstream saw a refused request");
    }
}

#[test]
fn no_key_is_refused() {
    assert_eq!(filter().exchange().run().reply().unwrap().status(), 401);
}

#[test]
fn a_clients_own_name_never_reaches_the_upstream() {
    for (key, names) in [("wonderland", vec!["alice"]), ("secret", vec![])] {
        let request = Request::get("/").header("x-api-key", key).header("X-Api-Key-Name", "root");
        let report = filter().exchange().request(request.header("x-api-key-name", "admin")).run();
        assert_eq!(report.request().unwrap().header_values("x-api-key-name"), names, "{key}");
    }
}

#[test]
fn header_name_and_realm_are_the_operators() {
    let config = json!({ "header": "x-token", "name-header": "x-who", "realm": "my shop", "keys": { "a": [WONDERLAND, SECRET] } });
    let mut filter = Harness::<ApiKey>::configure(config).unwrap();
    for key in ["wonderland", "secret"] {
        let report = filter.exchange().request(Request::get("/").header("x-token", key)).run();
        assert_eq!(report.request().unwrap().header("x-who").unwrap(), "a");
    }
    let refused = filter.exchange().run();
    let challenge = refused.reply().unwrap().header("www-authenticate").unwrap();
    assert_eq!(challenge, r#"ApiKey realm="my shop", header="x-token""#);
}

#[test]
fn a_bad_configuration_is_refused_with_its_key() {
    let long = format!("{WONDERLAND}0");
    let other = WONDERLAND.replace('a', "g");
    for (config, sentence) in [
        (json!(null), "config.keys: expected at least one key, here or in `sha256`"),
        (json!({ "keys": {} }), "config.keys: expected at least one key, here or in `sha256`"),
        (
            json!({ "keys": { "a": "" } }),
            "config.keys.a: expected a SHA-256 hash of 64 hexadecimal digits, found 0 characters",
        ),
        (
            json!({ "keys": { "a": [WONDERLAND, long] } }),
            "config.keys.a[1]: expected a SHA-256 hash of 64 hexadecimal digits, found 65 characters",
        ),
        (
            json!({ "sha256": [other] }),
            "config.sha256[0]: expected a SHA-256 hash of 64 hexadecimal digits, found another character",
        ),
        (
            json!({ "keys": { "a": NOTHING } }),
            "config.keys.a: this is the hash of an empty key: every request with an empty header would pass",
        ),
        (
            json!({ "keys": { "a": WONDERLAND, "b": WONDERLAND.to_uppercase() } }),
            "config.keys.b: the same key as keys.a",
        ),
        (
            json!({ "keys": { "a": true } }),
            "config.keys.a: invalid type: boolean `true`, expected a value or a list of values",
        ),
        (
            json!({ "keys": { "": WONDERLAND } }),
            "config.keys: expected a name for each key, found an empty one",
        ),
        (
            json!({ "keys": { "a\n": WONDERLAND } }),
            r#"config.keys."a\n": the value holds a control byte (0x0a)"#,
        ),
        (json!({ "header": "x key" }), r#"config.header: "x key" is no field name"#),
        (json!({ "name-header": "host" }), r#"config.name-header: "host" frames or routes the message"#),
        (
            json!({ "name-header": "X-API-Key" }),
            "config.name-header: the same as `header`, whose value is the key",
        ),
        (json!({ "realm": "a\"b" }), "config.realm: expected printable ASCII without quotes and backslashes"),
    ] {
        assert_eq!(refusal(config), sentence);
    }
    assert!(
        refusal(json!({ "Header": "a" }))
            .starts_with("config.Header: unknown field `Header`, expected one of")
    );
}

proptest! {
    #[test]
    fn whatever_bytes_a_header_holds_it_passes_or_is_refused(key in proptest::collection::vec(any::<u8>(), 0..64)) {
        let report = get(&key);
        prop_assert_eq!(report.failure(), None);
        prop_assert_eq!(report.reply().is_none(), key == b"wonderland" || key == b"secret");
    }

    #[test]
    fn whatever_text_a_hash_is_configure_does_not_panic(text in "\\PC{0,70}") {
        let config = json!({ "sha256": [text] });
        if let Err(error) = Harness::<ApiKey>::configure(config) {
            prop_assert!(error.to_string().starts_with("config.sha256[0]: "), "{}", error);
        }
    }
}
