//! Types of core functions (WebAssembly core specification §2.3).

/// A type of value that is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoreType {
    /// `i32`
    I32,
    /// `i64`
    I64,
}

/// What a core function takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The types of its parameters.
    pub params: &'static [CoreType],
    /// The types of its results, of which there is one at most.
    pub results: &'static [CoreType],
}

impl Signature {
    pub(crate) const fn new(params: &'static [CoreType], results: &'static [CoreType]) -> Self {
        Self { params, results }
    }
}

/// What Rust passes as a core type on `wasm32`.
pub(crate) trait Passed {
    const AS: CoreType;
}

impl Passed for u32 {
    const AS: CoreType = CoreType::I32;
}

impl Passed for u64 {
    const AS: CoreType = CoreType::I64;
}

impl Passed for usize {
    const AS: CoreType = CoreType::I32;
}

impl<T> Passed for *const T {
    const AS: CoreType = CoreType::I32;
}

impl<T> Passed for *mut T {
    const AS: CoreType = CoreType::I32;
}
