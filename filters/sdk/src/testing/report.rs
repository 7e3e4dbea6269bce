use std::fmt;

use crate::memory::exchange_facts::Facts;
use crate::memory::log::Line;
use crate::{Request, Response, Trailers, Value};

/// What became of an exchange.
#[derive(Debug)]
pub struct Report {
    pub(crate) request: Option<Request>,
    pub(crate) request_body: Vec<u8>,
    pub(crate) request_trailers: Option<Trailers>,
    pub(crate) response: Option<Response>,
    pub(crate) response_body: Vec<u8>,
    pub(crate) response_trailers: Option<Trailers>,
    pub(crate) replied: bool,
    pub(crate) aborted: bool,
    pub(crate) failure: Option<Failure>,
    pub(crate) lines: Vec<Line>,
    pub(crate) facts: Facts,
}

/// Why a call of the filter failed. It cost the instance; the exchange went on by `on-failure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It panicked, or broke the rules of an import; with the message.
    Trapped(String),
    /// It returned what the contract refuses; the sentence names it.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trapped(message) => write!(f, "trapped: {message}"),
            Self::Refused(sentence) => write!(f, "refused: {sentence}"),
        }
    }
}

/// ```
/// # use sluice_filter::{Decision, Exchange, Filter, Reply, filter};
/// # use sluice_filter::testing::{Failure, Harness, Request, Response, json};
/// # #[derive(Default)]
/// # struct Gate;
/// #[filter]
/// impl Filter for Gate {
///     fn on_request(&mut self, request: &mut sluice_filter::Request, exchange: &mut Exchange) -> Decision {
///         exchange.set_metadata("seen", true);
///         match request.path().as_str() {
///             "/refused" => return Reply::new(403).header("x-why", "path").body("no").into(),
///             "/broken" => request.set_header("host", "elsewhere"),
///             _ => request.remove_header("x-internal"),
///         }
///         Decision::Proceed
///     }
/// }
///
/// let mut gate = Harness::<Gate>::configure(json!(null))?;
///
/// let passed = gate.exchange().request(Request::post("/").body("a")).response(Response::new(201).body("b")).run();
/// assert_eq!(passed.request().unwrap().path(), "/");
/// assert_eq!((passed.request_body(), passed.response_body()), (&b"a"[..], &b"b"[..]));
/// assert_eq!(passed.response().unwrap().status(), 201);
/// assert_eq!(passed.metadata("seen"), Some(&true.into()));
/// assert!(passed.reply().is_none() && passed.failure().is_none() && !passed.aborted());
///
/// let refused = gate.exchange().request(Request::get("/refused")).run();
/// assert!(refused.request().is_none(), "the upstream saw a refused request");
/// assert_eq!(refused.reply().unwrap().header("x-why").unwrap(), "path");
/// assert_eq!(refused.response_body(), b"no");
///
/// let broken = gate.exchange().request(Request::get("/broken")).run();
/// let sentence = "set-header: \"host\" frames or routes the message";
/// assert_eq!(broken.failure(), Some(&Failure::Refused(sentence.to_owned())));
/// assert_eq!(broken.response().unwrap().status(), 500);
/// # Ok::<(), sluice_filter::Error>(())
/// ```
impl Report {
    /// The head that reached the upstream; none when none did.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    /// The body that reached the upstream.
    pub fn request_body(&self) -> &[u8] {
        &self.request_body
    }

    /// The trailers that reached the upstream.
    pub fn request_trailers(&self) -> Option<&Trailers> {
        self.request_trailers.as_ref()
    }

    /// The head that the client was sent, whoever made it; none when none was.
    pub fn response(&self) -> Option<&Response> {
        self.response.as_ref()
    }

    /// The body that the client was sent.
    pub fn response_body(&self) -> &[u8] {
        &self.response_body
    }

    /// The trailers that the client was sent.
    pub fn response_trailers(&self) -> Option<&Trailers> {
        self.response_trailers.as_ref()
    }

    /// The head that the client was sent when it was the filter's own reply.
    pub fn reply(&self) -> Option<&Response> {
        self.response.as_ref().filter(|_| self.replied)
    }

    /// Whether the client saw a message break off.
    pub fn aborted(&self) -> bool {
        self.aborted
    }

    /// Why a call failed; none when none did.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// What the filter has logged in this exchange.
    pub fn log(&self) -> &[Line] {
        &self.lines
    }

    /// A value that the filter, or one before it, has set.
    pub fn metadata(&self, key: &str) -> Option<&Value> {
        self.facts.metadata.get(key)
    }
}
