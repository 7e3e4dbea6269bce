//! A module as a whole: which sections change, and what is added to them.

use wasm_encoder::{
    BlockType, ConstExpr, Encode, ExportKind, GlobalType, Instruction, RawSection, SectionId, ValType,
};
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, FunctionBody, KnownCustom, Parser, Payload, TableInit,
    TypeRef,
};

use crate::code::{self, Surroundings};
use crate::cost::PAGE_SHIFT;
use crate::edit::encode_all;
use crate::offsets::{self, Anchor};
use crate::refusal::Refusal;
use crate::sections::{List, write_limits};
use crate::{CALL, FUEL, FUEL_LIMIT, GROWS_REFUSED, OFFSETS, REFUEL, function};

/// What the rewritten module is bounded by.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum of its memory, in pages of 64 KiB.
    pub memory_pages: u32,
    /// The fuel that there is until the host says otherwise: what the module's start may consume.
    pub fuel: u32,
    /// Whether its code is to consume fuel.
    pub metering: Metering,
}

/// Whether code consumes fuel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metering {
    /// It does.
    On,
    /// It does not, but has the same exports: to measure what the fuel costs.
    Off,
}

/// Rewrites a core module, or says why that cannot be.
///
/// # Errors
///
/// When it is none, uses what cannot be bounded, or needs more from the start than it may have.
pub fn rewrite(module: &[u8], limits: Limits) -> Result<Vec<u8>, Refusal> {
    let survey = Survey::of(module, limits)?;
    // Without code there is nothing to pay for, and nobody to grow a memory.
    if survey.bodies.is_empty() { survey.bounded() } else { Rewriting::new(survey, limits)?.finish() }
}

/// What a module has, section by section.
#[derive(Default)]
struct Survey<'a> {
    module: &'a [u8],
    /// In their order: what each is, and its contents. The code's are left out.
    sections: Vec<(u8, Vec<u8>)>,
    types: Vec<FuncType>,
    imported_functions: u32,
    imported_globals: u32,
    /// The type of each function that is not imported.
    functions: Vec<u32>,
    globals: u32,
    memory: bool,
    memories: u32,
    /// Exported functions by name, with their number.
    exported: Vec<(&'a str, u32)>,
    bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Survey<'a> {
    fn of(module: &'a [u8], limits: Limits) -> Result<Self, Refusal> {
        let mut survey = Self { module, ..Self::default() };
        for payload in Parser::new(0).parse_all(module) {
            survey.take(&payload?, limits)?;
        }
        if survey.memories > 1 {
            return Err(Refusal::new("has several memories, of which only one can be bounded"));
        }
        survey.memory = survey.memories == 1;
        Ok(survey)
    }

    fn take(&mut self, payload: &Payload<'a>, limits: Limits) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                return Err(Refusal::new("is a component and no core module"));
            }
            Payload::TypeSection(types) => self.types(types.clone())?,
            Payload::ImportSection(imports) => self.imports(imports.clone())?,
            Payload::FunctionSection(functions) => {
                self.functions = functions.clone().into_iter().collect::<Result<_, _>>()?;
            }
            Payload::TableSection(tables) => {
                self.sections.push((SectionId::Table.into(), bounded_tables(tables.clone())?));
                return Ok(());
            }
            Payload::MemorySection(memories) => {
                self.memories += memories.count();
                self.sections.push((SectionId::Memory.into(), bounded_memory(memories.clone(), limits)?));
                return Ok(());
            }
            Payload::TagSection(_) => return Err(Refusal::new("has exceptions, which cannot be metered")),
            Payload::GlobalSection(globals) => self.globals = globals.count(),
            Payload::ExportSection(exports) => self.exports(exports.clone())?,
            Payload::CodeSectionEntry(body) => {
                self.bodies.push(body.clone());
                return Ok(());
            }
            Payload::CodeSectionStart { .. } => {
                self.sections.push((SectionId::Code.into(), Vec::new()));
                return Ok(());
            }
            // Its offsets would be wrong, and hints that are wrong are worse than none.
            Payload::CustomSection(custom) if custom.name().starts_with("metadata.code.") => return Ok(()),
            Payload::CustomSection(custom) if matches!(custom.as_known(), KnownCustom::Dylink0(_)) => {
                return Err(Refusal::new("is a dynamic library, which is linked to others at run time"));
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            let contents = usize::try_from(range.start)
                .ok()
                .zip(usize::try_from(range.end).ok())
                .and_then(|(start, end)| self.module.get(start..end))
                .ok_or_else(|| Refusal::new("has a section outside of itself"))?;
            self.sections.push((id, contents.to_vec()));
        }
        Ok(())
    }

    fn types(&mut self, types: wasmparser::TypeSectionReader<'a>) -> Result<(), Refusal> {
        for group in types {
            let group = group?;
            let explicit = group.is_explicit_rec_group();
            for ty in group.into_types() {
                match ty.composite_type.inner {
                    CompositeInnerType::Func(ty) if !explicit => self.types.push(ty),
                    _ => {
                        return Err(Refusal::new(
                            "has types of the garbage collector, whose memory cannot be bounded",
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn imports(&mut self, imports: wasmparser::ImportSectionReader<'a>) -> Result<(), Refusal> {
        for import in imports.into_imports() {
            match import?.ty {
                TypeRef::Func(_) | TypeRef::FuncExact(_) => self.imported_functions += 1,
                TypeRef::Global(_) => self.imported_globals += 1,
                // Whoever defines it has bounded it: all modules of a component are rewritten.
                TypeRef::Table(_) => {}
                TypeRef::Memory(ty) => {
                    plain_memory(&ty)?;
                    self.memories += 1;
                }
                TypeRef::Tag(_) => return Err(Refusal::new("has exceptions, which cannot be metered")),
            }
        }
        Ok(())
    }

    fn exports(&mut self, exports: wasmparser::ExportSectionReader<'a>) -> Result<(), Refusal> {
        for export in exports {
            let export = export?;
            if export.name.starts_with(OWN) {
                return Err(Refusal::new(format!("exports {}, a name that is the host's", export.name)));
            }
            if matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact) {
                self.exported.push((export.name, export.index));
            }
        }
        Ok(())
    }

    /// The module with its bounds and no other change.
    fn bounded(self) -> Result<Vec<u8>, Refusal> {
        let mut module = wasm_encoder::Module::new();
        for (id, contents) in &self.sections {
            module.section(&RawSection { id: *id, data: contents });
        }
        Ok(module.finish())
    }
}

/// What the names of the host's own exports begin with.
const OWN: &str = "sluice-meter:";

struct Rewriting<'a> {
    survey: Survey<'a>,
    limits: Limits,
    types: List,
    functions: List,
    globals: List,
    exports: List,
    /// The bodies of the functions that are added, with their lengths.
    added: Vec<Vec<u8>>,
    fuel: u32,
    grow: u32,
}

impl<'a> Rewriting<'a> {
    fn new(survey: Survey<'a>, limits: Limits) -> Result<Self, Refusal> {
        let list = |wanted: SectionId| -> Result<List, Refusal> {
            let found = survey.sections.iter().find(|(id, _)| *id == u8::from(wanted));
            found.map_or_else(|| Ok(List::default()), |(_, contents)| List::read(contents))
        };
        let (types, functions) = (list(SectionId::Type)?, list(SectionId::Function)?);
        let (globals, exports) = (list(SectionId::Global)?, list(SectionId::Export)?);
        let fuel = survey.imported_globals + survey.globals;
        let mut rewriting =
            Self { survey, limits, types, functions, globals, exports, added: Vec::new(), fuel, grow: 0 };
        rewriting.add_globals();
        rewriting.add_functions()?;
        Ok(rewriting)
    }

    fn add_globals(&mut self) {
        let fuel = i32::try_from(self.limits.fuel).unwrap_or(i32::MAX);
        for (name, initial) in [(FUEL, fuel), (FUEL_LIMIT, fuel), (GROWS_REFUSED, 0)] {
            let number = self.globals.push(|sink| {
                GlobalType { val_type: ValType::I32, mutable: true, shared: false }.encode(sink);
                ConstExpr::i32_const(initial).encode(sink);
            });
            self.export(name, ExportKind::Global, self.survey.imported_globals + number);
        }
    }

    fn add_functions(&mut self) -> Result<(), Refusal> {
        let growing = self.add_type(&[ValType::I32], &[ValType::I32]);
        if self.survey.memory {
            self.grow = self.add_function(growing, self.growing());
        }
        let plain = self.add_type(&[], &[]);
        let begin = self.beginning();
        let refuel = self.add_function(plain, begin.clone());
        self.export(REFUEL, ExportKind::Func, refuel);
        for (name, index) in std::mem::take(&mut self.survey.exported) {
            let Some(type_index) = self.type_of(index) else { continue };
            let parameters = self.parameters(type_index)?;
            let mut code = begin.clone();
            for parameter in 0..parameters {
                code.push(Instruction::LocalGet(parameter));
            }
            code.push(Instruction::Call(index));
            let number = self.add_function(type_index, code);
            self.export(&format!("{CALL}{name}"), ExportKind::Func, number);
        }
        Ok(())
    }

    /// Grows the memory, counts refusals, and pays for what was grown.
    fn growing(&self) -> Vec<Instruction<'static>> {
        let refused = self.fuel + 2;
        let mut code = vec![
            Instruction::LocalGet(0),
            Instruction::MemoryGrow(0),
            Instruction::LocalTee(1),
            Instruction::I32Const(-1),
            Instruction::I32Eq,
            Instruction::If(BlockType::Empty),
            Instruction::GlobalGet(refused),
            Instruction::I32Const(1),
            Instruction::I32Add,
            Instruction::GlobalSet(refused),
        ];
        if self.limits.metering == Metering::On {
            code.extend([
                Instruction::Else,
                Instruction::GlobalGet(self.fuel),
                Instruction::LocalGet(0),
                Instruction::I32Const(PAGE_SHIFT),
                Instruction::I32Shl,
                Instruction::I32Sub,
                Instruction::GlobalSet(self.fuel),
                Instruction::GlobalGet(self.fuel),
                Instruction::I32Const(0),
                Instruction::I32LtS,
                Instruction::If(BlockType::Empty),
                Instruction::Unreachable,
                Instruction::End,
            ]);
        }
        code.extend([Instruction::End, Instruction::LocalGet(1)]);
        code
    }

    fn beginning(&self) -> Vec<Instruction<'static>> {
        vec![
            Instruction::GlobalGet(self.fuel + 1),
            Instruction::GlobalSet(self.fuel),
            Instruction::I32Const(0),
            Instruction::GlobalSet(self.fuel + 2),
        ]
    }

    fn add_type(&mut self, parameters: &[ValType], results: &[ValType]) -> u32 {
        self.types.push(|sink| {
            sink.push(0x60);
            parameters.encode(sink);
            results.encode(sink);
        })
    }

    /// Adds a function with a spare local, and gives its number.
    fn add_function(&mut self, type_index: u32, code: Vec<Instruction<'_>>) -> u32 {
        let number = self.functions.push(|sink| type_index.encode(sink));
        let mut body = vec![1, 1];
        ValType::I32.encode(&mut body);
        encode_all(&mut body, &code);
        Instruction::End.encode(&mut body);
        let mut sized = Vec::with_capacity(body.len() + 2);
        body.as_slice().encode(&mut sized);
        self.added.push(sized);
        self.survey.imported_functions + number
    }

    fn export(&mut self, name: &str, kind: ExportKind, index: u32) {
        self.exports.push(|sink| {
            name.encode(sink);
            kind.encode(sink);
            index.encode(sink);
        });
    }

    /// None for imports: they are no code of this module.
    fn type_of(&self, function: u32) -> Option<u32> {
        let own = function.checked_sub(self.survey.imported_functions)?;
        self.survey.functions.get(usize::try_from(own).ok()?).copied()
    }

    fn parameters(&self, type_index: u32) -> Result<u32, Refusal> {
        usize::try_from(type_index)
            .ok()
            .and_then(|index| self.survey.types.get(index))
            .and_then(|ty| u32::try_from(ty.params().len()).ok())
            .ok_or_else(|| Refusal::new("is no valid module: a function has no type"))
    }

    fn finish(self) -> Result<Vec<u8>, Refusal> {
        let (code, anchors) = self.code()?;
        let lists = [
            (SectionId::Type, self.types.bytes()),
            (SectionId::Function, self.functions.bytes()),
            (SectionId::Global, self.globals.bytes()),
            (SectionId::Export, self.exports.bytes()),
            (SectionId::Code, code),
        ];
        let mut left: Vec<(u8, Vec<u8>)> = lists.into_iter().map(|(id, bytes)| (id.into(), bytes)).collect();
        let mut module = wasm_encoder::Module::new();
        let mut at_code = 0;
        let mut put = |id: u8, contents: &[u8]| {
            module.section(&RawSection { id, data: contents });
            if id == u8::from(SectionId::Code) {
                at_code = module.len() - contents.len();
            }
        };
        for (id, contents) in &self.survey.sections {
            // Those that the module has not had come at their place in the order.
            while *id != 0 && left.first().is_some_and(|(first, _)| order(*first) < order(*id)) {
                let (id, bytes) = left.remove(0);
                put(id, &bytes);
            }
            match left.first() {
                Some((first, bytes)) if first == id => {
                    put(*id, bytes);
                    left.remove(0);
                }
                _ => put(*id, contents),
            }
        }
        let absolute: Vec<Anchor> = anchors
            .into_iter()
            .map(|Anchor { new, old }| {
                Some(Anchor { new: new.checked_add(u32::try_from(at_code).ok()?)?, old })
            })
            .collect::<Option<_>>()
            .ok_or_else(|| Refusal::new("is larger than 4 GiB"))?;
        let section =
            wasm_encoder::CustomSection { name: OFFSETS.into(), data: offsets::encode(&absolute).into() };
        module.section(&section);
        Ok(module.finish())
    }

    /// The contents of the code section, and where its parts are within it.
    fn code(&self) -> Result<(Vec<u8>, Vec<Anchor>), Refusal> {
        let bodies = &self.survey.bodies;
        if bodies.len() != self.survey.functions.len() {
            return Err(Refusal::new("is no valid module: it has not as many functions as bodies"));
        }
        let off = self.limits.metering == Metering::Off;
        let surroundings = Surroundings {
            imported: self.survey.imported_functions,
            leaves: bodies.iter().map(function::leaf_cost).collect::<Result<_, _>>()?,
            fuel: self.fuel,
            grow: self.grow,
        };
        let mut code = Vec::new();
        let mut anchors = Vec::new();
        self.functions.count().encode(&mut code);
        for ((body, type_index), leaf) in bodies.iter().zip(&self.survey.functions).zip(&surroundings.leaves)
        {
            let parameters = self.parameters(*type_index)?;
            let rewritten = code::rewrite(body, parameters, off || leaf.is_some(), &surroundings)?;
            let at = u32::try_from(code.len()).map_err(|_| Refusal::new("is larger than 4 GiB"))?;
            anchors.extend(rewritten.anchors.iter().map(|anchor| Anchor { new: at + anchor.new, ..*anchor }));
            code.extend_from_slice(&rewritten.bytes);
        }
        for body in &self.added {
            code.extend_from_slice(body);
        }
        Ok((code, anchors))
    }
}

/// A section's place. Two of them have not the place of their number.
fn order(id: u8) -> u8 {
    const TAG: u8 = 13;
    const DATA_COUNT: u8 = 12;
    match id {
        1..=5 => id,
        TAG => 6,
        6..=9 => id + 1,
        DATA_COUNT => 11,
        _ => id + 2,
    }
}

fn bounded_memory(memories: wasmparser::MemorySectionReader<'_>, limits: Limits) -> Result<Vec<u8>, Refusal> {
    let mut list = List::default();
    for memory in memories {
        let ty = memory?;
        plain_memory(&ty)?;
        let allowed = u64::from(limits.memory_pages);
        if ty.initial > allowed {
            return Err(Refusal::new(format!(
                "needs {} of memory from the start, and may have {}",
                kibibytes(ty.initial),
                kibibytes(allowed)
            )));
        }
        let maximum = ty.maximum.map_or(allowed, |maximum| maximum.min(allowed));
        list.push(|sink| write_limits(sink, ty.initial, maximum));
    }
    Ok(list.bytes())
}

fn plain_memory(ty: &wasmparser::MemoryType) -> Result<(), Refusal> {
    if ty.memory64 {
        return Err(Refusal::new("has a memory with addresses of 64 bits"));
    }
    if ty.shared {
        return Err(Refusal::new("shares its memory between threads"));
    }
    if ty.page_size_log2.is_some() {
        return Err(Refusal::new("has a memory with pages of its own size"));
    }
    Ok(())
}

fn kibibytes(pages: u64) -> String {
    format!("{} KiB", pages * 64)
}

/// Tables, too, are memory.
fn bounded_tables(tables: wasmparser::TableSectionReader<'_>) -> Result<Vec<u8>, Refusal> {
    let mut list = List::default();
    if tables.count() > TABLES_MAX {
        return Err(Refusal::new(format!("has more than {TABLES_MAX} tables")));
    }
    for table in tables {
        let table = table?;
        let ty = table.ty;
        if ty.table64 || ty.shared {
            return Err(Refusal::new("has a table with addresses of 64 bits, or one that threads share"));
        }
        if ty.initial > ELEMENTS_MAX {
            return Err(Refusal::new(format!(
                "has a table of {} elements; {ELEMENTS_MAX} may be",
                ty.initial
            )));
        }
        let maximum = ty.maximum.map_or(ELEMENTS_MAX, |maximum| maximum.min(ELEMENTS_MAX));
        let element = match ty.element_type {
            wasmparser::RefType::FUNCREF => wasm_encoder::RefType::FUNCREF,
            wasmparser::RefType::EXTERNREF => wasm_encoder::RefType::EXTERNREF,
            _ => {
                return Err(Refusal::new(
                    "has a table of other things than functions and what the host gives",
                ));
            }
        };
        if !matches!(table.init, TableInit::RefNull) {
            return Err(Refusal::new("has a table with an initial value"));
        }
        list.push(|sink| {
            element.encode(sink);
            write_limits(sink, ty.initial, maximum);
        });
    }
    Ok(list.bytes())
}

const TABLES_MAX: u32 = 16;
const ELEMENTS_MAX: u64 = 65_536;
