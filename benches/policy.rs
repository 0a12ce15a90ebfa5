//! Linked policies under Wasmtime, called by the rig.

use mandate_host::{filter_build, paths};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use wasmtime::error::Context as _;
use wasmtime::{Config, Engine, Instance, Linker, Module, Result, Store, TypedFunc, bail, ensure};

/// Compiles the rig, as the filter is compiled, and gives its module.
///
/// # Errors
/// If it does not compile.
pub fn rig_module() -> Result<Vec<u8>> {
    let workspace =
        filter_build::workspace_root(Path::new(env!("CARGO_MANIFEST_DIR"))).context("no workspace")?;
    let target_dir = paths::target_dir().context("no folder to build in; set CARGO_TARGET_DIR")?;
    let folder = filter_build::nested(&target_dir);
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace)
        .args(["build", "--quiet", "--locked", "--package", "mandate-bench-rig", "--profile", "filter"])
        .args(["--target", filter_build::TARGET, "--target-dir"])
        .arg(&folder)
        .env_remove("RUSTFLAGS");
    if !command.status()?.success() {
        bail!("the rig does not compile");
    }
    let module = folder.join(filter_build::TARGET).join("filter/mandate_bench_rig.wasm");
    std::fs::read(&module).with_context(|| format!("cannot read `{}`", module.display()))
}

/// A rig with policies linked into it, compiled.
pub struct Rig {
    engine: Engine,
    module: Module,
}

/// A rig that has its configuration and its request.
pub struct Prepared {
    store: Store<()>,
    decide: TypedFunc<u32, u32>,
}

impl Rig {
    /// Compiles a bundle.
    ///
    /// # Errors
    /// If Wasmtime does not take it.
    pub fn new(bundle: &[u8]) -> Result<Self> {
        let mut config = Config::new();
        config.wasm_exceptions(true).wasm_gc(true).wasm_function_references(true);
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, bundle)?;
        Ok(Self { engine, module })
    }

    /// Starts it with a configuration and a request; every so many calls of a policy begin with a reset.
    ///
    /// # Errors
    /// If it traps.
    pub fn prepare(
        &self,
        configuration: &Value,
        headers: &[(String, String)],
        now: u64,
        calls_per_reset: u32,
    ) -> Result<Prepared> {
        let mut store = Store::new(&self.engine, ());
        let mut linker = Linker::new(&self.engine);
        // What Rust's runtime asks WASI for does not matter here.
        linker.define_unknown_imports_as_default_values(&mut store, &self.module)?;
        let instance = linker.instantiate(&mut store, &self.module)?;
        start(&instance, &mut store)?;
        let input = json!({ "configuration": configuration, "headers": headers, "now": now }).to_string();
        let place = instance.get_typed_func::<u32, u32>(&mut store, "rig_input")?;
        let at = place.call(&mut store, u32::try_from(input.len())?)?;
        let memory = instance.get_memory(&mut store, "memory").context("the rig has no memory")?;
        memory.write(&mut store, usize::try_from(at)?, input.as_bytes())?;
        instance.get_typed_func::<u32, ()>(&mut store, "rig_prepare")?.call(&mut store, calls_per_reset)?;
        let decide = instance.get_typed_func::<u32, u32>(&mut store, "rig_decide")?;
        Ok(Prepared { store, decide })
    }
}

fn start(instance: &Instance, store: &mut Store<()>) -> Result<()> {
    if let Ok(initialise) = instance.get_typed_func::<(), ()>(&mut *store, "_initialize") {
        initialise.call(store, ())?;
    }
    Ok(())
}

impl Prepared {
    /// Decides the request, with so many calls of each policy, and says whether it was allowed.
    ///
    /// # Errors
    /// If it traps.
    pub fn decide(&mut self, turns: u32) -> Result<bool> {
        ensure!(turns > 0, "a decision asks its policies at least once");
        Ok(self.decide.call(&mut self.store, turns)? != 0)
    }
}
