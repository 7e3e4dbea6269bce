//! One function: which parts of it are paid for together, and what is put into it for that.

use wasmparser::{FunctionBody, Operator};

use crate::cost::{self, LEAF_MAX};
use crate::edit::{Bulk, Change, Edit};
use crate::refusal::Refusal;

/// What is known of a function after one pass over its code.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// What each segment costs; nothing for those that another one pays for.
    pub(crate) costs: Vec<u32>,
    /// Whether it is seen to that each could pay.
    pub(crate) checked: Vec<bool>,
    /// In the order of the code.
    pub(crate) edits: Vec<Edit>,
    pub(crate) loops: bool,
    pub(crate) bulk: bool,
}

/// What a function that calls nothing and does not loop costs whoever calls it, if that is little enough.
pub(crate) fn leaf_cost(body: &FunctionBody<'_>) -> Result<Option<u32>, Refusal> {
    let mut total = 0;
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        let plain =
            !matches!(operator, Operator::Loop { .. }) && !leaves(&operator) && bulk(&operator).is_none();
        total += cost::weight(&operator, |_| None);
        if !plain || matches!(operator, Operator::MemoryGrow { .. }) || total > LEAF_MAX {
            return Ok(None);
        }
    }
    Ok(Some(total))
}

/// Divides a function into segments: code that runs as a whole once it is begun, as far as the function itself decides.
///
/// Each is paid for where it begins, so that no code runs unpaid. One that costs little is paid for with the one that
/// leads to it, even if it may be passed over: a check costs more than it.
pub(crate) fn survey(body: &FunctionBody<'_>, callee: impl Fn(u32) -> Callee) -> Result<Survey, Refusal> {
    let mut surveyor = Surveyor::new();
    let start = body.range().start;
    let mut reader = body.get_operators_reader()?;
    surveyor.place(offset(reader.original_position(), start)?, Change::Charge(0));
    while !reader.eof() {
        let at = offset(reader.original_position(), start)?;
        let operator = reader.read()?;
        let end = offset(reader.original_position(), start)?;
        cost::check(&operator)?;
        surveyor.visit(&operator, at, end, &callee);
    }
    reader.finish()?;
    Ok(surveyor.finish())
}

/// What a direct call leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee {
    Import,
    Paying,
    /// A function that its callers pay for: so much.
    Leaf(u32),
}

struct Surveyor {
    segments: Vec<Segment>,
    frames: Vec<Frame>,
    /// The segment that the next instruction belongs to; none where it cannot be reached.
    current: Option<usize>,
    survey: Survey,
}

struct Segment {
    cost: u32,
    /// The segment that has always been paid for, once, when this one begins. A loop's body has none.
    before: Option<usize>,
}

struct Frame {
    kind: Kind,
    /// The segment in which it stands.
    outer: Option<usize>,
    /// Whether anything that can be reached branches to its end.
    targeted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
    Else,
}

impl Surveyor {
    fn new() -> Self {
        Self {
            segments: vec![Segment { cost: 0, before: None }],
            frames: vec![Frame { kind: Kind::Block, outer: None, targeted: false }],
            current: Some(0),
            survey: Survey::default(),
        }
    }

    fn visit(&mut self, operator: &Operator<'_>, at: usize, end: usize, callee: &impl Fn(u32) -> Callee) {
        let weight = cost::weight(operator, |index| match callee(index) {
            Callee::Import => None,
            Callee::Paying => Some(0),
            Callee::Leaf(cost) => Some(cost),
        });
        if let Some(segment) = self.current.and_then(|current| self.segments.get_mut(current)) {
            segment.cost = segment.cost.saturating_add(weight).min(COST_MAX);
        }
        self.around(operator, at, end, callee);
        self.flow(operator, end);
    }

    /// What goes before and after single instructions.
    fn around(&mut self, operator: &Operator<'_>, at: usize, end: usize, callee: &impl Fn(u32) -> Callee) {
        if let Some(bulk) = bulk(operator) {
            self.survey.bulk = true;
            self.place(at, Change::ChargeBulk(bulk));
        }
        match operator {
            Operator::Call { function_index } if matches!(callee(*function_index), Callee::Leaf(_)) => {}
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                self.place(at, Change::Flush);
                self.place(end, Change::Reload);
            }
            Operator::MemoryGrow { .. } => {
                self.place(at, Change::Flush);
                self.survey.edits.push(Edit { at, dropped: end - at, change: Change::Grow });
                self.place(end, Change::Reload);
            }
            Operator::Return | Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => {
                self.place(at, Change::Flush);
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth }
                if self.returns(*relative_depth) =>
            {
                self.place(at, Change::Flush);
            }
            Operator::BrTable { targets } => {
                let targets_return = targets.targets().chain([Ok(targets.default())]);
                if targets_return.flatten().any(|depth| self.returns(depth)) {
                    self.place(at, Change::Flush);
                }
            }
            Operator::End if self.frames.len() == 1 => self.place(at, Change::Flush),
            _ => {}
        }
    }

    /// Where control goes from here.
    fn flow(&mut self, operator: &Operator<'_>, end: usize) {
        match operator {
            Operator::Block { .. } => self.enter(Kind::Block),
            Operator::Loop { .. } => {
                self.survey.loops = true;
                self.enter(Kind::Loop);
                if self.current.is_some() {
                    // What its head costs is paid each time, whatever else there is in it.
                    self.begin(end, None, cost::weight(operator, |_| None));
                }
            }
            Operator::If { .. } => {
                self.enter(Kind::If);
                self.begin(end, self.current, 0);
            }
            Operator::Else => {
                let outer = self.frames.last_mut().and_then(|frame| {
                    frame.targeted |= self.current.is_some();
                    frame.kind = Kind::Else;
                    frame.outer
                });
                self.begin(end, outer, 0);
            }
            Operator::End => self.leave(end),
            Operator::Br { relative_depth } => {
                self.target(*relative_depth);
                self.current = None;
            }
            Operator::BrIf { relative_depth } => {
                self.target(*relative_depth);
                self.begin(end, self.current, 0);
            }
            Operator::BrTable { targets } => {
                for depth in targets.targets().chain([Ok(targets.default())]).flatten() {
                    self.target(depth);
                }
                self.current = None;
            }
            Operator::Unreachable
            | Operator::Return
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. } => self.current = None,
            _ => {}
        }
    }

    fn enter(&mut self, kind: Kind) {
        self.frames.push(Frame { kind, outer: self.current, targeted: false });
    }

    fn leave(&mut self, end: usize) {
        let Some(frame) = self.frames.pop() else { return };
        // An `if` without `else` is passed over when its condition does not hold.
        let met = frame.targeted || (frame.kind == Kind::If && frame.outer.is_some());
        if frame.kind == Kind::Block && !met {
            return;
        }
        if (met || self.current.is_some()) && !self.frames.is_empty() {
            self.current = frame.outer;
            self.begin(end, frame.outer, 0);
        }
    }

    fn target(&mut self, depth: u32) {
        if self.current.is_none() {
            return;
        }
        let frame = usize::try_from(depth).ok().and_then(|depth| self.frames.iter_mut().nth_back(depth));
        // A branch to a loop goes to its head, which pays for itself.
        if let Some(frame) = frame.filter(|frame| frame.kind != Kind::Loop) {
            frame.targeted = true;
        }
    }

    /// Whether a branch leaves the function.
    fn returns(&self, depth: u32) -> bool {
        usize::try_from(depth).is_ok_and(|depth| depth + 1 == self.frames.len())
    }

    /// A segment begins, unless nothing leads there.
    fn begin(&mut self, at: usize, before: Option<usize>, cost: u32) {
        if before.is_none() && cost == 0 {
            self.current = None;
            return;
        }
        let number = self.segments.len();
        self.segments.push(Segment { cost, before });
        self.place(at, Change::Charge(number));
        self.current = Some(number);
    }

    fn place(&mut self, at: usize, change: Change) {
        self.survey.edits.push(Edit { at, dropped: 0, change });
    }

    fn finish(mut self) -> Survey {
        let mut costs: Vec<u32> = self.segments.iter().map(|segment| segment.cost).collect();
        let mut taken = vec![0_u32; costs.len()];
        // A segment comes after the one before it, so that what has been passed up is passed on.
        for (number, segment) in self.segments.iter().enumerate().rev() {
            let Some(before) = segment.before else { continue };
            let Some(cost) = costs.get(number).copied() else { continue };
            let Some(sum) = taken.get(before).map(|taken| taken + cost) else { continue };
            if cost > SMALL || sum > SMALL_SUM {
                continue;
            }
            if let (Some(own), Some(other), Some(taken)) =
                (costs.get(number).copied(), costs.get(before).copied(), taken.get_mut(before))
            {
                *taken = sum;
                if let Some(slot) = costs.get_mut(before) {
                    *slot = other.saturating_add(own).min(COST_MAX);
                }
                if let Some(slot) = costs.get_mut(number) {
                    *slot = 0;
                }
            }
        }
        self.survey.costs = costs.into_iter().map(cost::units).collect();
        self.survey.checked = self.checks();
        self.survey
    }
}

impl Surveyor {
    /// Entries and heads of loops are always checked, and so nothing runs for ever. What runs between two checks without one of its
    /// own is little, even where a deep recursion comes back out of as many functions.
    fn checks(&self) -> Vec<bool> {
        let mut unchecked = 0_u32;
        let segments = self.segments.iter().zip(&self.survey.costs);
        segments
            .map(|(segment, cost)| {
                let sum = unchecked.saturating_add(*cost);
                let checked = segment.before.is_none() || sum > UNCHECKED_SUM;
                if !checked {
                    unchecked = sum;
                }
                checked
            })
            .collect()
    }
}

/// What the segments of one function that are not checked may come to, in units.
const UNCHECKED_SUM: u32 = 256;

/// What a segment may cost, in quarters, to be paid for with the one before it, and what those may come to.
const SMALL: u32 = 16 * 4;
const SMALL_SUM: u32 = 64 * 4;

/// No function is as long: the sum of what is unpaid and a whole segment stays within an i32.
const COST_MAX: u32 = i32::MAX.cast_unsigned();

/// Whether other code may spend fuel before the next instruction.
fn leaves(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
    )
}

/// What a bulk operation's length counts, when it has one.
fn bulk(operator: &Operator<'_>) -> Option<Bulk> {
    match operator {
        Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => {
            Some(Bulk::Bytes)
        }
        Operator::TableCopy { .. } | Operator::TableFill { .. } | Operator::TableInit { .. } => {
            Some(Bulk::Elements)
        }
        _ => None,
    }
}

fn offset(position: u64, start: u64) -> Result<usize, Refusal> {
    position
        .checked_sub(start)
        .and_then(|offset| usize::try_from(offset).ok())
        .ok_or_else(|| Refusal::new("has a function outside of itself"))
}
