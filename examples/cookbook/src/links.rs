//! Lets a request pass whose link was signed and has not expired: `/report.pdf?expires=1767225600&signature=9f86d0…`.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sluice_filter::{Decision, Error, Exchange, Filter, NoConfig, Reply, Request, clock, filter, secrets};

/// The filter: one value in each instance.
pub struct Links {
    key: Hmac<Sha256>,
}

#[filter]
impl Filter for Links {
    fn configure(_: NoConfig) -> Result<Self, Error> {
        let key = secrets::secret("link-key").ok_or("the secret `link-key` is not granted")?;
        let key = Hmac::new_from_slice(&key).map_err(|_| "the secret `link-key` is no key")?;
        Ok(Self { key })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        let path = request.path();
        let Some(signed) = self.signed(&path) else {
            return Reply::new(403).body("This link is not signed by us.\n").into();
        };
        if signed.expires <= clock::now_ns() / 1_000_000_000 {
            return Reply::new(410).body("This link has expired.\n").into();
        }
        // The server has no use for the signature, and its log need not have it.
        request.set_path(signed.target);
        Decision::Proceed
    }
}

struct Signed<'p> {
    target: &'p str,
    expires: u64,
}

impl Links {
    /// What was signed is all before `&signature=`, byte for byte: whoever changes a part of it needs the key.
    fn signed<'p>(&self, path: &'p str) -> Option<Signed<'p>> {
        let (text, signature) = path.rsplit_once("&signature=")?;
        // Takes as long for a wrong first byte as for a wrong last one.
        self.key.clone().chain_update(text).verify_slice(&from_hex(signature)?).ok()?;
        let (target, expires) = text.rsplit_once("?expires=")?;
        Some(Signed { target, expires: expires.parse().ok()? })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| u8::try_from(digit(high)? << 4 | digit(low)?).ok());
    if rest.is_empty() { bytes.collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_filter::testing::{Harness, Report, Request, json};

    fn asked(path: &str) -> Report {
        let setup = Harness::<Links>::setup().secret("link-key", b"k1");
        setup.configure(json!(null)).unwrap().exchange().request(Request::get(path)).run()
    }

    /// As whoever hands out links makes them.
    fn link(target: &str, expires: u64) -> String {
        let text = format!("{target}?expires={expires}");
        let key = Hmac::<Sha256>::new_from_slice(b"k1").unwrap();
        let tag = key.chain_update(&text).finalize().into_bytes();
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{text}&signature={hex}")
    }

    #[test]
    fn a_link_of_ours_passes_until_it_expires() {
        let fresh = asked(&link("/report.pdf", 99_999_999_999));
        assert_eq!(fresh.request().unwrap().path(), "/report.pdf");

        assert_eq!(asked(&link("/report.pdf", 1)).reply().unwrap().status(), 410);
    }

    #[test]
    fn whoever_changes_a_link_needs_the_key() {
        let link = link("/report.pdf", 99_999_999_999);
        for path in [
            link.replace("report", "salary"),
            link.replace("=9999", "=9998"),
            link.replace("&signature=", "&signature=00"),
            link[..link.len() - 1].to_owned(),
            "/report.pdf".to_owned(),
            "/report.pdf?expires=99999999999&signature=ä".to_owned(),
        ] {
            assert!(asked(&path).request().is_none(), "{path}");
        }
    }

    #[test]
    fn without_its_secret_it_is_kept_out_of_service() {
        let error = Harness::<Links>::configure(json!(null)).err().unwrap();
        assert_eq!(error.to_string(), "the secret `link-key` is not granted");
    }
}
