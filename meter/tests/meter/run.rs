//! Runs a module and tells all that can be seen of it.

use sluice_meter::{FUEL, Limits, Metering, rewrite};
use wasmi::{
    Config, Engine, ExternType, Func, Instance, Linker, Module, Store, StoreLimits, StoreLimitsBuilder,
    TrapCode, Val, ValType,
};

pub(crate) const LIMITS: Limits = Limits { memory_pages: 16, fuel: i32::MAX as u32, metering: Metering::On };

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Values(Vec<String>),
    Trap(TrapCode),
    /// The engine's stack is shorter or longer by what was added to it: nothing can be said then.
    StackOverflow,
    OutOfFuel,
}

/// One live module.
pub(crate) struct Run {
    pub(crate) store: Store<StoreLimits>,
    pub(crate) instance: Instance,
}

impl Run {
    /// None when it has imports, or does not start: random modules may write outside of their memory.
    pub(crate) fn start(module: &[u8]) -> Option<Self> {
        let mut config = Config::default();
        config.wasm_tail_call(true).wasm_extended_const(true).set_max_recursion_depth(100);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, module).expect("a valid module");
        // The same bounds for what has none of its own yet.
        let pages = usize::try_from(LIMITS.memory_pages).expect("a few");
        let limits = StoreLimitsBuilder::new().memory_size(pages << 16).table_elements(65_536).build();
        let mut store = Store::new(&engine, limits);
        store.limiter(|limits| limits);
        let instance = Linker::<StoreLimits>::new(&engine).instantiate_and_start(&mut store, &module).ok()?;
        Some(Self { store, instance })
    }

    pub(crate) fn metered(module: &[u8]) -> Option<Self> {
        Self::start(&rewrite(module, LIMITS).expect("it can be rewritten"))
    }

    pub(crate) fn function(&self, name: &str) -> Func {
        self.instance.get_func(&self.store, name).unwrap_or_else(|| panic!("no function {name}"))
    }

    pub(crate) fn call(&mut self, name: &str, arguments: &[Val]) -> Outcome {
        let function = self.function(name);
        let mut results: Vec<Val> =
            function.ty(&self.store).results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        match function.call(&mut self.store, arguments, &mut results) {
            Ok(()) => Outcome::Values(results.iter().map(seen).collect()),
            Err(_) if self.global(FUEL).is_some_and(|fuel| fuel < 0) => Outcome::OutOfFuel,
            Err(error) => match error.as_trap_code() {
                Some(TrapCode::StackOverflow) => Outcome::StackOverflow,
                Some(code) => Outcome::Trap(code),
                None => panic!("{error}"),
            },
        }
    }

    pub(crate) fn global(&self, name: &str) -> Option<i32> {
        self.instance.get_global(&self.store, name)?.get(&self.store).i32()
    }

    /// Exported globals, but for those of the meter.
    pub(crate) fn globals(&self) -> Vec<(String, String)> {
        self.instance
            .exports(&self.store)
            .filter(|export| !export.name().starts_with("sluice-meter:"))
            .filter_map(|export| {
                let name = export.name().to_owned();
                Some((name, seen(&export.into_extern().into_global()?.get(&self.store))))
            })
            .collect()
    }

    /// The whole memory, if it is exported.
    pub(crate) fn memory(&self) -> &[u8] {
        let memory = self.instance.exports(&self.store).find_map(|export| export.into_extern().into_memory());
        memory.map_or(&[], |memory| memory.data(&self.store))
    }

    /// The exported functions of the module itself, with arguments for them.
    pub(crate) fn calls(&self, seed: u64) -> Vec<(String, Vec<Val>)> {
        self.instance
            .exports(&self.store)
            .filter(|export| !export.name().starts_with("sluice-meter:"))
            .filter_map(|export| match export.ty(&self.store) {
                ExternType::Func(ty) => {
                    let arguments = ty.params().iter().enumerate();
                    let arguments = arguments.map(|(at, ty)| argument(*ty, seed.wrapping_add(at as u64)));
                    Some((export.name().to_owned(), arguments.collect()))
                }
                _ => None,
            })
            .collect()
    }
}

fn argument(ty: ValType, seed: u64) -> Val {
    let bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7;
    match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32((bits as f32).into()),
        ValType::F64 => Val::F64((bits as f64).into()),
        other => Val::default_for_ty(other),
    }
}

/// All NaNs are one: which of them comes out is not said anywhere.
fn seen(value: &Val) -> String {
    match value {
        Val::F32(float) if f32::from_bits(float.to_bits()).is_nan() => "f32 NaN".to_owned(),
        Val::F64(float) if f64::from_bits(float.to_bits()).is_nan() => "f64 NaN".to_owned(),
        // Which function it is has another name in each store.
        Val::FuncRef(function) => format!("funcref, null: {}", function.is_null()),
        other => format!("{other:?}"),
    }
}
