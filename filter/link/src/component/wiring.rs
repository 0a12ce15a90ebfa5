//! Follows every import of the policy's core module, through instances, aliases and tables, to what it means.
//!
//! Toolchains do not hand the lowered functions to the policy's module directly: lowering needs the memory of that
//! module, which does not exist before the module is instantiated. So a first helper module exports functions that
//! call through a table, the policy's module imports those, and a second helper fills the table with the lowered
//! functions. All of it is constant, so it is evaluated here once, and nothing of it remains when the program runs.

mod helpers;
mod origin;

use wasmparser::{CanonicalOption, ExternalKind, types::TypesRef};

use self::{
    helpers::Helpers,
    origin::{Origin, Origins},
};
use super::{
    PolicyExports, PolicyModule,
    core_module::CoreModule,
    declarations::{CoreInstance, Declarations, ExportOf, Function, at},
    world::World,
};
use crate::lower::function_type;
use crate::refusal::{ImportProblem, Refusal, Wiring, shown};
use mandate_seam::{HostFunction, wit};

/// Finds the policy's core module in a component that conforms to the contract, and resolves its imports.
pub(super) fn read<'a>(
    component: &'a [u8],
    types: TypesRef<'_>,
    world: &World,
) -> Result<PolicyModule<'a>, Refusal> {
    let declarations = Declarations::read(component)?;
    let modules =
        declarations.modules.iter().map(|bytes| CoreModule::read(bytes)).collect::<Result<Vec<_>, _>>()?;
    let origins = Origins { declarations: &declarations, modules: &modules, types, request: world.request };
    let mut policy = Policy::find(&origins)?;
    policy.check_instances()?;
    policy.check_state()?;
    let exports = policy.exports()?;
    let helpers = Helpers::instantiate(&origins, policy.instance)?;
    let imports = policy.imports(&helpers)?;
    let module = *at(&declarations.modules, policy.module)?;
    let (start, obligation_cases) = (helpers.into_calls(), world.obligation_cases);
    Ok(PolicyModule { module, imports, exports, start, obligation_cases })
}

/// The instance that holds the policy's code.
struct Policy<'o, 'a> {
    origins: &'o Origins<'o, 'a>,
    instance: u32,
    module: u32,
    /// The memory that the lifts and lowers have named so far, by its index, and under which name.
    memory: Option<(u32, &'a str)>,
    /// And the `realloc`.
    realloc: Option<(u32, &'a str)>,
}

/// A lifted function of the policy.
struct Lift<'a> {
    function: &'a str,
    post_return: Option<&'a str>,
}

impl<'o, 'a> Policy<'o, 'a> {
    /// The policy is the instance whose functions the component exports, and there is one such instance.
    fn find(origins: &'o Origins<'o, 'a>) -> Result<Self, Refusal> {
        let mut instances = Vec::new();
        for (name, function) in &origins.declarations.exports {
            let Function::Lifted { function, .. } = function else { return Err(not_code(name)) };
            match origins.core_function(*function)? {
                Origin::Defined { instance, .. } => instances.push((*name, instance)),
                Origin::Host { .. } => return Err(not_code(name)),
            }
        }
        let (first, instance) = *instances.first().ok_or_else(|| not_code(wit::CHECK))?;
        if let Some((export, _)) = instances.iter().find(|(_, other)| *other != instance) {
            return Err(Wiring::SeveralPolicies { export: shown(export) }.into());
        }
        match at(&origins.declarations.instances, instance)? {
            CoreInstance::OfModule { module, .. } => {
                Ok(Self { origins, instance, module: *module, memory: None, realloc: None })
            }
            CoreInstance::OfItems(_) => Err(not_code(first)),
        }
    }

    /// Every core module is instantiated once, so there is one set of state, and nothing that is left out.
    fn check_instances(&self) -> Result<(), Refusal> {
        let instances = &self.origins.declarations.instances;
        for module in (0_u32..).take(self.origins.modules.len()) {
            let times = instances
                .iter()
                .filter(
                    |instance| matches!(instance, CoreInstance::OfModule { module: of, .. } if *of == module),
                )
                .count();
            if times != 1 {
                return Err(Wiring::Instances { module, times }.into());
            }
        }
        Ok(())
    }

    /// Whatever the policy's code can change is its own.
    fn check_state(&self) -> Result<(), Refusal> {
        match at(self.origins.modules, self.module)?.first_state_import() {
            Some((kind, import)) => {
                let (module, name) = (shown(import.module), shown(import.name));
                Err(Wiring::SharedState { kind, module, name }.into())
            }
            None => Ok(()),
        }
    }

    fn exports(&mut self) -> Result<PolicyExports, Refusal> {
        let describe = self.lift(wit::DESCRIBE)?;
        let configure = self.lift(wit::CONFIGURE)?;
        let check = self.lift(wit::CHECK)?;
        let owned = |name: &str| name.to_owned();
        // Validation has asked `configure` for both, as it takes a string.
        let memory = self.memory.ok_or_else(|| not_shared(wit::CONFIGURE, "a memory"))?;
        let realloc = self.realloc.ok_or_else(|| not_shared(wit::CONFIGURE, "a `realloc`"))?;
        Ok(PolicyExports {
            describe: owned(describe.function),
            configure: owned(configure.function),
            check: owned(check.function),
            post_describe: describe.post_return.map(owned),
            post_configure: configure.post_return.map(owned),
            post_check: check.post_return.map(owned),
            realloc: owned(realloc.1),
            memory: owned(memory.1),
        })
    }

    fn lift(&mut self, export: &str) -> Result<Lift<'a>, Refusal> {
        let declarations = self.origins.declarations;
        let lifted = declarations.exports.iter().find_map(|(name, function)| match function {
            Function::Lifted { function, options } if *name == export => Some((*function, options)),
            _ => None,
        });
        let (function, options) = lifted.ok_or_else(|| not_code(export))?;
        let (_, function) = self.own_function(export, function)?;
        let post_return = self.options(export, options)?;
        Ok(Lift { function, post_return })
    }

    /// What each function import of the policy's module is.
    fn imports(&mut self, helpers: &Helpers<'a>) -> Result<Vec<HostFunction>, Refusal> {
        let module = at(self.origins.modules, self.module)?;
        let arguments = match at(&self.origins.declarations.instances, self.instance)? {
            CoreInstance::OfModule { arguments, .. } => arguments,
            CoreInstance::OfItems(_) => return Err(not_code(wit::CHECK)),
        };
        let mut functions = Vec::with_capacity(module.function_imports.len());
        for (import, ty) in &module.function_imports {
            let refuse = |problem| {
                let (module, name) = (shown(import.module), shown(import.name));
                Refusal::from(Wiring::Import { module, name, problem })
            };
            let instance =
                arguments.get(import.module).copied().ok_or_else(|| refuse(ImportProblem::Code))?;
            let start = ExportOf { instance, name: import.name };
            let (function, options) = helpers.host_function(self.origins, self.instance, start, &refuse)?;
            let ty = module.function_type(*ty)?;
            if *ty != function_type(function.signature()) {
                return Err(refuse(ImportProblem::Signature));
            }
            self.options(function.name(), options)?;
            functions.push(function);
        }
        Ok(functions)
    }

    /// Checks the options of a lift or a lower, and returns the name of the function that `post-return` calls.
    fn options(&mut self, function: &str, options: &[CanonicalOption]) -> Result<Option<&'a str>, Refusal> {
        let refuse =
            |option| Refusal::from(Wiring::CanonicalOption { function: function.to_owned(), option });
        let mut post_return = None;
        for option in options {
            match option {
                CanonicalOption::UTF8 => {}
                CanonicalOption::UTF16 => return Err(refuse("strings in UTF-16")),
                CanonicalOption::CompactUTF16 => return Err(refuse("strings in Latin-1 or UTF-16")),
                CanonicalOption::Memory(memory) => {
                    let memory = self.own_memory(function, *memory)?;
                    self.memory = Some(one_and_only(self.memory, memory, function, "a memory")?);
                }
                CanonicalOption::Realloc(realloc) => {
                    let realloc = self.own_function(function, *realloc)?;
                    self.realloc = Some(one_and_only(self.realloc, realloc, function, "a `realloc`")?);
                }
                CanonicalOption::PostReturn(called) => {
                    post_return = Some(self.own_function(function, *called)?.1);
                }
                CanonicalOption::Async | CanonicalOption::Callback(_) => {
                    return Err(refuse("the asynchronous ABI"));
                }
                CanonicalOption::CoreType(_) | CanonicalOption::Gc => {
                    return Err(refuse("the garbage-collected ABI"));
                }
            }
        }
        Ok(post_return)
    }

    /// The index in the policy's module, and the name, of a core function that it has to define and export.
    fn own_function(&self, function: &str, index: u32) -> Result<(u32, &'a str), Refusal> {
        match self.origins.core_function(index)? {
            Origin::Defined { instance, index, name, .. } if instance == self.instance => Ok((index, name)),
            _ => Err(not_code(function)),
        }
    }

    fn own_memory(&self, function: &str, index: u32) -> Result<(u32, &'a str), Refusal> {
        let export = *at(&self.origins.declarations.core_memories, index)?;
        match self.origins.follow(export)? {
            Origin::Defined { instance, kind: ExternalKind::Memory, index, name }
                if instance == self.instance =>
            {
                Ok((index, name))
            }
            _ => Err(not_shared(function, "a memory")),
        }
    }
}

/// Holds what was found against what was found before. One thing may be exported under several names.
fn one_and_only<'a>(
    before: Option<(u32, &'a str)>,
    found: (u32, &'a str),
    function: &str,
    what: &'static str,
) -> Result<(u32, &'a str), Refusal> {
    match before {
        Some(before) if before.0 != found.0 => Err(not_shared(function, what)),
        Some(before) => Ok(before),
        None => Ok(found),
    }
}

fn not_code(function: &str) -> Refusal {
    Wiring::NotCode { function: shown(function) }.into()
}

fn not_shared(function: &str, what: &'static str) -> Refusal {
    Wiring::SharedAbi { function: function.to_owned(), what }.into()
}
