use crate::memory::types;
use crate::{BodyDecision, BodyMode, ChunkDecision, Decision, Exchange, Filter, Phases, Plan, Position};

/// One of the two directions: which methods see a message, and what they are lent.
pub(super) trait Side<F: Filter> {
    type Line: types::Line + Clone;
    type Lent;
    const HEAD: Phases;
    const TRAILERS: Phases;
    /// Towards the client no reply can be given any more while the body streams: the head is on its way by then.
    const TO_CLIENT: bool;

    fn lend(head: types::Message<Self::Line>) -> Self::Lent;
    fn give_back(lent: Self::Lent) -> types::Message<Self::Line>;
    fn mode(plan: Plan) -> BodyMode;
    fn head(filter: &mut F, head: &mut Self::Lent, exchange: &mut Exchange<F::State>) -> Decision;
    fn chunk(
        filter: &mut F,
        chunk: Vec<u8>,
        at: Position,
        exchange: &mut Exchange<F::State>,
    ) -> ChunkDecision;
    fn body(
        filter: &mut F,
        head: &mut Self::Lent,
        body: Vec<u8>,
        exchange: &mut Exchange<F::State>,
    ) -> BodyDecision;
    fn trailers(
        filter: &mut F,
        trailers: &mut crate::Trailers,
        exchange: &mut Exchange<F::State>,
    ) -> Decision;
}

pub(super) struct ToUpstream;
pub(super) struct ToClient;

macro_rules! side {
    ($side:ident: $message:ident, $line:ident, $head:ident, $trailers:ident, $to_client:literal, $mode:ident,
     $on_head:ident, $on_chunk:ident, $on_body:ident, $on_trailers:ident) => {
        impl<F: Filter> Side<F> for $side {
            type Line = types::$line;
            type Lent = crate::$message;
            const HEAD: Phases = Phases::$head;
            const TRAILERS: Phases = Phases::$trailers;
            const TO_CLIENT: bool = $to_client;

            fn lend(head: types::$message) -> Self::Lent {
                crate::$message::lent(head)
            }

            fn give_back(lent: Self::Lent) -> types::$message {
                lent.given_back()
            }

            fn mode(plan: Plan) -> BodyMode {
                plan.$mode
            }

            fn head(filter: &mut F, head: &mut Self::Lent, exchange: &mut Exchange<F::State>) -> Decision {
                filter.$on_head(head, exchange)
            }

            fn chunk(
                filter: &mut F,
                chunk: Vec<u8>,
                at: Position,
                exchange: &mut Exchange<F::State>,
            ) -> ChunkDecision {
                filter.$on_chunk(chunk, at, exchange)
            }

            fn body(
                filter: &mut F,
                head: &mut Self::Lent,
                body: Vec<u8>,
                exchange: &mut Exchange<F::State>,
            ) -> BodyDecision {
                filter.$on_body(head, body, exchange)
            }

            fn trailers(
                filter: &mut F,
                trailers: &mut crate::Trailers,
                exchange: &mut Exchange<F::State>,
            ) -> Decision {
                filter.$on_trailers(trailers, exchange)
            }
        }
    };
}

side!(ToUpstream: Request, RequestLine, REQUEST, REQUEST_TRAILERS, false, request_body,
    on_request, on_request_chunk, on_request_body, on_request_trailers);
side!(ToClient: Response, StatusLine, RESPONSE, RESPONSE_TRAILERS, true, response_body,
    on_response, on_response_chunk, on_response_body, on_response_trailers);
