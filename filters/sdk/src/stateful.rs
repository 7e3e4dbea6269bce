use crate::{Error, Filter};

/// A filter that hands what it has learned to the version after it: an implementation beside that of [`Filter`], whose attribute
/// then says `#[filter(state)]`.
///
/// When a swap puts another version of the filter in the place of this one, each worker calls [`save`](Self::save) on one
/// instance, and then [`restore`](Self::restore) on every instance of the new version, those made later among them. Both versions
/// have to be stateful. All that can go wrong is logged, and the new version begins without: a swap is never refused for it.
///
/// ```
/// use sluice_filter::testing::{Handover, Harness, json};
/// use sluice_filter::{Decision, Error, Exchange, Filter, Request, Stateful, filter};
///
/// #[derive(Default)]
/// struct Count {
///     requests: u64,
/// }
///
/// #[filter(state)]
/// impl Filter for Count {
///     fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
///         self.requests += 1;
///         request.set_header("x-count", self.requests.to_string());
///         Decision::Proceed
///     }
/// }
///
/// impl Stateful for Count {
///     fn save(&self) -> Vec<u8> {
///         self.requests.to_le_bytes().to_vec()
///     }
///
///     fn restore(&mut self, _: &str, state: &[u8]) -> Result<(), Error> {
///         let bytes = state.try_into().map_err(|_| "the state of a count is 8 bytes long")?;
///         self.requests = u64::from_le_bytes(bytes);
///         Ok(())
///     }
/// }
///
/// let mut count = Harness::<Count>::configure(json!(null))?;
/// count.exchange().run();
///
/// // The same type stands for the next version here: its configuration is another one.
/// let mut next = count.swap_to::<Count>(json!({}))?;
/// assert_eq!(next.handover(), Some(&Handover::Restored));
/// assert_eq!(next.exchange().run().request().unwrap().header("x-count").unwrap(), "2");
/// # Ok::<(), Error>(())
/// ```
pub trait Stateful: Filter + Exported {
    /// What this instance hands on; empty for nothing. It is called outside of an exchange, and the instance goes on serving.
    ///
    /// The version that reads it may be older than this one: a rollback is a swap, too.
    fn save(&self) -> Vec<u8>;

    /// Takes over what another version has saved. Called at the most once, after `configure` and before any exchange, and never
    /// with an empty state. `digest` is the SHA-256 of the component that saved it, in lower-case hexadecimal digits.
    ///
    /// An error is a sentence for the operator: the instance begins as `configure` has left it, so look at the whole state before
    /// you take over a part of it.
    fn restore(&mut self, digest: &str, state: &[u8]) -> Result<(), Error>;
}

/// Says that a filter's component exports its state. The attribute implements it, so that none can be stateful and not be asked:
///
/// ```compile_fail
/// # use sluice_filter::{Error, Filter, Stateful, filter};
/// #[derive(Default)]
/// struct Forgotten;
///
/// #[filter]
/// impl Filter for Forgotten {}
///
/// impl Stateful for Forgotten {
///     fn save(&self) -> Vec<u8> {
///         Vec::new()
///     }
///
///     fn restore(&mut self, _: &str, _: &[u8]) -> Result<(), Error> {
///         Ok(())
///     }
/// }
/// ```
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the component of `{Self}` does not export its state",
    label = "write `#[filter(state)]` where `Filter` is implemented"
)]
pub trait Exported {}

/// For the attribute: a filter that exports a state has to have one.
#[doc(hidden)]
pub const fn check<F: Stateful>() {}
