//! Modules that nobody wrote: rewritten, they stay valid and do what they did.

use std::cell::Cell;

use crate::run::{LIMITS, Outcome, Run};
use sluice_meter::{FUEL, rewrite};
use wasm_smith::{Config, Module};
use wasmi::TrapCode;

#[test]
fn random_modules_do_the_same_before_and_after_and_use_the_same_fuel_each_time() {
    let compared = Cell::new(0);
    let paid = Cell::new(0);
    for seed in 0..MODULES {
        let Some(module) = random(seed) else { continue };
        let (Some(mut before), Some(mut after), Some(mut again)) =
            (Run::start(&module), Run::metered(&module), Run::metered(&module))
        else {
            continue;
        };
        for (name, arguments) in before.calls(seed) {
            let outcome = before.call(&name, &arguments);
            let called = format!("{CALL}{name}");
            let metered = after.call(&called, &arguments);
            let repeated = again.call(&called, &arguments);
            if [&outcome, &metered, &repeated].contains(&&Outcome::StackOverflow) {
                break;
            }
            assert_eq!(outcome, metered, "module {seed}, function {name}");
            assert_eq!(before.globals(), after.globals(), "module {seed}, after {name}");
            assert!(before.memory() == after.memory(), "module {seed}: another memory after {name}");
            assert_eq!(after.global(FUEL), again.global(FUEL), "module {seed}, the fuel of {name}");
            assert_eq!(metered, repeated, "module {seed}, function {name} again");
            compared.set(compared.get() + 1);
            if after.global(FUEL) != Some(i32::MAX) {
                paid.set(paid.get() + 1);
            }
            if matches!(outcome, Outcome::Trap(TrapCode::UnreachableCodeReached)) {
                // What a trap leaves behind is compared, but nobody calls after it.
                break;
            }
        }
    }
    assert!(compared.get() > 250, "only {} calls were compared", compared.get());
    assert!(paid.get() > 150, "only {} calls cost fuel", paid.get());
}

#[test]
fn random_modules_of_all_that_may_be_stay_valid() {
    let mut valid = 0;
    for seed in 0..MODULES {
        let mut config = config(seed);
        config.simd_enabled = true;
        config.relaxed_simd_enabled = true;
        config.min_imports = 3;
        config.max_imports = 12;
        let Some(module) = generate(seed, config) else { continue };
        match rewrite(&module, LIMITS) {
            Ok(rewritten) => {
                wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::default())
                    .validate_all(&rewritten)
                    .unwrap_or_else(|error| panic!("module {seed}: {error}"));
                valid += 1;
            }
            Err(refusal) => {
                let sentence = refusal.to_string();
                assert!(
                    sentence.starts_with("has ") || sentence.starts_with("needs "),
                    "module {seed}: {sentence}"
                );
            }
        }
    }
    assert!(valid > 200, "only {valid} modules were rewritten");
}

const MODULES: u64 = 400;
const CALL: &str = sluice_meter::CALL;

/// One that ends: it has a counter of its own, which the rewriting leaves alone.
fn random(seed: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let config = config(seed);
    let mut module = Module::new(config, &mut arbitrary::Unstructured::new(&noise(seed))).ok()?;
    module.ensure_termination(1_000).ok()?;
    bytes.extend_from_slice(&module.to_bytes());
    Some(bytes)
}

fn generate(seed: u64, config: Config) -> Option<Vec<u8>> {
    Some(Module::new(config, &mut arbitrary::Unstructured::new(&noise(seed))).ok()?.to_bytes())
}

fn config(seed: u64) -> Config {
    Config {
        min_funcs: 2,
        max_funcs: 12,
        max_instructions: 400,
        min_exports: 2,
        max_imports: 0,
        min_memories: u32::from(!seed.is_multiple_of(3)),
        max_memories: 1,
        max_memory32_bytes: 12 << 16,
        max_tables: 2,
        max_table_elements: 1_000,
        export_everything: true,
        bulk_memory_enabled: true,
        reference_types_enabled: true,
        tail_call_enabled: true,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        custom_page_sizes_enabled: false,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// Bytes that are the same on every machine.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
    (0..8_192)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}
