//! The host in memory: every function of the contract, for tests that run natively. What it holds belongs to one
//! `World` per thread, which the harness puts in place for the time of a call.

pub(crate) mod exchange_facts;
pub(crate) mod http_client;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod rate_limit;
pub(crate) mod store;
pub(crate) mod types;
mod world;

pub(crate) use world::{Stage, World, enter, trap};

pub(crate) mod clock {
    use super::world::with;

    pub(crate) fn now_ns() -> u64 {
        with(|world| world.now_ns)
    }

    pub(crate) fn monotonic_ns() -> u64 {
        with(|world| world.monotonic_ns)
    }
}

pub(crate) mod random {
    use super::world::{trap, with};

    const BYTES_MAX: u32 = 65_536;

    pub(crate) fn bytes(length: u32) -> Vec<u8> {
        if length > BYTES_MAX {
            trap(&format!("random.bytes: {length} are more than {BYTES_MAX}"));
        }
        (0..length).map(|_| next().to_le_bytes()[0]).collect()
    }

    /// SplitMix64: the same numbers in every run, so that a failing test fails again.
    pub(crate) fn next() -> u64 {
        with(|world| {
            world.seed = world.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut number = world.seed;
            number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            number ^ (number >> 31)
        })
    }
}

pub(crate) mod secrets {
    use super::world::with;

    pub(crate) fn secret(name: &str) -> Option<Vec<u8>> {
        with(|world| world.secrets.get(name).cloned())
    }
}
