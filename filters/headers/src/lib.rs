//! Sets headers on requests and responses.
use sluice_filter::exports::sluice::filter::filter::*;
use sluice_filter::sluice::filter::{exchange_facts, log};

struct Artifact;
struct Exchange;

impl Guest for Artifact {
    type Exchange = Exchange;
    fn configure(config: String) -> Result<Plan, String> {
        log::log(log::Level::Info, "configured", &[("config".into(), config)]);
        Ok(Plan { phases: Phases::REQUEST | Phases::RESPONSE, request_body: BodyMode::None, response_body: BodyMode::None })
    }
}
impl GuestExchange for Exchange {
    fn new() -> Self { Exchange }
    fn on_request(&self, request: &Request) -> Decision {
        request.set_header("x-request-id", exchange_facts::request_id().as_bytes());
        Decision::Proceed
    }
    fn on_request_chunk(&self, _: Vec<u8>, _: Position) -> ChunkDecision { ChunkDecision::Pass }
    fn on_request_body(&self, _: &Request, _: Vec<u8>) -> BodyDecision { BodyDecision::Pass }
    fn on_request_trailers(&self, _: &Trailers) -> Decision { Decision::Proceed }
    fn on_response(&self, response: &Response) -> Decision {
        response.set_header("x-request-id", exchange_facts::request_id().as_bytes());
        Decision::Proceed
    }
    fn on_response_chunk(&self, _: Vec<u8>, _: Position) -> ChunkDecision { ChunkDecision::Pass }
    fn on_response_body(&self, _: &Response, _: Vec<u8>) -> BodyDecision { BodyDecision::Pass }
    fn on_response_trailers(&self, _: &Trailers) -> Decision { Decision::Proceed }
    fn on_end(&self, _: Outcome) {}
}
sluice_filter::export_artifact!(Artifact);
