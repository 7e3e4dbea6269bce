use std::time::Duration;

use serde::Serialize;

use super::Line;
use super::handover::{Handed, Handover};
use super::setup::{ExchangeSetup, Setup};
use crate::memory::metrics::Sample;
use crate::memory::{Stage, World, enter};
use crate::{Error, Filter, Plan, config};

/// A filter with a host in memory around it.
pub struct Harness<F: Filter> {
    pub(super) filter: F,
    pub(super) world: World,
    /// A call has failed: as the host does it, the next exchange gets a fresh instance.
    pub(super) spoiled: bool,
    config: String,
    lines: Vec<Line>,
    /// What a fresh instance begins with.
    handed: Option<Handed<F>>,
    pub(super) handover: Option<Handover>,
}

/// ```
/// # use std::time::Duration;
/// # use sluice_filter::metrics::{Counter, Gauge, Histogram};
/// # use sluice_filter::testing::{Harness, json};
/// # use sluice_filter::{Decision, Error, Exchange, Filter, NoConfig, Phases, Request, clock, filter, log};
/// struct Meter {
///     requests: Counter,
///     now: Gauge,
///     lengths: Histogram,
/// }
///
/// #[filter]
/// impl Filter for Meter {
///     fn configure(_: NoConfig) -> Result<Self, Error> {
///         log::debug("ready", &[]);
///         Ok(Self {
///             requests: Counter::declare("requests_total", "Requests.", &["method"])?,
///             now: Gauge::declare("now", "Seconds.", &[])?,
///             lengths: Histogram::declare("path_length", "Bytes.", &[], &[10.0, 100.0])?,
///         })
///     }
///
///     fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
///         self.requests.add(1, &[&request.method()]);
///         self.now.set((clock::monotonic_ns() / 1_000_000_000) as f64, &[]);
///         self.lengths.observe(request.path().len() as f64, &[]);
///         Decision::Proceed
///     }
/// }
///
/// let mut meter = Harness::<Meter>::configure(json!(null))?;
/// assert_eq!(meter.plan().phases, Phases::REQUEST);
/// assert_eq!(meter.log()[0].message, "ready");
///
/// meter.exchange().run();
/// assert_eq!(meter.counter("requests_total", &["GET"]), Some(1));
/// assert_eq!(meter.histogram("path_length", &[]), Some(&[1.0][..]));
///
/// let before = meter.gauge("now", &[]).unwrap();
/// meter.advance(Duration::from_secs(5));
/// meter.exchange().run();
/// assert_eq!(meter.gauge("now", &[]), Some(before + 5.0));
/// # Ok::<(), Error>(())
/// ```
impl<F: Filter> Harness<F> {
    /// Configures the filter as the host would, from what an operator writes under `config:`. A panic is an error, too.
    ///
    /// ```
    /// # use sluice_filter::{Error, Filter, NoConfig, filter, testing::{Harness, json}};
    /// # #[derive(Default)]
    /// # struct Nothing;
    /// #[filter]
    /// impl Filter for Nothing {}
    ///
    /// assert!(Harness::<Nothing>::configure(json!(null)).is_ok());
    /// let error = Harness::<Nothing>::configure(json!({ "a": 1 })).err().unwrap();
    /// assert_eq!(error.to_string(), "config.a: unknown field `a`, there are no fields");
    /// ```
    pub fn configure(config: impl Serialize) -> Result<Self, Error> {
        Self::setup().configure(config)
    }

    /// A host that grants more than nothing.
    ///
    /// ```
    /// # use sluice_filter::{Filter, filter, testing::{Harness, json}};
    /// # #[derive(Default)]
    /// # struct Nothing;
    /// # #[filter]
    /// # impl Filter for Nothing {}
    /// let harness = Harness::<Nothing>::setup().secret("key", "k1").configure(json!(null));
    /// assert!(harness.is_ok());
    /// ```
    pub fn setup() -> Setup<F> {
        Setup::new()
    }

    /// The instance.
    ///
    /// ```
    /// # use sluice_filter::{Error, Filter, filter, testing::{Harness, json}};
    /// #[derive(serde::Deserialize)]
    /// struct Limit {
    ///     limit: u32,
    /// }
    ///
    /// #[filter]
    /// impl Filter for Limit {
    ///     type Config = Self;
    ///
    ///     fn configure(limit: Self) -> Result<Self, Error> {
    ///         Ok(limit)
    ///     }
    /// }
    ///
    /// assert_eq!(Harness::<Limit>::configure(json!({ "limit": 3 }))?.filter().limit, 3);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn filter(&self) -> &F {
        &self.filter
    }

    /// What the filter asks for.
    pub fn plan(&self) -> Plan {
        self.filter.plan()
    }

    /// What the filter has logged in `configure`.
    pub fn log(&self) -> &[Line] {
        &self.lines
    }

    /// What came of the state of the version before; none when [`swap_to`](Self::swap_to) has not made this one.
    pub fn handover(&self) -> Option<&Handover> {
        self.handover.as_ref()
    }

    /// An exchange: by default a GET of `/` that an upstream answers with an empty 200.
    pub fn exchange(&mut self) -> ExchangeSetup<'_, F> {
        ExchangeSetup::new(self)
    }

    /// Lets time pass. Within a call it stands still.
    pub fn advance(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.world.now_ns = self.world.now_ns.saturating_add(ns);
        self.world.monotonic_ns = self.world.monotonic_ns.saturating_add(ns);
    }

    /// Puts a fresh instance in the place of the present one, as the host does now and then: what was kept in it is gone, and what
    /// is in the store is not.
    ///
    /// ```
    /// # use sluice_filter::{Decision, Exchange, Filter, Request, filter, testing::{Harness, json}};
    /// #[derive(Default)]
    /// struct Count {
    ///     served: u32,
    /// }
    ///
    /// #[filter]
    /// impl Filter for Count {
    ///     fn on_request(&mut self, _: &mut Request, _: &mut Exchange) -> Decision {
    ///         self.served += 1;
    ///         Decision::Proceed
    ///     }
    /// }
    ///
    /// let mut count = Harness::<Count>::configure(json!(null))?;
    /// count.exchange().run();
    /// count.renew();
    /// count.exchange().run();
    /// assert_eq!(count.filter().served, 1);
    /// # Ok::<(), sluice_filter::Error>(())
    /// ```
    pub fn renew(&mut self) {
        self.spoiled = true;
    }

    /// The store's server stops answering: every call of the store and of the rate limit fails as `unavailable`.
    ///
    /// ```
    /// # use sluice_filter::{Decision, Exchange, Filter, Reply, Request, filter, store};
    /// # use sluice_filter::testing::{Harness, json};
    /// # #[derive(Default)]
    /// # struct Remember;
    /// #[filter]
    /// impl Filter for Remember {
    ///     fn on_request(&mut self, _: &mut Request, _: &mut Exchange) -> Decision {
    ///         match store::add("requests", 1, store::Lifetime::Unbounded) {
    ///             Ok(_) => Decision::Proceed,
    ///             Err(_) => Reply::new(503).into(),
    ///         }
    ///     }
    /// }
    ///
    /// let mut remember = Harness::<Remember>::configure(json!(null))?;
    /// remember.lose_store();
    /// assert_eq!(remember.exchange().run().reply().unwrap().status(), 503);
    /// remember.find_store();
    /// assert!(remember.exchange().run().reply().is_none());
    /// # Ok::<(), sluice_filter::Error>(())
    /// ```
    pub fn lose_store(&mut self) {
        self.world.store_gone = true;
    }

    /// The store's server answers again, with what it held before.
    pub fn find_store(&mut self) {
        self.world.store_gone = false;
    }

    /// All keys that the store holds, those of rate limits among them: to see that nothing is stored that must not be.
    ///
    /// ```
    /// # use sluice_filter::{Error, Filter, NoConfig, filter, store, testing::{Harness, json}};
    /// struct Lock;
    ///
    /// #[filter]
    /// impl Filter for Lock {
    ///     fn configure(_: NoConfig) -> Result<Self, Error> {
    ///         let _ = store::set("lock", "me", store::Lifetime::Unbounded);
    ///         Ok(Self)
    ///     }
    /// }
    ///
    /// assert_eq!(Harness::<Lock>::configure(json!(null))?.store_keys(), [b"lock"]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn store_keys(&self) -> Vec<Vec<u8>> {
        self.world.store.keys().chain(self.world.allowances.keys()).cloned().collect()
    }

    /// The value of a counter's series; none when nothing was added to it.
    pub fn counter(&self, name: &str, labels: &[&str]) -> Option<u64> {
        match self.world.metrics.sample(name, labels)? {
            Sample::Counter(total) => Some(*total),
            Sample::Gauge(_) | Sample::Histogram(_) => None,
        }
    }

    /// The value of a gauge's series; none when it was not set.
    pub fn gauge(&self, name: &str, labels: &[&str]) -> Option<f64> {
        match self.world.metrics.sample(name, labels)? {
            Sample::Gauge(value) => Some(*value),
            Sample::Counter(_) | Sample::Histogram(_) => None,
        }
    }

    /// The values that a histogram's series has observed, in order.
    pub fn histogram(&self, name: &str, labels: &[&str]) -> Option<&[f64]> {
        match self.world.metrics.sample(name, labels)? {
            Sample::Histogram(values) => Some(values),
            Sample::Counter(_) | Sample::Gauge(_) => None,
        }
    }

    /// Configures the filter in a world that grants what it may use.
    pub(super) fn within(world: World, config: impl Serialize) -> Result<Self, Error> {
        Self::handing(world, config, None)
    }

    /// The same with what the version before has saved.
    pub(super) fn handing(
        mut world: World,
        config: impl Serialize,
        handed: Option<Handed<F>>,
    ) -> Result<Self, Error> {
        let config = serde_json::to_string(&config).map_err(|error| Error::new(error.to_string()))?;
        world.lines.clear();
        let filter = instance(&mut world, &config)?;
        let mut harness =
            Self { filter, world, spoiled: false, config, lines: Vec::new(), handed, handover: None };
        harness.restore()?;
        harness.lines = std::mem::take(&mut harness.world.lines);
        Ok(harness)
    }

    /// A fresh instance in the place of one that has failed.
    pub(super) fn refresh(&mut self) -> Result<(), Error> {
        if self.spoiled {
            self.filter = instance(&mut self.world, &self.config)?;
            self.restore()?;
            self.spoiled = false;
        }
        Ok(())
    }

    /// A state that an instance did not take is offered to no other one.
    fn restore(&mut self) -> Result<(), Error> {
        let Some(handed) = self.handed.take() else { return Ok(()) };
        let outcome = handed.restore(&mut self.world, &mut self.filter);
        match outcome {
            Handover::Restored => self.handed = Some(handed),
            Handover::RestoreTrapped(_) => self.filter = instance(&mut self.world, &self.config)?,
            _ => {}
        }
        self.handover = Some(outcome);
        Ok(())
    }
}

fn instance<F: Filter>(world: &mut World, config: &str) -> Result<F, Error> {
    enter(world, Stage::Configure, || config::parse(config).and_then(F::configure))
        .unwrap_or_else(|message| Err(Error::new(format!("configure trapped: {message}"))))
}
