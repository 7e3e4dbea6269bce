//! Lets a request pass when it carries a signed token (JWT) that is valid for this audience now.
//!
//! ```yaml
//! issuer: https://id.example           # or a list; [] takes any
//! audience: api                        # or a list; [] takes any
//! jwks: { upstream: idp, path: /keys } # where public keys are fetched, and/or
//! keys: []                             # public keys as JWK
//! secrets: []                          # granted secrets: { secret: NAME, algorithm: HS256 }
//! claims: { x-user: sub }              # headers that tell claims to the upstream
//! ```
//!
//! A key decides which algorithms it is used with, never a token (RFC 8725). Keys that a token brings along are not read.

mod algorithm;
mod carrier;
mod challenge;
mod claims;
mod forward;
mod jwks;
mod key;
mod keyring;
mod settings;
mod token;

use sluice_filter::{Decision, Error, Exchange, Filter, Reply, Request, clock, filter};

use carrier::{Carrier, Unclear};
use challenge::Challenge;
use claims::Claims;
use forward::Forward;
use keyring::{Doubt, Keyring};
use settings::{Demands, Settings};
use token::Token;

/// The filter `jwt`.
#[derive(Debug)]
pub struct Jwt {
    keyring: Keyring,
    demands: Demands,
    media_type: Option<String>,
    scopes: Vec<String>,
    carrier: Carrier,
    forward_token: bool,
    forward: Forward,
    optional: bool,
    challenge: Challenge,
}

#[filter]
impl Filter for Jwt {
    type Config = Settings;

    fn configure(mut settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        let scopes = std::mem::take(&mut settings.scopes).into_vec();
        Ok(Self {
            keyring: Keyring::new(&mut settings)?,
            demands: settings.demands(),
            media_type: settings.media_type.as_deref().map(essence),
            carrier: Carrier::new(settings.header, settings.cookie),
            forward_token: settings.forward_token,
            forward: Forward::new(settings.claims)?,
            optional: settings.optional,
            challenge: Challenge::new(settings.realm, scopes.clone()),
            scopes,
        })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        let (place, text) = match self.carrier.find(request) {
            Ok(Some(found)) => found,
            Ok(None) if self.optional => {
                self.forward.apply(None, request);
                return Decision::Proceed;
            }
            Ok(None) => return self.challenge.missing().into(),
            Err(Unclear) => return self.challenge.unclear().into(),
        };
        let claims = match self.believe(&text) {
            Ok(claims) => claims,
            Err(Doubt::Refused(reason)) => return self.challenge.invalid(reason).into(),
            Err(Doubt::NoKeys) => return Reply::new(503).header("retry-after", "1").into(),
        };
        if !claims::has_scopes(&claims, &self.scopes) {
            return self.challenge.insufficient().into();
        }
        if !self.forward_token {
            self.carrier.remove(place, request);
        }
        self.forward.apply(Some(&claims), request);
        Decision::Proceed
    }
}

impl Jwt {
    /// The claims of a token, once its signature and then they themselves have been checked.
    fn believe(&mut self, text: &[u8]) -> Result<Claims, Doubt> {
        let token = Token::parse(text).map_err(Doubt::Refused)?;
        // A token for another purpose of the same issuer is not one for this (RFC 8725 §3.11).
        if let Some(wanted) = &self.media_type
            && token.media_type.as_deref().map(essence).as_ref() != Some(wanted)
        {
            return Err(Doubt::Refused("the token is of another type"));
        }
        self.keyring.verify(&token)?;
        let claims = token.claims().map_err(Doubt::Refused)?;
        claims::check(&claims, &self.demands, clock::now_ns()).map_err(Doubt::Refused)?;
        Ok(claims)
    }
}

/// Media types are compared without regard to case, and `application/` may be left out (RFC 7515 §4.1.9).
fn essence(media_type: &str) -> String {
    let lower = media_type.to_ascii_lowercase();
    lower.strip_prefix("application/").filter(|rest| !rest.contains('/')).map_or(lower.clone(), str::to_owned)
}

#[cfg(test)]
mod tests;
