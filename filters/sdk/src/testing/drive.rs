use super::harness::Harness;
use super::message::Content;
use super::report::{Failure, Report};
use super::setup::ExchangeSetup;
use super::side::{Side, ToClient, ToUpstream};
use crate::memory::limits::{BODY_HELD_BYTES, REPLY_BYTES};
use crate::memory::types::{self, Field, NoLine, StatusLine};
use crate::memory::{Stage, enter};
use crate::{
    BodyDecision, BodyMode, ChunkDecision, Decision, Ending, Exchange, Filter, Outcome, Phases, Plan,
    Position, Reply, rules,
};

/// Carries one exchange through the filter, as the host does.
pub(super) struct Drive<'h, F: Filter> {
    harness: &'h mut Harness<F>,
    exchange: Exchange<F::State>,
    plan: Plan,
    setup: Messages,
    report: Report,
    /// The exchange has come as far as this filter.
    constructed: bool,
}

struct Messages {
    request: (types::Request, Content),
    response: (types::Response, Content),
    ending: Ending,
    open: bool,
}

/// A message that has been through the filter.
struct Passed<L> {
    head: types::Message<L>,
    body: Vec<u8>,
    trailers: Option<types::Trailers>,
}

/// Why a message goes no further.
enum Stop {
    Failed,
    Replied(Reply),
    Aborted,
    /// The host itself answers, without the filter.
    Answered(u16),
}

impl<'h, F: Filter> Drive<'h, F> {
    pub(super) fn new(setup: ExchangeSetup<'h, F>) -> Self {
        let ExchangeSetup { harness, request, response, facts, ending, open } = setup;
        let fresh = harness.refresh();
        let failure = fresh.err().map(|error| Failure::Trapped(format!("configure: {error}")));
        harness.world.facts = facts.clone();
        harness.world.lines.clear();
        let report = Report {
            request: None,
            request_body: Vec::new(),
            request_trailers: None,
            response: None,
            response_body: Vec::new(),
            response_trailers: None,
            replied: false,
            aborted: false,
            failure,
            lines: Vec::new(),
            facts,
        };
        let plan = harness.plan();
        let setup = Messages { request: request.into_parts(), response: response.into_parts(), ending, open };
        Self { harness, exchange: Exchange::new(F::State::default()), plan, setup, report, constructed: true }
    }

    pub(super) fn run(mut self) -> Report {
        let (head, content) = self.setup.request.clone();
        match self.pass::<ToUpstream>(head, content) {
            Ok(passed) => {
                self.report.request = Some(crate::Request::lent(passed.head));
                self.report.request_body = passed.body;
                self.report.request_trailers = passed.trailers.map(crate::Trailers::lent);
                self.respond();
            }
            Err(stop) => self.stop(stop),
        }
        self.end();
        self.report
    }

    fn respond(&mut self) {
        let (head, content) = self.setup.response.clone();
        match self.pass::<ToClient>(head, content) {
            Ok(passed) => {
                let bodiless = matches!(passed.head.status(), 204 | 304);
                self.report.response = Some(crate::Response::lent(passed.head));
                self.report.response_body = if bodiless { Vec::new() } else { passed.body };
                self.report.response_trailers = passed.trailers.map(crate::Trailers::lent);
            }
            Err(stop) => self.stop(stop),
        }
    }

    fn stop(&mut self, stop: Stop) {
        let reply = match stop {
            Stop::Failed => Reply::new(500),
            Stop::Answered(status) => Reply::new(status),
            Stop::Aborted => {
                self.report.aborted = true;
                return;
            }
            Stop::Replied(reply) => {
                self.report.replied = true;
                reply
            }
        };
        let line = StatusLine { status: reply.status };
        self.report.response = Some(crate::Response::lent(types::Response::new(line, reply.headers)));
        self.report.response_body = reply.body;
    }

    fn end(&mut self) {
        let outcome = Outcome {
            ending: self.setup.ending,
            status: self.report.response.as_ref().map(crate::Response::status),
            duration_us: 1_000,
            request_bytes: self.report.request_body.len() as u64,
            response_bytes: self.report.response_body.len() as u64,
        };
        if self.plan.phases.contains(Phases::END) && self.constructed {
            let _ = self.call(|filter, exchange| filter.on_end(&outcome, exchange));
        }
        // Dropping the filter's state is a call of its own; of a failed instance nothing is called any more.
        if self.report.failure.is_none() {
            let _ = self.call(|_, exchange| drop(std::mem::take(&mut exchange.state)));
        } else {
            std::mem::forget(std::mem::take(&mut self.exchange.state));
        }
        self.report.lines = std::mem::take(&mut self.harness.world.lines);
        self.report.facts = self.harness.world.facts.clone();
    }

    fn pass<S: Side<F>>(
        &mut self,
        head: types::Message<S::Line>,
        content: Content,
    ) -> Result<Passed<S::Line>, Stop> {
        let mode = S::mode(self.plan);
        let length: usize = content.chunks.iter().map(Vec::len).sum();
        if let BodyMode::Buffered(limit) = mode
            && length > limit as usize
        {
            self.constructed = S::TO_CLIENT;
            return Err(Stop::Answered(if S::TO_CLIENT { 502 } else { 413 }));
        }
        let head = if self.plan.phases.contains(S::HEAD) { self.head::<S>(head)? } else { head };
        let (head, body) = match mode {
            BodyMode::None => (head, content.chunks.concat()),
            BodyMode::Stream => (head, self.chunks::<S>(content.chunks)?),
            BodyMode::Buffered(_) => self.body::<S>(head, content.chunks.concat())?,
        };
        let trailers = match content.trailers {
            none if none.is_empty() => None,
            fields if self.plan.phases.contains(S::TRAILERS) => Some(self.trailers::<S>(fields)?),
            fields => Some(types::Trailers::new(NoLine, fields)),
        };
        Ok(Passed { head, body, trailers })
    }

    fn head<S: Side<F>>(&mut self, head: types::Message<S::Line>) -> Result<types::Message<S::Line>, Stop> {
        let before = head.clone();
        let mut lent = S::lend(head);
        let decision = self.call(|filter, exchange| S::head(filter, &mut lent, exchange));
        match self.settle(decision)? {
            None => Ok(before),
            Some(Decision::Reply(reply)) => self.reply(reply).map(|()| before),
            Some(Decision::Proceed) => self.commit(before, S::give_back(lent)),
        }
    }

    fn body<S: Side<F>>(
        &mut self,
        head: types::Message<S::Line>,
        body: Vec<u8>,
    ) -> Result<(types::Message<S::Line>, Vec<u8>), Stop> {
        let before = head.clone();
        let mut lent = S::lend(head);
        let whole = body.clone();
        let decision = self.call(|filter, exchange| S::body(filter, &mut lent, whole, exchange));
        match self.settle(decision)? {
            None => Ok((before, body)),
            Some(BodyDecision::Reply(reply)) => self.reply(reply).map(|()| (before, body)),
            Some(BodyDecision::Pass) => Ok((self.commit(before, S::give_back(lent))?, body)),
            Some(BodyDecision::Replace(new)) => Ok((self.commit(before, S::give_back(lent))?, new)),
        }
    }

    fn chunks<S: Side<F>>(&mut self, chunks: Vec<Vec<u8>>) -> Result<Vec<u8>, Stop> {
        let mut sent = Vec::new();
        let mut held = Vec::new();
        let count = chunks.len();
        for (index, chunk) in chunks.into_iter().enumerate() {
            let position = if index + 1 == count { Position::Last } else { Position::More };
            held.extend_from_slice(&chunk);
            let decision = self.call(|filter, exchange| S::chunk(filter, chunk, position, exchange));
            match self.settle(decision)? {
                None | Some(ChunkDecision::Pass) => sent.append(&mut held),
                Some(ChunkDecision::Replace(bytes)) => {
                    held.clear();
                    sent.extend(bytes);
                }
                Some(ChunkDecision::Hold) if held.len() > BODY_HELD_BYTES => {
                    self.fail(Failure::Refused(format!("more than {BODY_HELD_BYTES} bytes are held")))?;
                }
                Some(ChunkDecision::Hold) => {}
                Some(ChunkDecision::Reply(reply)) if !S::TO_CLIENT => self.reply(reply)?,
                Some(ChunkDecision::Reply(_) | ChunkDecision::Reset) => return Err(Stop::Aborted),
            }
        }
        sent.append(&mut held);
        Ok(sent)
    }

    fn trailers<S: Side<F>>(&mut self, fields: Vec<Field>) -> Result<types::Trailers, Stop> {
        let before = types::Trailers::new(NoLine, fields);
        let mut lent = crate::Trailers::lent(before.clone());
        let decision = self.call(|filter, exchange| S::trailers(filter, &mut lent, exchange));
        match self.settle(decision)? {
            None => Ok(before),
            Some(Decision::Reply(reply)) if !S::TO_CLIENT => self.reply(reply).map(|()| before),
            Some(Decision::Reply(_)) => Err(Stop::Aborted),
            Some(Decision::Proceed) => self.commit(before, lent.given_back()),
        }
    }

    /// None when the filter has failed before and is not called any more.
    fn call<R>(
        &mut self,
        call: impl FnOnce(&mut F, &mut Exchange<F::State>) -> R,
    ) -> Option<Result<R, Failure>> {
        if self.report.failure.is_some() {
            return None;
        }
        let Harness { filter, world, .. } = &mut *self.harness;
        let exchange = &mut self.exchange;
        let result = enter(world, Stage::Exchange, || call(filter, exchange)).map_err(Failure::Trapped);
        if let Err(failure) = &result {
            self.harness.spoiled = true;
            self.report.failure = Some(failure.clone());
        }
        Some(result)
    }

    /// The decision of a call; none when the message goes on as it was before, because the policy is open.
    fn settle<D>(&mut self, decision: Option<Result<D, Failure>>) -> Result<Option<D>, Stop> {
        match decision {
            Some(Ok(decision)) => Ok(Some(decision)),
            Some(Err(failure)) => self.fail(failure).map(|()| None),
            None if self.setup.open => Ok(None),
            None => Err(Stop::Failed),
        }
    }

    fn fail(&mut self, failure: Failure) -> Result<(), Stop> {
        self.harness.spoiled = true;
        self.report.failure = Some(failure);
        if self.setup.open { Ok(()) } else { Err(Stop::Failed) }
    }

    /// Puts a call's edits in the place of the message, unless one of them is refused.
    fn commit<L>(
        &mut self,
        before: types::Message<L>,
        edited: types::Message<L>,
    ) -> Result<types::Message<L>, Stop> {
        match edited.end_call() {
            None => Ok(edited),
            Some(sentence) => self.fail(Failure::Refused(sentence)).map(|()| before),
        }
    }

    fn reply(&mut self, reply: Reply) -> Result<(), Stop> {
        match check_reply(&reply) {
            Ok(()) => Err(Stop::Replied(reply)),
            Err(sentence) => self.fail(Failure::Refused(format!("reply: {sentence}"))),
        }
    }
}

fn check_reply(reply: &Reply) -> Result<(), String> {
    rules::check_status(reply.status)?;
    for (name, value) in &reply.headers {
        rules::check_name(name)?;
        rules::check_value(value).map_err(|sentence| format!("{name:?}: {sentence}"))?;
    }
    let fields: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let bytes = fields + reply.body.len();
    if bytes > REPLY_BYTES {
        return Err(format!("{bytes} bytes are more than {REPLY_BYTES}"));
    }
    if matches!(reply.status, 204 | 205 | 304) && !reply.body.is_empty() {
        return Err(format!("a {} has no body", reply.status));
    }
    Ok(())
}
