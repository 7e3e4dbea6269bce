//! Where the code has gone.
//!
//! The custom section `sluice-meter:offsets` lists pairs of offsets in the two modules, both from the module's first byte and
//! both growing. Between two pairs bytes were copied; what was put in stands for the byte that it was put before.
//! The encoding: the number of pairs, then for each the distance from the pair before, in the new and in the old module,
//! all as unsigned LEB128.

use wasm_encoder::Encode;

/// An offset in the rewritten module, and the one in the original module that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) new: u32,
    pub(crate) old: u32,
}

pub(crate) fn encode(anchors: &[Anchor]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(anchors.len() * 3);
    anchors.len().encode(&mut bytes);
    let mut last = Anchor { new: 0, old: 0 };
    for anchor in anchors {
        (anchor.new - last.new).encode(&mut bytes);
        (anchor.old - last.old).encode(&mut bytes);
        last = *anchor;
    }
    bytes
}

/// Reads the contents of the section, and gives the original module's offset for one of the rewritten module.
///
/// None for an offset before all code that was copied, or when the section is none.
#[must_use]
pub fn original_offset(section: &[u8], offset: u32) -> Option<u32> {
    let mut reader = wasmparser::BinaryReader::new(section, 0);
    let count = reader.read_var_u32().ok()?;
    let mut last: Option<Anchor> = None;
    let (mut new, mut old) = (0_u32, 0_u32);
    for _ in 0..count {
        new = new.checked_add(reader.read_var_u32().ok()?)?;
        old = old.checked_add(reader.read_var_u32().ok()?)?;
        if new > offset {
            return last.map(|anchor| (anchor.old + (offset - anchor.new)).min(old));
        }
        last = Some(Anchor { new, old });
    }
    last.map(|anchor| anchor.old + (offset - anchor.new))
}
