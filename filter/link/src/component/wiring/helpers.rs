//! The helper modules of a component: the tables that they fill, and what they call when they are instantiated.

use std::collections::BTreeMap;

use wasmparser::{CanonicalOption, ExternalKind};

use super::{
    super::{
        core_module::{CoreModule, Filling},
        declarations::{CoreInstance, ExportOf, at},
    },
    origin::{Origin, Origins},
};
use crate::refusal::{ImportProblem, Refusal, Wiring};
use mandate_seam::HostFunction;

/// How often a call may be passed on through a table. Toolchains do it once.
const MAX_BOUNCES: usize = 8;

/// A table, by the instance that defines it and its index there.
type Table = (u32, u32);
/// A function, by the instance that it is filled in from and its index there.
type Local = (u32, u32);

/// What the helpers of a component amount to.
#[derive(Debug, Default)]
pub(super) struct Helpers<'a> {
    slots: BTreeMap<(Table, u32), Local>,
    calls: Vec<&'a str>,
}

impl<'a> Helpers<'a> {
    /// Instantiates all modules but the policy's, in their order.
    pub(super) fn instantiate(origins: &Origins<'_, 'a>, policy: u32) -> Result<Self, Refusal> {
        let mut helpers = Self::default();
        for (instance, declared) in (0_u32..).zip(&origins.declarations.instances) {
            let CoreInstance::OfModule { module: index, .. } = declared else { continue };
            if instance == policy {
                continue;
            }
            let module = at(origins.modules, *index)?;
            check_helper(module, *index)?;
            let helper = Helper { origins, policy, instance, index: *index, module };
            helper.fill(&mut helpers)?;
            helper.start(&mut helpers)?;
        }
        Ok(helpers)
    }

    /// The exports of the policy that are called on instantiation, in order.
    pub(super) fn into_calls(self) -> Vec<String> {
        self.calls.into_iter().map(str::to_owned).collect()
    }

    /// The function of the contract that an export leads to, and the options that it is lowered with.
    pub(super) fn host_function<'o>(
        &self,
        origins: &Origins<'o, 'a>,
        policy: u32,
        export: ExportOf<'a>,
        refuse: &dyn Fn(ImportProblem) -> Refusal,
    ) -> Result<(HostFunction, &'o [CanonicalOption]), Refusal> {
        let mut origin = origins.follow(export)?;
        for _ in 0..MAX_BOUNCES {
            let (instance, function) = match origin {
                Origin::Host { function: Some(function), options } => return Ok((function, options)),
                Origin::Host { function: None, .. } => return Err(refuse(ImportProblem::OtherResource)),
                Origin::Defined { instance, .. } if instance == policy => {
                    return Err(refuse(ImportProblem::Itself));
                }
                Origin::Defined { instance, index, .. } => (instance, index),
            };
            let (instance, function) = self.bounce(origins, instance, function, refuse)?;
            origin = origins.local(instance, ExternalKind::Func, function)?;
        }
        Err(Wiring::TooLong { bound: MAX_BOUNCES }.into())
    }

    /// The function that a trampoline calls.
    fn bounce(
        &self,
        origins: &Origins<'_, 'a>,
        instance: u32,
        function: u32,
        refuse: &dyn Fn(ImportProblem) -> Refusal,
    ) -> Result<Local, Refusal> {
        let CoreInstance::OfModule { module, .. } = at(&origins.declarations.instances, instance)? else {
            return Err(refuse(ImportProblem::Code));
        };
        let trampoline =
            at(origins.modules, *module)?.trampoline(function).ok_or_else(|| refuse(ImportProblem::Code))?;
        let Origin::Defined { instance, index, .. } =
            origins.local(instance, ExternalKind::Table, trampoline.table)?
        else {
            return Err(refuse(ImportProblem::Code));
        };
        let slot = ((instance, index), trampoline.slot);
        self.slots.get(&slot).copied().ok_or_else(|| refuse(ImportProblem::EmptySlot(trampoline.slot)))
    }
}

/// A helper passes calls on, fills tables, and calls the policy; it has no state and no code of its own.
fn check_helper(module: &CoreModule<'_>, index: u32) -> Result<(), Refusal> {
    let refuse = |what| Err(Wiring::SecondModule { module: index, what }.into());
    if let Some(what) = module.state {
        return refuse(what);
    }
    if !module.other_imports.is_empty() {
        return refuse("memories, globals or tags that it imports");
    }
    let code = module
        .defined_functions()
        .any(|function| module.start != Some(function) && module.trampoline(function).is_none());
    if code { refuse("code") } else { Ok(()) }
}

struct Helper<'h, 'o, 'a> {
    origins: &'h Origins<'o, 'a>,
    policy: u32,
    instance: u32,
    /// The index of its module, and the module.
    index: u32,
    module: &'h CoreModule<'a>,
}

impl<'a> Helper<'_, '_, 'a> {
    fn fill(&self, helpers: &mut Helpers<'a>) -> Result<(), Refusal> {
        let refuse = |what| Refusal::from(Wiring::Table { module: self.index, what });
        for element in &self.module.elements {
            let filling = Filling::of(element)
                .ok_or_else(|| refuse("not by an active segment of functions at a constant offset"))?;
            let (table, size) = self.table(filling.table)?;
            for (position, function) in (0_u64..).zip(filling.functions) {
                let slot = u64::from(filling.first_slot).saturating_add(position);
                let slot = u32::try_from(slot).ok().filter(|_| slot < size);
                let slot = slot.ok_or_else(|| refuse("beyond its end"))?;
                if helpers.slots.insert((table, slot), (self.instance, function)).is_some() {
                    return Err(refuse("the same slot twice"));
                }
            }
        }
        Ok(())
    }

    /// The table behind an index, which belongs to a helper, and its size.
    fn table(&self, index: u32) -> Result<(Table, u64), Refusal> {
        let refuse = |what| Refusal::from(Wiring::Table { module: self.index, what });
        let Origin::Defined { instance, index, .. } =
            self.origins.local(self.instance, ExternalKind::Table, index)?
        else {
            return Err(refuse("which is no table"));
        };
        if instance == self.policy {
            return Err(refuse("the table belongs to the policy"));
        }
        let CoreInstance::OfModule { module, .. } = at(&self.origins.declarations.instances, instance)?
        else {
            return Err(refuse("which is no table"));
        };
        let size = at(self.origins.modules, *module)?.table_size(index);
        Ok(((instance, index), size.unwrap_or(0)))
    }

    fn start(&self, helpers: &mut Helpers<'a>) -> Result<(), Refusal> {
        let Some(start) = self.module.start else { return Ok(()) };
        let refuse = || Refusal::from(Wiring::Start { module: self.index });
        let called = match self.module.imported(ExternalKind::Func, start) {
            Some(_) => vec![start],
            None => self.module.calls(start).ok_or_else(refuse)?,
        };
        for function in called {
            match self.origins.local(self.instance, ExternalKind::Func, function)? {
                Origin::Defined { instance, name, .. } if instance == self.policy => helpers.calls.push(name),
                _ => return Err(refuse()),
            }
        }
        Ok(())
    }
}
