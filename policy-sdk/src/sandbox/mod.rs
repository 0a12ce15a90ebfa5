//! The sandbox: the exports of the contract, in terms of [`Policy`], and the memory that they use.

pub mod bindings;

#[cfg(feature = "allocator")]
mod allocator;

use crate::{ArgumentError, HeaderError, Policy, Problem, Request, Verdict};
use bindings::Description;
use bindings::mandate::policy::request::{ArgumentError as UnknownArgument, HeaderError as NoOneValue};
use std::cell::OnceCell;
use std::thread::LocalKey;

/// Where the policy is kept from `configure` on.
pub type Configured<P> = LocalKey<OnceCell<P>>;

pub fn describe<P: Policy>(name: &str, version: &str) -> Description {
    Description { name: name.to_owned(), version: version.to_owned(), summary: P::SUMMARY.to_owned() }
}

pub fn configure<P: Policy>(configured: &'static Configured<P>, settings: &str) -> Result<(), Vec<Problem>> {
    let policy = crate::settings::configure(settings)?;
    configured.with(|cell| cell.set(policy)).or_else(|_| trap())
}

pub fn check<P: Policy>(configured: &'static Configured<P>, request: &bindings::Request) -> Verdict {
    configured.with(|cell| match cell.get() {
        Some(policy) => policy.check(Request::lent(request)),
        None => trap(),
    })
}

/// The host breaks the contract: it configures once, and before it checks. No message; nobody could read it.
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

impl Request {
    fn lent(request: &bindings::Request) -> &Self {
        // SAFETY: `Self` is `repr(transparent)` over this very type.
        unsafe { &*std::ptr::from_ref(request).cast() }
    }
}

impl From<UnknownArgument> for ArgumentError {
    fn from(error: UnknownArgument) -> Self {
        match error {
            UnknownArgument::Ambiguous => Self::Ambiguous,
            UnknownArgument::NotAPointer => Self::NotAPointer,
            UnknownArgument::NoAction => Self::NoAction,
        }
    }
}

impl From<NoOneValue> for HeaderError {
    fn from(error: NoOneValue) -> Self {
        match error {
            NoOneValue::Repeated => Self::Repeated,
            NoOneValue::NotText => Self::NotText,
        }
    }
}
