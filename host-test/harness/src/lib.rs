//! A strict proxy-wasm host: runs a filter outside of Envoy, on Wasmtime, under a test's control.
//!
//! The host speaks ABI 0.2.1 as Envoy does, and is stricter: what no correct filter does is a [`Violation`] and fails the
//! test. Time stands still, randomness is seeded, calls are answered by the test, and every host function can be made to
//! fail, one call at a time.
//!
//! ```
//! use mandate_harness::{CallResponse, Filter, HarnessError, Outcome, Request};
//!
//! # fn wasm() -> Vec<u8> {
//! #     wat::parse_str(r#"(module
//! #         (memory (export "memory") 1)
//! #         (func (export "proxy_abi_version_0_2_1"))
//! #         (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024)))"#).unwrap()
//! # }
//! fn main() -> Result<(), HarnessError> {
//!     let filter = Filter::compile(&wasm())?; // once
//!     let mut vm = filter.vm().configuration(r#"{"issuers":[]}"#).now(1_760_000_000).seed(7).start()?;
//!     assert!(vm.startup().configured());
//!
//!     let mut exchange = vm.send(Request::get("/v1/tickets").header("authorization", "Bearer x"))?;
//!     if exchange.outcome == Outcome::Paused {
//!         // The filter called out, for keys perhaps.
//!         for call in vm.calls() {
//!             vm.answer_call(call.token, CallResponse::new(200, r#"{"keys":[]}"#))?;
//!         }
//!         exchange = vm.finish(exchange.stream)?;
//!     }
//!     match exchange.outcome {
//!         Outcome::Forwarded(request) => assert!(request.headers.contains(":path")),
//!         Outcome::LocalReply(reply) => assert!(reply.status >= 400),
//!         other => panic!("{other:?}, {:?}", vm.logs()),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Faults
//!
//! Record what a scenario calls, then run it once for every call that could fail:
//!
//! ```
//! use mandate_harness::{Filter, HarnessError, Injection, Nth, Request, Status};
//!
//! fn no_fault_lets_a_request_through(filter: &Filter) -> Result<(), HarnessError> {
//!     let request = Request::get("/v1/tickets");
//!     let mut vm = filter.vm().start()?;
//!     vm.send(request.clone())?;
//!     for (call, count) in vm.call_counts() {
//!         for nth in 1..=count {
//!             let fault = Injection::status(call, Nth::Only(nth), Status::InternalFailure);
//!             let mut vm = filter.vm().inject(fault).start_or_dead()?;
//!             assert!(vm.send(request.clone())?.outcome.forwarded().is_none(), "{call} {nth}");
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Limits
//!
//! Requests only: no response phase, no TCP, no gRPC calls, no shared queues. There is no watchdog: a filter that loops for
//! ever hangs the test. Calls do not time out by themselves, and nothing ticks by itself. `verify_signature` knows RSA
//! (PKCS #1 v1.5, up to 4096 bits), P-256 and P-384.

mod abi;
mod builder;
mod call;
mod codec;
mod error;
mod filter;
mod guest;
mod header;
mod host;
mod instance;
mod metric;
mod request;
mod shared;
mod status;
mod stream;
mod verify;
mod vm;

pub use builder::{Timestamp, VmBuilder};
pub use call::{Effect, HostCall, Injection, Nth};
pub use error::{HarnessError, Violation};
pub use filter::Filter;
pub use header::Headers;
pub use host::{CallResponse, HttpCall, LogLevel, LogLine};
pub use metric::Metric;
pub use request::Request;
pub use shared::SharedData;
pub use status::Status;
pub use stream::{Exchange, Forwarded, LocalReply, Outcome, StreamId};
pub use verify::VerifySignature;
pub use vm::{Startup, Vm};
