//! What JavaScript sees of it.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Limits, Metering};

/// Rewrites a core module: see `rewrite`. Throws a string that says why it cannot be.
///
/// # Errors
///
/// As `rewrite`.
#[wasm_bindgen]
pub fn meter(module: &[u8], memory_pages: u32, fuel: u32) -> Result<Vec<u8>, String> {
    rewrite(module, Limits { memory_pages, fuel, metering: Metering::On })
}

/// The same without fuel, to measure what that costs.
///
/// # Errors
///
/// As `rewrite`.
#[wasm_bindgen]
pub fn unmetered(module: &[u8], memory_pages: u32, fuel: u32) -> Result<Vec<u8>, String> {
    rewrite(module, Limits { memory_pages, fuel, metering: Metering::Off })
}

fn rewrite(module: &[u8], limits: Limits) -> Result<Vec<u8>, String> {
    crate::rewrite(module, limits).map_err(|refusal| refusal.to_string())
}
