//! Replaces one text by another in responses, while they stream, wherever the network has cut them.

use sluice_filter::{
    ChunkDecision, Decision, Error, Exchange, Filter, Position, Request, Response, filter,
};

/// What the operator writes under `config:`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    find: String,
    replace: String,
    #[serde(default = "types")]
    types: Vec<String>,
}

fn types() -> Vec<String> {
    vec!["text/".to_owned(), "application/json".to_owned()]
}

/// The filter: one value in each instance.
pub struct Body {
    settings: Settings,
}

/// What one exchange keeps.
#[derive(Default)]
pub struct Progress {
    /// Whether the response is one whose text is replaced.
    wanted: bool,
    /// The end of what has come, where it may be the beginning of the text. A text can be cut anywhere, and more than once.
    rest: Vec<u8>,
}

#[filter]
impl Filter for Body {
    type Config = Settings;
    type State = Progress;

    fn configure(settings: Settings) -> Result<Self, Error> {
        if settings.find.is_empty() {
            return Err(Error::at("find", "an empty text is everywhere"));
        }
        Ok(Self { settings })
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange<Progress>) -> Decision {
        // In compressed bytes there is no text to be found, and in a part of a body not all of it.
        request.set_header("accept-encoding", "identity");
        request.remove_header("range");
        request.remove_header("if-range");
        Decision::Proceed
    }

    fn on_response(
        &mut self,
        response: &mut Response,
        exchange: &mut Exchange<Progress>,
    ) -> Decision {
        // An instance serves one exchange after another, and a response may be followed by another one: a failure's.
        exchange.state = Progress {
            wanted: self.wants(response),
            rest: Vec::new(),
        };
        if exchange.state.wanted {
            // They describe bytes that the client does not get.
            for name in [
                "accept-ranges",
                "content-digest",
                "content-md5",
                "digest",
                "etag",
                "repr-digest",
            ] {
                response.remove_header(name);
            }
        }
        Decision::Proceed
    }

    fn on_response_chunk(
        &mut self,
        chunk: Vec<u8>,
        position: Position,
        exchange: &mut Exchange<Progress>,
    ) -> ChunkDecision {
        if !exchange.state.wanted {
            return ChunkDecision::Pass;
        }
        let mut bytes = std::mem::take(&mut exchange.state.rest);
        bytes.extend(chunk);
        let (done, rest) = self.replaced(&bytes, position == Position::Last);
        exchange.state.rest = rest;
        ChunkDecision::Replace(done)
    }
}

impl Body {
    fn wants(&self, response: &Response) -> bool {
        let content_type = response
            .header("content-type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let encoding = response
            .header("content-encoding")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let plain = encoding.is_empty() || encoding == b"identity";
        plain
            && self
                .settings
                .types
                .iter()
                .any(|start| content_type.starts_with(start.as_bytes()))
    }

    /// What can go on, and what has to wait for the bytes behind it.
    fn replaced(&self, bytes: &[u8], last: bool) -> (Vec<u8>, Vec<u8>) {
        let find = self.settings.find.as_bytes();
        let mut done = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            if let Some(behind) = rest.strip_prefix(find) {
                done.extend(self.settings.replace.as_bytes());
                rest = behind;
            } else if !last && find.starts_with(rest) {
                break;
            } else {
                done.push(*first);
                rest = behind;
            }
        }
        (done, rest.to_vec())
    }
}

#[cfg(test)]
mod tests;
