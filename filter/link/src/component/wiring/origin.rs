//! Where an item of a core instance comes from.

use wasmparser::{
    CanonicalOption, ExternalKind,
    component_types::{ComponentAnyTypeId, ResourceId},
    types::TypesRef,
};

use super::super::{
    contract::split_version,
    core_module::CoreModule,
    declarations::{CoreFunction, CoreInstance, Declarations, ExportOf, Function, at},
};
use crate::refusal::{Refusal, Wiring};
use mandate_seam::{HostFunction, wit};

/// Toolchains need two or three.
const MAX_STEPS: usize = 32;

/// What everything is followed through.
pub(super) struct Origins<'o, 'a> {
    pub(super) declarations: &'o Declarations<'a>,
    /// The modules of `declarations`, read.
    pub(super) modules: &'o [CoreModule<'a>],
    pub(super) types: TypesRef<'o>,
    /// The resource that is the contract's request.
    pub(super) request: Option<ResourceId>,
}

/// The end of a chain of imports and exports.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'o, 'a> {
    /// A function of the contract, and the options that it is lowered with; none if the resource is not the request.
    Host { function: Option<HostFunction>, options: &'o [CanonicalOption] },
    /// An item that the module of an instance defines, and the last name under which it was exported.
    Defined { instance: u32, kind: ExternalKind, index: u32, name: &'a str },
}

impl<'o, 'a> Origins<'o, 'a> {
    /// Where a core function of the component comes from.
    pub(super) fn core_function(&self, index: u32) -> Result<Origin<'o, 'a>, Refusal> {
        match self.item(ExternalKind::Func, index)? {
            Step::On(export) => self.follow(export),
            Step::End(origin) => Ok(origin),
        }
    }

    /// Where an export of a core instance comes from.
    ///
    /// Each step leads to an instance that was declared earlier, so it comes to an end, which the bound only hastens.
    pub(super) fn follow(&self, export: ExportOf<'a>) -> Result<Origin<'o, 'a>, Refusal> {
        let mut export = export;
        for _ in 0..MAX_STEPS {
            match self.step(export)? {
                Step::On(next) => export = next,
                Step::End(origin) => return Ok(origin),
            }
        }
        Err(Wiring::TooLong { bound: MAX_STEPS }.into())
    }

    /// Where the item of a module's index space comes from, in one instance of the module.
    pub(super) fn local(
        &self,
        instance: u32,
        kind: ExternalKind,
        index: u32,
    ) -> Result<Origin<'o, 'a>, Refusal> {
        match self.local_step(instance, kind, index, "")? {
            Step::On(export) => self.follow(export),
            Step::End(origin) => Ok(origin),
        }
    }

    fn step(&self, export: ExportOf<'a>) -> Result<Step<'o, 'a>, Refusal> {
        match at(&self.declarations.instances, export.instance)? {
            CoreInstance::OfItems(items) => {
                let (kind, index) = *items.get(export.name).ok_or_else(missing)?;
                self.item(kind, index)
            }
            CoreInstance::OfModule { module, .. } => {
                let (kind, index) = at(self.modules, *module)?.export(export.name).ok_or_else(missing)?;
                self.local_step(export.instance, kind, index, export.name)
            }
        }
    }

    fn local_step(
        &self,
        instance: u32,
        kind: ExternalKind,
        index: u32,
        name: &'a str,
    ) -> Result<Step<'o, 'a>, Refusal> {
        let CoreInstance::OfModule { module, arguments } = at(&self.declarations.instances, instance)? else {
            return Err(missing());
        };
        Ok(match at(self.modules, *module)?.imported(kind, index) {
            Some(import) => {
                let instance = *arguments.get(import.module).ok_or_else(missing)?;
                Step::On(ExportOf { instance, name: import.name })
            }
            None => Step::End(Origin::Defined { instance, kind, index, name }),
        })
    }

    fn item(&self, kind: ExternalKind, index: u32) -> Result<Step<'o, 'a>, Refusal> {
        let declarations = self.declarations;
        let export = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                return self.function_item(at(&declarations.core_functions, index)?);
            }
            ExternalKind::Table => at(&declarations.core_tables, index)?,
            ExternalKind::Memory => at(&declarations.core_memories, index)?,
            ExternalKind::Global => at(&declarations.core_globals, index)?,
            ExternalKind::Tag => at(&declarations.core_tags, index)?,
        };
        Ok(Step::On(*export))
    }

    fn function_item(&self, function: &'o CoreFunction<'a>) -> Result<Step<'o, 'a>, Refusal> {
        Ok(match function {
            CoreFunction::Export(export) => Step::On(*export),
            CoreFunction::Lowered { function, options } => {
                let function = self.contract_function(*function)?;
                Step::End(Origin::Host { function: Some(function), options })
            }
            CoreFunction::Drop { resource } => {
                let dropped = match self.types.component_any_type_at(*resource) {
                    ComponentAnyTypeId::Resource(resource) => Some(resource.resource()),
                    _ => None,
                };
                let of_request = dropped.is_some() && dropped == self.request;
                Step::End(Origin::Host { function: of_request.then_some(HostFunction::Drop), options: &[] })
            }
        })
    }

    /// The function of the contract that a function of the component is. The world was checked, so an imported one is
    /// of the contract.
    fn contract_function(&self, function: u32) -> Result<HostFunction, Refusal> {
        let Function::Imported { interface, name } = at(&self.declarations.functions, function)? else {
            return Err(Wiring::Unsupported("a function that is lifted, and lowered again").into());
        };
        let interface = split_version(interface).0.strip_prefix(wit::PACKAGE).unwrap_or_default();
        HostFunction::from_name(name).filter(|function| function.interface() == interface).ok_or_else(|| {
            Refusal::UnknownImport { interface: interface.to_owned(), item: (*name).to_owned() }
        })
    }
}

enum Step<'o, 'a> {
    On(ExportOf<'a>),
    End(Origin<'o, 'a>),
}

/// What validation has ruled out.
fn missing() -> Refusal {
    Refusal::Invalid { offset: 0, problem: "an export or argument is missing".to_owned() }
}
