//! Where a call to the host ends: in a component at the imports that wit-bindgen has generated, natively at `memory`, which
//! has the same functions. Nothing else in the SDK asks what it was compiled for.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::sluice::filter::{
    clock, exchange_facts, http_client, log, metrics, random, rate_limit, secrets, store, types,
};
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::memory::{
    clock, exchange_facts, http_client, log, metrics, random, rate_limit, secrets, store, types,
};

/// A message that the host lends for one call. In a component the generated code gives its handle back after the call, so
/// that the SDK's own type in front of it must not.
#[cfg(target_family = "wasm")]
pub(crate) type Lent<T> = std::mem::ManuallyDrop<T>;
#[cfg(not(target_family = "wasm"))]
pub(crate) type Lent<T> = T;
