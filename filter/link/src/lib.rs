//! The linker of Mandate: a filter and policy components in, one module out, every fault contained.
//!
//! The bundle is an ordinary proxy-wasm module with the filter's own exports. Each policy in it keeps a memory, a table and
//! globals of its own, which is WebAssembly's own isolation; its code is rewritten so that whatever it does wrong comes back
//! to the filter as a fault of one call (`contain`), and it starts every call from the state that it had after it was
//! configured (`glue`). The same inputs give the same bytes.
//!
//! ```text
//! component → world and wiring → core module → rewritten code ┐
//! filter ─────────────────────────────────────────────────────┴→ merged → validated
//! ```

mod component;
mod contain;
mod filter;
mod glue;
mod guest;
mod lower;
mod merge;
mod refusal;

pub use filter::SeamVersion;
/// What the linker, the filter and policies agree on.
pub use mandate_seam as seam;
pub use refusal::{Defect, ImportProblem, Refusal, Wiring};

use mandate_seam::{limits, list};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// A policy to link.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// What configurations will call it: lower-case letters, digits and dashes.
    pub name: &'a str,
    /// The component.
    pub component: &'a [u8],
}

/// Why there is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The filter is not one that policies can be linked with.
    #[error("the filter cannot be linked with: {0}")]
    Filter(String),
    /// The filter was compiled for another version of the seam than the linker.
    #[error(
        "the filter cannot be linked with: the version of its seam to policies is {found}, and this linker needs version \
         {needed}: build the filter of this release with `mandate build`, or leave out `--filter` to link with the one that \
         the tool carries"
    )]
    SeamVersion {
        /// What the filter says.
        found: SeamVersion,
        /// The linker's own.
        needed: u32,
    },
    /// A name cannot be used.
    #[error(
        "`{0}` is no name for a policy: take 1 to {most} lower-case letters, digits and dashes",
        most = limits::NAME_BYTES
    )]
    Name(String),
    /// Two policies have one name.
    #[error("two policies are called `{0}`: give one of them another name")]
    Twice(String),
    /// No policy, or too many.
    #[error("{0} policies cannot be linked: a bundle has 1 to {most}", most = limits::POLICIES)]
    Count(usize),
    /// A component is refused.
    #[error("policy `{name}`: {refusal}")]
    Refused {
        /// The policy.
        name: String,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// What came out is not what it has to be, and is not handed out: a defect of the linker.
    #[error("the linker made a bundle that cannot be used, which is its own defect: {0}")]
    Bundle(#[from] Defect),
}

impl LinkError {
    fn refused(name: &str, refusal: Refusal) -> Self {
        Self::Refused { name: name.to_owned(), refusal: Box::new(refusal) }
    }
}

/// Whether a filter, or a bundle, is a module that the proxy's engine takes.
///
/// # Errors
/// [`LinkError::Filter`] if it is not.
pub fn validate(filter: &[u8]) -> Result<(), LinkError> {
    filter::Filter::read_bundle(filter).map(|_| ())
}

/// Whether policies can be linked into a filter.
///
/// # Errors
/// [`LinkError::Filter`] and [`LinkError::SeamVersion`], if they cannot.
pub fn check_filter(filter: &[u8]) -> Result<(), LinkError> {
    filter::Filter::read(filter)?.seam().map(drop)
}

/// Links policies into a filter.
///
/// # Errors
/// What is wrong with the filter, with a name, or with a component.
pub fn link(filter: &[u8], policies: &[Policy<'_>]) -> Result<Vec<u8>, LinkError> {
    link_with(filter, policies, true)
}

/// The same, but nothing is contained: a fault of a policy is a trap of the proxy's virtual machine. Only for measuring what
/// containment costs.
///
/// # Errors
/// As [`link`].
#[cfg(feature = "bare")]
pub fn link_bare(filter: &[u8], policies: &[Policy<'_>]) -> Result<Vec<u8>, LinkError> {
    link_with(filter, policies, false)
}

fn link_with(filter: &[u8], policies: &[Policy<'_>], contained: bool) -> Result<Vec<u8>, LinkError> {
    if policies.is_empty() || policies.len() > limits::POLICIES {
        return Err(LinkError::Count(policies.len()));
    }
    for (position, policy) in policies.iter().enumerate() {
        if !limits::is_policy_name(policy.name) {
            return Err(LinkError::Name(refusal::shown(policy.name)));
        }
        if policies.iter().take(position).any(|other| other.name == policy.name) {
            return Err(LinkError::Twice(policy.name.to_owned()));
        }
    }
    let filter = filter::Filter::read(filter)?;
    let mut guests = Vec::with_capacity(policies.len());
    let mut listed = String::from("[");
    for policy in policies {
        let refused = |refusal| LinkError::refused(policy.name, refusal);
        let module = component::read(policy.component).map_err(refused)?;
        guests.push((policy.name.to_owned(), guest::Guest::read(&module).map_err(refused)?));
        let comma = if guests.len() > 1 { "," } else { "" };
        let (sha256, obligation_cases) = (&digest(policy.component), module.obligation_cases);
        let element = list::Element { name: policy.name, sha256, obligation_cases };
        // A string takes whatever is written to it.
        write!(listed, "{comma}{element}").ok();
    }
    listed.push(']');
    merge::merge(&filter, &guests, &listed, contained)
}

/// Checks that a component can be linked, without a filter.
///
/// # Errors
/// Why not.
pub fn check(component: &[u8]) -> Result<(), Refusal> {
    contain::check(&guest::Guest::read(&component::read(component)?)?)
}

/// SHA-256 of a component, in lower-case hex: what a configuration pins.
#[must_use]
pub fn digest(component: &[u8]) -> String {
    Sha256::digest(component).iter().map(|byte| format!("{byte:02x}")).collect()
}
