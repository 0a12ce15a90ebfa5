//! Loads and stores.

use wasmparser::{Operator, ValType};

/// What a load or a store touches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    /// How far from the address it begins.
    pub offset: u64,
    /// How many bytes from the address on must be within memory: offset and size.
    pub bytes: u64,
    /// The type of what is stored; `None` for a load.
    pub stored: Option<ValType>,
}

/// The access that an operator makes, if it makes one.
pub(super) fn access(operator: &Operator<'_>) -> Option<Access> {
    use Operator as O;
    use ValType::{F32, F64, I32, I64};
    let (memarg, size, stored) = match operator {
        O::I32Load8S { memarg } | O::I32Load8U { memarg } => (memarg, 1, None),
        O::I64Load8S { memarg } | O::I64Load8U { memarg } => (memarg, 1, None),
        O::I32Load16S { memarg } | O::I32Load16U { memarg } => (memarg, 2, None),
        O::I64Load16S { memarg } | O::I64Load16U { memarg } => (memarg, 2, None),
        O::I32Load { memarg } | O::F32Load { memarg } => (memarg, 4, None),
        O::I64Load32S { memarg } | O::I64Load32U { memarg } => (memarg, 4, None),
        O::I64Load { memarg } | O::F64Load { memarg } => (memarg, 8, None),
        O::I32Store8 { memarg } => (memarg, 1, Some(I32)),
        O::I64Store8 { memarg } => (memarg, 1, Some(I64)),
        O::I32Store16 { memarg } => (memarg, 2, Some(I32)),
        O::I64Store16 { memarg } => (memarg, 2, Some(I64)),
        O::I32Store { memarg } => (memarg, 4, Some(I32)),
        O::F32Store { memarg } => (memarg, 4, Some(F32)),
        O::I64Store32 { memarg } => (memarg, 4, Some(I64)),
        O::I64Store { memarg } => (memarg, 8, Some(I64)),
        O::F64Store { memarg } => (memarg, 8, Some(F64)),
        _ => return None,
    };
    Some(Access { offset: memarg.offset, bytes: memarg.offset + size, stored })
}
