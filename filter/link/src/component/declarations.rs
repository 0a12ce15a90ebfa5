//! The index spaces of a component: what it declares, in the order in which it does.

use std::collections::BTreeMap;

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind,
    ComponentTypeRef, ExternalKind, Instance, InstantiationArgKind, Parser, Payload,
};

use super::FEATURES;
use crate::refusal::{Refusal, Wiring};

/// What a component declares, as far as it can be linked. Types are left to the validator.
#[derive(Debug, Default)]
pub(super) struct Declarations<'a> {
    pub(super) modules: Vec<&'a [u8]>,
    pub(super) instances: Vec<CoreInstance<'a>>,
    pub(super) core_functions: Vec<CoreFunction<'a>>,
    pub(super) core_tables: Vec<ExportOf<'a>>,
    pub(super) core_memories: Vec<ExportOf<'a>>,
    pub(super) core_globals: Vec<ExportOf<'a>>,
    pub(super) core_tags: Vec<ExportOf<'a>>,
    pub(super) functions: Vec<Function<'a>>,
    /// The names of the interfaces that are imported: there are no other instances.
    pub(super) interfaces: Vec<&'a str>,
    pub(super) exports: Vec<(&'a str, Function<'a>)>,
}

/// An item, as an export of a core instance.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExportOf<'a> {
    pub(super) instance: u32,
    pub(super) name: &'a str,
}

/// A core instance.
#[derive(Debug)]
pub(super) enum CoreInstance<'a> {
    /// An instance of a core module, and the instances that its imports come from.
    OfModule { module: u32, arguments: BTreeMap<&'a str, u32> },
    /// Items of the component, gathered under names.
    OfItems(BTreeMap<&'a str, (ExternalKind, u32)>),
}

/// A core function.
#[derive(Debug)]
pub(super) enum CoreFunction<'a> {
    Export(ExportOf<'a>),
    Lowered { function: u32, options: Box<[CanonicalOption]> },
    Drop { resource: u32 },
}

/// A function of the component model.
#[derive(Debug, Clone)]
pub(super) enum Function<'a> {
    Imported { interface: &'a str, name: &'a str },
    Lifted { function: u32, options: Box<[CanonicalOption]> },
}

/// The sections of a component itself, without those of the modules and components in it.
pub(super) fn sections(component: &[u8]) -> impl Iterator<Item = Result<Payload<'_>, Refusal>> {
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    let mut depth = 0_u32;
    parser.parse_all(component).map(|section| Ok(section?)).filter(move |section| {
        let outermost = depth == 0;
        match section {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => {
                depth = depth.saturating_add(1);
            }
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            _ => {}
        }
        outermost
    })
}

/// The item at an index, which validation found to be in bounds.
pub(super) fn at<T>(items: &[T], index: u32) -> Result<&T, Refusal> {
    usize::try_from(index)
        .ok()
        .and_then(|index| items.get(index))
        .ok_or(Refusal::Invalid { offset: 0, problem: format!("index {index} is out of bounds") })
}

impl<'a> Declarations<'a> {
    /// Reads them from a component that is valid.
    pub(super) fn read(component: &'a [u8]) -> Result<Self, Refusal> {
        let mut declarations = Self::default();
        for section in sections(component) {
            declarations.section(component, section?)?;
        }
        Ok(declarations)
    }

    fn section(&mut self, component: &'a [u8], section: Payload<'a>) -> Result<(), Refusal> {
        match section {
            Payload::ModuleSection { unchecked_range, .. } => {
                let start = usize::try_from(unchecked_range.start).ok();
                let end = usize::try_from(unchecked_range.end).ok();
                let module = start.zip(end).and_then(|(start, end)| component.get(start..end));
                self.modules.push(module.ok_or_else(out_of_bounds)?);
                Ok(())
            }
            Payload::InstanceSection(section) => {
                section.into_iter().try_for_each(|instance| self.instance(instance?))
            }
            Payload::ComponentAliasSection(section) => {
                section.into_iter().try_for_each(|alias| self.alias(&alias?))
            }
            Payload::ComponentCanonicalSection(section) => {
                section.into_iter().try_for_each(|function| self.canonical(function?))
            }
            Payload::ComponentImportSection(section) => section.into_iter().try_for_each(|import| {
                let import = import?;
                self.import(import.name.name, import.ty)
            }),
            Payload::ComponentExportSection(section) => section.into_iter().try_for_each(|export| {
                let export = export?;
                self.export(export.name.name, export.kind, export.index)
            }),
            Payload::ComponentTypeSection(_)
            | Payload::CoreTypeSection(_)
            | Payload::CustomSection(_)
            | Payload::Version { .. }
            | Payload::End(_) => Ok(()),
            Payload::ComponentSection { .. } | Payload::ComponentInstanceSection(_) => {
                unsupported("components, or instances of components, within itself")
            }
            Payload::ComponentStartSection { .. } => unsupported("a start function of its own"),
            _ => unsupported("a section of an unknown kind"),
        }
    }

    fn instance(&mut self, instance: Instance<'a>) -> Result<(), Refusal> {
        self.instances.push(match instance {
            Instance::Instantiate { module_index, args } => {
                let arguments = args.iter().map(|argument| match argument.kind {
                    InstantiationArgKind::Instance => (argument.name, argument.index),
                });
                CoreInstance::OfModule { module: module_index, arguments: arguments.collect() }
            }
            Instance::FromExports(exports) => CoreInstance::OfItems(
                exports.iter().map(|export| (export.name, (export.kind, export.index))).collect(),
            ),
        });
        Ok(())
    }

    fn alias(&mut self, alias: &ComponentAlias<'a>) -> Result<(), Refusal> {
        use ComponentExternalKind as C;
        match *alias {
            ComponentAlias::CoreInstanceExport { kind, instance_index, name } => {
                let export = ExportOf { instance: instance_index, name };
                match kind {
                    ExternalKind::Func | ExternalKind::FuncExact => {
                        self.core_functions.push(CoreFunction::Export(export));
                    }
                    ExternalKind::Table => self.core_tables.push(export),
                    ExternalKind::Memory => self.core_memories.push(export),
                    ExternalKind::Global => self.core_globals.push(export),
                    ExternalKind::Tag => self.core_tags.push(export),
                }
                Ok(())
            }
            ComponentAlias::InstanceExport { kind: C::Func, instance_index, name } => {
                let interface = at(&self.interfaces, instance_index)?;
                self.functions.push(Function::Imported { interface, name });
                Ok(())
            }
            ComponentAlias::InstanceExport { kind: C::Type, .. }
            | ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::Type | ComponentOuterAliasKind::CoreType,
                ..
            } => Ok(()),
            ComponentAlias::InstanceExport { .. } | ComponentAlias::Outer { .. } => {
                unsupported("an alias of something other than a function or a type")
            }
        }
    }

    fn canonical(&mut self, function: CanonicalFunction) -> Result<(), Refusal> {
        match function {
            CanonicalFunction::Lift { core_func_index, options, .. } => {
                self.functions.push(Function::Lifted { function: core_func_index, options });
            }
            CanonicalFunction::Lower { func_index, options } => {
                self.core_functions.push(CoreFunction::Lowered { function: func_index, options });
            }
            CanonicalFunction::ResourceDrop { resource } => {
                self.core_functions.push(CoreFunction::Drop { resource });
            }
            _ => return unsupported("a canonical function other than `lift`, `lower` and `resource.drop`"),
        }
        Ok(())
    }

    fn import(&mut self, name: &'a str, kind: ComponentTypeRef) -> Result<(), Refusal> {
        match kind {
            ComponentTypeRef::Instance(_) => self.interfaces.push(name),
            ComponentTypeRef::Type(_) => {}
            _ => return unsupported("an import other than of an interface or a type"),
        }
        Ok(())
    }

    /// An export is an item of its own, with an index that can be used again.
    fn export(&mut self, name: &'a str, kind: ComponentExternalKind, index: u32) -> Result<(), Refusal> {
        if kind != ComponentExternalKind::Func {
            return unsupported("an export other than of a function");
        }
        let function = at(&self.functions, index)?.clone();
        self.functions.push(function.clone());
        self.exports.push((name, function));
        Ok(())
    }
}

fn unsupported<T>(what: &'static str) -> Result<T, Refusal> {
    Err(Wiring::Unsupported(what).into())
}

/// What validation has ruled out.
fn out_of_bounds() -> Refusal {
    Refusal::Invalid { offset: 0, problem: "an index is out of bounds".to_owned() }
}
