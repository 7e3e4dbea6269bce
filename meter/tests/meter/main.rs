//! Rewritten modules, run by an interpreter.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod bounds;
mod random;
mod run;
