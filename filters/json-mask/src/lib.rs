//! Removes or hashes fields in JSON response bodies, as they stream by.
//!
//! ```yaml
//! remove: [user.password, "**.ssn"]      # members and elements that go
//! hash: ["/orders/*/card"]               # values that are replaced by a keyed hash
//! hash-secret: mask-key                  # the granted secret that `hash` needs
//! on-invalid: reset                      # or pass; this is the default
//! ```
//!
//! Paths are names with dots between them, or a JSON Pointer; `*` is any one member or element, `**` any number of levels.
//! What is kept of a body does not depend on its length.

mod digest;
mod head;
mod masker;
mod number;
mod paths;
mod rules;
mod settings;
mod states;
mod text;

use sluice_filter::{
    ChunkDecision, Decision, Error, Exchange, Filter, Position, Reply, Request, Response, filter, log,
};

use head::Content;
use masker::Masker;
use rules::Rules;
use settings::{OnInvalid, Settings};

/// The filter `json-mask`.
#[derive(Debug)]
pub struct JsonMask {
    rules: Rules,
    on_invalid: OnInvalid,
}

/// What becomes of the body of this exchange.
#[derive(Debug, Default)]
pub enum Body {
    /// It passes as it is.
    #[default]
    Pass,
    /// It is masked.
    Mask(Box<Masking>),
}

/// A body that is being masked.
#[derive(Debug)]
pub struct Masking {
    masker: Masker,
}

#[filter]
impl Filter for JsonMask {
    type Config = Settings;
    type State = Body;

    fn configure(settings: Settings) -> Result<Self, Error> {
        if settings.remove.is_empty() && settings.hash.is_empty() {
            return Err(Error::new("config: expected at least one path, in `remove` or `hash`"));
        }
        Ok(Self { rules: Rules::compile(&settings)?, on_invalid: settings.on_invalid })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange<Body>) -> Decision {
        head::ask_for_whole_and_plain(request);
        Decision::Proceed
    }

    fn on_response(&mut self, response: &mut Response, exchange: &mut Exchange<Body>) -> Decision {
        match head::content(response) {
            Content::Other => Decision::Proceed,
            Content::Json => {
                head::forget_the_unmasked(response);
                exchange.state = Body::Mask(Box::new(Masking { masker: Masker::new(&self.rules) }));
                Decision::Proceed
            }
            Content::Opaque(why) => {
                log::warn("a JSON body cannot be masked", &[("why", why)]);
                match self.on_invalid {
                    OnInvalid::Pass => Decision::Proceed,
                    OnInvalid::Reset => Reply::new(502).into(),
                }
            }
        }
    }

    fn on_response_chunk(
        &mut self,
        chunk: Vec<u8>,
        position: Position,
        exchange: &mut Exchange<Body>,
    ) -> ChunkDecision {
        let Body::Mask(masking) = &mut exchange.state else { return ChunkDecision::Pass };
        let mut out = Vec::with_capacity(chunk.len());
        let fed = masking.masker.feed(&self.rules, &chunk, &mut out);
        let good = match (fed, position) {
            (Err(good), _) => Some(good),
            (Ok(()), Position::Last) if masking.masker.end(&mut out).is_err() => Some(chunk.len()),
            (Ok(()), _) => None,
        };
        if let Some(good) = good {
            log::warn("a body that says it is JSON is not, or is nested too deep", &[]);
            if self.on_invalid == OnInvalid::Reset {
                return ChunkDecision::Reset;
            }
            masking.masker.give_up(&mut out);
            out.extend_from_slice(chunk.get(good..).unwrap_or_default());
            exchange.state = Body::Pass;
        }
        if out == chunk { ChunkDecision::Pass } else { ChunkDecision::Replace(out) }
    }
}

#[cfg(test)]
mod tests;
