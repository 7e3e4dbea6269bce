//! Keys that are fetched, and changed.

use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use serde_json::Value;
use sluice_filter::testing::{Harness, json};

use super::{Issuer, base64, bearer, claims};
use crate::Jwt;

struct Signing {
    id: &'static str,
    key: SigningKey,
}

impl Signing {
    fn new(id: &'static str) -> Self {
        let mut seed = [7; 32];
        seed[..id.len()].copy_from_slice(id.as_bytes());
        Self { id, key: SigningKey::from_bytes(&seed) }
    }

    fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": base64(self.key.verifying_key().as_bytes()) })
    }

    fn token(&self) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.id });
        let claims = claims(json!({ "exp": 4_102_444_800_u64 }));
        let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", base64(signature.to_bytes()))
    }
}

fn status(filter: &mut Harness<Jwt>, token: &str) -> u16 {
    filter.exchange().request(bearer(token)).run().response().unwrap().status()
}

#[test]
fn keys_are_fetched_once_and_again_when_they_are_old() {
    let (issuer, one) = (Issuer::default(), Signing::new("one"));
    issuer.publishes(json!([one.jwk()]));
    let mut filter = issuer.filter();
    assert_eq!(issuer.asked(), 0, "there is no exchange yet to wait in");
    for _ in 0..3 {
        assert_eq!(status(&mut filter, &one.token()), 200);
    }
    assert_eq!(issuer.asked(), 1);
    filter.advance(Duration::from_secs(599));
    assert_eq!(status(&mut filter, &one.token()), 200);
    assert_eq!(issuer.asked(), 1);
    filter.advance(Duration::from_secs(1));
    assert_eq!(status(&mut filter, &one.token()), 200);
    assert_eq!(issuer.asked(), 2);
}

#[test]
fn a_key_that_is_withdrawn_is_believed_no_longer_than_the_cache_lives() {
    let (issuer, one, two) = (Issuer::default(), Signing::new("one"), Signing::new("two"));
    issuer.publishes(json!([one.jwk(), two.jwk()]));
    let mut filter = issuer.filter();
    assert_eq!(status(&mut filter, &one.token()), 200);
    issuer.publishes(json!([two.jwk()]));
    filter.advance(Duration::from_secs(600));
    assert_eq!(status(&mut filter, &one.token()), 401);
}

#[test]
fn a_new_key_is_fetched_when_the_first_token_names_it() {
    let (issuer, one, two) = (Issuer::default(), Signing::new("one"), Signing::new("two"));
    issuer.publishes(json!([one.jwk()]));
    let mut filter = issuer.filter();
    assert_eq!(status(&mut filter, &one.token()), 200);
    issuer.publishes(json!([one.jwk(), two.jwk()]));
    filter.advance(Duration::from_secs(1));
    assert_eq!(status(&mut filter, &two.token()), 200);
    assert_eq!(issuer.asked(), 2);
}

#[test]
fn tokens_with_made_up_keys_do_not_make_more_than_one_fetch_in_the_cooldown() {
    let (issuer, one, made_up) = (Issuer::default(), Signing::new("one"), Signing::new("made up"));
    issuer.publishes(json!([one.jwk()]));
    let mut filter = issuer.filter();
    for _ in 0..20 {
        assert_eq!(status(&mut filter, &made_up.token()), 401);
    }
    assert_eq!(issuer.asked(), 1, "the first of all fetched the keys just now");
    filter.advance(Duration::from_secs(1));
    for _ in 0..20 {
        assert_eq!(status(&mut filter, &made_up.token()), 401);
        assert_eq!(status(&mut filter, &one.token()), 200);
    }
    assert_eq!(issuer.asked(), 2);
    filter.advance(Duration::from_secs(30));
    assert_eq!(status(&mut filter, &made_up.token()), 401);
    assert_eq!(issuer.asked(), 3);
}

#[test]
fn an_instance_takes_from_the_store_what_another_has_fetched() {
    let (issuer, one) = (Issuer::default(), Signing::new("one"));
    issuer.publishes(json!([one.jwk()]));
    let mut filter = issuer.filter();
    assert_eq!(status(&mut filter, &one.token()), 200);
    filter.renew();
    issuer.is_down();
    assert_eq!(status(&mut filter, &one.token()), 200);
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn an_issuer_that_is_down_is_done_without_for_a_while() {
    let (issuer, one) = (Issuer::default(), Signing::new("one"));
    issuer.publishes(json!([one.jwk()]));
    let mut filter = issuer.filter();
    assert_eq!(status(&mut filter, &one.token()), 200);
    issuer.is_down();
    filter.advance(Duration::from_secs(4_199));
    let report = filter.exchange().request(bearer(&one.token())).run();
    assert_eq!(report.response().unwrap().status(), 200);
    assert_eq!(report.log()[0].message, "the keys cannot be fetched");
    filter.advance(Duration::from_secs(1));
    assert_eq!(status(&mut filter, &one.token()), 503, "keys that are too old are believed");
    issuer.publishes(json!([one.jwk()]));
    filter.advance(Duration::from_secs(30));
    assert_eq!(status(&mut filter, &one.token()), 200);
}

#[test]
fn without_any_keys_nobody_passes_and_the_issuer_is_not_asked_by_every_request() {
    let (issuer, one) = (Issuer::default(), Signing::new("one"));
    let mut filter = issuer.filter();
    for _ in 0..10 {
        let report = filter.exchange().request(bearer(&one.token())).run();
        let reply = report.reply().unwrap();
        assert_eq!((reply.status(), reply.header("retry-after").unwrap()), (503, "1".into()));
    }
    assert_eq!(issuer.asked(), 1);
    issuer.publishes(json!([]));
    filter.advance(Duration::from_secs(1));
    assert_eq!(status(&mut filter, &one.token()), 503, "a set without a key is none");
    issuer.publishes(json!([{ "kty": "XYZ" }, { "kty": "oct", "k": "AA" }, 7, one.jwk()]));
    filter.advance(Duration::from_secs(1));
    assert_eq!(status(&mut filter, &one.token()), 200, "keys of other kinds are passed over");
}

#[test]
fn without_a_store_each_instance_fetches_for_itself() {
    let (issuer, one, two) = (Issuer::default(), Signing::new("one"), Signing::new("two"));
    issuer.publishes(json!([one.jwk()]));
    let mut filter = issuer.filter();
    filter.lose_store();
    assert_eq!(status(&mut filter, &one.token()), 200);
    issuer.publishes(json!([two.jwk()]));
    filter.advance(Duration::from_secs(1));
    assert_eq!(status(&mut filter, &two.token()), 200);
    assert_eq!(status(&mut filter, &one.token()), 401);
    assert_eq!(issuer.asked(), 2, "the cooldown holds without a store, too");
}
