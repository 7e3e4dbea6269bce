use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::exchange_facts::Facts;
use super::http_client::Upstream;
use super::log::Line;
use super::metrics::Registry;
use super::store::Entry;

/// What a call is part of: some imports belong to one stage only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Outside,
    Configure,
    Exchange,
    /// A state is saved or restored.
    Handover,
}

/// Everything that the host keeps for a filter.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) facts: Facts,
    pub(crate) lines: Vec<Line>,
    pub(crate) metrics: Registry,
    pub(crate) now_ns: u64,
    pub(crate) monotonic_ns: u64,
    pub(crate) seed: u64,
    pub(crate) store: BTreeMap<Vec<u8>, Entry>,
    /// The store's server does not answer.
    pub(crate) store_gone: bool,
    pub(crate) allowances: BTreeMap<Vec<u8>, u64>,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    pub(crate) secrets: BTreeMap<String, Vec<u8>>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            stage: Stage::default(),
            facts: Facts::default(),
            lines: Vec::new(),
            metrics: Registry::default(),
            // 2026-01-01T00:00:00Z: a test must not depend on when it runs.
            now_ns: 1_767_225_600_000_000_000,
            monotonic_ns: 1_000_000_000,
            seed: 0,
            store: BTreeMap::new(),
            store_gone: false,
            allowances: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

/// The world of the present call. Code outside of a harness has one that is empty.
pub(crate) fn with<R>(look: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(look)
}

/// Makes a call of the filter in this world. A panic is what a trap is in a component; its message comes back.
pub(crate) fn enter<R>(world: &mut World, stage: Stage, call: impl FnOnce() -> R) -> Result<R, String> {
    world.stage = stage;
    WORLD.with_borrow_mut(|present| std::mem::swap(present, world));
    let result = catch_unwind(AssertUnwindSafe(call));
    WORLD.with_borrow_mut(|present| std::mem::swap(present, world));
    world.stage = Stage::Outside;
    result.map_err(|payload| match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => {
            payload.downcast::<&str>().map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned())
        }
    })
}

/// What the host does when a filter breaks the rules of an import.
#[expect(clippy::panic, reason = "natively, a panic is the trap that the contract speaks of")]
pub(crate) fn trap(sentence: &str) -> ! {
    panic!("{sentence}")
}
