//! Rewritten modules, run by an interpreter.

mod bounds;
mod random;
mod run;
