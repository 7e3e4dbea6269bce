use crate::HeaderValue;
use crate::host::{Lent, types};

/// The head of a request, on its way to the upstream. Lent for one call.
///
/// Edits take effect together when the call returns; readers see them at once. An edit that the contract refuses (see
/// [`rules`](crate::rules)) makes the whole call fail.
#[derive(Debug)]
pub struct Request {
    head: Lent<types::Request>,
}

/// The head of a response, on its way to the client. Lent for one call; edits as in [`Request`].
#[derive(Debug)]
pub struct Response {
    head: Lent<types::Response>,
}

/// The trailer section of a message, in either direction. Lent for one call; edits as in [`Request`].
#[derive(Debug)]
pub struct Trailers {
    head: Lent<types::Trailers>,
}

impl Request {
    /// The method, as received. Methods are case-sensitive (RFC 9110 §9.1).
    ///
    /// ```
    /// # use sluice_filter::testing;
    /// let request = testing::Request::get("/a").head();
    /// assert_eq!(request.method(), "GET");
    /// ```
    #[inline]
    pub fn method(&self) -> String {
        self.head.method()
    }

    /// Replaces the method.
    ///
    /// ```
    /// # use sluice_filter::testing;
    /// let mut request = testing::Request::get("/a").head();
    /// request.set_method("HEAD");
    /// assert_eq!(request.method(), "HEAD");
    /// ```
    #[inline]
    pub fn set_method(&mut self, method: &str) {
        self.head.set_method(method);
    }

    /// `http` or `https`: how the client reached the host.
    ///
    /// ```
    /// # use sluice_filter::testing;
    /// let request = testing::Request::get("/a").scheme("https").head();
    /// assert_eq!(request.scheme(), "https");
    /// ```
    #[inline]
    pub fn scheme(&self) -> String {
        self.head.scheme()
    }

    /// The host and port that the client asked for. Empty when it sent an empty Host.
    ///
    /// ```
    /// # use sluice_filter::testing;
    /// let request = testing::Request::get("/a").authority("example.com:8080").head();
    /// assert_eq!(request.authority(), "example.com:8080");
    /// ```
    #[inline]
    pub fn authority(&self) -> String {
        self.head.authority()
    }

    /// Replaces the authority. It never changes the route.
    ///
    /// ```
    /// # use sluice_filter::testing;
    /// let mut request = testing::Request::get("/a").head();
    /// request.set_authority("inner.example");
    /// assert_eq!(request.authority(), "inner.example");
    /// ```
    #[inline]
    pub fn set_authority(&mut self, authority: &str) {
        self.head.set_authority(authority);
    }

    /// Path and query as received, byte for byte.
    ///
    /// ```
    /// # use sluice_filter::testing;
    /// let request = testing::Request::get("/a/%2e?q=1").head();
    /// assert_eq!(request.path(), "/a/%2e?q=1");
    /// ```
    #[inline]
    pub fn path(&self) -> String {
        self.head.path()
    }

    /// Replaces path and query. The route does not change.
    ///
    /// ```
    /// # use sluice_filter::testing;
    /// let mut request = testing::Request::get("/v1/a").head();
    /// request.set_path("/a");
    /// assert_eq!(request.path(), "/a");
    /// ```
    #[inline]
    pub fn set_path(&mut self, path: &str) {
        self.head.set_path(path);
    }
}

impl Response {
    /// The status code, 200–599.
    ///
    /// ```
    /// # use sluice_filter::testing;
    /// let response = testing::Response::new(404).head();
    /// assert_eq!(response.status(), 404);
    /// ```
    #[inline]
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// Replaces the status code. 204 and 304 drop the body.
    ///
    /// ```
    /// # use sluice_filter::testing;
    /// let mut response = testing::Response::new(404).head();
    /// response.set_status(410);
    /// assert_eq!(response.status(), 410);
    /// ```
    #[inline]
    pub fn set_status(&mut self, status: u16) {
        self.head.set_status(status);
    }
}

/// What all three have in common. A trait would have to be imported by each filter; a macro only repeats itself here.
macro_rules! fields {
    ($message:ident, $example:literal) => {
        impl $message {
            /// The value of the first header of this name. `name` is matched without regard to case.
            ///
            /// ```
            /// # use sluice_filter::testing;
            #[doc = concat!("let message = ", $example, ";")]
            /// assert_eq!(message.header("X-Team").unwrap(), "blue");
            /// assert_eq!(message.header("x-none"), None);
            /// ```
            #[inline]
            pub fn header(&self, name: &str) -> Option<HeaderValue> {
                self.head.header(name).map(HeaderValue::from)
            }

            /// The value of the first header of this name, as text. None when there is no such header, and none when its
            /// value is not UTF-8: nothing is replaced or lost.
            ///
            /// ```
            /// # use sluice_filter::testing;
            #[doc = concat!("let mut message = ", $example, ";")]
            /// assert_eq!(message.header_str("x-team").as_deref(), Some("blue"));
            /// message.set_header("x-team", b"caf\xe9");
            /// assert_eq!(message.header_str("x-team"), None);
            /// ```
            #[inline]
            pub fn header_str(&self, name: &str) -> Option<String> {
                String::from_utf8(self.head.header(name)?).ok()
            }

            /// All headers in order, with their names as they were received.
            ///
            /// ```
            /// # use sluice_filter::testing;
            #[doc = concat!("let message = ", $example, ";")]
            /// assert!(message.headers().contains(&("x-team".to_owned(), "blue".into())));
            /// ```
            pub fn headers(&self) -> Vec<(String, HeaderValue)> {
                self.head.headers().into_iter().map(|(name, value)| (name, value.into())).collect()
            }

            /// Replaces all headers of this name by one, at the place of the first one, or at the end when there is none.
            ///
            /// ```
            /// # use sluice_filter::testing;
            #[doc = concat!("let mut message = ", $example, ";")]
            /// message.set_header("x-team", "red");
            /// assert_eq!(message.header("x-team").unwrap(), "red");
            /// ```
            #[inline]
            pub fn set_header(&mut self, name: &str, value: impl AsRef<[u8]>) {
                self.head.set_header(name, value.as_ref());
            }

            /// Adds a header at the end. Others of that name stay.
            ///
            /// ```
            /// # use sluice_filter::testing;
            #[doc = concat!("let mut message = ", $example, ";")]
            /// let before = message.headers().len();
            /// message.append_header("x-team", "red");
            /// assert_eq!(message.headers().len(), before + 1);
            /// ```
            #[inline]
            pub fn append_header(&mut self, name: &str, value: impl AsRef<[u8]>) {
                self.head.append_header(name, value.as_ref());
            }

            /// Removes all headers of this name. No such header: nothing happens.
            ///
            /// ```
            /// # use sluice_filter::testing;
            #[doc = concat!("let mut message = ", $example, ";")]
            /// message.remove_header("x-team");
            /// assert_eq!(message.header("x-team"), None);
            /// ```
            #[inline]
            pub fn remove_header(&mut self, name: &str) {
                self.head.remove_header(name);
            }

            /// Takes what the host lends for one call.
            #[cfg(target_family = "wasm")]
            pub(crate) fn lent(head: &types::$message) -> Self {
                // SAFETY: the handle is good until the call returns, and this value does not outlive the call: it is only
                // ever handed on as a reference. `ManuallyDrop` leaves giving the handle back to its owner.
                let head = unsafe { types::$message::from_handle(head.handle()) };
                Self { head: Lent::new(head) }
            }

            #[cfg(not(target_family = "wasm"))]
            pub(crate) fn lent(head: types::$message) -> Self {
                Self { head }
            }

            #[cfg(not(target_family = "wasm"))]
            pub(crate) fn given_back(self) -> types::$message {
                self.head
            }
        }
    };
}

macro_rules! field_lists {
    ($message:ident, $example:literal) => {
        impl $message {
            /// The values of all headers of this name, in order.
            ///
            /// ```
            /// # use sluice_filter::testing;
            #[doc = concat!("let mut message = ", $example, ";")]
            /// message.append_header("x-team", "red");
            /// assert_eq!(message.header_values("x-team"), ["blue", "red"]);
            /// ```
            pub fn header_values(&self, name: &str) -> Vec<HeaderValue> {
                self.head.header_values(name).into_iter().map(HeaderValue::from).collect()
            }
        }
    };
}

fields!(Request, r#"testing::Request::get("/").header("x-team", "blue").head()"#);
fields!(Response, r#"testing::Response::new(200).header("x-team", "blue").head()"#);
fields!(Trailers, r#"testing::trailers(&[("x-team", "blue")])"#);
field_lists!(Request, r#"testing::Request::get("/").header("x-team", "blue").head()"#);
field_lists!(Response, r#"testing::Response::new(200).header("x-team", "blue").head()"#);
