//! The code section: each function's bytes with what is put between them.

use wasm_encoder::{Encode, Instruction};
use wasmparser::FunctionBody;

use crate::edit::{Change, Edit, Purse};
use crate::function::{self, Callee, Survey};
use crate::offsets::Anchor;
use crate::refusal::Refusal;

/// What the rewritten functions need to know of the module.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Functions that are imported; those of the code section come after them.
    pub(crate) imported: u32,
    /// By function of the code section: what it costs its callers, if they pay.
    pub(crate) leaves: Vec<Option<u32>>,
    pub(crate) fuel: u32,
    pub(crate) grow: u32,
}

impl Surroundings {
    fn callee(&self, index: u32) -> Callee {
        let own = index.checked_sub(self.imported).and_then(|index| usize::try_from(index).ok());
        match own.and_then(|own| self.leaves.get(own)) {
            None => Callee::Import,
            Some(None) => Callee::Paying,
            Some(Some(cost)) => Callee::Leaf(*cost),
        }
    }
}

/// A rewritten function with its length before it, and where its parts are; new offsets are relative to its first byte.
pub(crate) struct Rewritten {
    pub(crate) bytes: Vec<u8>,
    pub(crate) anchors: Vec<Anchor>,
}

pub(crate) fn rewrite(
    body: &FunctionBody<'_>,
    parameters: u32,
    leaf: bool,
    surroundings: &Surroundings,
) -> Result<Rewritten, Refusal> {
    let survey = function::survey(body, |index| surroundings.callee(index))?;
    let old = body.as_bytes();
    let start = u32::try_from(body.range().start).map_err(|_| Refusal::new("is larger than 4 GiB"))?;
    let code = code_start(body)?;
    let mut content = Vec::with_capacity(old.len() * 2);
    let mut pieces = vec![(0, code)];
    if leaf {
        content.extend_from_slice(old);
    } else {
        let (locals, groups) = locals(body)?;
        let purse = Purse {
            global: surroundings.fuel,
            local: parameters + locals,
            keeps: survey.loops,
            length: parameters + locals + 1,
            grow: surroundings.grow,
        };
        let added = 1 + u32::from(survey.bulk);
        write_locals(&mut content, groups, old, code, added)?;
        pieces = write_code(&mut content, old, code, &survey, &purse)?;
    }
    let mut bytes = Vec::with_capacity(content.len() + 5);
    content.len().encode(&mut bytes);
    let head = bytes.len();
    bytes.append(&mut content);
    let anchors = pieces
        .into_iter()
        .map(|(new, old)| {
            Some(Anchor { new: u32::try_from(head + new).ok()?, old: start + u32::try_from(old).ok()? })
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Refusal::new("is larger than 4 GiB"))?;
    Ok(Rewritten { bytes, anchors })
}

/// The number of locals, and of groups that they are declared in.
fn locals(body: &FunctionBody<'_>) -> Result<(u32, u32), Refusal> {
    let reader = body.get_locals_reader()?;
    let groups = reader.get_count();
    let mut total = 0_u32;
    for group in reader {
        let (count, _) = group?;
        total =
            total.checked_add(count).ok_or_else(|| Refusal::new("has a function with too many locals"))?;
    }
    Ok((total, groups))
}

fn code_start(body: &FunctionBody<'_>) -> Result<usize, Refusal> {
    let code = body.get_operators_reader()?.original_position();
    usize::try_from(code - body.range().start).map_err(|_| Refusal::new("is larger than 4 GiB"))
}

/// The declarations as they were, and one more group of i32.
fn write_locals(
    content: &mut Vec<u8>,
    groups: u32,
    old: &[u8],
    code: usize,
    added: u32,
) -> Result<(), Refusal> {
    let mut count = wasmparser::BinaryReader::new(old, 0);
    count.read_var_u32()?;
    let declared = old.get(count.current_position()..code).unwrap_or_default();
    (groups + 1).encode(content);
    content.extend_from_slice(declared);
    added.encode(content);
    wasm_encoder::ValType::I32.encode(content);
    Ok(())
}

/// Copies the code with its edits. Gives the places from which on bytes were copied: new and old.
fn write_code(
    content: &mut Vec<u8>,
    old: &[u8],
    code: usize,
    survey: &Survey,
    purse: &Purse,
) -> Result<Vec<(usize, usize)>, Refusal> {
    let mut pieces = vec![(content.len(), code)];
    let mut copied = code;
    let mut entered = false;
    for edit in &survey.edits {
        copy(content, old, copied..edit.at)?;
        copied = edit.at;
        let before = content.len();
        if entered {
            write_edit(content, edit, survey, purse);
        } else {
            // The first edit is the entry's.
            entered = true;
            match survey.costs.first().copied().unwrap_or_default() {
                0 => purse.reload(content),
                cost => purse.enter(content, cost),
            }
        }
        if content.len() != before || edit.dropped > 0 {
            if pieces.last() != Some(&(before, edit.at)) {
                pieces.push((before, edit.at));
            }
            copied = edit.at + edit.dropped;
            pieces.push((content.len(), copied));
        }
    }
    copy(content, old, copied..old.len())?;
    Ok(pieces)
}

fn write_edit(content: &mut Vec<u8>, edit: &Edit, survey: &Survey, purse: &Purse) {
    match edit.change {
        Change::Charge(segment) => match survey.costs.get(segment).copied().unwrap_or_default() {
            0 => {}
            cost if survey.checked.get(segment).copied().unwrap_or(true) => purse.charge(content, cost),
            cost => purse.take(content, cost),
        },
        Change::ChargeBulk(bulk) => purse.charge_bulk(content, bulk),
        Change::Flush => purse.flush(content),
        Change::Reload => purse.reload(content),
        Change::Grow => Instruction::Call(purse.grow).encode(content),
    }
}

fn copy(content: &mut Vec<u8>, old: &[u8], range: std::ops::Range<usize>) -> Result<(), Refusal> {
    let bytes = old.get(range).ok_or_else(|| Refusal::new("has a function outside of itself"))?;
    content.extend_from_slice(bytes);
    Ok(())
}
