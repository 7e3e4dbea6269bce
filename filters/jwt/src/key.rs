use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::{BoxedUint, Pss, PublicKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};

use crate::algorithm::Algorithm;

/// A key and the algorithms that may be used with it. They follow from the key and never from a token, so that a public key
/// is never taken for a shared secret (RFC 8725 §3.1).
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    /// The only one, when the key says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

enum Material {
    Rsa(Box<PublicKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    Secret(Vec<u8>),
}

/// A public key as JSON (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
#[derive(Debug, Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<IgnoredAny>,
}

/// RFC 7518 §3.3 asks for this at least; longer than this costs a client's request too much work.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

impl Key {
    /// A shared secret. It signs with one algorithm only.
    pub(crate) fn secret(secret: Vec<u8>, algorithm: Algorithm, id: Option<String>) -> Result<Self, String> {
        let Some(min) = algorithm.secret_bytes_min() else {
            return Err("a secret signs with HS256, HS384 or HS512".to_owned());
        };
        if secret.len() < min {
            return Err(format!("the secret has {} bytes, and this algorithm needs {min}", secret.len()));
        }
        Ok(Self { id, algorithm: Some(algorithm), material: Material::Secret(secret) })
    }

    /// A public key that verifies signatures; or a sentence that says why this one does not.
    pub(crate) fn public(jwk: Jwk) -> Result<Self, String> {
        if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig")
            || jwk.key_ops.as_ref().is_some_and(|uses| !uses.iter().any(|each| each == "verify"))
        {
            return Err("the key is not for signatures".to_owned());
        }
        if jwk.d.is_some() {
            return Err("this is a private key, which only the issuer should have".to_owned());
        }
        let algorithm = match jwk.alg.as_deref().map(|name| (name, Algorithm::parse(name))) {
            Some((name, None)) => return Err(format!("the key's algorithm {name:?} is not supported")),
            Some((_, algorithm)) => algorithm,
            None => None,
        };
        let material = Material::of(&jwk)?;
        let key = Self { id: jwk.kid, algorithm, material };
        match algorithm {
            Some(algorithm) if !key.accepts(algorithm) => {
                Err("the key's type is not its algorithm's".to_owned())
            }
            _ => Ok(key),
        }
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether a token that is signed in this way may be held against the key.
    pub(crate) fn accepts(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        self.algorithm.is_none_or(|only| only == algorithm)
            && match &self.material {
                Material::Rsa(_) => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
                Material::P256(_) => algorithm == Es256,
                Material::Ed25519(_) => algorithm == EdDsa,
                Material::Secret(_) => matches!(algorithm, Hs256 | Hs384 | Hs512),
            }
    }

    /// Whether this key has signed this message in this way.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.accepts(algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa(key) => rsa_verify(key, algorithm, message, signature),
            Material::P256(key) => p256::ecdsa::Signature::from_slice(signature).is_ok_and(|signature| {
                p256::ecdsa::signature::Verifier::verify(&**key, message, &signature).is_ok()
            }),
            // RFC 8032 leaves room for keys and points of small order; strict verification does not.
            Material::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Material::Secret(secret) => secret_verify(secret, algorithm, message, signature),
        }
    }
}

impl Material {
    fn of(jwk: &Jwk) -> Result<Self, String> {
        match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (member("n", jwk.n.as_ref())?, member("e", jwk.e.as_ref())?);
                let number = |bytes: &[u8]| {
                    let bits = u32::try_from(bytes.len() * 8).map_err(|_| "too long")?;
                    BoxedUint::from_be_slice(bytes, bits).map_err(|_| "no number")
                };
                let key = PublicKey::new_with_size_limits(number(&n)?, number(&e)?, RSA_BITS)
                    .map_err(|error| format!("the RSA key cannot be used: {error}"))?;
                Ok(Self::Rsa(Box::new(key)))
            }
            ("EC", Some("P-256")) => p256::ecdsa::VerifyingKey::from_sec1_bytes(&point(jwk)?)
                .map(|key| Self::P256(Box::new(key)))
                .map_err(|_| "the point is not on the curve".to_owned()),
            ("OKP", Some("Ed25519")) => {
                let bytes = member("x", jwk.x.as_ref())?;
                let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| "`x` has not 32 bytes")?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| "`x` is no point")?;
                if key.is_weak() {
                    return Err("the point has a small order".to_owned());
                }
                Ok(Self::Ed25519(Box::new(key)))
            }
            ("oct", _) => Err("a shared secret is no public key: grant it as a secret".to_owned()),
            (kind, curve) => {
                Err(format!("keys of the type {kind} {} are not supported", curve.unwrap_or_default()))
            }
        }
    }
}

/// What is secret is not printed, whoever asks.
impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "RSA",
            Self::P256(_) => "P-256",
            Self::Ed25519(_) => "Ed25519",
            Self::Secret(_) => "secret",
        })
    }
}

fn member(name: &str, value: Option<&String>) -> Result<Vec<u8>, String> {
    let text = value.ok_or_else(|| format!("the key has no `{name}`"))?;
    Base64UrlUnpadded::decode_vec(text).map_err(|_| format!("`{name}` is no base64url without padding"))
}

/// As SEC 1 writes an uncompressed point; both coordinates have their full length (RFC 7518 §6.2.1.2).
fn point(jwk: &Jwk) -> Result<Vec<u8>, String> {
    let (x, y) = (member("x", jwk.x.as_ref())?, member("y", jwk.y.as_ref())?);
    if x.len() != 32 || y.len() != 32 {
        return Err("`x` and `y` have not 32 bytes each".to_owned());
    }
    Ok([&[4], &*x, &*y].concat())
}

fn rsa_verify(key: &PublicKey, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    let verified = match algorithm {
        Algorithm::Rs256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature),
        Algorithm::Rs384 => key.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature),
        Algorithm::Rs512 => key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature),
        Algorithm::Ps256 => key.verify(Pss::<Sha256>::new(), &Sha256::digest(message), signature),
        Algorithm::Ps384 => key.verify(Pss::<Sha384>::new(), &Sha384::digest(message), signature),
        Algorithm::Ps512 => key.verify(Pss::<Sha512>::new(), &Sha512::digest(message), signature),
        _ => return false,
    };
    verified.is_ok()
}

/// In a time that does not depend on how much of the signature is right.
fn secret_verify(secret: &[u8], algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    fn check<M: Mac + KeyInit>(secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
        <M as KeyInit>::new_from_slice(secret)
            .is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
    }
    match algorithm {
        Algorithm::Hs256 => check::<Hmac<Sha256>>(secret, message, signature),
        Algorithm::Hs384 => check::<Hmac<Sha384>>(secret, message, signature),
        Algorithm::Hs512 => check::<Hmac<Sha512>>(secret, message, signature),
        _ => false,
    }
}
