//! Write filters for the Sluice reverse proxy, and test them without it.
//!
//! A filter is a type that implements [`Filter`], with a method for each phase that it wants to see. The attribute
//! [`filter`](macro@filter) makes it a component.
//!
//! ```
//! use sluice_filter::testing::{Harness, Request as Incoming, json};
//! use sluice_filter::{Decision, Error, Exchange, Filter, Reply, Request, filter};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     header: String,
//! }
//!
//! struct RequireHeader {
//!     settings: Settings,
//! }
//!
//! #[filter]
//! impl Filter for RequireHeader {
//!     type Config = Settings;
//!
//!     fn configure(settings: Settings) -> Result<Self, Error> {
//!         Ok(Self { settings })
//!     }
//!
//!     fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
//!         match request.header(&self.settings.header) {
//!             Some(_) => Decision::Proceed,
//!             None => Decision::Reply(Reply::new(400).body("a header is missing")),
//!         }
//!     }
//! }
//!
//! let mut filter = Harness::<RequireHeader>::configure(json!({ "header": "x-team" }))?;
//! let exchange = filter.exchange().request(Incoming::get("/a")).run();
//! assert_eq!(exchange.reply().map(|reply| reply.status()), Some(400));
//! # Ok::<(), Error>(())
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2` in a crate whose `crate-type` is `["cdylib", "rlib"]`:
//! the `.wasm` file is the component. `cargo test` runs its logic natively, against [`testing::Harness`].
//!
//! What the host promises and refuses is written in the contract, `wit/*.wit`: all of it holds here, too.

#[doc(hidden)]
pub mod bindings;
pub mod clock;
mod config;
mod error;
mod exchange;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod export;
mod filter;
mod header_value;
mod host;
pub mod http_client;
pub mod log;
#[cfg(not(target_family = "wasm"))]
mod memory;
mod message;
pub mod metrics;
mod plan;
pub mod random;
pub mod rate_limit;
mod reply;
pub mod rules;
pub mod secrets;
#[doc(hidden)]
pub mod stateful;
pub mod store;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod values;

pub use bindings::exports::sluice::filter::filter::{BodyMode, Ending, Outcome, Phases, Plan};
pub use bindings::sluice::filter::exchange_facts::Value;
pub use bindings::sluice::filter::types::{BodyDecision, ChunkDecision, Decision, Position, Reply};
pub use config::NoConfig;
pub use error::Error;
pub use exchange::Exchange;
pub use filter::Filter;
pub use header_value::HeaderValue;
pub use message::{Request, Response, Trailers};
pub use stateful::Stateful;

/// Makes a component of an `impl Filter for …`, and fills in what it leaves out.
///
/// - `PLAN` follows from the methods that are defined: a phase whose method is missing is never called and costs nothing. A
///   chunk method streams the body. A body method buffers it whole, up to a limit that the attribute names:
///   `#[filter(request_body = 65_536)]`, `#[filter(response_body = 1024 * 1024)]`.
/// - `Config` is [`NoConfig`], `State` is `()`.
/// - `configure` makes the filter by its `Default`.
///
/// `#[filter(state)]` exports what the filter's implementation of [`Stateful`] hands to the next version, too.
///
/// Where the plan depends on the configuration, [`Filter::plan`] says so.
///
/// ```
/// use sluice_filter::testing::{self, Harness, json};
/// use sluice_filter::{BodyDecision, Exchange, Filter, Reply, Request, filter};
///
/// #[derive(Default)]
/// struct OnlyText;
///
/// #[filter(request_body = 65_536)]
/// impl Filter for OnlyText {
///     fn on_request_body(&mut self, _: &mut Request, body: Vec<u8>, _: &mut Exchange) -> BodyDecision {
///         match std::str::from_utf8(&body) {
///             Ok(_) => BodyDecision::Pass,
///             Err(_) => BodyDecision::Reply(Reply::new(415)),
///         }
///     }
/// }
///
/// let mut only_text = Harness::<OnlyText>::configure(json!(null))?;
/// let refused = only_text.exchange().request(testing::Request::post("/").body(b"\xff")).run();
/// assert_eq!(refused.reply().map(|reply| reply.status()), Some(415));
/// let too_long = only_text.exchange().request(testing::Request::post("/").body([b'a'; 65_537])).run();
/// assert_eq!(too_long.response().map(|response| response.status()), Some(413));
/// # Ok::<(), sluice_filter::Error>(())
/// ```
pub use sluice_filter_macros::filter;

/// Exports a type that implements [`Filter`] by hand as the component's filter. One per crate; the attribute
/// [`filter`](macro@filter) does it by itself. Natively it does nothing. `export!(Type, state)` exports its state, too, which takes
/// an implementation of [`Stateful`].
///
/// ```
/// # use sluice_filter::{Error, Filter, NoConfig, Plan};
/// struct Nothing;
///
/// impl Filter for Nothing {
///     type Config = NoConfig;
///     type State = ();
///     const PLAN: Plan = Plan::NOTHING;
///
///     fn configure(_: NoConfig) -> Result<Self, Error> {
///         Ok(Self)
///     }
/// }
///
/// sluice_filter::export!(Nothing);
/// ```
#[macro_export]
macro_rules! export {
    ($filter:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            ::std::thread_local! {
                static SLOT: $crate::export::Slot<$filter> = const { $crate::export::slot() };
            }

            impl $crate::export::Instance for $filter {
                const SLOT: &'static ::std::thread::LocalKey<$crate::export::Slot<Self>> = &SLOT;
            }

            type Component = $crate::export::Component<$filter>;
    $crate::bindings::export_artifact!(Component with_types_in $crate::bindings);
        };
    };
    ($filter:ty, state) => {
        $crate::export!($filter);

        impl $crate::stateful::Exported for $filter {}

        const _: () = $crate::stateful::check::<$filter>();

        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::export::Component<$filter>;
    $crate::bindings::stateful::export_state!(Component with_types_in $crate::bindings::stateful);
        };
    };
}
