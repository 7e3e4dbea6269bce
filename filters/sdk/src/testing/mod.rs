//! An exchange in memory: a filter's logic under plain `cargo test`, without a component and without a proxy.
//!
//! The harness keeps to the contract: edits take effect when a call returns, a refused edit fails the call, a panic counts as
//! a trap, a failed exchange costs the instance, and only phases that the plan names are called.
//!
//! ```
//! use sluice_filter::testing::{Harness, Request, Response, json};
//! # use sluice_filter::{Decision, Exchange, Filter, filter};
//! # #[derive(Default)]
//! # struct Mark;
//! # #[filter]
//! # impl Filter for Mark {
//! #     fn on_request(&mut self, request: &mut sluice_filter::Request, _: &mut Exchange) -> Decision {
//! #         request.set_header("x-mark", "1");
//! #         Decision::Proceed
//! #     }
//! # }
//!
//! let mut filter = Harness::<Mark>::configure(json!(null))?;
//! let exchange = filter.exchange().request(Request::get("/a")).response(Response::new(404)).run();
//! assert_eq!(exchange.request().unwrap().header("x-mark").unwrap(), "1");
//! assert_eq!(exchange.response().unwrap().status(), 404);
//! # Ok::<(), sluice_filter::Error>(())
//! ```
//!
//! Names and values that a filter exchanges with the outside world are those of the crate's root; only `Request` and
//! `Response` are builders here.

mod drive;
mod facts;
mod handover;
mod harness;
mod message;
mod report;
mod setup;
mod side;

pub use crate::memory::exchange_facts::Facts;
pub use crate::memory::log::Line;
pub use handover::Handover;
pub use harness::Harness;
pub use message::{Request, Response, trailers};
pub use report::{Failure, Report};
pub use serde_json::json;
pub use setup::{ExchangeSetup, Setup};

use crate::memory::{Stage, World, enter, trap};

/// Runs `check` as `configure` would be run: for code that is called from there and is no filter.
///
/// ```
/// # use sluice_filter::{metrics::Counter, testing::configuring};
/// configuring(|| assert!(Counter::declare("hits_total", "Hits.", &[]).is_ok()));
/// ```
pub fn configuring<R>(check: impl FnOnce() -> R) -> R {
    enter(&mut World::default(), Stage::Configure, check).unwrap_or_else(|sentence| trap(&sentence))
}

/// What `code` logs: for code that is called from a phase and is no filter.
///
/// ```
/// # use sluice_filter::{log, testing::logged};
/// assert_eq!(logged(|| log::info("seen", &[]))[0].message, "seen");
/// ```
pub fn logged(code: impl FnOnce()) -> Vec<Line> {
    let mut world = World::default();
    enter(&mut world, Stage::Exchange, code).unwrap_or_else(|sentence| trap(&sentence));
    world.lines
}
