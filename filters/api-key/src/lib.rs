//! Lets a request pass when it carries a known API key.
//!
//! The configuration holds SHA-256 hashes, so that whoever reads it cannot use it. The upstream is told the key's name and
//! never sees the key.
//!
//! ```yaml
//! header: x-api-key              # where the key is; this is the default
//! name-header: x-api-key-name    # where the upstream finds the name; this is the default
//! realm: api                     # what the challenge says; this is the default
//! keys:                          # names, and one hash or several of each: printf %s KEY | sha256sum
//!   alice: a71a7c7011f53a1bab3642ec2ce12593f05230ace8de1e3e7645f69efac1443d
//! sha256: []                     # hashes of keys without a name
//! ```

mod keys;
mod settings;

use sluice_filter::{Decision, Error, Exchange, Filter, Reply, Request, filter};

use keys::Keys;
use settings::Settings;

/// The filter `api-key`.
#[derive(Debug)]
pub struct ApiKey {
    header: String,
    name_header: String,
    challenge: String,
    keys: Keys,
}

#[filter]
impl Filter for ApiKey {
    type Config = Settings;

    fn configure(settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        // RFC 9110 §11.6.1 asks for a challenge in each 401. No registered scheme means a key in a header of its own; the
        // parameter says which one.
        let challenge = format!(r#"ApiKey realm="{}", header="{}""#, settings.realm, settings.header);
        let keys = Keys::parse(settings.keys, settings.sha256)?;
        Ok(Self { header: settings.header, name_header: settings.name_header, challenge, keys })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        let known = request.header(&self.header).and_then(|key| self.keys.find(&key));
        let Some(key) = known else {
            return Reply::new(401)
                .header("www-authenticate", self.challenge.as_str())
                .header("content-type", "text/plain; charset=utf-8")
                .body("A valid API key is needed.\n")
                .into();
        };
        request.remove_header(&self.header);
        // A client's own copy must not reach the upstream, where it would count as ours.
        match key.name() {
            Some(name) => request.set_header(&self.name_header, name),
            None => request.remove_header(&self.name_header),
        }
        Decision::Proceed
    }
}

#[cfg(test)]
mod tests;
