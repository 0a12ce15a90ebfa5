//! The filter's module, read for merging: nothing of it is renumbered, so its code is copied as it is.

use crate::LinkError;
use crate::lower::function_type;
use mandate_seam::{ANSWER, Function, PREFIX, Stub, VERSION, VERSION_SECTION, version_of};
use std::fmt;
use wasmparser::{
    ExternalKind, FuncType, FunctionBody, Import, Operator, Parser, Payload, TypeRef, Validator, WasmFeatures,
};

#[cfg(test)]
mod tests;

/// What Envoy's engine takes, and the harness with it.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::GC);

/// For which version of the seam a filter says that it was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeamVersion {
    /// This one.
    Of(u32),
    /// It does not say: it was compiled before there were versions.
    None,
    /// What it says cannot be read.
    Unreadable,
}

impl fmt::Display for SeamVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(version) => write!(f, "{version}"),
            Self::None => f.write_str("none, as of filters that were built before there were versions"),
            Self::Unreadable => f.write_str("unreadable"),
        }
    }
}

/// The filter's module.
pub(crate) struct Filter<'a> {
    pub types: Vec<FuncType>,
    pub sections: Sections<'a>,
    pub imports: Vec<Import<'a>>,
    /// How many functions are imported.
    pub imported: u32,
    /// The type of every function, imported ones first.
    pub signatures: Vec<u32>,
    pub bodies: Vec<FunctionBody<'a>>,
    pub exports: Vec<(&'a str, ExternalKind, u32)>,
    pub memories: u32,
    pub tables: u32,
    pub globals: u32,
    pub tags: u32,
    pub data: u32,
    pub start: Option<u32>,
    /// What it says about the version of the seam.
    pub versions: Vec<&'a [u8]>,
}

/// Sections that are carried over item by item.
#[derive(Default)]
pub(crate) struct Sections<'a> {
    pub imports: Option<wasmparser::ImportSectionReader<'a>>,
    pub tables: Option<wasmparser::TableSectionReader<'a>>,
    pub memories: Option<wasmparser::MemorySectionReader<'a>>,
    pub tags: Option<wasmparser::TagSectionReader<'a>>,
    pub globals: Option<wasmparser::GlobalSectionReader<'a>>,
    pub elements: Option<wasmparser::ElementSectionReader<'a>>,
    pub data: Option<wasmparser::DataSectionReader<'a>>,
}

impl<'a> Filter<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, LinkError> {
        let filter = Self::read_bundle(bytes)?;
        if filter.memories != 1 {
            return Err(LinkError::Filter("it has not one memory: is it a bundle already?".to_owned()));
        }
        filter.check_version()?;
        Ok(filter)
    }

    /// Reads a module, which may be a bundle.
    pub fn read_bundle(bytes: &'a [u8]) -> Result<Self, LinkError> {
        let wrong = |error: wasmparser::Error| LinkError::Filter(error.to_string());
        if !Parser::is_core_wasm(bytes) {
            return Err(LinkError::Filter("it is no core module".to_owned()));
        }
        Validator::new_with_features(FEATURES).validate_all(bytes).map_err(wrong)?;
        let mut filter = Self {
            types: Vec::new(),
            sections: Sections::default(),
            imports: Vec::new(),
            imported: 0,
            signatures: Vec::new(),
            bodies: Vec::new(),
            exports: Vec::new(),
            memories: 0,
            tables: 0,
            globals: 0,
            tags: 0,
            data: 0,
            start: None,
            versions: Vec::new(),
        };
        for payload in Parser::new(0).parse_all(bytes) {
            filter.section(payload.map_err(wrong)?).map_err(wrong)?;
        }
        Ok(filter)
    }

    fn section(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(types) => {
                self.types = types.into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    let import = import?;
                    self.imports.push(import);
                    match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => self.signatures.push(ty),
                        TypeRef::Table(_) => self.tables += 1,
                        TypeRef::Memory(_) => self.memories += 1,
                        TypeRef::Global(_) => self.globals += 1,
                        TypeRef::Tag(_) => self.tags += 1,
                    }
                }
                self.imported = count(self.signatures.len());
                self.sections.imports = Some(imports);
            }
            Payload::FunctionSection(functions) => {
                for function in functions {
                    self.signatures.push(function?);
                }
            }
            Payload::TableSection(tables) => {
                self.tables += tables.count();
                self.sections.tables = Some(tables);
            }
            Payload::MemorySection(memories) => {
                self.memories += memories.count();
                self.sections.memories = Some(memories);
            }
            Payload::TagSection(tags) => {
                self.tags += tags.count();
                self.sections.tags = Some(tags);
            }
            Payload::GlobalSection(globals) => {
                self.globals += globals.count();
                self.sections.globals = Some(globals);
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    self.exports.push((export.name, export.kind, export.index));
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(elements) => self.sections.elements = Some(elements),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::DataSection(data) => {
                self.data = data.count();
                self.sections.data = Some(data);
            }
            Payload::CustomSection(section) if section.name() == VERSION_SECTION => {
                self.versions.push(section.data());
            }
            _ => {}
        }
        Ok(())
    }

    /// The version of the seam that it says it was compiled for.
    pub fn seam_version(&self) -> SeamVersion {
        match self.versions.as_slice() {
            [] => SeamVersion::None,
            [section] => version_of(section).map_or(SeamVersion::Unreadable, SeamVersion::Of),
            _ => SeamVersion::Unreadable,
        }
    }

    /// What has nothing of a seam is no filter, and that is said elsewhere.
    fn check_version(&self) -> Result<(), LinkError> {
        let has_seam = self.exports.iter().any(|(name, ..)| name.starts_with(PREFIX));
        match self.seam_version() {
            SeamVersion::Of(VERSION) => Ok(()),
            SeamVersion::None if !has_seam => Ok(()),
            found => Err(LinkError::SeamVersion { found, needed: VERSION }),
        }
    }

    /// Where the stubs are, in the order of [`Stub::ALL`], and the function that answers.
    pub fn seam(&self) -> Result<([u32; Stub::ALL.len()], u32), LinkError> {
        let find = |Function { name, signature }: Function| {
            let export = self.exports.iter().find(|(n, kind, _)| *n == name && *kind == ExternalKind::Func);
            let index = export.map(|(_, _, index)| *index).filter(|index| *index >= self.imported);
            let ty = function_type(signature);
            index.filter(|index| self.signature(*index) == Some(&ty)).ok_or_else(|| {
                LinkError::Filter(format!(
                    "it has no `{name}`: take the filter of this release (`mandate build`), and not a bundle"
                ))
            })
        };
        let mut stubs = [0; Stub::ALL.len()];
        for (place, stub) in stubs.iter_mut().zip(Stub::ALL) {
            *place = find(stub.function())?;
        }
        if stubs.iter().any(|stub| self.calls(*stub)) {
            return Err(LinkError::Filter(
                "its toolchain wrapped the functions of the seam: it has to call `__wasm_call_ctors` in `_initialize`"
                    .to_owned(),
            ));
        }
        let mut sorted = stubs;
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(LinkError::Filter(
                "its compiler folded two functions of the seam into one".to_owned(),
            ));
        }
        Ok((stubs, find(ANSWER)?))
    }

    /// Whether a function calls another. A stub does not; a wrapper around one does, and nobody calls the wrapper.
    fn calls(&self, function: u32) -> bool {
        let index = function.checked_sub(self.imported).and_then(|index| usize::try_from(index).ok());
        let body = index.and_then(|index| self.bodies.get(index));
        let operators = body.and_then(|body| body.get_operators_reader().ok()).into_iter().flatten();
        operators.flatten().any(|operator| matches!(operator, Operator::Call { .. }))
    }

    fn signature(&self, function: u32) -> Option<&FuncType> {
        let index = self.signatures.get(usize::try_from(function).ok()?)?;
        self.types.get(usize::try_from(*index).ok()?)
    }
}

/// WebAssembly counts in 32 bits, and a module that was read has no more of anything.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
