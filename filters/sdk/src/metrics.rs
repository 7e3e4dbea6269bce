//! The filter's own metrics, exported as `sluice_filter_custom_<name>` with the label `filter`. They are declared in
//! `configure`; making one later traps.
//!
//! ```
//! # use sluice_filter::{Decision, Error, Exchange, Filter, NoConfig, Request, filter, metrics::Counter};
//! # use sluice_filter::testing::{Harness, json};
//! struct Count {
//!     requests: Counter,
//! }
//!
//! #[filter]
//! impl Filter for Count {
//!     fn configure(_: NoConfig) -> Result<Self, Error> {
//!         let requests = Counter::declare("requests_total", "Requests by method.", &["method"])?;
//!         Ok(Self { requests })
//!     }
//!
//!     fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
//!         self.requests.add(1, &[&request.method()]);
//!         Decision::Proceed
//!     }
//! }
//!
//! let mut count = Harness::<Count>::configure(json!(null))?;
//! count.exchange().run();
//! assert_eq!(count.counter("requests_total", &["GET"]), Some(1));
//! # Ok::<(), Error>(())
//! ```

use crate::host;

pub use crate::bindings::sluice::filter::metrics::Error;

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        Self::new(match error {
            Error::BadName => "a metric's name or label is no Prometheus name".to_owned(),
            Error::Conflict => "a metric was declared before with another type, help or labels".to_owned(),
            Error::TooMany => "the filter declares more metrics or labels than its limits allow".to_owned(),
            Error::Other(sentence) => sentence,
        })
    }
}

/// A number that only grows.
#[derive(Debug)]
pub struct Counter {
    handle: host::metrics::Counter,
}

impl Counter {
    /// Declares the counter. `labels` are label names.
    ///
    /// ```
    /// # use sluice_filter::{metrics::{Counter, Error}, testing::configuring};
    /// configuring(|| {
    ///     assert!(Counter::declare("hits_total", "Hits.", &[]).is_ok());
    ///     assert_eq!(Counter::declare("no name", "", &[]).unwrap_err(), Error::BadName);
    /// });
    /// ```
    pub fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, Error> {
        Ok(Self { handle: host::metrics::Counter::declare(name, help, labels)? })
    }

    /// Adds to the series with these label values, in the order of the names.
    ///
    /// ```
    /// # use sluice_filter::{metrics::Counter, testing::configuring};
    /// configuring(|| Counter::declare("hits_total", "Hits.", &["method"]).unwrap().add(1, &["GET"]));
    /// ```
    #[inline]
    pub fn add(&self, amount: u64, labels: &[&str]) {
        self.handle.add(amount, labels);
    }
}

/// A number that goes up and down.
#[derive(Debug)]
pub struct Gauge {
    handle: host::metrics::Gauge,
}

impl Gauge {
    /// As [`Counter::declare`].
    ///
    /// ```
    /// # use sluice_filter::{metrics::{Counter, Error, Gauge}, testing::configuring};
    /// configuring(|| {
    ///     Counter::declare("size", "", &[]).unwrap();
    ///     assert_eq!(Gauge::declare("size", "", &[]).unwrap_err(), Error::Conflict);
    /// });
    /// ```
    pub fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, Error> {
        Ok(Self { handle: host::metrics::Gauge::declare(name, help, labels)? })
    }

    /// Replaces this worker's value; the export adds the workers up.
    ///
    /// ```
    /// # use sluice_filter::{metrics::Gauge, testing::configuring};
    /// configuring(|| Gauge::declare("entries", "Entries of the cache.", &[]).unwrap().set(3.0, &[]));
    /// ```
    #[inline]
    pub fn set(&self, value: f64, labels: &[&str]) {
        self.handle.set(value, labels);
    }
}

/// A distribution.
#[derive(Debug)]
pub struct Histogram {
    handle: host::metrics::Histogram,
}

impl Histogram {
    /// As [`Counter::declare`]. `bounds` are the buckets' upper bounds, ascending.
    ///
    /// ```
    /// # use sluice_filter::{metrics::Histogram, testing::configuring};
    /// configuring(|| assert!(Histogram::declare("bytes", "Sizes.", &[], &[1e3, 1e6]).is_ok()));
    /// ```
    pub fn declare(name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> Result<Self, Error> {
        Ok(Self { handle: host::metrics::Histogram::declare(name, help, labels, bounds)? })
    }

    /// Records one value.
    ///
    /// ```
    /// # use sluice_filter::{metrics::Histogram, testing::configuring};
    /// configuring(|| Histogram::declare("bytes", "Sizes.", &[], &[1e3]).unwrap().observe(512.0, &[]));
    /// ```
    #[inline]
    pub fn observe(&self, value: f64, labels: &[&str]) {
        self.handle.observe(value, labels);
    }
}
