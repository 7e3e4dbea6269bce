//! Sections that are lists, with something added at their end.

use wasm_encoder::Encode;

use crate::refusal::Refusal;

/// A list of items as a section has it.
#[derive(Debug, Default)]
pub(crate) struct List {
    count: u32,
    items: Vec<u8>,
}

impl List {
    /// Takes a section's contents as they are.
    pub(crate) fn read(contents: &[u8]) -> Result<Self, Refusal> {
        let mut reader = wasmparser::BinaryReader::new(contents, 0);
        let count = reader.read_var_u32()?;
        let items = contents.get(reader.current_position()..).unwrap_or_default().to_vec();
        Ok(Self { count, items })
    }

    /// Adds an item, and gives its number within the list.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u32 {
        write(&mut self.items);
        self.count += 1;
        self.count - 1
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.items.len() + 5);
        self.count.encode(&mut bytes);
        bytes.extend_from_slice(&self.items);
        bytes
    }
}

/// Writes limits whose maximum is never left out.
pub(crate) fn write_limits(sink: &mut Vec<u8>, minimum: u64, maximum: u64) {
    sink.push(1);
    minimum.encode(sink);
    maximum.encode(sink);
}
