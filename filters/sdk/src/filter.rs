use serde::de::DeserializeOwned;

use crate::{
    BodyDecision, ChunkDecision, Decision, Error, Exchange, Outcome, Plan, Position, Request, Response,
    Trailers,
};

/// A filter: one method per phase, each with a default.
///
/// With the attribute [`filter`](macro@crate::filter) on the implementation, `Config`, `State` and `PLAN` may be left out,
/// and so may `configure` when the type has a `Default`. Without it they are spelled out, and
/// [`export!`](crate::export!) makes the component:
///
/// ```
/// use sluice_filter::{Decision, Error, Exchange, Filter, NoConfig, Phases, Plan, Request};
///
/// struct Stamp;
///
/// impl Filter for Stamp {
///     type Config = NoConfig;
///     type State = ();
///     const PLAN: Plan = Plan::NOTHING.with(Phases::REQUEST);
///
///     fn configure(_: NoConfig) -> Result<Self, Error> {
///         Ok(Self)
///     }
///
///     fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
///         request.set_header("x-stamp", "1");
///         Decision::Proceed
///     }
/// }
///
/// sluice_filter::export!(Stamp);
/// ```
pub trait Filter: Sized + 'static {
    /// What the operator writes under `config:`.
    type Config: DeserializeOwned;

    /// What one exchange keeps between its phases, at [`Exchange::state`].
    type State: Default + 'static;

    /// The phases to call and how bodies are taken. The attribute derives it from the methods of the implementation.
    const PLAN: Plan;

    /// Builds the filter. Called once per instance, before any exchange. An error keeps the configuration out of service,
    /// and the one before goes on.
    fn configure(config: Self::Config) -> Result<Self, Error>;

    /// The plan for this configuration; by default `PLAN`. It must follow from the configuration alone, since all
    /// instances have to ask for the same.
    fn plan(&self) -> Plan {
        Self::PLAN
    }

    /// Sees the head of the request before the upstream does.
    fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange<Self::State>) -> Decision {
        let _ = (request, exchange);
        Decision::Proceed
    }

    /// Sees a chunk of a streamed request body. The last call says `Position::Last`; its chunk may be empty. A request
    /// without a body has no call.
    fn on_request_chunk(
        &mut self,
        chunk: Vec<u8>,
        position: Position,
        exchange: &mut Exchange<Self::State>,
    ) -> ChunkDecision {
        let _ = (chunk, position, exchange);
        ChunkDecision::Pass
    }

    /// Sees a whole request body, with the head still open to edits. Called with an empty body, too.
    fn on_request_body(
        &mut self,
        request: &mut Request,
        body: Vec<u8>,
        exchange: &mut Exchange<Self::State>,
    ) -> BodyDecision {
        let _ = (request, body, exchange);
        BodyDecision::Pass
    }

    /// Sees the request's trailers, when there are any, after its body.
    fn on_request_trailers(
        &mut self,
        trailers: &mut Trailers,
        exchange: &mut Exchange<Self::State>,
    ) -> Decision {
        let _ = (trailers, exchange);
        Decision::Proceed
    }

    /// Sees the head of the response before the client does: the upstream's, a later filter's reply, or the host's own
    /// answer to a failure.
    fn on_response(&mut self, response: &mut Response, exchange: &mut Exchange<Self::State>) -> Decision {
        let _ = (response, exchange);
        Decision::Proceed
    }

    /// As [`on_request_chunk`](Self::on_request_chunk), of the response.
    fn on_response_chunk(
        &mut self,
        chunk: Vec<u8>,
        position: Position,
        exchange: &mut Exchange<Self::State>,
    ) -> ChunkDecision {
        let _ = (chunk, position, exchange);
        ChunkDecision::Pass
    }

    /// As [`on_request_body`](Self::on_request_body), of the response.
    fn on_response_body(
        &mut self,
        response: &mut Response,
        body: Vec<u8>,
        exchange: &mut Exchange<Self::State>,
    ) -> BodyDecision {
        let _ = (response, body, exchange);
        BodyDecision::Pass
    }

    /// As [`on_request_trailers`](Self::on_request_trailers), of the response.
    fn on_response_trailers(
        &mut self,
        trailers: &mut Trailers,
        exchange: &mut Exchange<Self::State>,
    ) -> Decision {
        let _ = (trailers, exchange);
        Decision::Proceed
    }

    /// The exchange has ended, however it did. Nothing can be changed any more. Not called when a call of this exchange
    /// failed.
    fn on_end(&mut self, outcome: &Outcome, exchange: &mut Exchange<Self::State>) {
        let _ = (outcome, exchange);
    }
}
