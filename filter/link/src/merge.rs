//! Putting filter and policies into one module. What is the filter's keeps its place, and the policies' things follow.

use crate::contain::{self, Cards, Places, cards};
use crate::filter::{FEATURES, Filter, count};
use crate::glue::{self, Placed, Shared};
use crate::guest::Guest;
use crate::lower::{function_type, without_first};
use crate::refusal::shown;
use crate::{Defect, LinkError};
use mandate_seam::limits::PAGE_BYTES;
use mandate_seam::{PREFIX, Stub, VERSION_SECTION, list};
use std::borrow::Cow;
use std::collections::BTreeMap;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, ElementSection, Elements,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection,
    MemoryType, Module, RefType, StartSection, TableSection, TableType, TagKind, TagSection, TagType,
    TypeSection, ValType,
};
use wasmparser::{FuncType, Import, ValType as Parsed, Validator};

#[cfg(test)]
mod tests;

/// The policies by name, with what the filter and an auditor will be told of them: JSON.
pub(crate) fn merge(
    filter: &Filter<'_>,
    policies: &[(String, Guest<'_>)],
    list: &str,
    contained: bool,
) -> Result<Vec<u8>, LinkError> {
    let (stubs, answer) = filter.seam()?;
    let mut bundle = Bundle::of_filter(filter)?;
    let shared = bundle.share(answer, policies.len() as u64);
    let mut placed = Vec::with_capacity(policies.len());
    for (position, (name, guest)) in policies.iter().enumerate() {
        let one = bundle.place(i32::try_from(position).unwrap_or(i32::MAX), guest, &shared, contained);
        placed.push(one.map_err(|refusal| LinkError::refused(name, refusal))?);
    }
    let list_data = bundle.data.len();
    bundle.data.passive(list.bytes());
    let stubs: BTreeMap<u32, Stub> = stubs.into_iter().zip(Stub::ALL).collect();
    let body = |stub: Stub| match stub {
        Stub::Linked => glue::linked(list_data, list.len()),
        Stub::Initialise => glue::dispatch(&placed, stub, true, |placed| placed.initialise),
        Stub::Allow => glue::allow(&shared),
        Stub::Fuel => glue::fuel(&shared),
        Stub::Charge => glue::charge(&shared),
        Stub::Call => glue::dispatch(&placed, stub, true, |placed| placed.call),
        Stub::Size => glue::size(&shared),
        Stub::Read => glue::transfer(&placed, &shared, false),
        Stub::Write => glue::transfer(&placed, &shared, true),
        Stub::SaveGlobals => glue::dispatch(&placed, stub, true, |placed| placed.save),
        Stub::Restore => glue::dispatch(&placed, stub, false, |placed| placed.restore),
    };
    let mut code = CodeSection::new();
    for (index, original) in (filter.imported..).zip(&filter.bodies) {
        match stubs.get(&index) {
            Some(stub) => code.function(&body(*stub)),
            None => code.raw(original.as_bytes()),
        };
    }
    for function in &bundle.code {
        code.function(function);
    }
    let bytes = bundle.finish(filter, &code, list);
    check(filter, &bytes)?;
    Ok(bytes)
}

/// The finished bundle is read and validated again, as if somebody else had made it: that the sandboxes keep apart is
/// WebAssembly's own rule, and it holds for what is valid. What the proxy gives and calls is the filter's, and nothing more:
/// a policy that could import would talk to the proxy past the contract, and one that could export would be called by it.
fn check(filter: &Filter<'_>, bytes: &[u8]) -> Result<(), LinkError> {
    let invalid = |error: wasmparser::Error| Defect::Invalid(error.to_string());
    Validator::new_with_features(FEATURES).validate_all(bytes).map_err(invalid)?;
    let bundle = Filter::read_bundle(bytes)?;
    // An import names its type by its index.
    if !bundle.types.starts_with(&filter.types) {
        return Err(Defect::Types.into());
    }
    if let Some(difference) = difference(&bundle.imports, &filter.imports) {
        return Err(difference.into());
    }
    if !bundle.exports.iter().eq(filter.exports.iter().filter(|(name, ..)| is_kept(name))) {
        return Err(Defect::Exports.into());
    }
    if bundle.start != filter.start {
        return Err(Defect::Start.into());
    }
    Ok(())
}

/// The first import that is not the filter's, or is missing. Their order is their numbers, by which code calls them.
fn difference(bundle: &[Import<'_>], filter: &[Import<'_>]) -> Option<Defect> {
    let last = bundle.len().max(filter.len());
    let position = (0..last).find(|position| bundle.get(*position) != filter.get(*position))?;
    let import = bundle.get(position).or(filter.get(position))?;
    Some(Defect::Import { position, module: shown(import.module), name: shown(import.name) })
}

/// Whether a bundle exports what the filter exports under this name.
fn is_kept(name: &str) -> bool {
    !name.starts_with(PREFIX)
}

/// The sections of a bundle that grow with each policy.
struct Bundle {
    types: TypeSection,
    glue_types: BTreeMap<(Vec<Parsed>, Vec<Parsed>), u32>,
    imports: ImportSection,
    functions: FunctionSection,
    function_count: u32,
    tables: TableSection,
    table_count: u32,
    memories: MemorySection,
    memory_count: u32,
    tags: TagSection,
    tag_count: u32,
    globals: GlobalSection,
    global_count: u32,
    elements: ElementSection,
    data: DataSection,
    /// The functions behind the filter's.
    code: Vec<Function>,
}

impl Bundle {
    fn of_filter(filter: &Filter<'_>) -> Result<Self, LinkError> {
        let mut bundle = Self {
            types: TypeSection::new(),
            glue_types: BTreeMap::new(),
            imports: ImportSection::new(),
            functions: FunctionSection::new(),
            function_count: count(filter.signatures.len()),
            tables: TableSection::new(),
            table_count: filter.tables,
            memories: MemorySection::new(),
            memory_count: filter.memories,
            tags: TagSection::new(),
            tag_count: filter.tags,
            globals: GlobalSection::new(),
            global_count: filter.globals,
            elements: ElementSection::new(),
            data: DataSection::new(),
            code: Vec::new(),
        };
        bundle.copy(filter).map_err(|error| LinkError::Filter(error.to_string()))?;
        Ok(bundle)
    }

    fn copy(&mut self, filter: &Filter<'_>) -> Result<(), wasm_encoder::reencode::Error> {
        let mut same = RoundtripReencoder;
        for ty in &filter.types {
            self.add_type(ty);
        }
        let sections = &filter.sections;
        if let Some(imports) = &sections.imports {
            same.parse_import_section(&mut self.imports, imports.clone())?;
        }
        for ty in filter.signatures.iter().skip(filter.imported as usize) {
            self.functions.function(*ty);
        }
        if let Some(tables) = &sections.tables {
            same.parse_table_section(&mut self.tables, tables.clone())?;
        }
        if let Some(memories) = &sections.memories {
            same.parse_memory_section(&mut self.memories, memories.clone())?;
        }
        if let Some(tags) = &sections.tags {
            same.parse_tag_section(&mut self.tags, tags.clone())?;
        }
        if let Some(globals) = &sections.globals {
            same.parse_global_section(&mut self.globals, globals.clone())?;
        }
        if let Some(elements) = &sections.elements {
            same.parse_element_section(&mut self.elements, elements.clone())?;
        }
        if let Some(data) = &sections.data {
            same.parse_data_section(&mut self.data, data.clone())?;
        }
        Ok(())
    }

    /// What all policies share: the tag, the globals, and the memory with the cards of each.
    fn share(&mut self, answer: u32, policies: u64) -> Shared {
        let fault = self.glue_type(&[Parsed::I32], &[]);
        self.tags.tag(TagType { kind: TagKind::Exception, func_type_idx: fault });
        Shared {
            fuel: self.global(ValType::I64),
            stack: self.global(ValType::I32),
            size: self.global(ValType::I32),
            limit: self.global(ValType::I32),
            refused: self.global(ValType::I32),
            tag: self.tag_count,
            cards: self.memory(MemoryType {
                minimum: policies * cards::PAGES,
                maximum: Some(policies * cards::PAGES),
                memory64: false,
                shared: false,
                page_size_log2: None,
            }),
            answer,
        }
    }

    fn memory(&mut self, ty: MemoryType) -> u32 {
        self.memories.memory(ty);
        self.memory_count += 1;
        self.memory_count - 1
    }

    /// Adds a policy, contained.
    fn place<'g>(
        &mut self,
        policy: i32,
        guest: &'g Guest<'g>,
        shared: &Shared,
        contained: bool,
    ) -> Result<Placed<'g>, crate::Refusal> {
        let types = self.types.len();
        for ty in &guest.types {
            self.add_type(ty);
        }
        let functions = self.function_count;
        // Behind the policy's own functions.
        let helpers = functions + count(guest.signatures.len());
        let places = Places {
            types,
            functions,
            globals: self.global_count,
            memory: self.memory_count,
            table: self.table_count,
            tag: shared.tag,
            fuel: shared.fuel,
            stack: shared.stack,
            size: shared.size,
            cards: Cards {
                memory: shared.cards,
                first: u64::from(policy.cast_unsigned()) * cards::PAGES * PAGE_BYTES,
            },
            contained,
            grow: helpers,
            copy: helpers + 1,
            fill: helpers + 2,
        };
        self.place_state(guest, &places);
        let dirty = self.global(ValType::I32);
        let image = self.global(ValType::I32);
        let placed = Placed {
            guest,
            places,
            data: self.data.len(),
            dirty,
            image,
            initialise: helpers + 3,
            restore: helpers + 4,
            save: helpers + 5,
            call: helpers + 6,
        };
        for segment in &guest.segments {
            self.data.passive(segment.bytes.iter().copied());
        }
        for (index, import) in guest.imports.iter().enumerate() {
            let ty = guest.signatures.get(index).copied().unwrap_or_default();
            self.function(types + ty, glue::import(policy, *import, shared));
        }
        for index in 0..guest.functions.len() {
            let ty = guest.signatures.get(guest.imports.len() + index).copied().unwrap_or_default();
            let body = contain::rewrite(guest, &places, index, &mut |results| self.results(results))?;
            self.function(types + ty, body);
        }
        const I: Parsed = Parsed::I32;
        // What a stub does for a policy, once it is known for which.
        let [initialise, restore, save, call] =
            [Stub::Initialise, Stub::Restore, Stub::SaveGlobals, Stub::Call]
                .map(|stub| function_type(stub.function().signature));
        let helpers: [(&[Parsed], &[Parsed], Function); 7] = [
            (&[I], &[I], glue::grow(guest, &places, shared, dirty)),
            (&[I, I, I], &[], glue::copy(&places, shared)),
            (&[I, I, I], &[], glue::fill(&places, shared)),
            (without_first(&initialise), initialise.results(), glue::initialise(&placed, shared)),
            (without_first(&restore), &[], glue::restore(&placed, shared)),
            (without_first(&save), save.results(), glue::save(&placed)),
            (without_first(&call), call.results(), glue::call(&placed, shared)),
        ];
        for (params, results, function) in helpers {
            let ty = self.glue_type(params, results);
            self.function(ty, function);
        }
        Ok(placed)
    }

    /// A policy's memory, table and globals.
    fn place_state(&mut self, guest: &Guest<'_>, places: &Places) {
        self.memory(MemoryType {
            minimum: guest.memory.minimum,
            maximum: Some(guest.memory.maximum),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        if let Some(table) = &guest.table {
            let size = table.len() as u64;
            self.tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: size,
                maximum: Some(size),
                shared: false,
            });
            self.table_count += 1;
            self.fill_table(table, places);
        }
        for global in &guest.globals {
            let (ty, first) = match global.kind {
                Parsed::I64 => (ValType::I64, ConstExpr::i64_const(global.bits.cast_signed())),
                Parsed::F32 => {
                    let [a, b, c, d, ..] = global.bits.to_le_bytes();
                    (ValType::F32, ConstExpr::f32_const(f32::from_le_bytes([a, b, c, d]).into()))
                }
                Parsed::F64 => (ValType::F64, ConstExpr::f64_const(f64::from_bits(global.bits).into())),
                _ => {
                    let [a, b, c, d, ..] = global.bits.to_le_bytes();
                    (ValType::I32, ConstExpr::i32_const(i32::from_le_bytes([a, b, c, d])))
                }
            };
            self.globals.global(GlobalType { val_type: ty, mutable: global.mutable, shared: false }, &first);
            self.global_count += 1;
        }
    }

    /// One segment for each run of entries.
    fn fill_table(&mut self, table: &[Option<u32>], places: &Places) {
        let mut start = 0;
        for run in table.chunk_by(|a, b| a.is_some() == b.is_some()) {
            let functions: Vec<u32> =
                run.iter().flatten().map(|function| function + places.functions).collect();
            if !functions.is_empty() {
                let offset = ConstExpr::i32_const(i32::try_from(start).unwrap_or(i32::MAX));
                self.elements.active(Some(places.table), &offset, Elements::Functions(Cow::Owned(functions)));
            }
            start += run.len();
        }
    }

    fn function(&mut self, ty: u32, body: Function) {
        self.functions.function(ty);
        self.function_count += 1;
        self.code.push(body);
    }

    fn global(&mut self, ty: ValType) -> u32 {
        let zero = if ty == ValType::I64 { ConstExpr::i64_const(0) } else { ConstExpr::i32_const(0) };
        self.globals.global(GlobalType { val_type: ty, mutable: true, shared: false }, &zero);
        self.global_count += 1;
        self.global_count - 1
    }

    fn add_type(&mut self, ty: &FuncType) -> u32 {
        let convert = |list: &[Parsed]| -> Vec<ValType> {
            list.iter().filter_map(|ty| RoundtripReencoder.val_type(*ty).ok()).collect()
        };
        self.types.ty().function(convert(ty.params()), convert(ty.results()));
        self.types.len() - 1
    }

    fn glue_type(&mut self, params: &[Parsed], results: &[Parsed]) -> u32 {
        let key = (params.to_vec(), results.to_vec());
        if let Some(index) = self.glue_types.get(&key) {
            return *index;
        }
        let index = self.add_type(&FuncType::new(params.iter().copied(), results.iter().copied()));
        self.glue_types.insert(key, index);
        index
    }

    /// The type of a block with several results.
    fn results(&mut self, results: &[Parsed]) -> u32 {
        self.glue_type(&[], results)
    }

    fn finish(&self, filter: &Filter<'_>, code: &CodeSection, policies: &str) -> Vec<u8> {
        let mut exports = ExportSection::new();
        for (name, kind, index) in filter.exports.iter().filter(|(name, ..)| is_kept(name)) {
            if let Ok(kind) = RoundtripReencoder.export_kind(*kind) {
                exports.export(name, kind, *index);
            }
        }
        let mut module = Module::new();
        module.section(&self.types).section(&self.imports).section(&self.functions).section(&self.tables);
        module.section(&self.memories).section(&self.tags).section(&self.globals).section(&exports);
        if let Some(function_index) = filter.start {
            module.section(&StartSection { function_index });
        }
        module.section(&self.elements).section(&DataCountSection { count: self.data.len() });
        module.section(code).section(&self.data);
        for version in &filter.versions {
            module.section(&CustomSection { name: VERSION_SECTION.into(), data: (*version).into() });
        }
        module.section(&CustomSection { name: list::SECTION.into(), data: policies.as_bytes().into() });
        module.finish()
    }
}
