//! What the seam defines, as core WebAssembly has it.

use mandate_seam::{CoreType, Fault, Signature};
use wasmparser::{FuncType, ValType};

fn parsed(ty: CoreType) -> ValType {
    match ty {
        CoreType::I32 => ValType::I32,
        CoreType::I64 => ValType::I64,
    }
}

/// The type of a function.
pub(crate) fn function_type(signature: Signature) -> FuncType {
    let types = |types: &[CoreType]| types.iter().copied().map(parsed).collect::<Vec<_>>();
    FuncType::new(types(signature.params), types(signature.results))
}

/// The parameters but the first, which names the policy.
pub(crate) fn without_first(ty: &FuncType) -> &[ValType] {
    ty.params().get(1..).unwrap_or_default()
}

/// The constant that a fault is thrown and returned as.
pub(crate) fn fault_number(fault: Fault) -> i32 {
    fault.number().cast_signed()
}
