use std::cell::RefCell;
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sluice_filter::http_client;
use sluice_filter::testing::{Harness, Report, Request, Response, Setup, json};

use super::Jwt;

mod refusals;
mod rotation;
mod signatures;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// 2026-01-01, when the harness's exchanges are.
const NOW: u64 = 1_767_225_600;

fn base64(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

/// A token that is signed with `SECRET`, whatever its header says.
fn token(header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET).unwrap().chain_update(&signed);
    format!("{signed}.{}", base64(mac.finalize().into_bytes()))
}

fn hs256(claims: &Value) -> String {
    token(&json!({ "alg": "HS256", "typ": "JWT" }), claims)
}

/// Claims that are in order, with these in place of some.
fn claims(others: Value) -> Value {
    let mut claims = json!({ "iss": "https://id.example", "aud": "api", "sub": "alice", "exp": NOW + 60 });
    for (name, value) in others.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            _ => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// A configuration that is in order, with these in place of some.
fn config(others: Value) -> Value {
    let mut config = json!({
        "issuer": "https://id.example",
        "audience": "api",
        "secrets": [{ "secret": "shared", "algorithm": "HS256" }],
    });
    config.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    config
}

fn setup() -> Setup<Jwt> {
    Harness::<Jwt>::setup().secret("shared", SECRET).secret("short", b"0123456789")
}

fn filter(config: Value) -> Harness<Jwt> {
    setup().configure(config).unwrap()
}

fn bearer(token: &str) -> Request {
    Request::get("/").header("Authorization", format!("Bearer {token}"))
}

fn run(others: Value, request: Request) -> Report {
    filter(config(others)).exchange().request(request).run()
}

fn passes(others: Value, token: &str) -> bool {
    run(others, bearer(token)).reply().is_none()
}

/// The status and the challenge.
fn refused(report: &Report) -> (u16, String) {
    assert!(report.request().is_none(), "the upstream saw a refused request");
    let reply = report.reply().unwrap();
    let challenge = reply.header("www-authenticate").map(|value| value.to_string_lossy().into_owned());
    (reply.status(), challenge.unwrap_or_default())
}

#[test]
fn a_valid_token_passes_and_its_claims_are_told() {
    let headers = json!({ "claims": {
        "x-user": "sub", "x-roles": "roles", "x-org": "org.name", "x-age": "age", "x-ok": "ok", "x-none": "none",
        "x-url": "https://id.example/tenant",
    } });
    let claims = claims(json!({
        "roles": ["a", "b"], "org": { "name": "Käse" }, "age": 7, "ok": true, "https://id.example/tenant": "t1",
    }));
    let request =
        bearer(&hs256(&claims)).header("X-User", "root").header("x-user", "admin").header("X-None", "1");
    let report = run(headers, request);
    let sent = report.request().unwrap();
    assert_eq!(sent.header_values("x-user"), ["alice"]);
    assert_eq!(sent.header_values("x-roles"), [r#"["a","b"]"#]);
    assert_eq!(sent.header_values("x-org"), ["Käse"]);
    assert_eq!(sent.header_values("x-age"), ["7"]);
    assert_eq!(sent.header_values("x-ok"), ["true"]);
    assert_eq!(sent.header_values("x-url"), ["t1"]);
    assert_eq!(sent.header_values("x-none"), [""; 0], "a client's own copy got through");
    assert!(sent.header("authorization").is_some());
}

#[test]
fn a_claim_that_is_no_header_value_is_left_out() {
    let request = bearer(&hs256(&claims(json!({ "sub": "a\r\nx-admin: 1" })))).header("x-user", "root");
    let report = run(json!({ "claims": { "x-user": "sub" } }), request);
    assert_eq!(report.failure(), None);
    assert_eq!(report.request().unwrap().header("x-user"), None);
    assert_eq!(report.log()[0].message, "a claim cannot be a header's value");
}

#[test]
fn a_token_is_found_where_the_operator_says() {
    let token = hs256(&claims(json!({})));
    let with = |name: &str, value: String| Request::get("/").header(name, value);
    for (others, request, status) in [
        (json!({}), with("authorization", format!("bEARER   {token}")), 200),
        (json!({}), with("authorization", format!("Basic {token}")), 401),
        (json!({}), with("authorization", "Bearer".to_owned()), 400),
        (json!({}), with("authorization", format!("Bearer {token} {token}")), 400),
        (json!({}), bearer(&token).header("authorization", "Basic YQ=="), 400),
        (json!({}), with("x-token", token.clone()), 401),
        (json!({ "header": "x-token" }), with("X-Token", token.clone()), 200),
        (json!({ "header": "x-token" }), with("x-token", format!("Bearer {token}")), 200),
        (json!({ "header": "x-token" }), bearer(&token), 401),
        (json!({ "cookie": "session" }), with("cookie", format!("a=b; session={token}; c")), 200),
        (json!({ "cookie": "session" }), with("cookie", format!("session=\"{token}\"")), 200),
        (json!({ "cookie": "session" }), with("cookie", format!("xsession={token}")), 401),
        (json!({ "cookie": "session" }), with("cookie", format!("session={token}; session=x")), 400),
        (json!({ "cookie": "session" }), bearer(&token).header("cookie", "session=x"), 200),
        (json!({}), with("cookie", format!("session={token}")), 401),
    ] {
        let report = run(others.clone(), request);
        assert_eq!(report.response().unwrap().status(), status, "{others}");
    }
}

#[test]
fn a_token_can_be_kept_from_the_upstream() {
    let token = hs256(&claims(json!({})));
    let quiet = json!({ "forward-token": false, "cookie": "session" });
    let report = run(quiet.clone(), bearer(&token).header("cookie", "a=b"));
    assert_eq!(report.request().unwrap().header("authorization"), None);
    assert_eq!(report.request().unwrap().header("cookie").unwrap(), "a=b");
    for (cookies, left) in
        [(format!("a=b; session={token};c=d"), Some("a=b; c=d")), (format!("session={token}"), None)]
    {
        let report = run(quiet.clone(), Request::get("/").header("cookie", cookies));
        assert_eq!(report.request().unwrap().header_str("cookie").as_deref(), left);
    }
}

#[test]
fn an_optional_token_may_be_missing_and_not_wrong() {
    let optional = json!({ "optional": true, "claims": { "x-user": "sub" } });
    let report = run(optional.clone(), Request::get("/").header("x-user", "root"));
    assert_eq!(report.request().unwrap().header("x-user"), None);
    assert_eq!(run(optional, bearer("a.b.c")).reply().unwrap().status(), 401);
}

#[test]
fn a_scope_that_is_missing_is_named() {
    let demands = json!({ "scopes": ["read", "write"] });
    for (others, enough) in [
        (json!({ "scope": "write x read" }), true),
        (json!({ "scp": ["read", "write"] }), true),
        (json!({ "scope": "read" }), false),
        (json!({ "scope": "readwrite" }), false),
        (json!({}), false),
    ] {
        let report = run(demands.clone(), bearer(&hs256(&claims(others.clone()))));
        if enough {
            assert!(report.reply().is_none(), "{others}");
            continue;
        }
        let challenge = r#"Bearer realm="api", error="insufficient_scope", scope="read write""#;
        assert_eq!(refused(&report), (403, challenge.to_owned()), "{others}");
    }
}

/// An issuer whose answers a test changes, and who counts how often it was asked.
#[derive(Clone, Default)]
struct Issuer {
    answer: Rc<RefCell<Option<Value>>>,
    asked: Rc<RefCell<u32>>,
}

impl Issuer {
    fn publishes(&self, keys: Value) {
        *self.answer.borrow_mut() = Some(json!({ "keys": keys }));
    }

    fn is_down(&self) {
        *self.answer.borrow_mut() = None;
    }

    fn asked(&self) -> u32 {
        *self.asked.borrow()
    }

    fn filter(&self) -> Harness<Jwt> {
        let issuer = self.clone();
        let setup = Harness::<Jwt>::setup().upstream("idp", move |outgoing| {
            assert_eq!(
                (outgoing.method.as_str(), outgoing.path.as_str(), outgoing.timeout_ms),
                ("GET", "/keys", 2_000)
            );
            *issuer.asked.borrow_mut() += 1;
            let answer = issuer.answer.borrow();
            let document = answer.as_ref().ok_or(http_client::Error::Unreachable)?;
            Ok(Response::new(200).header("content-type", "application/json").body(document.to_string()))
        });
        let config = json!({
            "issuer": "https://id.example", "audience": "api", "jwks": { "upstream": "idp", "path": "/keys" },
        });
        setup.configure(config).unwrap()
    }
}
