use crate::{Decision, Reply};

impl Reply {
    /// A reply without headers and without a body.
    ///
    /// ```
    /// # use sluice_filter::Reply;
    /// assert_eq!(Reply::new(404).status, 404);
    /// ```
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header at the end. The host adds Date, Content-Length and Via by itself.
    ///
    /// ```
    /// # use sluice_filter::Reply;
    /// let reply = Reply::new(429).header("retry-after", "5");
    /// assert_eq!(reply.headers, [("retry-after".to_owned(), b"5".to_vec())]);
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces the body.
    ///
    /// ```
    /// # use sluice_filter::Reply;
    /// assert_eq!(Reply::new(403).body("no").body, b"no");
    /// ```
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// So that a phase may end in `reply.into()`.
impl From<Reply> for Decision {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}
