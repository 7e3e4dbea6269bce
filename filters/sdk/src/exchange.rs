use crate::Value;
use crate::host::exchange_facts;

/// One exchange, as this filter sees it: its own state between phases, and what the host knows about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exchange<S = ()> {
    /// What the filter keeps from phase to phase, made by `Default` before the first one.
    ///
    /// ```
    /// # use sluice_filter::{Decision, Exchange, Filter, Outcome, Request, filter, log};
    /// #[derive(Default)]
    /// struct Clock;
    ///
    /// #[filter]
    /// impl Filter for Clock {
    ///     type State = String;
    ///
    ///     fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange<String>) -> Decision {
    ///         exchange.state = request.path();
    ///         Decision::Proceed
    ///     }
    ///
    ///     fn on_end(&mut self, _: &Outcome, exchange: &mut Exchange<String>) {
    ///         log::info("done", &[("path", &exchange.state)]);
    ///     }
    /// }
    /// ```
    pub state: S,
}

impl<S> Exchange<S> {
    pub(crate) fn new(state: S) -> Self {
        Self { state }
    }

    /// The id of this exchange: what the log, the response and the upstream are told.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().request_id("r-1").within(|exchange| assert_eq!(exchange.request_id(), "r-1"));
    /// ```
    #[inline]
    pub fn request_id(&self) -> String {
        exchange_facts::request_id()
    }

    /// The name of the matched route.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().route("api").within(|exchange| assert_eq!(exchange.route(), "api"));
    /// ```
    #[inline]
    pub fn route(&self) -> String {
        exchange_facts::route()
    }

    /// The name of this filter in the configuration.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().filter_name("keys").within(|exchange| assert_eq!(exchange.filter_name(), "keys"));
    /// ```
    #[inline]
    pub fn filter_name(&self) -> String {
        exchange_facts::filter_name()
    }

    /// The protocol between client and host: `HTTP/1.1`.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().protocol("HTTP/2").within(|exchange| assert_eq!(exchange.protocol(), "HTTP/2"));
    /// ```
    #[inline]
    pub fn protocol(&self) -> String {
        exchange_facts::protocol()
    }

    /// The TLS version of the client's connection: `TLSv1.3`; none without TLS.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().within(|exchange| assert_eq!(exchange.tls_version(), None));
    /// ```
    #[inline]
    pub fn tls_version(&self) -> Option<String> {
        exchange_facts::tls_version()
    }

    /// The client's address; none unless the configuration grants `client-address`.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// let facts = Facts::default().client_address("192.0.2.1");
    /// facts.within(|exchange| assert_eq!(exchange.client_address().as_deref(), Some("192.0.2.1")));
    /// ```
    #[inline]
    pub fn client_address(&self) -> Option<String> {
        exchange_facts::client_address()
    }

    /// A value that an earlier filter of this exchange, or this one, has set.
    ///
    /// ```
    /// # use sluice_filter::{Value, testing::Facts};
    /// let facts = Facts::default().metadata("tenant", "blue");
    /// facts.within(|exchange| assert_eq!(exchange.metadata("tenant"), Some(Value::Text("blue".into()))));
    /// ```
    #[inline]
    pub fn metadata(&self, key: &str) -> Option<Value> {
        exchange_facts::metadata(key)
    }

    /// Sets a value for the filters after this one and for the access log.
    ///
    /// ```
    /// # use sluice_filter::{Value, testing::Facts};
    /// Facts::default().within(|exchange| {
    ///     exchange.set_metadata("attempts", 3);
    ///     assert_eq!(exchange.metadata("attempts"), Some(Value::Integer(3)));
    /// });
    /// ```
    #[inline]
    pub fn set_metadata(&mut self, key: &str, value: impl Into<Value>) {
        exchange_facts::set_metadata(key, &value.into());
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}
