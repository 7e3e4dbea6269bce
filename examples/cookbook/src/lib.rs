//! The filters of docs/filters/cookbook.md, as they stand there, with their tests.
//!
//! A component is one filter. This crate's is `keys`; the others are compiled and tested natively alone.

pub mod keys;

#[cfg(not(target_family = "wasm"))]
pub mod links;
#[cfg(not(target_family = "wasm"))]
pub mod logins;
#[cfg(not(target_family = "wasm"))]
pub mod orders;
#[cfg(not(target_family = "wasm"))]
pub mod proxy_wasm;
#[cfg(not(target_family = "wasm"))]
pub mod sessions;
#[cfg(not(target_family = "wasm"))]
pub mod shards;
#[cfg(not(target_family = "wasm"))]
pub mod sizes;
#[cfg(not(target_family = "wasm"))]
pub mod tenants;
#[cfg(not(target_family = "wasm"))]
pub mod typical;
#[cfg(not(target_family = "wasm"))]
pub mod versions;
