//! Masks keys in responses while they stream: of `sk_live_4eC39H` a client sees `sk_live_******`.

use sluice_filter::{ChunkDecision, Decision, Exchange, Filter, Position, Reply, Request, Response, filter};

/// No letter of it comes again where it could begin anew, so that a mismatch needs no step back.
const START: &[u8] = b"sk_live_";

/// The filter: one value in each instance.
#[derive(Default)]
pub struct Keys;

/// What one exchange keeps. A chunk can end anywhere, so this is all that the next one has to know of those before it.
#[derive(Default)]
pub struct Progress {
    /// How much of `START` has just been seen; with all of it, the bytes of a key follow.
    seen: usize,
}

#[filter]
impl Filter for Keys {
    type State = Progress;

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange<Progress>) -> Decision {
        // In compressed bytes there is no text to be found, and a part of a body may begin within a key.
        request.set_header("accept-encoding", "identity");
        request.remove_header("range");
        Decision::Proceed
    }

    fn on_response(&mut self, response: &mut Response, exchange: &mut Exchange<Progress>) -> Decision {
        // Another response may take the place of one that breaks off.
        exchange.state = Progress::default();
        // Some servers compress all the same. What cannot be read is not let out.
        if response.header("content-encoding").is_some_and(|value| value != "identity") {
            return Reply::new(502).into();
        }
        // They describe bytes that the client does not get.
        for name in ["accept-ranges", "content-digest", "etag", "repr-digest"] {
            response.remove_header(name);
        }
        Decision::Proceed
    }

    fn on_response_chunk(
        &mut self,
        mut chunk: Vec<u8>,
        _: Position,
        exchange: &mut Exchange<Progress>,
    ) -> ChunkDecision {
        let mut masked = false;
        for byte in &mut chunk {
            masked |= exchange.state.mask(byte);
        }
        // What has not changed needs no copy.
        if masked { ChunkDecision::Replace(chunk) } else { ChunkDecision::Pass }
    }
}

impl Progress {
    fn mask(&mut self, byte: &mut u8) -> bool {
        match START.get(self.seen) {
            None if byte.is_ascii_alphanumeric() => {
                *byte = b'*';
                return true;
            }
            Some(next) if byte == next => self.seen += 1,
            _ => self.seen = usize::from(START.first() == Some(byte)),
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;
    use sluice_filter::testing::{Harness, Response, json};

    const BODY: &[u8] = b"ssk_live_a1, sk_sk_live_, sk_live_B2sk_live_";
    const MASKED: &[u8] = b"ssk_live_**, sk_sk_live_, sk_live_****_live_";

    #[test]
    fn keys_are_masked_wherever_the_body_is_cut() {
        let mut filter = Harness::<Keys>::configure(json!(null)).unwrap();
        for first in 0..=BODY.len() {
            for second in first..=BODY.len() {
                let chunks = [&BODY[..first], &BODY[first..second], &BODY[second..]];
                let exchange = filter.exchange().response(Response::new(200).chunks(chunks)).run();
                assert_eq!(exchange.response_body(), MASKED, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_let_out() {
        let compressed = Response::new(200).header("content-encoding", "gzip").body(b"\x1f\x8b");
        let mut filter = Harness::<Keys>::configure(json!(null)).unwrap();
        assert_eq!(filter.exchange().response(compressed).run().reply().unwrap().status(), 502);
    }
}
