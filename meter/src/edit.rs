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

/// Where a function has its fuel. A function that loops keeps it in a local, which the compiler keeps in a register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purse {
    pub(crate) global: u32,
    pub(crate) local: Option<u32>,
    /// A local for the length of a bulk operation.
    pub(crate) scratch: u32,
    pub(crate) grow: u32,
}

impl Purse {
    /// At a function's entry the local has nothing yet.
    pub(crate) fn enter(&self, sink: &mut Vec<u8>, cost: u32) {
        match self.local {
            Some(local) => {
                Instruction::GlobalGet(self.global).encode(sink);
                self.pay(sink, local, &[Instruction::I32Const(cost.cast_signed())]);
            }
            None => self.charge(sink, cost),
        }
    }

    pub(crate) fn charge(&self, sink: &mut Vec<u8>, cost: u32) {
        self.withdraw(sink, &[Instruction::I32Const(cost.cast_signed())]);
    }

    pub(crate) fn charge_bulk(&self, sink: &mut Vec<u8>, bulk: Bulk) {
        let shift = match bulk {
            Bulk::Bytes => BYTES_SHIFT,
            Bulk::Elements => ELEMENTS_SHIFT,
        };
        Instruction::LocalSet(self.scratch).encode(sink);
        let cost = [Instruction::LocalGet(self.scratch), Instruction::I32Const(shift), Instruction::I32ShrU];
        self.withdraw(sink, &cost);
        Instruction::LocalGet(self.scratch).encode(sink);
    }

    pub(crate) fn flush(&self, sink: &mut Vec<u8>) {
        let Some(local) = self.local else { return };
        Instruction::LocalGet(local).encode(sink);
        Instruction::GlobalSet(self.global).encode(sink);
    }

    pub(crate) fn reload(&self, sink: &mut Vec<u8>) {
        let Some(local) = self.local else { return };
        Instruction::GlobalGet(self.global).encode(sink);
        Instruction::LocalSet(local).encode(sink);
    }

    fn withdraw(&self, sink: &mut Vec<u8>, cost: &[Instruction<'_>]) {
        match self.local {
            Some(local) => {
                Instruction::LocalGet(local).encode(sink);
                self.pay(sink, local, cost);
            }
            None => {
                Instruction::GlobalGet(self.global).encode(sink);
                encode_all(sink, cost);
                let trap_when_negative = [
                    Instruction::I32Sub,
                    Instruction::GlobalSet(self.global),
                    Instruction::GlobalGet(self.global),
                    Instruction::I32Const(0),
                    Instruction::I32LtS,
                    Instruction::If(BlockType::Empty),
                    Instruction::Unreachable,
                    Instruction::End,
                ];
                encode_all(sink, &trap_when_negative);
            }
        }
    }

    /// The fuel is on the stack.
    fn pay(&self, sink: &mut Vec<u8>, local: u32, cost: &[Instruction<'_>]) {
        encode_all(sink, cost);
        let trap_when_negative = [
            Instruction::I32Sub,
            Instruction::LocalTee(local),
            Instruction::I32Const(0),
            Instruction::I32LtS,
            Instruction::If(BlockType::Empty),
            Instruction::LocalGet(local),
            Instruction::GlobalSet(self.global),
            Instruction::Unreachable,
            Instruction::End,
        ];
        encode_all(sink, &trap_when_negative);
    }
}

pub(crate) fn encode_all(sink: &mut Vec<u8>, instructions: &[Instruction<'_>]) {
    for instruction in instructions {
        instruction.encode(sink);
    }
}
