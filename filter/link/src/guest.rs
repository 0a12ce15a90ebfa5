//! The core module of a policy, read and checked for what can be merged and contained.

use crate::component::PolicyModule;
use crate::lower::function_type;
use crate::refusal::Refusal;
use mandate_seam::limits::{GLOBALS, MEMORY_PAGES, PAGE_BYTES};
use mandate_seam::{HostFunction, PolicyFunction, Signature};
use wasmparser::{
    ConstExpr, DataKind, ElementItems, ElementKind, ExternalKind, FuncType, FuncValidatorAllocations,
    FunctionBody, Operator, Parser, Payload, RefType, TypeRef, ValType, ValidPayload, Validator,
    WasmFeatures,
};

/// Most entries of a table.
const MOST_ENTRIES: u64 = 16 * 1024;
/// Most imports, functions, types and segments together; real policies have a few hundred.
const MOST_ITEMS: usize = 50_000;

/// What policies may be made of. Everything else would need containing too, and no toolchain of today asks for it unless
/// told to.
const FEATURES: WasmFeatures = WasmFeatures::WASM1
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::REFERENCE_TYPES);

/// A mutable or immutable number with its first value, as raw bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Global {
    pub kind: ValType,
    pub mutable: bool,
    pub bits: u64,
}

/// Bytes that memory begins with.
#[derive(Debug)]
pub(crate) struct Segment<'a> {
    pub at: u32,
    pub bytes: &'a [u8],
}

/// A memory, in pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub minimum: u64,
    pub maximum: u64,
}

/// A function that is defined in the module.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    pub body: FunctionBody<'a>,
    /// The height of the operand stack before and after every operator.
    pub heights: Vec<(u32, u32)>,
}

/// What the filter calls, by its index in the module. A module need not have a start function or a post-return.
#[derive(Debug)]
pub(crate) struct Called(Vec<(PolicyFunction, u32)>);

impl Called {
    /// What a call of this function calls, one after the other.
    pub fn by(&self, function: PolicyFunction) -> impl Iterator<Item = u32> {
        self.0.iter().filter(move |(called, _)| *called == function).map(|(_, index)| *index)
    }
}

/// A policy's core module.
#[derive(Debug)]
pub(crate) struct Guest<'a> {
    pub types: Vec<FuncType>,
    pub imports: Vec<HostFunction>,
    /// The type of every function, imported ones first.
    pub signatures: Vec<u32>,
    pub functions: Vec<Function<'a>>,
    /// What `call_indirect` finds. It never changes: instructions that would change it are refused.
    pub table: Option<Vec<Option<u32>>>,
    pub memory: Memory,
    pub globals: Vec<Global>,
    pub segments: Vec<Segment<'a>>,
    pub called: Called,
}

impl<'a> Guest<'a> {
    pub fn read(policy: &PolicyModule<'a>) -> Result<Self, Refusal> {
        // The component is valid, so what is wrong now is that its module is made of more than policies may be made of.
        Self::read_valid(policy).map_err(|refusal| match refusal {
            Refusal::Invalid { problem, .. } => Refusal::Module(problem),
            other => other,
        })
    }

    fn read_valid(policy: &PolicyModule<'a>) -> Result<Self, Refusal> {
        let mut reader = Reader::default();
        let mut validator = Validator::new_with_features(FEATURES);
        let mut allocations = FuncValidatorAllocations::default();
        for payload in Parser::new(0).parse_all(policy.module) {
            let payload = payload?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
                let mut function = function.into_validator(allocations);
                reader.functions.push(Function { heights: heights(&mut function, &body)?, body });
                allocations = function.into_allocations();
            }
            reader.section(payload)?;
        }
        reader.finish(policy)
    }

    /// The type of a function.
    pub fn signature(&self, function: u32) -> Option<&FuncType> {
        let index = self.signatures.get(usize::try_from(function).ok()?)?;
        self.types.get(usize::try_from(*index).ok()?)
    }

    /// The bytes that memory has at least, always.
    pub fn least_bytes(&self) -> u64 {
        self.memory.minimum * PAGE_BYTES
    }
}

fn heights<'a>(
    validator: &mut wasmparser::FuncValidator<wasmparser::ValidatorResources>,
    body: &FunctionBody<'a>,
) -> Result<Vec<(u32, u32)>, Refusal> {
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let mut operators = wasmparser::OperatorsReader::new(reader);
    let mut heights = Vec::new();
    while !operators.eof() {
        let at = operators.original_position();
        let before = validator.operand_stack_height();
        let operator = operators.read()?;
        validator.op(at, &operator)?;
        heights.push((before, validator.operand_stack_height()));
    }
    operators.finish()?;
    Ok(heights)
}

/// The sections as they come.
#[derive(Default)]
struct Reader<'a> {
    types: Vec<FuncType>,
    imported: usize,
    signatures: Vec<u32>,
    functions: Vec<Function<'a>>,
    table: Option<Vec<Option<u32>>>,
    memory: Option<Memory>,
    globals: Vec<Global>,
    segments: Vec<Segment<'a>>,
    exports: Vec<(&'a str, u32)>,
    start: Option<u32>,
}

fn unsupported(what: impl Into<String>) -> Refusal {
    Refusal::Module(what.into())
}

impl<'a> Reader<'a> {
    fn section(&mut self, payload: Payload<'a>) -> Result<(), Refusal> {
        match payload {
            Payload::TypeSection(types) => {
                for ty in types.into_iter_err_on_gc_types() {
                    let ty = ty?;
                    if !ty.params().iter().chain(ty.results()).all(is_number) {
                        return Err(unsupported("a function takes or gives references"));
                    }
                    self.types.push(ty);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    match import?.ty {
                        TypeRef::Func(ty) => self.signatures.push(ty),
                        _ => return Err(unsupported("it imports something else than functions")),
                    }
                }
                self.imported = self.signatures.len();
            }
            Payload::FunctionSection(functions) => {
                for function in functions {
                    self.signatures.push(function?);
                }
            }
            Payload::TableSection(tables) => self.tables(tables)?,
            Payload::MemorySection(memories) => self.memories(memories)?,
            Payload::GlobalSection(globals) => self.globals(globals)?,
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        self.exports.push((export.name, export.index));
                    }
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(elements) => self.elements(elements)?,
            Payload::DataSection(data) => self.data(data)?,
            _ => {}
        }
        if self.signatures.len().max(self.types.len()).max(self.segments.len()) > MOST_ITEMS {
            return Err(unsupported(format!("it has more than {MOST_ITEMS} functions, types or segments")));
        }
        Ok(())
    }

    fn tables(&mut self, tables: wasmparser::TableSectionReader<'a>) -> Result<(), Refusal> {
        for table in tables {
            let table = table?.ty;
            if self.table.is_some() || table.element_type != RefType::FUNCREF {
                return Err(unsupported("it has more than one table, or one that is not of functions"));
            }
            if table.initial > MOST_ENTRIES {
                return Err(unsupported(format!("its table has more than {MOST_ENTRIES} entries")));
            }
            self.table = Some(vec![None; usize::try_from(table.initial).unwrap_or(0)]);
        }
        Ok(())
    }

    fn memories(&mut self, memories: wasmparser::MemorySectionReader<'a>) -> Result<(), Refusal> {
        for memory in memories {
            let memory = memory?;
            if memory.initial > MEMORY_PAGES {
                return Err(unsupported(format!(
                    "its memory begins with {} pages, and no policy may have more than {MEMORY_PAGES}",
                    memory.initial
                )));
            }
            let maximum = memory.maximum.map_or(MEMORY_PAGES, |maximum| maximum.min(MEMORY_PAGES));
            self.memory = Some(Memory { minimum: memory.initial, maximum });
        }
        Ok(())
    }

    fn globals(&mut self, globals: wasmparser::GlobalSectionReader<'a>) -> Result<(), Refusal> {
        for global in globals {
            let global = global?;
            let bits = match constant(&global.init_expr)? {
                Operator::I32Const { value } => u64::from(value.cast_unsigned()),
                Operator::I64Const { value } => value.cast_unsigned(),
                Operator::F32Const { value } => u64::from(value.bits()),
                Operator::F64Const { value } => value.bits(),
                _ => return Err(unsupported("a global does not begin with a number")),
            };
            self.globals.push(Global { kind: global.ty.content_type, mutable: global.ty.mutable, bits });
        }
        if self.globals.iter().filter(|global| global.mutable).count() > GLOBALS {
            return Err(unsupported(format!("it has more than {GLOBALS} mutable globals")));
        }
        Ok(())
    }

    /// Even an empty segment beyond the end would trap on instantiation, and take the proxy's VM with it.
    fn elements(&mut self, elements: wasmparser::ElementSectionReader<'a>) -> Result<(), Refusal> {
        for element in elements {
            let element = element?;
            let ElementKind::Active { offset_expr, .. } = element.kind else { continue };
            let ElementItems::Functions(functions) = element.items else {
                return Err(unsupported("its table is filled with expressions"));
            };
            let Operator::I32Const { value } = constant(&offset_expr)? else {
                return Err(unsupported("its table is filled at a place that is no number"));
            };
            let start = usize::try_from(value.cast_unsigned()).unwrap_or(usize::MAX);
            let count = usize::try_from(functions.count()).unwrap_or(usize::MAX);
            let end = start.saturating_add(count);
            let places = self.table.as_mut().and_then(|table| table.get_mut(start..end));
            let places = places.ok_or_else(|| unsupported("it fills its table beyond the end"))?;
            for (place, function) in places.iter_mut().zip(functions) {
                *place = Some(function?);
            }
        }
        Ok(())
    }

    fn data(&mut self, data: wasmparser::DataSectionReader<'a>) -> Result<(), Refusal> {
        for segment in data {
            let segment = segment?;
            // Passive segments serve `memory.init` only, which is refused.
            let DataKind::Active { offset_expr, .. } = segment.kind else { continue };
            let Operator::I32Const { value } = constant(&offset_expr)? else {
                return Err(unsupported("its memory is filled at a place that is no number"));
            };
            let at = value.cast_unsigned();
            let end = u64::from(at) + segment.data.len() as u64;
            if end > self.memory.map_or(0, |memory| memory.minimum * PAGE_BYTES) {
                return Err(unsupported("it fills its memory beyond the end"));
            }
            self.segments.push(Segment { at, bytes: segment.data });
        }
        Ok(())
    }

    fn finish(self, policy: &PolicyModule<'a>) -> Result<Guest<'a>, Refusal> {
        if self.imported != policy.imports.len() {
            return Err(unsupported("its imports are not those that the component gives it"));
        }
        let called = self.called(policy)?;
        let guest = Guest {
            types: self.types,
            imports: policy.imports.clone(),
            signatures: self.signatures,
            functions: self.functions,
            table: self.table,
            memory: self.memory.ok_or_else(|| unsupported("it has no memory"))?,
            globals: self.globals,
            segments: self.segments,
            called,
        };
        guest.check_signatures()?;
        Ok(guest)
    }

    fn called(&self, policy: &PolicyModule<'a>) -> Result<Called, Refusal> {
        use PolicyFunction as F;
        let exports = &policy.exports;
        let one = |function, name| (function, Some(name));
        let named = policy.start.iter().map(|name| one(F::Initialise, name)).chain([
            one(F::Configure, &exports.configure),
            (F::PostConfigure, exports.post_configure.as_ref()),
            one(F::Check, &exports.check),
            (F::PostCheck, exports.post_check.as_ref()),
            one(F::Realloc, &exports.realloc),
        ]);
        let mut called: Vec<_> = self.start.map(|start| (F::Start, start)).into_iter().collect();
        for (function, name) in named.filter_map(|(function, name)| Some((function, name?))) {
            let found = self.exports.iter().find(|(export, _)| export == name);
            let (_, index) = found.ok_or_else(|| unsupported(format!("it does not export `{name}`")))?;
            called.push((function, *index));
        }
        Ok(Called(called))
    }
}

impl Guest<'_> {
    /// The glue calls these without looking at their types again.
    fn check_signatures(&self) -> Result<(), Refusal> {
        for (function, index) in &self.called.0 {
            self.check_signature(*index, function.signature(), function.name())?;
        }
        for (index, import) in (0_u32..).zip(&self.imports) {
            self.check_signature(index, import.signature(), &format!("`{}`", import.name()))?;
        }
        Ok(())
    }

    fn check_signature(&self, function: u32, wanted: Signature, name: &str) -> Result<(), Refusal> {
        if self.signature(function) == Some(&function_type(wanted)) {
            Ok(())
        } else {
            Err(unsupported(format!("{name} has another core type than the contract's")))
        }
    }
}

pub(crate) fn is_number(ty: &ValType) -> bool {
    matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64)
}

/// The one operator of a constant expression.
fn constant<'a>(expression: &ConstExpr<'a>) -> Result<Operator<'a>, Refusal> {
    let mut operators = expression.get_operators_reader();
    let operator = operators.read()?;
    match operators.read()? {
        Operator::End => Ok(operator),
        _ => Err(unsupported("a constant is computed")),
    }
}
