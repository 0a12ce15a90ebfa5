//! Reads a policy: checks that a component is one, and finds the core module in it that is to be linked.
//!
//! A component wraps a core module and says how its imports and exports are to be understood. The linker knows the
//! one world that a policy may live in, so it needs the core module alone, once it is certain what each import of
//! that module means. Nothing is taken from names that a toolchain happens to use: what an import means is followed
//! through the component's own index spaces (`wiring`), after the component's type was found to be the contract's
//! (`world`).

mod contract;
mod core_module;
mod declarations;
#[cfg(test)]
mod tests;
mod types;
mod wiring;
mod world;

use wasmparser::{Parser, Validator, WasmFeatures, types::Types};

use crate::refusal::Refusal;
use mandate_seam::HostFunction;

/// No policy of reasonable make comes near, and a reader has an end to its work.
const MAX_COMPONENT_BYTES: usize = 16 << 20;

/// What a policy may be made of: the second version of core WebAssembly, and components as they were first released.
///
/// What is left out shares memory between threads, is not deterministic (relaxed SIMD), has state that no budget
/// counts (garbage collection), or could stand in the way of containing a fault (exceptions). The policy's core module
/// is held to less when it is linked.
const FEATURES: WasmFeatures =
    WasmFeatures::WASM2.union(WasmFeatures::EXTENDED_CONST).union(WasmFeatures::COMPONENT_MODEL);

/// The one core module of a policy, and how the component wires it.
#[derive(Debug)]
pub(crate) struct PolicyModule<'a> {
    /// The core module that holds the policy's code, whole.
    pub(crate) module: &'a [u8],
    /// What each function import of `module` is, in the order of its import section. It has no other imports.
    pub(crate) imports: Vec<HostFunction>,
    /// What `module` exports to whom.
    pub(crate) exports: PolicyExports,
    /// Exports of `module` that the component calls when it is instantiated (such as `_initialize`), in order. The
    /// module's own start function is not among them.
    pub(crate) start: Vec<String>,
    /// How many cases of `obligation` there are in the version of the contract that the policy was made for.
    pub(crate) obligation_cases: usize,
}

/// The names under which the policy's core module exports what the contract asks for.
///
/// Each names a function, or the memory, that the module defines itself. The world guarantees a memory and a
/// `realloc`: `describe` returns strings, and `configure` takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyExports {
    pub(crate) describe: String,
    pub(crate) configure: String,
    pub(crate) check: String,
    /// Called with what `describe` returned, once that was read.
    pub(crate) post_describe: Option<String>,
    pub(crate) post_configure: Option<String>,
    pub(crate) post_check: Option<String>,
    pub(crate) realloc: String,
    pub(crate) memory: String,
}

/// Reads a policy from the bytes of a component.
///
/// # Errors
///
/// A [`Refusal`] for whatever is not a component of the contract's world, and for one whose core modules are wired in
/// a way that cannot be followed. It returns for every input.
pub(crate) fn read(component: &[u8]) -> Result<PolicyModule<'_>, Refusal> {
    let types = validate(component)?;
    let world = world::check(component, types.as_ref())?;
    wiring::read(component, types.as_ref(), &world)
}

fn validate(component: &[u8]) -> Result<Types, Refusal> {
    if component.len() > MAX_COMPONENT_BYTES {
        return Err(Refusal::TooLarge { bytes: component.len(), bound: MAX_COMPONENT_BYTES });
    }
    if Parser::is_core_wasm(component) {
        return Err(Refusal::CoreModule);
    }
    if !component.starts_with(b"\0asm") {
        return Err(Refusal::NotWebAssembly);
    }
    Ok(Validator::new_with_features(FEATURES).validate_all(component)?)
}
