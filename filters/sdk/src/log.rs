//! Lines in the host's log, marked with the filter's name and the request id.
//!
//! ```
//! # use sluice_filter::{Decision, Exchange, Filter, Request, filter, log, testing::{self, Harness, json}};
//! # #[derive(Default)]
//! # struct Watch;
//! #[filter]
//! impl Filter for Watch {
//!     fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
//!         log::info("seen", &[("path", &request.path())]);
//!         Decision::Proceed
//!     }
//! }
//!
//! let exchange = Harness::<Watch>::configure(json!(null))?.exchange().request(testing::Request::get("/a")).run();
//! assert_eq!(exchange.log()[0].message, "seen");
//! assert_eq!(exchange.log()[0].attribute("path"), Some("/a"));
//! # Ok::<(), sluice_filter::Error>(())
//! ```

use crate::host;

pub use crate::bindings::sluice::filter::log::Level;

/// Whether a line of this level would be kept: to save the work of making it.
///
/// ```
/// # use sluice_filter::log::{self, Level};
/// assert!(log::enabled(Level::Error));
/// ```
#[inline]
pub fn enabled(level: Level) -> bool {
    host::log::enabled(level)
}

/// Writes a line. Never fails and never waits. The attributes are logged as data, not as text.
///
/// ```
/// # use sluice_filter::{log::{self, Level}, testing::logged};
/// let lines = logged(|| log::log(Level::Warn, "refused", &[("reason", "expired")]));
/// assert_eq!(lines[0].attribute("reason"), Some("expired"));
/// ```
#[inline]
pub fn log(level: Level, message: &str, attributes: &[(&str, &str)]) {
    host::log::log(level, message, attributes);
}

macro_rules! levels {
    ($($name:ident $level:ident $doc:literal)*) => {$(
        #[doc = $doc]
        ///
        /// ```
        /// # use sluice_filter::{log::{self, Level}, testing::logged};
        #[doc = concat!("let lines = logged(|| log::", stringify!($name), "(\"seen\", &[]));")]
        #[doc = concat!("assert_eq!((lines[0].level, lines[0].message.as_str()), (Level::", stringify!($level), ", \"seen\"));")]
        /// ```
        #[inline]
        pub fn $name(message: &str, attributes: &[(&str, &str)]) {
            log(Level::$level, message, attributes);
        }
    )*};
}

levels! {
    trace Trace "Writes a line that matters to nobody but the filter's author."
    debug Debug "Writes a line that helps to find out why."
    info Info "Writes a line about something that is as it should be."
    warn Warn "Writes a line about something that somebody should look at."
    error Error "Writes a line about something that is broken."
}
