//! What a request takes of the module in WebAssembly instructions: the same on every machine and at any load.
//!
//! It is counted under Wasmtime, in the module that the proxy loads. What the proxy itself does for a request is not in
//! it.

use crate::{NOW, PATH, Setup, headers};
use mandate_harness::{Filter, Request, VerifySignature, Vm};
use mandate_host::tokens::Algorithm;
use serde_json::{Value, json};
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
        let vm = vm.allow_on_headers_stop_iteration(configuration.to_string().contains("\"mcp\""));
        Ok(Self(vm.verify_signature(signatures).start()?))
    }

    /// What a request takes that must be let through.
    ///
    /// # Errors
    /// If it is not.
    pub fn request(&mut self, headers: Vec<(String, Vec<u8>)>) -> Result<u64> {
        self.send(Request { headers, ..Request::default() })
    }

    fn send(&mut self, request: Request) -> Result<u64> {
        let before = self.instructions()?;
        let exchange = self.0.send(request)?;
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

/// What a call of a tool takes whose token was seen before, with a message of about so many bytes, of which two arguments are
/// looked at.
///
/// # Errors
/// If it is not let through.
pub fn tool_call(module: &[u8], setup: &Setup, bytes: usize) -> Result<u64> {
    let mut configuration = setup.configuration.clone();
    let rule =
        json!({ "name": "tickets.close", "arguments": { "/env": ["staging"], "/force": [false, null] } });
    configuration["routes"] = json!([{ "match": { "path_prefix": "/mcp" }, "mcp": { "tools": [rule] } }]);
    let mut headers = headers_for("/mcp", &setup.authorization(0)?, 0);
    for (_, value) in headers.iter_mut().filter(|(name, _)| name == ":method") {
        *value = b"POST".to_vec();
    }
    let body = tool_call_body("tickets.close", bytes);
    let mut counter = Counter::new(module, &configuration, VerifySignature::Real)?;
    let mut one = || {
        counter.send(Request {
            headers: headers.clone(),
            body: Some(body.clone().into()),
            ..Request::default()
        })
    };
    one()?;
    one()?;
    one()
}

/// A call of a tool with about so many bytes of arguments.
#[must_use]
pub fn tool_call_body(tool: &str, bytes: usize) -> String {
    let lines: Vec<String> = (0..bytes / 64).map(|line| format!("{line:060}")).collect();
    let arguments = json!({ "env": "staging", "id": 7, "lines": lines });
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

/// What a request takes with a new proof, whose token was seen before with another one.
///
/// # Errors
/// If it is not let through.
pub fn bound(module: &[u8], setup: &Setup, algorithm: Algorithm, signatures: VerifySignature) -> Result<u64> {
    let client = setup.bound_client(algorithm, NOW)?;
    let mut counter = Counter::new(module, &client.configuration, signatures)?;
    let mut one = || {
        let [authorization, proof] = client.authorization_at(NOW)?;
        let mut headers = headers(&authorization);
        headers.push(("dpop".to_owned(), proof.into_bytes()));
        counter.request(headers)
    };
    one()?;
    one()?;
    one()
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
