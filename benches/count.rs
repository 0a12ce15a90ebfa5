//! What a request takes of the module in WebAssembly instructions: the same on every machine and at any load.
//!
//! It is counted under Wasmtime, in the module that the proxy loads. What the proxy itself does for a request is not in
//! it.

use crate::{NOW, PATH, Setup, headers};
use mandate_harness::{Filter, Request, VerifySignature, Vm};
use serde_json::Value;
use wasmtime::error::Context as _;
use wasmtime::{Result, ensure};

/// A virtual machine whose instructions are counted.
pub struct Counter(Vm);

impl Counter {
    /// Of a module with a configuration, and with the proxy's cryptography or without.
    ///
    /// # Errors
    /// If it does not start.
    pub fn new(module: &[u8], configuration: &Value, signatures: VerifySignature) -> Result<Self> {
        let vm = Filter::compile_counting(module)?.vm().configuration(configuration.to_string()).now(NOW);
        Ok(Self(vm.verify_signature(signatures).start()?))
    }

    /// What a request takes that must be let through.
    ///
    /// # Errors
    /// If it is not.
    pub fn request(&mut self, headers: Vec<(String, Vec<u8>)>) -> Result<u64> {
        let before = self.instructions()?;
        let exchange = self.0.send(Request { headers, ..Request::default() })?;
        ensure!(exchange.outcome.forwarded().is_some(), "it was not let through: {:?}", exchange.outcome);
        Ok(self.instructions()? - before)
    }

    fn instructions(&self) -> Result<u64> {
        self.0.instructions().context("the module was not compiled to count")
    }
}

/// What a request takes whose token was seen before.
///
/// # Errors
/// If it is not let through.
pub fn known(module: &[u8], configuration: &Value, headers: &[(String, Vec<u8>)]) -> Result<u64> {
    let mut counter = Counter::new(module, configuration, VerifySignature::Real)?;
    // The first makes the token known, the second grows what is grown once.
    counter.request(headers.to_vec())?;
    counter.request(headers.to_vec())?;
    counter.request(headers.to_vec())
}

/// What the first request of a token takes.
///
/// # Errors
/// If it is not let through.
pub fn first_sight(module: &[u8], setup: &Setup, signatures: VerifySignature) -> Result<u64> {
    let mut counter = Counter::new(module, &setup.configuration, signatures)?;
    counter.request(headers(&setup.authorization(0)?))?;
    counter.request(headers(&setup.authorization(1)?))
}

/// The headers of a request for another path, with so many more beside the usual ones.
#[must_use]
pub fn headers_for(path: &str, authorization: &str, more: usize) -> Vec<(String, Vec<u8>)> {
    let mut headers = headers(authorization);
    for (_, value) in headers.iter_mut().filter(|(_, value)| value == PATH.as_bytes()) {
        *value = path.into();
    }
    headers.extend((0..more).map(|i| (format!("x-more-{i}"), b"some more of a value".to_vec())));
    headers
}
