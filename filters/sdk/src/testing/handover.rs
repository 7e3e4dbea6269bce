use serde::Serialize;

use super::harness::Harness;
use crate::memory::limits::STATE_BYTES;
use crate::memory::{Stage, World, enter};
use crate::{Error, Filter, Stateful};

/// What came of a hand-over, as the host would log it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// Every instance begins with the state.
    Restored,
    /// There was nothing to hand over: `save` gave no bytes.
    Nothing,
    /// `save` panicked, with this message.
    SaveTrapped(String),
    /// The state has so many bytes, which are more than the host takes.
    TooLong(usize),
    /// `restore` refused the state, with this sentence.
    Refused(String),
    /// `restore` panicked, with this message.
    RestoreTrapped(String),
}

/// A state on its way to the instances of a filter.
pub(super) struct Handed<F> {
    state: Vec<u8>,
    restore: fn(&mut F, &str, &[u8]) -> Result<(), Error>,
}

/// There is no component here that could have one.
const DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl<F: Filter> Handed<F> {
    /// Calls `restore` on an instance. The one after a trap is not to be used any more.
    pub(super) fn restore(&self, world: &mut World, filter: &mut F) -> Handover {
        match enter(world, Stage::Handover, || (self.restore)(filter, DIGEST, &self.state)) {
            Ok(Ok(())) => Handover::Restored,
            Ok(Err(sentence)) => Handover::Refused(sentence.to_string()),
            Err(message) => Handover::RestoreTrapped(message),
        }
    }
}

/// ```
/// # use sluice_filter::testing::{Handover, Harness, json};
/// # use sluice_filter::{Error, Filter, NoConfig, Stateful, filter};
/// #[derive(Default)]
/// struct Greeting(String);
///
/// #[filter(state)]
/// impl Filter for Greeting {}
///
/// impl Stateful for Greeting {
///     fn save(&self) -> Vec<u8> {
///         b"hello".to_vec()
///     }
///
///     fn restore(&mut self, _: &str, state: &[u8]) -> Result<(), Error> {
///         self.0 = std::str::from_utf8(state).map_err(|_| "this is no text")?.to_owned();
///         Ok(())
///     }
/// }
///
/// let next = Harness::<Greeting>::configure(json!(null))?.swap_to::<Greeting>(json!(null))?;
/// assert_eq!(next.filter().0, "hello");
/// assert_eq!(next.handover(), Some(&Handover::Restored));
/// # Ok::<(), Error>(())
/// ```
impl<F: Stateful> Harness<F> {
    /// Puts another version in the place of this one, as a swap does: this instance saves, and every instance of the other
    /// version gets the state, those that replace one among them. What is in the store stays. Where the other version is this one with another
    /// configuration, it is the same type.
    pub fn swap_to<N: Stateful>(mut self, config: impl Serialize) -> Result<Harness<N>, Error> {
        let saved = match self.refresh() {
            Ok(()) => enter(&mut self.world, Stage::Handover, || self.filter.save()),
            Err(error) => Err(error.to_string()),
        };
        let (handed, why_not) = match saved {
            Err(message) => (None, Some(Handover::SaveTrapped(message))),
            Ok(state) if state.is_empty() => (None, Some(Handover::Nothing)),
            Ok(state) if state.len() > STATE_BYTES => (None, Some(Handover::TooLong(state.len()))),
            Ok(state) => (Some(Handed { state, restore: N::restore }), None),
        };
        let mut next = Harness::<N>::handing(self.world, config, handed)?;
        if why_not.is_some() {
            next.handover = why_not;
        }
        Ok(next)
    }
}
