use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::key::Key;

/// A signed token in its compact form (RFC 7515 §3.1), cut up and not yet believed.
#[derive(Debug)]
pub(crate) struct Token<'t> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) media_type: Option<String>,
    signed: &'t [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What a token says about itself. `jwk`, `jku`, `x5u` and `x5c` bring keys of their own and are not even read (RFC 8725 §3.10).
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

/// A sentence for the client about its own token.
pub(crate) type Reason = &'static str;

/// Longer than any token that comes through a proxy's limits in practice.
const BYTES_MAX: usize = 16_384;

impl<'t> Token<'t> {
    pub(crate) fn parse(text: &'t [u8]) -> Result<Self, Reason> {
        const MALFORMED: Reason = "the token is malformed";
        if text.len() > BYTES_MAX {
            return Err("the token is too long");
        }
        let text = std::str::from_utf8(text).map_err(|_| MALFORMED)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, payload) = signed.split_once('.').ok_or(MALFORMED)?;
        // More dots are none of base64url's: so an encrypted token ends here, too.
        let decode = |part| Base64UrlUnpadded::decode_vec(part).map_err(|_| MALFORMED);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| MALFORMED)?;
        if header.crit.is_some() {
            // RFC 7515 §4.1.11: whoever does not understand all of it must refuse, and no extension is understood here.
            return Err("the token needs an extension that is not supported");
        }
        let algorithm = Algorithm::parse(&header.alg).ok_or("the token's algorithm is not accepted")?;
        Ok(Self {
            algorithm,
            key_id: header.kid,
            media_type: header.typ,
            signed: signed.as_bytes(),
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }

    pub(crate) fn is_signed_by(&self, key: &Key) -> bool {
        key.verify(self.algorithm, self.signed, &self.signature)
    }

    /// What the token claims. To be asked for when the signature has been verified.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, Reason> {
        serde_json::from_slice(&self.payload).map_err(|_| "the token holds no claims")
    }
}
