use crate::memory::types::{self, Field, NoLine, RequestLine, StatusLine};

/// A request as a client sends it.
///
/// ```
/// # use sluice_filter::{Filter, filter, testing::{Harness, Request, json}};
/// # #[derive(Default)]
/// # struct Nothing;
/// # #[filter]
/// # impl Filter for Nothing {}
/// let mut nothing = Harness::<Nothing>::configure(json!(null))?;
///
/// let request = Request::post("/a").header("x-a", "1").body("whole");
/// assert_eq!(nothing.exchange().request(request).run().request_body(), b"whole");
///
/// let request = Request::post("/a").chunks(["one", "two"]).trailer("x-sum", "3");
/// let report = nothing.exchange().request(request).run();
/// assert_eq!(report.request_body(), b"onetwo");
/// assert_eq!(report.request_trailers().unwrap().header("x-sum").unwrap(), "3");
/// # Ok::<(), sluice_filter::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Request {
    line: RequestLine,
    fields: Vec<Field>,
    content: Content,
}

/// A response as an upstream sends it.
///
/// ```
/// # use sluice_filter::{Filter, filter, testing::{Harness, Response, json}};
/// # #[derive(Default)]
/// # struct Nothing;
/// # #[filter]
/// # impl Filter for Nothing {}
/// let mut nothing = Harness::<Nothing>::configure(json!(null))?;
///
/// let response = Response::new(404).header("x-a", "1").body("whole");
/// assert_eq!(nothing.exchange().response(response).run().response_body(), b"whole");
///
/// let response = Response::new(200).chunks(["one", "two"]).trailer("x-sum", "3");
/// let report = nothing.exchange().response(response).run();
/// assert_eq!(report.response_body(), b"onetwo");
/// assert_eq!(report.response_trailers().unwrap().header("x-sum").unwrap(), "3");
/// # Ok::<(), sluice_filter::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    fields: Vec<Field>,
    content: Content,
}

/// What comes after a head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) chunks: Vec<Vec<u8>>,
    pub(crate) trailers: Vec<Field>,
}

/// A trailer section on its own.
///
/// ```
/// # use sluice_filter::testing;
/// assert_eq!(testing::trailers(&[("x-checksum", "1")]).header("x-checksum").unwrap(), "1");
/// ```
pub fn trailers(fields: &[(&str, &str)]) -> crate::Trailers {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    crate::Trailers::lent(types::Trailers::new(NoLine, fields))
}

impl Request {
    /// A request to `http://example.com` with the one header that it must have, Host.
    ///
    /// ```
    /// # use sluice_filter::testing::Request;
    /// let request = Request::new("PATCH", "/a").head();
    /// assert_eq!(request.headers(), [("host".to_owned(), "example.com".into())]);
    /// ```
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        let line = RequestLine {
            method: method.into(),
            scheme: "http".into(),
            authority: "example.com".into(),
            path: path.into(),
        };
        Self { line, fields: vec![("host".into(), b"example.com".into())], content: Content::default() }
    }

    /// A GET.
    ///
    /// ```
    /// # use sluice_filter::testing::Request;
    /// assert_eq!(Request::get("/a").head().method(), "GET");
    /// ```
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A POST.
    ///
    /// ```
    /// # use sluice_filter::testing::Request;
    /// assert_eq!(Request::post("/a").head().method(), "POST");
    /// ```
    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// Replaces the scheme.
    ///
    /// ```
    /// # use sluice_filter::testing::Request;
    /// assert_eq!(Request::get("/a").scheme("https").head().scheme(), "https");
    /// ```
    #[must_use]
    pub fn scheme(mut self, scheme: impl Into<String>) -> Self {
        self.line.scheme = scheme.into();
        self
    }

    /// Replaces the authority, and Host with it.
    ///
    /// ```
    /// # use sluice_filter::testing::Request;
    /// let request = Request::get("/a").authority("a.example:81").head();
    /// assert_eq!(request.header("host").unwrap(), "a.example:81");
    /// ```
    #[must_use]
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.line.authority = authority.into();
        for (name, value) in &mut self.fields {
            if name.eq_ignore_ascii_case("host") {
                *value = self.line.authority.clone().into_bytes();
            }
        }
        self
    }

    /// The head alone, as a filter sees it.
    ///
    /// ```
    /// # use sluice_filter::testing::Request;
    /// assert_eq!(Request::get("/a").head().path(), "/a");
    /// ```
    pub fn head(self) -> crate::Request {
        crate::Request::lent(self.into_parts().0)
    }

    pub(crate) fn into_parts(self) -> (types::Request, Content) {
        (types::Request::new(self.line, self.fields), self.content)
    }
}

impl Response {
    /// A response without headers and body.
    ///
    /// ```
    /// # use sluice_filter::testing::Response;
    /// assert_eq!(Response::new(404).head().status(), 404);
    /// ```
    pub fn new(status: u16) -> Self {
        Self { status, fields: Vec::new(), content: Content::default() }
    }

    /// The head alone, as a filter sees it.
    ///
    /// ```
    /// # use sluice_filter::testing::Response;
    /// assert_eq!(Response::new(404).head().headers(), []);
    /// ```
    pub fn head(self) -> crate::Response {
        crate::Response::lent(self.into_parts().0)
    }

    pub(crate) fn into_parts(self) -> (types::Response, Content) {
        (types::Response::new(StatusLine { status: self.status }, self.fields), self.content)
    }

    pub(crate) fn into_answer(self) -> crate::http_client::Incoming {
        crate::http_client::Incoming {
            status: self.status,
            headers: self.fields,
            body: self.content.chunks.concat(),
        }
    }
}

macro_rules! contents {
    ($message:ident, $make:literal) => {
        impl $message {
            /// Adds a header at the end.
            ///
            /// ```
            /// # use sluice_filter::testing::{Request, Response};
            #[doc = concat!("let message = ", $make, ".header(\"x-a\", b\"\\xff\").head();")]
            /// assert_eq!(message.header("x-a").unwrap(), b"\xff");
            /// ```
            #[must_use]
            pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
                self.fields.push((name.into(), value.into()));
                self
            }

            /// Replaces the body by one that comes as a single chunk.
            #[must_use]
            pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
                self.chunks([body.into()])
            }

            /// Replaces the body by one that comes in these chunks. The last one is the one that is called the last.
            #[must_use]
            pub fn chunks<C: Into<Vec<u8>>>(mut self, chunks: impl IntoIterator<Item = C>) -> Self {
                self.content.chunks = chunks.into_iter().map(Into::into).collect();
                self
            }

            /// Adds a trailer field at the end.
            #[must_use]
            pub fn trailer(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
                self.content.trailers.push((name.into(), value.into()));
                self
            }
        }
    };
}

contents!(Request, r#"Request::post("/")"#);
contents!(Response, "Response::new(200)");
