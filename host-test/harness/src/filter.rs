//! A compiled filter, from which any number of virtual machines start.

use std::path::Path;
use std::sync::Arc;

use wasmtime::{Config, Engine, ExternType, InstancePre, Module, OperatorCost};

use crate::abi;
use crate::builder::VmBuilder;
use crate::call::HostCall;
use crate::cargo;
use crate::error::HarnessError;
use crate::host::Host;

/// A filter module, compiled and linked to the host functions. Clones share the code.
#[derive(Clone)]
pub struct Filter(Arc<Compiled>);

struct Compiled {
    engine: Engine,
    instance: InstancePre<Host>,
    counts: bool,
}

impl Filter {
    /// Compiles the crate of a filter with Cargo, for WASI and in release mode, and then the module that comes of it. `folder`
    /// is where its `Cargo.toml` is; a relative one counts from the current folder, which in a test is the package's own.
    ///
    /// The crate is a `cdylib`. The target `wasm32-wasip1` is added with rustup if it is missing.
    ///
    /// # Errors
    /// [`HarnessError::Build`] if Cargo fails, or makes no single `.wasm`, and those of [`Filter::compile`].
    pub fn build(folder: impl AsRef<Path>) -> Result<Self, HarnessError> {
        let module = cargo::build(folder.as_ref()).map_err(HarnessError::Build)?;
        let wasm = std::fs::read(&module)
            .map_err(|error| HarnessError::Build(format!("{}: {error}", module.display())))?;
        Self::compile(&wasm)
    }

    /// Compiles a module. This is the slow step: do it once and start many virtual machines.
    ///
    /// The engine accepts what Envoy's does: multiple memories, exceptions with `exnref`, tail calls, SIMD, GC and 64-bit
    /// memories, but no wide arithmetic and no threads.
    ///
    /// # Errors
    /// [`HarnessError::Compile`] if the bytes are no such module, [`HarnessError::UnknownImport`] if it imports what Envoy
    /// does not have, [`HarnessError::WrongType`] if an import has another signature than the host's, and
    /// [`HarnessError::MissingExport`] if it lacks the mark of ABI 0.2.1, its memory or its allocator.
    pub fn compile(wasm: &[u8]) -> Result<Self, HarnessError> {
        Self::compile_with(&config(), wasm, false)
    }

    /// The same, to count instructions: see [`Vm::instructions`](crate::Vm::instructions).
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_counting(wasm: &[u8]) -> Result<Self, HarnessError> {
        let mut each_one = OperatorCost::new();
        // However much it copies.
        each_one.variable.memory_copy_per_byte = 0;
        each_one.variable.memory_fill_per_byte = 0;
        each_one.variable.memory_init_per_byte = 0;
        Self::compile_with(config().consume_fuel(true).operator_cost(each_one), wasm, true)
    }

    fn compile_with(config: &Config, wasm: &[u8], counts: bool) -> Result<Self, HarnessError> {
        let compile = |error: wasmtime::Error| HarnessError::Compile(format!("{error:#}"));
        let engine = Engine::new(config).map_err(compile)?;
        let module = Module::new(&engine, wasm).map_err(compile)?;
        for import in module.imports() {
            if HostCall::by_name(import.module(), import.name()).is_none() {
                let (module, name) = (import.module().to_owned(), import.name().to_owned());
                return Err(HarnessError::UnknownImport { module, name });
            }
        }
        check_exports(&module)?;
        let linker = abi::linker(&engine).map_err(compile)?;
        let instance = linker.instantiate_pre(&module).map_err(|error| HarnessError::WrongType {
            name: "import".to_owned(),
            reason: format!("{error:#}"),
        })?;
        Ok(Self(Arc::new(Compiled { engine, instance, counts })))
    }

    /// A virtual machine of this filter, to be configured and started.
    pub fn vm(&self) -> VmBuilder {
        VmBuilder::new(self.clone())
    }

    /// The host functions that the filter imports, whether it calls them or not.
    #[must_use]
    pub fn imports(&self) -> Vec<HostCall> {
        let module = self.0.instance.module();
        module.imports().filter_map(|import| HostCall::by_name(import.module(), import.name())).collect()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn counts(&self) -> bool {
        self.0.counts
    }

    pub(crate) fn instance(&self) -> &InstancePre<Host> {
        &self.0.instance
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.wasm_multi_memory(true);
    config.wasm_tail_call(true);
    config.wasm_function_references(true);
    config.wasm_gc(true);
    config.wasm_exceptions(true);
    config.wasm_memory64(true);
    config.wasm_extended_const(true);
    config.wasm_wide_arithmetic(false);
    config
}

fn check_exports(module: &Module) -> Result<(), HarnessError> {
    let function = |name: &str| matches!(module.get_export(name), Some(ExternType::Func(_)));
    if module.exports().any(|export| matches!(export.ty(), ExternType::Tag(_))) {
        return Err(HarnessError::Compile("it exports an exception tag, which aborts Envoy".to_owned()));
    }
    if !function("proxy_abi_version_0_2_1") {
        return Err(HarnessError::MissingExport("proxy_abi_version_0_2_1"));
    }
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return Err(HarnessError::MissingExport("memory"));
    }
    if !function("proxy_on_memory_allocate") && !function("malloc") {
        return Err(HarnessError::MissingExport("proxy_on_memory_allocate"));
    }
    Ok(())
}
