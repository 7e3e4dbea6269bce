//! The harness keeps to the contract as the host does.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::time::Duration;

use sluice_filter::testing::{self, Facts, Failure, Harness, Report, Response, json};
use sluice_filter::{
    BodyDecision, BodyMode, ChunkDecision, Decision, Ending, Error, Exchange, Filter, Outcome, Phases, Plan,
    Position, Reply, Request, Response as Head, Trailers, filter, log, store,
};

/// Does what the path says.
#[derive(Default)]
struct Edits {
    served: u32,
}

#[filter]
impl Filter for Edits {
    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        self.served += 1;
        request.set_header("x-served", self.served.to_string());
        let many = vec![b'a'; 40_000];
        match request.path().as_str() {
            "/panic" => panic!("on purpose"),
            "/crlf" => request.set_header("x-a", "a\r\nx-b: 1"),
            "/name" => request.append_header("x a", "1"),
            "/host" => request.remove_header("Host"),
            "/method" => request.set_method("CONNECT"),
            "/path" => request.set_path("b"),
            "/authority" => request.set_authority(""),
            "/many" => (0..201).for_each(|_| request.remove_header("x-none")),
            "/long" => (0..2).for_each(|_| request.append_header("x-long", &many)),
            "/status" => return Reply::new(199).into(),
            "/body" => return Reply::new(204).body("a").into(),
            "/reply-header" => return Reply::new(200).header("connection", "close").into(),
            "/reply" => return Reply::new(403).into(),
            "/facts" => request.set_header("x-facts", testing_facts()),
            _ => request.set_path("/edited"),
        }
        Decision::Proceed
    }

    fn on_response(&mut self, response: &mut Head, _: &mut Exchange) -> Decision {
        response.set_header("x-seen", "1");
        Decision::Proceed
    }
}

/// More metadata than an exchange may have.
fn testing_facts() -> &'static str {
    Facts::default().within(|exchange| exchange.set_metadata("key", vec![0; 20_000]));
    "never"
}

fn edits(path: &str) -> Report {
    let mut edits = Harness::<Edits>::configure(json!(null)).unwrap();
    edits.exchange().request(testing::Request::get(path)).run()
}

#[test]
fn edits_take_effect_when_the_call_returns() {
    let report = edits("/");
    assert_eq!(report.request().unwrap().path(), "/edited");
    assert_eq!(report.request().unwrap().header("x-served").unwrap(), "1");
    assert_eq!(report.response().unwrap().header("x-seen").unwrap(), "1");
    assert_eq!(report.failure(), None);
}

#[test]
fn one_refused_edit_fails_the_call() {
    for (path, sentence) in [
        ("/crlf", "set-header: the value holds a control byte (0x0d)"),
        ("/name", r#"append-header: "x a" is no field name"#),
        ("/host", r#"remove-header: "Host" frames or routes the message"#),
        ("/method", r#"set-method: "CONNECT" is no method that a filter may set"#),
        ("/path", r#"set-path: "b" is no path"#),
        ("/authority", r#"set-authority: "" is no host[:port]"#),
        ("/many", "more than 200 edits in one call"),
        ("/long", "more than 65536 bytes of edits in one call"),
        ("/status", "reply: 199 is no final status"),
        ("/body", "reply: a 204 has no body"),
        ("/reply-header", r#"reply: "connection" frames or routes the message"#),
    ] {
        let report = edits(path);
        assert_eq!(report.failure(), Some(&Failure::Refused(sentence.to_owned())), "{path}");
        assert_eq!(report.response().unwrap().status(), 500, "{path}");
        assert!(report.request().is_none(), "{path}: the upstream saw a request of a failed call");
        assert!(report.response().unwrap().header("x-seen").is_none(), "{path}: called after a failure");
    }
}

#[test]
fn a_panic_is_a_trap_and_costs_the_instance() {
    let mut edits = Harness::<Edits>::configure(json!(null)).unwrap();
    edits.exchange().run();
    let report = edits.exchange().request(testing::Request::get("/panic")).run();
    assert_eq!(report.failure(), Some(&Failure::Trapped("on purpose".to_owned())));
    assert_eq!(report.response().unwrap().status(), 500);

    let next = edits.exchange().run();
    assert_eq!(next.request().unwrap().header("x-served").unwrap(), "1", "the failed instance serves on");
}

#[test]
fn an_import_that_is_misused_traps() {
    assert_eq!(
        edits("/facts").failure(),
        Some(&Failure::Trapped("more than 16384 bytes of metadata".to_owned()))
    );
}

#[test]
fn an_open_policy_lets_the_message_go_on_as_it_was() {
    let mut edits = Harness::<Edits>::configure(json!(null)).unwrap();
    let report = edits.exchange().request(testing::Request::get("/crlf")).open().run();
    assert!(report.failure().is_some());
    assert_eq!(report.request().unwrap().headers(), [("host".to_owned(), "example.com".into())]);
    assert_eq!(report.response().unwrap().status(), 200);
    assert!(report.response().unwrap().header("x-seen").is_none(), "called after a failure");
}

#[test]
fn a_reply_passes_by_the_filters_own_response_phase() {
    let report = edits("/reply");
    assert_eq!(report.reply().unwrap().status(), 403);
    assert!(report.reply().unwrap().header("x-seen").is_none());
    assert!(report.request().is_none());
}

/// Rewrites streamed bodies by their words.
#[derive(Default)]
struct Words;

#[filter]
impl Filter for Words {
    type State = Vec<Position>;

    fn on_request_chunk(
        &mut self,
        chunk: Vec<u8>,
        position: Position,
        exchange: &mut Exchange<Vec<Position>>,
    ) -> ChunkDecision {
        exchange.state.push(position);
        word(&chunk)
    }

    fn on_response_chunk(
        &mut self,
        chunk: Vec<u8>,
        _: Position,
        _: &mut Exchange<Vec<Position>>,
    ) -> ChunkDecision {
        word(&chunk)
    }

    fn on_request_trailers(&mut self, trailers: &mut Trailers, _: &mut Exchange<Vec<Position>>) -> Decision {
        trailers.set_header("x-words", "1");
        Decision::Proceed
    }

    fn on_response_trailers(&mut self, trailers: &mut Trailers, _: &mut Exchange<Vec<Position>>) -> Decision {
        trailers.set_header("authorization", "no trailer");
        Decision::Proceed
    }

    fn on_end(&mut self, outcome: &Outcome, exchange: &mut Exchange<Vec<Position>>) {
        let positions = format!("{:?}", exchange.state);
        log::info("ended", &[("positions", &positions), ("bytes", &outcome.request_bytes.to_string())]);
    }
}

fn word(chunk: &[u8]) -> ChunkDecision {
    match chunk {
        b"hold" => ChunkDecision::Hold,
        b"drop" => ChunkDecision::Replace(Vec::new()),
        b"reset" => ChunkDecision::Reset,
        b"reply" => ChunkDecision::Reply(Reply::new(400)),
        long if long.len() > 1_000 => ChunkDecision::Hold,
        _ => ChunkDecision::Pass,
    }
}

fn request(chunks: &[&str]) -> Report {
    let mut words = Harness::<Words>::configure(json!(null)).unwrap();
    let request = testing::Request::post("/").chunks(chunks.iter().copied());
    words.exchange().request(request).run()
}

#[test]
fn a_decision_covers_what_was_held_before_it() {
    assert_eq!(request(&["a", "hold", "b"]).request_body(), b"aholdb");
    assert_eq!(request(&["a", "hold", "drop", "b"]).request_body(), b"ab");
    assert_eq!(request(&["a", "hold"]).request_body(), b"ahold", "what is held at the end goes on");
}

#[test]
fn only_the_last_call_says_last_and_no_body_has_no_call() {
    let report = request(&["a", "b", ""]);
    assert_eq!(
        report.log()[0].attribute("positions"),
        Some("[Position::More, Position::More, Position::Last]")
    );
    assert_eq!(report.log()[0].attribute("bytes"), Some("2"));
    assert_eq!(request(&[]).log()[0].attribute("positions"), Some("[]"));
}

#[test]
fn holding_too_much_fails_the_call() {
    let long = "a".repeat(600_000);
    assert_eq!(
        request(&[&long, &long]).failure(),
        Some(&Failure::Refused("more than 1048576 bytes are held".to_owned()))
    );
}

#[test]
fn a_reply_within_a_body_reaches_the_client_only_before_the_response_has_begun() {
    assert_eq!(request(&["a", "reply"]).reply().unwrap().status(), 400);
    assert!(request(&["reset"]).aborted());

    let mut words = Harness::<Words>::configure(json!(null)).unwrap();
    let late = words.exchange().response(Response::new(200).body("reply")).run();
    assert!(late.aborted() && late.response().is_none());
}

#[test]
fn trailers_are_seen_and_their_own_rule_holds() {
    let mut words = Harness::<Words>::configure(json!(null)).unwrap();
    let with = words.exchange().request(testing::Request::post("/").body("a").trailer("x-sum", "1")).run();
    assert_eq!(with.request_trailers().unwrap().header("x-words").unwrap(), "1");
    assert!(words.exchange().run().request_trailers().is_none());

    let refused = words.exchange().response(Response::new(200).body("a").trailer("x-sum", "1")).run();
    let sentence = r#"set-header: "authorization" must not be in trailers"#;
    assert_eq!(refused.failure(), Some(&Failure::Refused(sentence.to_owned())));
}

/// Takes both bodies whole, with the head open.
#[derive(Default)]
struct Whole;

#[filter(request_body = 4, response_body = 4)]
impl Filter for Whole {
    fn on_request_body(&mut self, request: &mut Request, body: Vec<u8>, _: &mut Exchange) -> BodyDecision {
        request.set_header("x-length", body.len().to_string());
        BodyDecision::Replace(b"new".to_vec())
    }

    fn on_response_body(&mut self, response: &mut Head, body: Vec<u8>, _: &mut Exchange) -> BodyDecision {
        response.set_status(if body.is_empty() { 204 } else { 200 });
        BodyDecision::Pass
    }

    fn on_end(&mut self, outcome: &Outcome, _: &mut Exchange) {
        log::info(if outcome.ending == Ending::Complete { "complete" } else { "not complete" }, &[]);
    }
}

#[test]
fn a_whole_body_comes_with_an_open_head() {
    let mut whole = Harness::<Whole>::configure(json!(null)).unwrap();
    assert_eq!(whole.plan().request_body, BodyMode::Buffered(4));
    let report = whole.exchange().request(testing::Request::post("/").chunks(["a", "bc"])).run();
    assert_eq!(report.request().unwrap().header("x-length").unwrap(), "3");
    assert_eq!(report.request_body(), b"new");
    assert_eq!(report.response().unwrap().status(), 204, "an empty body is a call, too");
}

#[test]
fn a_body_over_the_limit_is_answered_by_the_host() {
    let mut whole = Harness::<Whole>::configure(json!(null)).unwrap();
    let long = whole.exchange().request(testing::Request::post("/").body("abcde")).run();
    assert_eq!(long.response().unwrap().status(), 413);
    assert!(long.log().is_empty(), "on_end of an exchange that never reached the filter");

    let long = whole.exchange().response(Response::new(200).body("abcde")).run();
    assert_eq!(long.response().unwrap().status(), 502);
    assert!(long.reply().is_none());
}

#[test]
fn the_end_is_told_how_it_came() {
    let mut whole = Harness::<Whole>::configure(json!(null)).unwrap();
    assert_eq!(whole.exchange().run().log()[0].message, "complete");
    assert_eq!(whole.exchange().ending(Ending::ClientGone).run().log()[0].message, "not complete");
}

/// Wants its phases by configuration, and remembers in the store.
struct Chosen {
    wants: bool,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    wants: bool,
}

#[filter]
impl Filter for Chosen {
    type Config = Choice;

    fn configure(choice: Choice) -> Result<Self, Error> {
        log::debug("configured", &[]);
        Ok(Self { wants: choice.wants })
    }

    fn plan(&self) -> Plan {
        if self.wants { Self::PLAN } else { Self::PLAN.without(Phases::REQUEST) }
    }

    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        match store::add("seen", 1, store::Lifetime::from(Duration::from_secs(1))) {
            Ok(count) => request.set_header("x-count", count.to_string()),
            Err(_) => request.set_header("x-count", "none"),
        }
        Decision::Proceed
    }
}

#[test]
fn a_phase_that_the_plan_does_not_name_is_never_called() {
    let mut chosen = Harness::<Chosen>::configure(json!({ "wants": false })).unwrap();
    assert!(chosen.exchange().run().request().unwrap().header("x-count").is_none());
}

#[test]
fn the_store_outlives_exchanges_and_forgets_with_time() {
    let mut chosen = Harness::<Chosen>::configure(json!({ "wants": true })).unwrap();
    let count =
        |chosen: &mut Harness<Chosen>| chosen.exchange().run().request().unwrap().header_str("x-count");
    assert_eq!(count(&mut chosen).as_deref(), Some("1"));
    assert_eq!(count(&mut chosen).as_deref(), Some("2"));
    chosen.advance(Duration::from_secs(2));
    assert_eq!(count(&mut chosen).as_deref(), Some("1"));
    assert_eq!(chosen.log()[0].message, "configured");
}

#[test]
fn nothing_can_be_asked_of_the_host_for_a_state_that_takes_a_while_or_an_exchange() {
    use sluice_filter::testing::Handover;
    use sluice_filter::{Stateful, http_client::Outgoing, metrics::Counter};

    #[derive(Default, serde::Deserialize)]
    struct Asking {
        save: Option<String>,
    }

    #[sluice_filter::filter(state)]
    impl Filter for Asking {
        type Config = Self;

        fn configure(config: Self) -> Result<Self, Error> {
            Ok(config)
        }
    }

    impl Stateful for Asking {
        fn save(&self) -> Vec<u8> {
            match self.save.as_deref() {
                Some("send") => drop(Outgoing::new("users", "GET", "/").send()),
                Some("declare") => drop(Counter::declare("hits_total", "Hits.", &[])),
                _ => {}
            }
            b"state".to_vec()
        }

        fn restore(&mut self, _: &str, _: &[u8]) -> Result<(), Error> {
            Ok(())
        }
    }

    let swapped = |save: Option<&str>| {
        let before = Harness::<Asking>::configure(json!({ "save": save })).unwrap();
        let after = before.swap_to::<Asking>(json!({ "save": null })).unwrap();
        after.handover().unwrap().clone()
    };
    assert_eq!(swapped(None), Handover::Restored);
    assert_eq!(
        swapped(Some("send")),
        Handover::SaveTrapped("http-client.send while a state is handed over".to_owned())
    );
    assert!(matches!(swapped(Some("declare")), Handover::SaveTrapped(_)));
}
