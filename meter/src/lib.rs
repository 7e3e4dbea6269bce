//! Rewrites a core WebAssembly module so that its execution consumes fuel and its memory has a maximum.
//!
//! **Fuel** is an exported mutable i32 that the host sets before a call. Code is paid for before it runs: at the entry of
//! each function, at the head of each loop, and where control flow has parted. Who cannot pay traps, with a negative
//! number in the global: that tells the end of the fuel from every other trap.
//!
//! **Nothing is renumbered.** Types, functions, globals, locals and exports are only added behind those that are there,
//! and instructions are copied byte for byte. So names stay right as they are, and what moves is code offsets alone: the
//! custom section [`OFFSETS`] maps them back.

mod code;
mod cost;
mod edit;
mod function;
mod module;
mod offsets;
mod refusal;
mod sections;
mod symbols;

#[cfg(target_arch = "wasm32")]
mod bindings;

#[cfg(target_arch = "wasm32")]
pub use bindings::{meter, symbolize, unmetered};
pub use module::{Limits, Metering, rewrite};
pub use offsets::original_offset;
pub use refusal::Refusal;
pub use symbols::Symbols;

/// The exported global that holds the fuel that is left: a mutable i32.
pub const FUEL: &str = "sluice-meter:fuel";

/// The exported global that [`REFUEL`] and [`CALL`] set the fuel to: a mutable i32.
pub const FUEL_LIMIT: &str = "sluice-meter:fuel-limit";

/// The exported global that counts how often memory was refused in the present call: a mutable i32.
pub const GROWS_REFUSED: &str = "sluice-meter:grows-refused";

/// The exported function, without parameters and results, that begins a call: fuel is full, and no memory was refused.
pub const REFUEL: &str = "sluice-meter:refuel";

/// What the names of exported functions are prefixed with to get the same ones with a [`REFUEL`] before each call.
///
/// They are for the host alone. It never hands them to another module: who could call them from within a call would
/// never run out.
pub const CALL: &str = "sluice-meter:call ";

/// The custom section that maps code offsets of the rewritten module to those of the original one.
pub const OFFSETS: &str = "sluice-meter:offsets";
