use super::Facts;
use crate::memory::{Stage, World, enter, trap};
use crate::{Exchange, Value};

/// What differs from exchange to exchange; each has a default.
impl Facts {
    /// Replaces the request id.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().request_id("r-1").within(|exchange| assert_eq!(exchange.request_id(), "r-1"));
    /// ```
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = id.into();
        self
    }

    /// Replaces the route's name.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().route("api").within(|exchange| assert_eq!(exchange.route(), "api"));
    /// ```
    #[must_use]
    pub fn route(mut self, name: impl Into<String>) -> Self {
        self.route = name.into();
        self
    }

    /// Replaces the filter's name.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().filter_name("keys").within(|exchange| assert_eq!(exchange.filter_name(), "keys"));
    /// ```
    #[must_use]
    pub fn filter_name(mut self, name: impl Into<String>) -> Self {
        self.filter_name = name.into();
        self
    }

    /// Replaces the protocol.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().protocol("HTTP/2").within(|exchange| assert_eq!(exchange.protocol(), "HTTP/2"));
    /// ```
    #[must_use]
    pub fn protocol(mut self, protocol: impl Into<String>) -> Self {
        self.protocol = protocol.into();
        self
    }

    /// The client's connection has TLS of this version.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// let facts = Facts::default().tls_version("TLSv1.3");
    /// facts.within(|exchange| assert_eq!(exchange.tls_version().as_deref(), Some("TLSv1.3")));
    /// ```
    #[must_use]
    pub fn tls_version(mut self, version: impl Into<String>) -> Self {
        self.tls_version = Some(version.into());
        self
    }

    /// The filter may know the client's address, and it is this one.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// let facts = Facts::default().client_address("192.0.2.1");
    /// facts.within(|exchange| assert_eq!(exchange.client_address().as_deref(), Some("192.0.2.1")));
    /// ```
    #[must_use]
    pub fn client_address(mut self, address: impl Into<String>) -> Self {
        self.client_address = Some(address.into());
        self
    }

    /// An earlier filter has set this value.
    ///
    /// ```
    /// # use sluice_filter::{Value, testing::Facts};
    /// let facts = Facts::default().metadata("tenant", "blue");
    /// facts.within(|exchange| assert_eq!(exchange.metadata("tenant"), Some(Value::Text("blue".into()))));
    /// ```
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Runs `check` within an exchange that has these facts: for code that is called from a phase and is no filter.
    ///
    /// ```
    /// # use sluice_filter::testing::Facts;
    /// Facts::default().within(|exchange| assert_eq!(exchange.protocol(), "HTTP/1.1"));
    /// ```
    pub fn within<R>(self, check: impl FnOnce(&mut Exchange) -> R) -> R {
        let mut world = World { facts: self, ..World::default() };
        enter(&mut world, Stage::Exchange, || check(&mut Exchange::new(())))
            .unwrap_or_else(|sentence| trap(&sentence))
    }
}
