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

/// Where code of a core module is in its sources: for each function and its offset the lines of one text, innermost first; none where
/// nothing is known. `places` has function and offset in turn.
///
/// # Errors
///
/// When the bytes are no module.
#[wasm_bindgen]
pub fn symbolize(module: &[u8], places: &[u32]) -> Result<Vec<String>, String> {
    let symbols = crate::Symbols::read(module).map_err(|refusal| refusal.to_string())?;
    let text = |place: &[u32]| match *place {
        [function, offset] => symbols.at(function, offset).join("\n"),
        _ => String::new(),
    };
    Ok(places.chunks(2).map(text).collect())
}

fn rewrite(module: &[u8], limits: Limits) -> Result<Vec<u8>, String> {
    crate::rewrite(module, limits).map_err(|refusal| refusal.to_string())
}
