//! Tokens, claims and configurations that are not taken.

use serde_json::Value;
use sluice_filter::testing::{Request, json};

use super::{NOW, base64, bearer, claims, config, hs256, passes, refused, run, setup, token};

/// The description in the challenge of a refused token.
fn reason(others: Value, token: &str) -> String {
    let (status, challenge) = refused(&run(others, bearer(token)));
    assert_eq!(status, 401, "{challenge}");
    let start = r#"Bearer realm="api", error="invalid_token", error_description=""#;
    challenge.strip_prefix(start).and_then(|rest| rest.strip_suffix('"')).unwrap_or(&challenge).to_owned()
}

#[test]
fn a_client_without_a_token_is_told_that_one_is_needed_and_of_no_error() {
    let report = run(json!({ "realm": "my shop" }), Request::get("/"));
    assert_eq!(refused(&report), (401, r#"Bearer realm="my shop""#.to_owned()));
    let report = run(json!({}), bearer("a").header("authorization", "Bearer b"));
    let challenge = r#"Bearer realm="api", error="invalid_request", error_description="the token is not given in one way""#;
    assert_eq!(refused(&report), (400, challenge.to_owned()));
}

#[test]
fn time_counts_with_some_leeway() {
    for (others, expected) in [
        (json!({ "exp": NOW - 29 }), None),
        (json!({ "exp": NOW - 30 }), Some("the token has expired")),
        (json!({ "exp": NOW as f64 - 29.5 }), None),
        (json!({ "exp": 0 }), Some("the token has expired")),
        (json!({ "exp": -1 }), Some("the token has expired")),
        (json!({ "exp": NOW.to_string() }), Some("a date in the token is no number")),
        (json!({ "exp": null }), Some("the token has no expiry")),
        (json!({ "nbf": NOW + 30 }), None),
        (json!({ "nbf": NOW + 31 }), Some("the token is not valid yet")),
        (json!({ "nbf": true }), Some("a date in the token is no number")),
    ] {
        let token = hs256(&claims(others.clone()));
        match expected {
            None => assert!(passes(json!({}), &token), "{others}"),
            Some(sentence) => assert_eq!(reason(json!({}), &token), sentence, "{others}"),
        }
    }
    assert!(passes(json!({ "leeway": "2m" }), &hs256(&claims(json!({ "exp": NOW - 100 })))));
    assert!(!passes(json!({ "leeway": "0s" }), &hs256(&claims(json!({ "exp": NOW })))));
    assert!(passes(json!({ "require-expiry": false }), &hs256(&claims(json!({ "exp": null })))));
}

#[test]
fn issuer_and_audience_are_ours() {
    let issuer = "the token is of another issuer";
    let audience = "the token is for another audience";
    for (others, expected) in [
        (json!({ "iss": "https://id.example/" }), Some(issuer)),
        (json!({ "iss": null }), Some(issuer)),
        (json!({ "iss": ["https://id.example"] }), Some(issuer)),
        (json!({ "aud": "API" }), Some(audience)),
        (json!({ "aud": null }), Some(audience)),
        (json!({ "aud": ["other"] }), Some(audience)),
        (json!({ "aud": [] }), Some(audience)),
        (json!({ "aud": { "api": 1 } }), Some(audience)),
        (json!({ "aud": ["other", "api"] }), None),
    ] {
        let token = hs256(&claims(others.clone()));
        match expected {
            None => assert!(passes(json!({}), &token), "{others}"),
            Some(sentence) => assert_eq!(reason(json!({}), &token), sentence, "{others}"),
        }
    }
    let several = json!({ "issuer": ["a", "b"], "audience": ["c", "d"] });
    assert!(passes(several.clone(), &hs256(&claims(json!({ "iss": "b", "aud": "d" })))));
    assert!(!passes(several, &hs256(&claims(json!({ "iss": "c", "aud": "d" })))));
    assert!(passes(
        json!({ "issuer": [], "audience": [] }),
        &hs256(&claims(json!({ "iss": "x", "aud": "y" })))
    ));
}

#[test]
fn a_token_that_is_no_signed_token_is_malformed() {
    let good = hs256(&claims(json!({})));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    for bad in [
        "a".to_owned(),
        signed.to_owned(),
        format!("{good}.{signature}.{signature}"),
        format!("{good}="),
        format!("{header}=.{payload}.{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}+.{signature}"),
        format!("{}.{payload}.{signature}", base64("[]")),
        format!("{}.{payload}.{signature}", base64("{}")),
        format!("{}.{payload}.{signature}", base64(r#"{"alg":1}"#)),
        format!("{}.{payload}.{signature}", base64(r#"{"alg":"none","alg":"HS256"}"#)),
        format!("{}.{payload}.{signature}", base64(r#"{"alg":"HS256","kid":["a"]}"#)),
    ] {
        assert_eq!(reason(json!({}), &bad), "the token is malformed", "{bad}");
    }
    assert_eq!(reason(json!({}), &"a".repeat(16_385)), "the token is too long");
    let critical = token(&json!({ "alg": "HS256", "crit": ["b64"], "b64": false }), &claims(json!({})));
    assert_eq!(reason(json!({}), &critical), "the token needs an extension that is not supported");
    assert_eq!(
        reason(json!({}), &token(&json!({ "alg": "none" }), &claims(json!({})))),
        "the token's algorithm is not accepted"
    );
    assert_eq!(reason(json!({}), &hs256(&json!(["not", "claims"]))), "the token holds no claims");
    assert_eq!(
        reason(json!({}), &hs256(&claims(json!({}))).replace(signature, &base64([0; 32]))),
        "the token's signature is wrong"
    );
}

#[test]
fn keys_that_a_token_brings_along_mean_nothing() {
    let header = json!({
        "alg": "HS256", "kid": "theirs", "jku": "https://evil.example/keys", "x5u": "https://evil.example/x",
        "jwk": { "kty": "oct", "k": base64(super::SECRET) },
    });
    let named = json!({ "secrets": [{ "secret": "other", "algorithm": "HS256", "kid": "ours" }] });
    let mut filter = setup().secret("other", [7; 32]).configure(config(named)).unwrap();
    let report = filter.exchange().request(bearer(&token(&header, &claims(json!({}))))).run();
    assert!(refused(&report).1.contains("the token's key is not known"));
}

#[test]
fn a_token_of_another_type_is_none_for_this() {
    let with = |header: Value| token(&header, &claims(json!({})));
    let demands = json!({ "type": "at+jwt" });
    for (media_type, right) in
        [("at+jwt", true), ("application/AT+JWT", true), ("JWT", false), ("text/at+jwt", false)]
    {
        let token = with(json!({ "alg": "HS256", "typ": media_type }));
        assert_eq!(passes(demands.clone(), &token), right, "{media_type}");
    }
    assert_eq!(reason(demands, &with(json!({ "alg": "HS256" }))), "the token is of another type");
}

#[test]
fn a_bad_configuration_is_refused_with_its_key() {
    for (others, sentence) in [
        (json!({ "secrets": [] }), "config: expected keys, in `jwks`, `keys` or `secrets`"),
        (
            json!({ "secrets": [{ "secret": "none", "algorithm": "HS256" }] }),
            r#"config.secrets[0]: the secret "none" is not granted"#,
        ),
        (
            json!({ "secrets": [{ "secret": "short", "algorithm": "HS256" }] }),
            "config.secrets[0]: the secret has 10 bytes, and this algorithm needs 32",
        ),
        (
            json!({ "secrets": [{ "secret": "shared", "algorithm": "HS512" }] }),
            "config.secrets[0]: the secret has 32 bytes, and this algorithm needs 64",
        ),
        (
            json!({ "secrets": [{ "secret": "shared", "algorithm": "RS256" }] }),
            "config.secrets[0]: a secret signs with HS256, HS384 or HS512",
        ),
        (json!({ "keys": [{ "kty": "RSA" }] }), "config.keys[0]: the key has no `n`"),
        (json!({ "jwks": { "upstream": "idp", "path": "keys" } }), r#"config.jwks.path: "keys" is no path"#),
        (json!({ "cookie": "a b" }), r#"config.cookie: "a b" is no name of a cookie"#),
        (json!({ "realm": "\"" }), "config.realm: expected printable ASCII without quotes and backslashes"),
        (
            json!({ "scopes": "a b" }),
            "config.scopes: expected printable ASCII without spaces, quotes and backslashes",
        ),
        (
            json!({ "claims": { "x-a": "a..b" } }),
            "config.claims.x-a: expected the names of a claim, with dots between them",
        ),
    ] {
        assert_eq!(setup().configure(config(others)).err().unwrap().to_string(), sentence);
    }
    let error =
        setup().configure(config(json!({ "algorithms": ["RS256", "none"] }))).err().unwrap().to_string();
    assert!(error.starts_with(r#"config.algorithms[1]: "none" is none of HS256, "#), "{error}");
    let error = setup().configure(config(json!({ "claims": { "host": "sub" } }))).err().unwrap().to_string();
    assert!(error.contains(r#""host" frames or routes the message"#), "{error}");
    for missing in ["issuer", "audience"] {
        let mut config = config(json!({}));
        config.as_object_mut().unwrap().remove(missing);
        let error = setup().configure(config).err().unwrap().to_string();
        assert_eq!(error, format!("config: missing field `{missing}`"), "nothing is taken for granted");
    }
}
