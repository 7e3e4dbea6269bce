use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use super::drive::Drive;
use super::message::{Request, Response};
use super::{Facts, Line, Report};
use crate::http_client::Outgoing;
use crate::memory::metrics::Sample;
use crate::memory::{Stage, World, enter};
use crate::{Ending, Error, Filter, Plan, config, http_client};

/// A filter with a host in memory around it.
pub struct Harness<F: Filter> {
    pub(super) filter: F,
    pub(super) world: World,
    /// A call has failed: as the host does it, the next exchange gets a fresh instance.
    pub(super) spoiled: bool,
    config: String,
    lines: Vec<Line>,
}

/// What the configuration grants to a filter.
pub struct Setup<F> {
    world: World,
    filter: PhantomData<F>,
}

/// An exchange that is about to happen.
pub struct ExchangeSetup<'h, F: Filter> {
    pub(super) harness: &'h mut Harness<F>,
    pub(super) request: Request,
    pub(super) response: Response,
    pub(super) facts: Facts,
    pub(super) ending: Ending,
    pub(super) open: bool,
}

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
        Setup { world: World::default(), filter: PhantomData }
    }

    /// The instance.
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

    /// An exchange: by default a GET of `/` that an upstream answers with an empty 200.
    pub fn exchange(&mut self) -> ExchangeSetup<'_, F> {
        ExchangeSetup {
            harness: self,
            request: Request::get("/"),
            response: Response::new(200),
            facts: Facts::default(),
            ending: Ending::Complete,
            open: false,
        }
    }

    /// Lets time pass. Within a call it stands still.
    pub fn advance(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.world.now_ns = self.world.now_ns.saturating_add(ns);
        self.world.monotonic_ns = self.world.monotonic_ns.saturating_add(ns);
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

    /// A fresh instance in the place of one that has failed.
    pub(super) fn refresh(&mut self) -> Result<(), Error> {
        if self.spoiled {
            self.filter = instance(&mut self.world, &self.config)?;
            self.spoiled = false;
        }
        Ok(())
    }
}

impl<F: Filter> Setup<F> {
    /// Grants a secret.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.world.secrets.insert(name.into(), value.into());
        self
    }

    /// Grants an upstream, and says how it answers.
    #[must_use]
    pub fn upstream(
        mut self,
        name: impl Into<String>,
        mut answer: impl FnMut(&Outgoing) -> Result<Response, http_client::Error> + 'static,
    ) -> Self {
        let answer = move |outgoing: &Outgoing| answer(outgoing).map(Response::into_answer);
        self.world.upstreams.insert(name.into(), Box::new(answer));
        self
    }

    /// Configures the filter, as [`Harness::configure`].
    pub fn configure(self, config: impl Serialize) -> Result<Harness<F>, Error> {
        let config = serde_json::to_string(&config).map_err(|error| Error::new(error.to_string()))?;
        let mut world = self.world;
        let filter = instance(&mut world, &config)?;
        let lines = std::mem::take(&mut world.lines);
        Ok(Harness { filter, world, spoiled: false, config, lines })
    }
}

impl<F: Filter> ExchangeSetup<'_, F> {
    /// Replaces the client's request.
    #[must_use]
    pub fn request(mut self, request: Request) -> Self {
        self.request = request;
        self
    }

    /// Replaces the upstream's response.
    #[must_use]
    pub fn response(mut self, response: Response) -> Self {
        self.response = response;
        self
    }

    /// Replaces what the host knows of the exchange.
    #[must_use]
    pub fn facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// Replaces how the exchange ends, as `on_end` is told. It changes nothing else.
    #[must_use]
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// The filter's policy is `on-failure: open`: when a call fails, the exchange goes on without it.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Runs the exchange to its end.
    pub fn run(self) -> Report {
        Drive::new(self).run()
    }
}

fn instance<F: Filter>(world: &mut World, config: &str) -> Result<F, Error> {
    enter(world, Stage::Configure, || config::parse(config).and_then(F::configure))
        .unwrap_or_else(|message| Err(Error::new(format!("configure trapped: {message}"))))
}
