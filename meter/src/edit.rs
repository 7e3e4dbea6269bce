//! What is put into a function's code, and how its bytes and offsets follow.

use wasm_encoder::{BlockType, Encode, Instruction};

use crate::cost::{BYTES_SHIFT, ELEMENTS_SHIFT};

/// A change at one place of a function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edit {
    /// The offset, within the function's body, of the byte that this goes before.
    pub(crate) at: usize,
    /// How many bytes from there on are dropped.
    pub(crate) dropped: usize,
    pub(crate) change: Change,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// Pays for the segment of this number.
    Charge(usize),
    /// Pays for a bulk operation, whose length is on top of the stack.
    ChargeBulk(Bulk),
    /// Puts the fuel where others find it.
    Flush,
    /// Takes the fuel that others have left.
    Reload,
    /// Calls the function that grows the memory.
    Grow,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Bulk {
    Bytes,
    Elements,
}

/// Where a function has its fuel. One that loops keeps it in a local, which the compiler keeps in a register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purse {
    pub(crate) global: u32,
    pub(crate) local: u32,
    /// Whether the fuel is in the local between what is paid. Otherwise the local serves to look at it.
    pub(crate) keeps: bool,
    /// A local for the length of a bulk operation.
    pub(crate) length: u32,
    pub(crate) grow: u32,
}

impl Purse {
    /// At a function's entry the local has nothing yet.
    pub(crate) fn enter(&self, sink: &mut Vec<u8>, cost: u32) {
        Instruction::GlobalGet(self.global).encode(sink);
        self.pay(sink, &[Instruction::I32Const(cost.cast_signed())]);
    }

    /// Pays, or traps.
    pub(crate) fn charge(&self, sink: &mut Vec<u8>, cost: u32) {
        self.get().encode(sink);
        self.pay(sink, &[Instruction::I32Const(cost.cast_signed())]);
    }

    /// Pays, and leaves it to the next check whether that could be.
    pub(crate) fn take(&self, sink: &mut Vec<u8>, cost: u32) {
        let set =
            if self.keeps { Instruction::LocalSet(self.local) } else { Instruction::GlobalSet(self.global) };
        encode_all(sink, &[self.get(), Instruction::I32Const(cost.cast_signed()), Instruction::I32Sub, set]);
    }

    pub(crate) fn charge_bulk(&self, sink: &mut Vec<u8>, bulk: Bulk) {
        let shift = match bulk {
            Bulk::Bytes => BYTES_SHIFT,
            Bulk::Elements => ELEMENTS_SHIFT,
        };
        let cost = [Instruction::LocalGet(self.length), Instruction::I32Const(shift), Instruction::I32ShrU];
        Instruction::LocalSet(self.length).encode(sink);
        self.get().encode(sink);
        self.pay(sink, &cost);
        Instruction::LocalGet(self.length).encode(sink);
    }

    pub(crate) fn flush(&self, sink: &mut Vec<u8>) {
        if self.keeps {
            encode_all(sink, &[Instruction::LocalGet(self.local), Instruction::GlobalSet(self.global)]);
        }
    }

    pub(crate) fn reload(&self, sink: &mut Vec<u8>) {
        if self.keeps {
            encode_all(sink, &[Instruction::GlobalGet(self.global), Instruction::LocalSet(self.local)]);
        }
    }

    fn get(&self) -> Instruction<'static> {
        if self.keeps { Instruction::LocalGet(self.local) } else { Instruction::GlobalGet(self.global) }
    }

    /// The fuel is on the stack.
    fn pay(&self, sink: &mut Vec<u8>, cost: &[Instruction<'_>]) {
        encode_all(sink, cost);
        encode_all(sink, &[Instruction::I32Sub, Instruction::LocalTee(self.local)]);
        if !self.keeps {
            encode_all(sink, &[Instruction::GlobalSet(self.global), Instruction::LocalGet(self.local)]);
        }
        encode_all(sink, &[Instruction::I32Const(0), Instruction::I32LtS, Instruction::If(BlockType::Empty)]);
        self.flush(sink);
        encode_all(sink, &[Instruction::Unreachable, Instruction::End]);
    }
}

pub(crate) fn encode_all(sink: &mut Vec<u8>, instructions: &[Instruction<'_>]) {
    for instruction in instructions {
        instruction.encode(sink);
    }
}
