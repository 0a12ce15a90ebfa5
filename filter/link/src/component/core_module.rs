//! One core module, as far as its imports and exports are to be followed through it.

use std::collections::BTreeMap;

use wasmparser::{
    ConstExpr, Element, ElementItems, ElementKind, ExternalKind, FuncType, FunctionBody, Import, Operator,
    Parser, Payload, TypeRef,
};

use super::{FEATURES, declarations::at};
use crate::refusal::Refusal;

/// A core module that is valid, in parts.
#[derive(Default)]
pub(super) struct CoreModule<'a> {
    types: Vec<FuncType>,
    /// Each with the index of its type.
    pub(super) function_imports: Vec<(Import<'a>, u32)>,
    pub(super) table_imports: Vec<Import<'a>>,
    /// Memories, globals and tags that it imports.
    pub(super) other_imports: Vec<Import<'a>>,
    /// The types of the functions that it defines.
    functions: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    /// The initial sizes of the tables that it defines.
    tables: Vec<u64>,
    exports: BTreeMap<&'a str, (ExternalKind, u32)>,
    pub(super) start: Option<u32>,
    pub(super) elements: Vec<Element<'a>>,
    /// Something that it defines beside functions and tables.
    pub(super) state: Option<&'static str>,
}

/// A function that passes its parameters on to a slot of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trampoline {
    pub(super) table: u32,
    pub(super) slot: u32,
}

impl<'a> CoreModule<'a> {
    pub(super) fn read(module: &'a [u8]) -> Result<Self, Refusal> {
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        let mut read = Self::default();
        for section in parser.parse_all(module) {
            read.section(section?)?;
        }
        Ok(read)
    }

    fn section(&mut self, section: Payload<'a>) -> Result<(), Refusal> {
        match section {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    self.types.push(ty?);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(import?);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    self.tables.push(table?.ty.initial);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.exports.insert(export.name, (export.kind, export.index));
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    self.elements.push(element?);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::MemorySection(_) => self.state = Some("a memory"),
            Payload::GlobalSection(_) => self.state = Some("globals"),
            Payload::DataSection(_) => self.state = Some("data"),
            Payload::TagSection(_) => self.state = Some("tags"),
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: Import<'a>) {
        match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => self.function_imports.push((import, ty)),
            TypeRef::Table(_) => self.table_imports.push(import),
            TypeRef::Memory(_) | TypeRef::Global(_) | TypeRef::Tag(_) => self.other_imports.push(import),
        }
    }

    /// The kind and index of what it exports under a name.
    pub(super) fn export(&self, name: &str) -> Option<(ExternalKind, u32)> {
        self.exports.get(name).copied()
    }

    /// What it imports as this item, if it does not define it. The policy's module is the only one with memories,
    /// globals or tags, and defines all of them.
    pub(super) fn imported(&self, kind: ExternalKind, index: u32) -> Option<&Import<'a>> {
        let index = usize::try_from(index).ok()?;
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                self.function_imports.get(index).map(|(import, _)| import)
            }
            ExternalKind::Table => self.table_imports.get(index),
            ExternalKind::Memory | ExternalKind::Global | ExternalKind::Tag => None,
        }
    }

    /// The first import that is no function, and what it is.
    pub(super) fn first_state_import(&self) -> Option<(&'static str, &Import<'a>)> {
        let tables = self.table_imports.iter().map(|import| ("a table", import));
        let others = self.other_imports.iter().map(|import| match import.ty {
            TypeRef::Memory(_) => ("a memory", import),
            TypeRef::Global(_) => ("a global", import),
            _ => ("a tag", import),
        });
        tables.chain(others).next()
    }

    /// The initial size of a table that it defines.
    pub(super) fn table_size(&self, table: u32) -> Option<u64> {
        let index = usize::try_from(table).ok()?.checked_sub(self.table_imports.len())?;
        self.tables.get(index).copied()
    }

    /// The type of the type section at an index.
    pub(super) fn function_type(&self, ty: u32) -> Result<&FuncType, Refusal> {
        at(&self.types, ty)
    }

    /// The functions that it defines, by their indices.
    pub(super) fn defined_functions(&self) -> impl Iterator<Item = u32> {
        let imported = self.function_imports.len();
        (imported..imported.saturating_add(self.bodies.len())).filter_map(|index| u32::try_from(index).ok())
    }

    /// What a function passes its calls on to, if it does nothing but that:
    ///
    /// ```text
    /// local.get 0 … local.get n-1   i32.const slot   call_indirect table (its own type)   end
    /// ```
    pub(super) fn trampoline(&self, function: u32) -> Option<Trampoline> {
        let (ty, body) = self.defined(function)?;
        let mut operators = body.get_operators_reader().ok()?;
        for parameter in 0..ty.params().len() {
            match operators.read().ok()? {
                Operator::LocalGet { local_index } if usize::try_from(local_index).ok()? == parameter => {}
                _ => return None,
            }
        }
        let Operator::I32Const { value } = operators.read().ok()? else { return None };
        let Operator::CallIndirect { type_index, table_index } = operators.read().ok()? else { return None };
        let passes_on = self.function_type(type_index).ok()? == ty && operators.is_end_then_eof();
        passes_on.then_some(Trampoline { table: table_index, slot: u32::try_from(value).ok()? })
    }

    /// The functions that a function calls one after the other, if it does nothing but that.
    pub(super) fn calls(&self, function: u32) -> Option<Vec<u32>> {
        let (_, body) = self.defined(function)?;
        let mut operators = body.get_operators_reader().ok()?;
        let mut called = Vec::new();
        while !operators.is_end_then_eof() {
            match operators.read().ok()? {
                Operator::Call { function_index } => called.push(function_index),
                _ => return None,
            }
        }
        Some(called)
    }

    fn defined(&self, function: u32) -> Option<(&FuncType, &FunctionBody<'a>)> {
        let index = usize::try_from(function).ok()?.checked_sub(self.function_imports.len())?;
        let ty = self.function_type(*self.functions.get(index)?).ok()?;
        Some((ty, self.bodies.get(index)?))
    }
}

/// An element segment that fills part of a table when its module is instantiated.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) table: u32,
    pub(super) first_slot: u32,
    pub(super) functions: Vec<u32>,
}

impl Filling {
    /// Reads an active segment of functions at a constant offset: no more is needed to pass calls on.
    pub(super) fn of(element: &Element<'_>) -> Option<Self> {
        let ElementKind::Active { table_index, offset_expr } = &element.kind else { return None };
        let functions = match &element.items {
            ElementItems::Functions(functions) => {
                functions.clone().into_iter().collect::<Result<_, _>>().ok()?
            }
            ElementItems::Expressions(_, expressions) => expressions
                .clone()
                .into_iter()
                .map(|expression| match only_operator(&expression.ok()?)? {
                    Operator::RefFunc { function_index } => Some(function_index),
                    _ => None,
                })
                .collect::<Option<_>>()?,
        };
        let Operator::I32Const { value } = only_operator(offset_expr)? else { return None };
        Some(Self { table: table_index.unwrap_or(0), first_slot: u32::try_from(value).ok()?, functions })
    }
}

fn only_operator<'a>(expression: &ConstExpr<'a>) -> Option<Operator<'a>> {
    let mut operators = expression.get_operators_reader();
    let operator = operators.read().ok()?;
    operators.is_end_then_eof().then_some(operator)
}
