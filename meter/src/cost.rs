//! What instructions cost, and which ones there may be.

use wasmparser::Operator;

use crate::refusal::Refusal;

/// A function that costs no more, calls nothing and does not loop is paid for by those who call it. In quarters.
pub(crate) const LEAF_MAX: u32 = 16 * QUARTERS;

/// How many of what [`weight`] gives make a unit of fuel.
const QUARTERS: u32 = 4;

/// Growing memory by a page, in powers of two: the system clears it, and the first touch of each of its parts faults.
pub(crate) const PAGE_SHIFT: i32 = 12;

/// How many bytes, in powers of two, a bulk operation moves for one unit.
pub(crate) const BYTES_SHIFT: i32 = 3;

/// The same for a table's elements. At least 1: a length of 32 bits must not become a negative number.
pub(crate) const ELEMENTS_SHIFT: i32 = 1;

/// Locals and constants are in registers, or in instructions. Yet there may be a million of them.
const FREE: u32 = 1;
const SIMPLE: u32 = QUARTERS;
/// It may miss the caches.
const LOAD: u32 = 2 * QUARTERS;
const DIVISION: u32 = 8 * QUARTERS;
const CALL: u32 = 4 * QUARTERS;
/// Its target may be a function that is paid for by its callers.
const CALL_INDIRECT: u32 = 8 * QUARTERS + LEAF_MAX;
/// The way to the host and back, and what the host does on the guest's behalf.
const CALL_HOST: u32 = 100 * QUARTERS;
const BULK: u32 = 16 * QUARTERS;
const TABLE: u32 = 4 * QUARTERS;
const GROW: u32 = 1_000 * QUARTERS;
/// The head of a loop: what pays for it is code, too.
const LOOP: u32 = 2 * QUARTERS;

/// Units of fuel, which are about the machine instructions that an optimizing compiler makes of the code.
pub(crate) fn units(quarters: u32) -> u32 {
    quarters.div_ceil(QUARTERS)
}

/// Quarters of a unit of fuel.
///
/// `callee` is what the function that a direct call names wants of its callers; none stands for an import.
pub(crate) fn weight(operator: &Operator<'_>, callee: impl Fn(u32) -> Option<u32>) -> u32 {
    use Operator as O;
    let called = |index| callee(index).map_or(CALL_HOST, |leaf| CALL + leaf);
    match operator {
        O::Nop | O::Block { .. } | O::Else | O::End => 0,
        O::Loop { .. } => LOOP,
        O::LocalGet { .. } | O::LocalSet { .. } | O::LocalTee { .. } | O::Drop => FREE,
        O::I32Const { .. } | O::I64Const { .. } | O::F32Const { .. } | O::F64Const { .. } => FREE,
        O::I32Load { .. } | O::I64Load { .. } | O::F32Load { .. } | O::F64Load { .. } => LOAD,
        O::I32Load8S { .. } | O::I32Load8U { .. } | O::I32Load16S { .. } | O::I32Load16U { .. } => LOAD,
        O::I64Load8S { .. } | O::I64Load8U { .. } | O::I64Load16S { .. } | O::I64Load16U { .. } => LOAD,
        O::I64Load32S { .. } | O::I64Load32U { .. } | O::V128Load { .. } => LOAD,
        O::Call { function_index } | O::ReturnCall { function_index } => called(*function_index),
        O::CallIndirect { .. } | O::ReturnCallIndirect { .. } => CALL_INDIRECT,
        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => DIVISION,
        O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => DIVISION,
        O::F32Div | O::F64Div | O::F32Sqrt | O::F64Sqrt => DIVISION,
        O::F32x4Div | O::F64x2Div | O::F32x4Sqrt | O::F64x2Sqrt => DIVISION,
        O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } => BULK,
        O::TableCopy { .. } | O::TableFill { .. } | O::TableInit { .. } => BULK,
        O::TableGet { .. } | O::TableSet { .. } => TABLE,
        O::MemoryGrow { .. } | O::TableGrow { .. } => GROW,
        _ => SIMPLE,
    }
}

/// Refuses instructions of proposals whose cost or memory cannot be bounded here.
pub(crate) fn check(operator: &Operator<'_>) -> Result<(), Refusal> {
    let proposal = proposal(operator);
    let known = matches!(
        proposal,
        "mvp"
            | "sign_extension"
            | "saturating_float_to_int"
            | "bulk_memory"
            | "reference_types"
            | "tail_call"
            | "simd"
            | "relaxed_simd"
            | "wide_arithmetic"
    );
    if known {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "uses instructions of the proposal {}, whose cost cannot be metered",
        proposal.replace('_', "-")
    )))
}

fn proposal(operator: &Operator<'_>) -> &'static str {
    macro_rules! name_of {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $( Operator::$op { .. } => stringify!($proposal), )*
                _ => "unknown",
            }
        };
    }
    wasmparser::for_each_operator!(name_of)
}
