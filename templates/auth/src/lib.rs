//! Lets a request pass when it carries a known token, and tells the upstream whose it is.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use sluice_filter::values::HeaderName;
use sluice_filter::{Decision, Error, Exchange, Filter, Reply, Request, filter, rules};

/// What the operator writes under `config:`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    #[serde(default = "user_header")]
    user_header: HeaderName,
    /// Names, and the SHA-256 of each one's token: whoever reads the configuration cannot use it.
    tokens: BTreeMap<String, String>,
}

fn user_header() -> HeaderName {
    HeaderName::new("x-user").unwrap_or_else(|sentence| unreachable!("{sentence}"))
}

/// The filter: one value in each instance.
pub struct Auth {
    user_header: HeaderName,
    /// Users by the digests of their tokens. How long a look-up takes tells about digests, and nothing about tokens.
    users: HashMap<String, String>,
}

#[filter]
impl Filter for Auth {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        let mut users = HashMap::new();
        for (user, digest) in settings.tokens {
            let place = format!("tokens.{user}");
            rules::check_value(&user).map_err(|sentence| Error::at(&place, sentence))?;
            if digest.len() != 64 || !digest.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(Error::at(&place, "a SHA-256 has 64 hexadecimal digits"));
            }
            if let Some(other) = users.insert(digest.to_ascii_lowercase(), user) {
                return Err(Error::at(
                    &place,
                    format!("it is the token of {other}, too"),
                ));
            }
        }
        Ok(Self {
            user_header: settings.user_header,
            users,
        })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        let token = request
            .header("authorization")
            .and_then(|value| bearer(&value).map(hex_digest));
        let Some(user) = token.and_then(|digest| self.users.get(&digest)) else {
            return Reply::new(401)
                .header("www-authenticate", "Bearer")
                .header("content-type", "text/plain; charset=utf-8")
                .body("A valid token is needed.\n")
                .into();
        };
        request.remove_header("authorization");
        // Sets, and does not append: a client's own value must not count as ours.
        request.set_header(&self.user_header, user);
        Decision::Proceed
    }
}

/// The token of `Bearer TOKEN`; the scheme is matched without regard to case (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

fn hex_digest(token: &[u8]) -> String {
    Sha256::digest(token)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests;
