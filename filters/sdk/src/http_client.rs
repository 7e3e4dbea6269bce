//! HTTP requests to upstreams that the configuration grants by name. The call waits for the answer; other exchanges go on
//! meanwhile.
//!
//! ```
//! # use sluice_filter::{Decision, Exchange, Filter, Reply, Request, filter, http_client::Outgoing};
//! # use sluice_filter::testing::{Harness, Response, json};
//! #[derive(Default)]
//! struct Authz;
//!
//! #[filter]
//! impl Filter for Authz {
//!     fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
//!         match Outgoing::new("authz", "GET", request.path()).timeout_ms(500).send() {
//!             Ok(answer) if answer.status == 200 => Decision::Proceed,
//!             Ok(_) => Reply::new(403).into(),
//!             Err(_) => Reply::new(503).into(),
//!         }
//!     }
//! }
//!
//! let setup = Harness::<Authz>::setup().upstream("authz", |outgoing| {
//!     assert_eq!(outgoing.path, "/");
//!     Ok(Response::new(401))
//! });
//! let exchange = setup.configure(json!(null))?.exchange().run();
//! assert_eq!(exchange.reply().map(|reply| reply.status()), Some(403));
//! # Ok::<(), sluice_filter::Error>(())
//! ```

use crate::bindings::sluice::filter::http_client as contract;
use crate::host;

pub use contract::{Error, Incoming};

/// A request. The host adds Host, Content-Length and Via.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// An upstream's name, from the configuration.
    pub upstream: String,
    /// A method; not CONNECT.
    pub method: String,
    /// Path and query; begins with `/`.
    pub path: String,
    /// The headers, under the same rules as edits.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// From the call to the last byte of the answer, in milliseconds.
    pub timeout_ms: u32,
}

impl Outgoing {
    /// A request without headers and body that may take 5 seconds, unless the configuration allows less.
    ///
    /// ```
    /// # use sluice_filter::http_client::Outgoing;
    /// assert_eq!(Outgoing::new("authz", "GET", "/check").timeout_ms, 5_000);
    /// ```
    pub fn new(upstream: impl Into<String>, method: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            upstream: upstream.into(),
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 5_000,
        }
    }

    /// Adds a header at the end.
    ///
    /// ```
    /// # use sluice_filter::http_client::Outgoing;
    /// let outgoing = Outgoing::new("authz", "GET", "/").header("accept", "text/plain");
    /// assert_eq!(outgoing.headers.len(), 1);
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces the body.
    ///
    /// ```
    /// # use sluice_filter::http_client::Outgoing;
    /// assert_eq!(Outgoing::new("authz", "POST", "/").body("{}").body, b"{}");
    /// ```
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Replaces the time limit.
    ///
    /// ```
    /// # use sluice_filter::http_client::Outgoing;
    /// assert_eq!(Outgoing::new("authz", "GET", "/").timeout_ms(100).timeout_ms, 100);
    /// ```
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u32) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }

    /// Sends the request and waits for the whole answer. One per exchange at a time.
    ///
    /// ```
    /// # use sluice_filter::http_client::{Error, Outgoing};
    /// // No configuration, no grant.
    /// assert_eq!(Outgoing::new("authz", "GET", "/").send(), Err(Error::NotGranted));
    /// ```
    pub fn send(&self) -> Result<Incoming, Error> {
        let headers: Vec<_> = self.headers.iter().collect();
        host::http_client::send(contract::Outgoing {
            upstream: &self.upstream,
            method: &self.method,
            path: &self.path,
            headers: &headers,
            body: &self.body,
            timeout_ms: self.timeout_ms,
        })
    }
}

impl Incoming {
    /// The value of the first header of this name. `name` is matched without regard to case.
    ///
    /// ```
    /// # use sluice_filter::http_client::Incoming;
    /// let headers = vec![("Content-Type".to_owned(), b"text/plain".to_vec())];
    /// let answer = Incoming { status: 200, headers, body: Vec::new() };
    /// assert_eq!(answer.header("content-type"), Some(&b"text/plain"[..]));
    /// ```
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }
}
