//! The oracle: policies as components on native Wasmtime, unlinked. What a bundle decides must agree with it.
//!
//! It shares nothing with the linker and with the code that runs linked policies: not the Canonical ABI, not the
//! containment of faults, not the return to a fresh state. Every `check` runs in an instance that was made for it.
//!
//! ```
//! use mandate_core::{config::{Config, Problem}, flow::Gate};
//! use mandate_host::oracle::{Oracle, OracleError};
//!
//! fn compile(component: &[u8]) -> Result<Oracle, OracleError> {
//!     let mut oracle = Oracle::new()?;
//!     oracle.add("ticket-guard", component)?;
//!     Ok(oracle)
//! }
//!
//! fn gate(config: Config, oracle: &Oracle) -> Result<Gate, Vec<Problem>> {
//!     Gate::new(config, Box::new(oracle.clone()), [0; 16])
//! }
//! ```

mod bindings;
mod fault;
mod host;
mod instance;
mod trace;

pub use trace::{Question, Trace};

use bindings::mandate::policy::types;
use host::{REQUEST, Request, State};
use instance::{Policy, PolicyPre};
use mandate_core::config::{PolicyEntry, PolicyLimits};
use mandate_core::limits;
use mandate_core::policy::RequestContext;
use mandate_core::policy::{CheckResult, Complaint, Fault, LinkedPolicy, Obligation, Policies, Verdict};
use mandate_core::seam::wit;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use wasmtime::component::types::{ComponentExtern, ComponentItem};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, Store};

/// Wasmtime counts instructions, the linker something coarser. So much more is given that only a policy without an end
/// runs out here: how much fuel a policy takes is the bundle's to say.
const FUEL_FACTOR: u64 = 16;

/// The stack of a policy, in bytes, by Wasmtime's measure.
const STACK_BYTES: usize = 512 * 1024;

/// Why a component is no policy, or cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// Wasmtime itself cannot be set up.
    #[error("the engine: {0}")]
    Engine(String),
    /// There is a policy of this name already.
    #[error("there are two policies `{0}`")]
    Duplicate(String),
    /// There is no policy of this name.
    #[error("there is no policy `{0}`")]
    Unknown(String),
    /// The bytes are no component.
    #[error("`{policy}` is no component that can be compiled: {reason}")]
    Compile {
        /// The policy.
        policy: String,
        /// What Wasmtime said.
        reason: String,
    },
    /// It imports what no policy is given.
    #[error("`{policy}` imports `{import}`, and a policy is given nothing but the contract")]
    Import {
        /// The policy.
        policy: String,
        /// The import.
        import: String,
    },
    /// It imports or exports something with another type than the contract's, or lacks an export.
    #[error("`{policy}` does not fit the contract: {reason}")]
    Contract {
        /// The policy.
        policy: String,
        /// What Wasmtime said.
        reason: String,
    },
    /// It failed while it described itself.
    #[error("`{policy}` failed while it described itself: {fault}")]
    Describe {
        /// The policy.
        policy: String,
        /// How.
        fault: Fault,
    },
}

/// What a policy says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence: what it denies.
    pub summary: String,
}

/// Runs policies that are not linked. Clones share the compiled code, and the [`Trace`].
#[derive(Clone)]
pub struct Oracle {
    engine: Engine,
    linker: Linker<State>,
    linked: Vec<LinkedPolicy>,
    components: BTreeMap<String, PolicyPre>,
    trace: Option<Trace>,
}

/// A policy that took its settings.
struct Ready {
    store: Store<State>,
    policy: Policy,
}

/// An instance that is used for many checks, see [`Oracle::reusable`].
pub struct Reusable {
    ready: Ready,
    entry: PolicyEntry,
}

/// Why a policy did not become [`Ready`].
enum Unready {
    /// It refused its settings.
    Refused(Vec<Complaint>),
    /// It failed, or is not there.
    Failed(Fault),
}

impl Oracle {
    /// An oracle without policies.
    ///
    /// # Errors
    /// [`OracleError::Engine`] on a machine that Wasmtime does not support.
    pub fn new() -> Result<Self, OracleError> {
        let failed = |error: wasmtime::Error| OracleError::Engine(format!("{error:#}"));
        let mut config = Config::new();
        config.consume_fuel(true);
        config.max_wasm_stack(STACK_BYTES);
        // The same bits whatever the machine, so that a case replays.
        config.cranelift_nan_canonicalization(true);
        config.relaxed_simd_deterministic(true);
        let engine = Engine::new(&config).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        bindings::Policy::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).map_err(failed)?;
        Ok(Self { engine, linker, linked: Vec::new(), components: BTreeMap::new(), trace: None })
    }

    /// Compiles a policy, which configurations then know by `name`.
    ///
    /// # Errors
    /// [`OracleError::Duplicate`]; [`OracleError::Compile`], [`OracleError::Import`] and [`OracleError::Contract`] for
    /// what is no policy.
    pub fn add(&mut self, name: &str, component: &[u8]) -> Result<(), OracleError> {
        let policy = || name.to_owned();
        if self.components.contains_key(name) {
            return Err(OracleError::Duplicate(policy()));
        }
        let sha256 = Sha256::digest(component).iter().map(|byte| format!("{byte:02x}")).collect();
        let component = Component::new(&self.engine, component)
            .map_err(|error| OracleError::Compile { policy: policy(), reason: format!("{error:#}") })?;
        if let Some(import) = self.foreign_import(&component) {
            return Err(OracleError::Import { policy: policy(), import });
        }
        let unfit =
            |error: wasmtime::Error| OracleError::Contract { policy: policy(), reason: format!("{error:#}") };
        let instance = self.linker.instantiate_pre(&component).map_err(unfit)?;
        self.components.insert(policy(), PolicyPre::new(&instance).map_err(unfit)?);
        self.linked.push(LinkedPolicy { name: policy(), sha256 });
        Ok(())
    }

    /// Has a policy describe itself, in an instance of its own and without settings.
    ///
    /// # Errors
    /// [`OracleError::Unknown`], [`OracleError::Describe`].
    pub fn describe(&mut self, name: &str) -> Result<Description, OracleError> {
        let component = self.components.get(name).ok_or_else(|| OracleError::Unknown(name.to_owned()))?;
        let described = self.instantiate(component, PolicyLimits::default().memory_bytes).and_then(|ready| {
            let Ready { mut store, policy } = ready;
            policy.call_describe(&mut store).map_err(|error| store.data().fault(&error))
        });
        let types::Description { name: own, version, summary } =
            described.map_err(|fault| OracleError::Describe { policy: name.to_owned(), fault })?;
        Ok(Description { name: own, version, summary })
    }

    /// From now on, what a policy asks is noted where the answer shows it: the questions of the last `check`.
    pub fn trace(&mut self) -> Trace {
        self.trace.get_or_insert_default().clone()
    }

    /// An instance that took its settings and answers many checks, each from the state that the one before left. It is
    /// what a host does that trusts its policies, and what the bundle's fresh state is measured against.
    ///
    /// # Errors
    /// As [`Policies::configure`].
    pub fn reusable(&self, entry: &PolicyEntry) -> Result<Reusable, Vec<Complaint>> {
        let ready = self.prepare(entry).map_err(Unready::into_complaints)?;
        Ok(Reusable { ready, entry: entry.clone() })
    }

    /// An import that is not of the contract. The world's own types are imports too, and ask for nothing.
    fn foreign_import(&self, component: &Component) -> Option<String> {
        let ty = component.component_type();
        let is_type =
            |item: &ComponentExtern| matches!(item.ty, ComponentItem::Type(_) | ComponentItem::Resource(_));
        let mut imports = ty.imports(&self.engine);
        let (import, _) =
            imports.find(|(import, item)| !import.starts_with(wit::PACKAGE) && !is_type(item))?;
        Some(import.to_owned())
    }

    /// Makes an instance, with the fuel of `configure`.
    fn instantiate(&self, component: &PolicyPre, memory_bytes: u64) -> Result<Ready, Fault> {
        let mut store = Store::new(&self.engine, State::new(memory_bytes));
        store.limiter(|state| &mut state.memory);
        refuel(&mut store, limits::POLICY_CONFIGURE_FUEL)?;
        match component.instantiate(&mut store) {
            Ok(policy) => Ok(Ready { store, policy }),
            // A memory that is too large from the start is no trap.
            Err(_) if store.data().memory.refused => Err(Fault::Memory),
            Err(error) => Err(store.data().fault(&error)),
        }
    }

    /// Makes an instance and gives it the settings of the entry.
    fn prepare(&self, entry: &PolicyEntry) -> Result<Ready, Unready> {
        let component = self.components.get(&entry.policy).ok_or(Unready::Failed(Fault::Missing))?;
        let mut ready = self.instantiate(component, entry.limits.memory_bytes).map_err(Unready::Failed)?;
        let Ready { store, policy } = &mut ready;
        let configured = policy.call_configure(store, &entry.settings.to_string());
        let problems = match configured.map_err(|error| Unready::Failed(store.data().fault(&error)))? {
            Ok(()) => return Ok(ready),
            Err(problems) => problems,
        };
        let texts =
            problems.iter().map(|problem| problem.pointer.len().saturating_add(problem.message.len()));
        within(u64::from(limits::POLICY_CONFIGURE_OUTPUT_BYTES), problems.len(), texts)
            .map_err(Unready::Failed)?;
        let complaint = |types::Problem { pointer, message }| Complaint { pointer, message };
        Err(Unready::Refused(problems.into_iter().take(limits::POLICY_PROBLEMS).map(complaint).collect()))
    }
}

impl Policies for Oracle {
    fn linked(&self) -> &[LinkedPolicy] {
        &self.linked
    }

    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        self.prepare(entry).map(drop).map_err(Unready::into_complaints)
    }

    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult {
        match self.prepare(entry) {
            Ok(mut ready) => ready.check(&entry.limits, request, self.trace.as_ref()),
            Err(Unready::Failed(fault)) => Err(fault).into(),
            // The gate asks no entry that refused its settings.
            Err(Unready::Refused(_)) => Err(Fault::Missing).into(),
        }
    }
}

impl Reusable {
    /// Asks about a request. After a fault no further answer is worth anything.
    pub fn check(&mut self, request: &RequestContext<'_>) -> CheckResult {
        self.ready.check(&self.entry.limits, request, None)
    }
}

impl Ready {
    fn check(
        &mut self,
        limits: &PolicyLimits,
        request: &RequestContext<'_>,
        trace: Option<&Trace>,
    ) -> CheckResult {
        if let Some(trace) = trace {
            trace.clear();
        }
        let state = self.store.data_mut();
        state.trace = trace.cloned();
        // What `configure` logged and was refused is not this call's.
        state.log = mandate_core::policy::PolicyLog::default();
        state.memory.refused = false;
        let verdict = REQUEST.set(request, || self.ask(limits));
        CheckResult { verdict, fuel: None, log: std::mem::take(&mut self.store.data_mut().log) }
    }

    fn ask(&mut self, limits: &PolicyLimits) -> Result<Verdict, Fault> {
        let Self { store, policy } = self;
        refuel(store, limits.fuel)?;
        let verdict = policy.call_check(store, Request::lend());
        match verdict.map_err(|error| store.data().fault(&error))? {
            types::Verdict::Abstain => Ok(Verdict::Abstain),
            types::Verdict::Deny(types::Denial { code, message }) => {
                within(limits.output_bytes, 0, [code.len(), message.len()])?;
                Ok(Verdict::Deny { code, message })
            }
            types::Verdict::Allow(wanted) => {
                let wanted: Vec<Obligation> = wanted.into_iter().map(obligation).collect();
                let texts = wanted.iter().map(|one| match one {
                    Obligation::Header { name, value } | Obligation::Audit { name, value } => {
                        name.len().saturating_add(value.len())
                    }
                    Obligation::Approve { reason } => reason.len(),
                });
                within(limits.output_bytes, wanted.len(), texts)?;
                Ok(Verdict::Allow(wanted))
            }
        }
    }
}

impl State {
    fn fault(&self, error: &wasmtime::Error) -> Fault {
        fault::fault(error, self.memory.refused)
    }
}

impl Unready {
    /// As the filter words them, for an operator who meets both.
    fn into_complaints(self) -> Vec<Complaint> {
        match self {
            Self::Failed(fault) => vec![Complaint::whole(format!("the policy failed: {fault}"))],
            Self::Refused(complaints) if complaints.is_empty() => {
                vec![Complaint::whole("the policy refuses its settings and does not say why")]
            }
            Self::Refused(complaints) => complaints,
        }
    }
}

fn refuel(store: &mut Store<State>, fuel: u64) -> Result<(), Fault> {
    // It fails only in an engine that meters nothing, where a policy might never end.
    store.set_fuel(fuel.saturating_mul(FUEL_FACTOR)).map_err(|_| Fault::Fuel)
}

/// Holds an answer to its budget: its text, and something for each element.
fn within(budget: u64, elements: usize, texts: impl IntoIterator<Item = usize>) -> Result<(), Fault> {
    let each = usize::try_from(limits::POLICY_ELEMENT_BYTES).unwrap_or(usize::MAX);
    let size = texts.into_iter().fold(elements.saturating_mul(each), usize::saturating_add);
    if u64::try_from(size).is_ok_and(|size| size <= budget) { Ok(()) } else { Err(Fault::Output) }
}

fn obligation(wanted: types::Obligation) -> Obligation {
    match wanted {
        types::Obligation::Header(types::Field { name, value }) => Obligation::Header { name, value },
        types::Obligation::Audit(types::Field { name, value }) => Obligation::Audit { name, value },
        types::Obligation::Approve(reason) => Obligation::Approve { reason },
    }
}

impl fmt::Debug for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oracle").field("linked", &self.linked).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reusable").field("entry", &self.entry).finish_non_exhaustive()
    }
}
