//! Signatures: examples of the RFCs, and one token for each algorithm that Node's crypto has signed (vectors.json).

use proptest::prelude::*;
use serde_json::Value;
use sluice_filter::testing::{Harness, json};

use super::{SECRET, base64, bearer, claims, config, hs256, passes, setup, token};
use crate::Jwt;
use crate::algorithm::Algorithm;
use crate::key::{Jwk, Key};
use crate::token::Token;

fn public(jwk: Value) -> Result<Key, String> {
    Key::public(serde_json::from_value::<Jwk>(jwk).unwrap())
}

fn verifies(key: &Key, token: &str) -> bool {
    Token::parse(token.as_bytes()).unwrap().is_signed_by(key)
}

const CLAIMS: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn rfc_7515_appendix_a_1_is_signed_with_a_secret() {
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let secret = <base64ct::Base64UrlUnpadded as base64ct::Encoding>::decode_vec(secret).unwrap();
    let key = Key::secret(secret, Algorithm::Hs256, None).unwrap();
    let token = format!(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    assert!(verifies(&key, &token));
    let claims = Token::parse(token.as_bytes()).unwrap().claims().unwrap();
    assert_eq!(claims["iss"], "joe");
    assert_eq!(claims["http://example.com/is_root"], true);
    assert!(!verifies(&key, &token.replace("dBjf", "dBjg")));
}

fn rfc_7515_a_2_key() -> Value {
    json!({ "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" })
}

#[test]
fn rfc_7515_appendix_a_2_is_signed_with_rsa() {
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let key = public(rfc_7515_a_2_key()).unwrap();
    assert!(verifies(&key, &format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.{signature}")));
    assert!(!verifies(&key, &format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.{}", signature.replace("cC4h", "cC4i"))));
}

fn rfc_7515_a_3_key() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

#[test]
fn rfc_7515_appendix_a_3_is_signed_with_an_elliptic_curve() {
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let key = public(rfc_7515_a_3_key()).unwrap();
    assert!(verifies(&key, &format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.{signature}")));
    assert!(!verifies(&key, &format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.{}", signature.replace("DtEh", "DtEi"))));
    // Zeros as r and s verified everywhere in an implementation that was widely used (CVE-2022-21449).
    assert!(!verifies(&key, &format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.{}", base64([0; 64]))));
}

#[test]
fn rfc_8037_appendix_a_4_is_signed_with_ed25519() {
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let key = public(key).unwrap();
    let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert!(verifies(&key, &format!("{signed}.{signature}")));
    assert!(!verifies(&key, &format!("{signed}.{}", signature.replace("hgyY", "hgyZ"))));
}

#[derive(serde::Deserialize)]
struct Vector {
    alg: String,
    key: Value,
    token: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

/// A filter that has this vector's key, and no other.
fn holding(vector: &Vector) -> Harness<Jwt> {
    let keys = match vector.key["k"].as_str() {
        None => json!({ "keys": [vector.key], "secrets": [] }),
        Some(_) => json!({ "secrets": [{ "secret": "k", "algorithm": vector.alg, "kid": vector.alg }] }),
    };
    let secret = vector.key["k"].as_str().unwrap_or_default();
    let secret = <base64ct::Base64UrlUnpadded as base64ct::Encoding>::decode_vec(secret).unwrap();
    setup().secret("k", secret).configure(config(keys)).unwrap()
}

#[test]
fn every_algorithm_is_read_as_another_implementation_writes_it() {
    assert_eq!(vectors().len(), 11);
    for vector in vectors() {
        let mut filter = holding(&vector);
        assert!(filter.exchange().request(bearer(&vector.token)).run().reply().is_none(), "{}", vector.alg);
        for other in vectors().iter().filter(|other| other.alg != vector.alg) {
            let report = filter.exchange().request(bearer(&other.token)).run();
            assert_eq!(report.reply().unwrap().status(), 401, "{} with {}", other.alg, vector.alg);
        }
    }
}

#[test]
fn a_key_is_not_used_with_another_types_algorithm() {
    // The old trick: a public key, which everybody has, as the shared secret of a token that says HS256.
    let public_key = rfc_7515_a_2_key();
    let forged = token(&json!({ "alg": "HS256" }), &claims(json!({})));
    for name in ["HS256", "HS384", "HS512", "ES256", "EdDSA", "none", "None", "nOnE", "", "rs256"] {
        let forged =
            forged.replacen(&base64(r#"{"alg":"HS256"}"#), &base64(json!({ "alg": name }).to_string()), 1);
        assert!(!passes(json!({ "keys": [public_key], "secrets": [] }), &forged), "{name}");
    }
    // And without any signature.
    let unsigned = forged.rsplit_once('.').unwrap().0;
    for ending in [".", "..", ""] {
        assert!(!passes(json!({}), &format!("{unsigned}{ending}")));
    }
    // A key that says its algorithm is used with no other of its type.
    let vectors = vectors();
    let find = |alg: &str| vectors.iter().find(|vector| vector.alg == alg).unwrap();
    let mut key = find("RS256").key.clone();
    key["alg"] = json!("RS256");
    key["kid"] = Value::Null;
    let only = json!({ "keys": [key], "secrets": [] });
    assert!(passes(only.clone(), &find("RS256").token));
    assert!(!passes(only, &find("PS256").token));
}

#[test]
fn the_operator_may_accept_fewer_algorithms() {
    let vectors = vectors();
    let mut key = vectors.iter().find(|vector| vector.alg == "RS256").unwrap().key.clone();
    key["kid"] = Value::Null;
    let only = json!({ "keys": [key], "algorithms": ["RS512", "PS256"] });
    for vector in vectors.iter().filter(|vector| vector.key["kty"] == "RSA") {
        assert_eq!(
            passes(only.clone(), &vector.token),
            ["RS512", "PS256"].contains(&&*vector.alg),
            "{}",
            vector.alg
        );
    }
    assert!(!passes(only, &hs256(&claims(json!({})))));
}

#[test]
fn a_key_that_cannot_be_trusted_is_refused() {
    let with = |key: Value, name: &str, value: Value| {
        let mut key = key;
        key[name] = value;
        public(key).map(|_| ()).unwrap_err()
    };
    let (rsa, ec) = (rfc_7515_a_2_key, rfc_7515_a_3_key);
    for (sentence, expected) in [
        (with(rsa(), "use", json!("enc")), "the key is not for signatures"),
        (with(rsa(), "key_ops", json!(["encrypt"])), "the key is not for signatures"),
        (with(rsa(), "d", json!("AQ")), "this is a private key, which only the issuer should have"),
        (with(rsa(), "alg", json!("RSA-OAEP")), r#"the key's algorithm "RSA-OAEP" is not supported"#),
        (with(rsa(), "alg", json!("HS256")), "the key's type is not its algorithm's"),
        (with(rsa(), "alg", json!("ES256")), "the key's type is not its algorithm's"),
        (with(rsa(), "n", json!("a=")), "`n` is no base64url without padding"),
        (with(rsa(), "e", Value::Null), "the key has no `e`"),
        (with(ec(), "x", json!(base64([1; 32]))), "the point is not on the curve"),
        (with(ec(), "x", json!(base64([1; 31]))), "`x` and `y` have not 32 bytes each"),
        (with(ec(), "crv", json!("secp256k1")), "keys of the type EC secp256k1 are not supported"),
        (with(ec(), "crv", json!("P-384")), "keys of the type EC P-384 are not supported"),
        (with(ec(), "kty", json!("oct")), "a shared secret is no public key: grant it as a secret"),
    ] {
        assert_eq!(sentence, expected);
    }
    let short = base64([&[0x81; 127][..], &[1]].concat());
    assert!(with(rsa(), "n", json!(short)).starts_with("the RSA key cannot be used: "));
    assert!(with(rsa(), "e", json!("AQ")).starts_with("the RSA key cannot be used: "), "e = 1 signs nothing");
    let weak = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64([&[1][..], &[0; 31]].concat()) });
    assert_eq!(public(weak).unwrap_err(), "the point has a small order");
}

#[test]
fn what_is_secret_is_not_printed() {
    let key = Key::secret(SECRET.to_vec(), Algorithm::Hs256, None).unwrap();
    assert_eq!(format!("{key:?}"), "Key { id: None, algorithm: Some(Hs256), material: secret }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_token_with_any_byte_changed_is_refused(place in any::<proptest::sample::Index>(), byte in any::<u8>(), of in 0usize..11) {
        let vector = vectors().swap_remove(of);
        let mut changed = vector.token.clone().into_bytes();
        let place = place.index(changed.len());
        prop_assume!(changed[place] != byte && byte >= b' ' && byte != 0x7f);
        changed[place] = byte;
        let request = sluice_filter::testing::Request::get("/").header("authorization", [b"Bearer ", &*changed].concat());
        let report = holding(&vector).exchange().request(request).run();
        prop_assert_eq!(report.failure(), None);
        prop_assert!(report.reply().is_some(), "{} at {}", changed.escape_ascii(), place);
    }

    #[test]
    fn whatever_a_token_is_the_filter_does_not_panic(text in "[A-Za-z0-9_.=-]{0,80}", header in "\\PC{0,40}") {
        for token in [text.clone(), format!("{}.{text}", base64(header))] {
            let report = super::run(json!({}), bearer(&token));
            prop_assert_eq!(report.failure(), None);
            prop_assert!(report.reply().is_some());
        }
    }
}
