use std::marker::PhantomData;

use serde::Serialize;

use super::drive::Drive;
use super::harness::Harness;
use super::message::{Request, Response};
use super::{Facts, Report};
use crate::http_client::Outgoing;
use crate::memory::World;
use crate::{Ending, Error, Filter, http_client};

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

/// ```
/// # use sluice_filter::http_client::{Error, Outgoing};
/// # use sluice_filter::testing::{Harness, Response, json};
/// # use sluice_filter::{Decision, Exchange, Filter, NoConfig, Request, filter, secrets};
/// struct Ask {
///     token: Vec<u8>,
/// }
///
/// #[filter]
/// impl Filter for Ask {
///     fn configure(_: NoConfig) -> Result<Self, sluice_filter::Error> {
///         Ok(Self { token: secrets::secret("token").unwrap_or_default() })
///     }
///
///     fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
///         let outgoing = Outgoing::new("users", "GET", "/me").header("authorization", self.token.clone());
///         let user = outgoing.send().map(|answer| answer.body).unwrap_or_default();
///         request.set_header("x-user", user);
///         Decision::Proceed
///     }
/// }
///
/// let setup = Harness::<Ask>::setup().secret("token", "t1").upstream("users", |outgoing| {
///     if outgoing.headers[0].1 == b"t1" { Ok(Response::new(200).body("alice")) } else { Err(Error::TimedOut) }
/// });
/// let report = setup.configure(json!(null))?.exchange().run();
/// assert_eq!(report.request().unwrap().header("x-user").unwrap(), "alice");
/// # Ok::<(), sluice_filter::Error>(())
/// ```
impl<F: Filter> Setup<F> {
    pub(super) fn new() -> Self {
        Self { world: World::default(), filter: PhantomData }
    }

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
        Harness::within(self.world, config)
    }
}

/// ```
/// # use sluice_filter::testing::{Facts, Harness, Request, Response, json};
/// # use sluice_filter::{Decision, Ending, Exchange, Filter, Outcome, filter, log};
/// # #[derive(Default)]
/// # struct Audit;
/// #[filter]
/// impl Filter for Audit {
///     fn on_response(&mut self, response: &mut sluice_filter::Response, exchange: &mut Exchange) -> Decision {
///         response.set_header("x-route", exchange.route());
///         Decision::Proceed
///     }
///
///     fn on_end(&mut self, outcome: &Outcome, _: &mut Exchange) {
///         log::info("ended", &[("ending", &format!("{:?}", outcome.ending))]);
///     }
/// }
///
/// let mut audit = Harness::<Audit>::configure(json!(null))?;
/// let exchange = audit
///     .exchange()
///     .request(Request::get("/a"))
///     .response(Response::new(404))
///     .facts(Facts::default().route("api"))
///     .ending(Ending::ClientGone)
///     .run();
/// assert_eq!(exchange.response().unwrap().status(), 404);
/// assert_eq!(exchange.response().unwrap().header("x-route").unwrap(), "api");
/// assert_eq!(exchange.log()[0].attribute("ending"), Some("Ending::ClientGone"));
///
/// // A route's name that is no header value fails the call; with an open policy the response goes on as it was.
/// let failed = audit.exchange().facts(Facts::default().route("a\nb")).open().run();
/// assert_eq!(failed.response().unwrap().status(), 200);
/// assert!(failed.failure().is_some());
/// # Ok::<(), sluice_filter::Error>(())
/// ```
impl<'h, F: Filter> ExchangeSetup<'h, F> {
    pub(super) fn new(harness: &'h mut Harness<F>) -> Self {
        Self {
            harness,
            request: Request::get("/"),
            response: Response::new(200),
            facts: Facts::default(),
            ending: Ending::Complete,
            open: false,
        }
    }

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
