//! A policy as a component of the contract: of today's, or as it was before `obligation` got its third case.
//!
//! Native Wasmtime compares the types of what a component exports to the letter, so there are bindings for both. What a policy
//! returns is read as today's types.

use super::bindings::earlier::mandate::policy::types as earlier_types;
use super::bindings::mandate::policy::types;
use super::bindings::{self, earlier};
use super::host::{Request, State};
use wasmtime::Store;
use wasmtime::component::{InstancePre, Resource};

/// A component whose types are those of the contract.
#[derive(Clone)]
pub(super) enum PolicyPre {
    Today(bindings::PolicyPre<State>),
    Earlier(earlier::PolicyPre<State>),
}

/// An instance of it.
pub(super) enum Policy {
    Today(bindings::Policy),
    Earlier(earlier::Policy),
}

impl PolicyPre {
    /// # Errors
    /// How the component differs from today's contract, if it is not of an earlier one either.
    pub(super) fn new(component: &InstancePre<State>) -> wasmtime::Result<Self> {
        let today = bindings::PolicyPre::new(component.clone());
        today.map(Self::Today).or_else(|unfit| match earlier::PolicyPre::new(component.clone()) {
            Ok(earlier) => Ok(Self::Earlier(earlier)),
            Err(_) => Err(unfit),
        })
    }

    pub(super) fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Policy> {
        Ok(match self {
            Self::Today(policy) => Policy::Today(policy.instantiate(store)?),
            Self::Earlier(policy) => Policy::Earlier(policy.instantiate(store)?),
        })
    }
}

impl Policy {
    pub(super) fn call_describe(&self, store: &mut Store<State>) -> wasmtime::Result<types::Description> {
        match self {
            Self::Today(policy) => policy.call_describe(store),
            Self::Earlier(policy) => {
                let earlier_types::Description { name, version, summary } = policy.call_describe(store)?;
                Ok(types::Description { name, version, summary })
            }
        }
    }

    pub(super) fn call_configure(
        &self,
        store: &mut Store<State>,
        settings: &str,
    ) -> wasmtime::Result<Result<(), Vec<types::Problem>>> {
        match self {
            Self::Today(policy) => policy.call_configure(store, settings),
            Self::Earlier(policy) => {
                let problem =
                    |earlier_types::Problem { pointer, message }| types::Problem { pointer, message };
                let configured = policy.call_configure(store, settings)?;
                Ok(configured.map_err(|problems| problems.into_iter().map(problem).collect()))
            }
        }
    }

    pub(super) fn call_check(
        &self,
        store: &mut Store<State>,
        request: Resource<Request>,
    ) -> wasmtime::Result<types::Verdict> {
        match self {
            Self::Today(policy) => policy.call_check(store, request),
            Self::Earlier(policy) => policy.call_check(store, request).map(verdict),
        }
    }
}

fn verdict(said: earlier_types::Verdict) -> types::Verdict {
    use earlier_types::{Denial, Field, Obligation, Verdict};
    let field = |Field { name, value }| types::Field { name, value };
    match said {
        Verdict::Allow(wanted) => {
            let obligation = |wanted| match wanted {
                Obligation::Header(wanted) => types::Obligation::Header(field(wanted)),
                Obligation::Audit(wanted) => types::Obligation::Audit(field(wanted)),
            };
            types::Verdict::Allow(wanted.into_iter().map(obligation).collect())
        }
        Verdict::Deny(Denial { code, message }) => types::Verdict::Deny(types::Denial { code, message }),
        Verdict::Abstain => types::Verdict::Abstain,
    }
}
