//! The filter's seam to linked policies, and nothing else of the filter: calls of a policy in a loop, so that a bench can
//! tell what the calls cost from what the proxy costs.

#![expect(unsafe_code, reason = "functions that the bench calls, with a place for what it hands over")]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that goes wrong must stop"
)]

mod seam;

use mandate_core::config::{Config, PolicyEntry};
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::Headers;
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::limits;
use mandate_core::policy::PolicyCall;
use mandate_core::policy::RequestContext;
use mandate_core::policy::{CheckResult, Complaint, Fault, LinkedPolicy, Policies, Verdict};
use mandate_core::policy::{LinkedPolicies, Seam};
use mandate_core::seam::PolicyFunction;
use mandate_core::time::UnixTime;
use seam::LinkedModule;
use serde_json::Value;
use std::cell::{Cell, RefCell};

#[cfg(target_os = "wasi")]
unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Marks the module as one that is called many times. Without it the toolchain puts a wrapper around every export, and the
/// linker would be given the wrappers of the seam, which nobody here calls.
#[cfg(target_os = "wasi")]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: it runs once, before anything else.
    unsafe { __wasm_call_ctors() }
}

/// What the bench hands over: `{"configuration", "headers", "now"}`.
static INPUT: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());

/// Room for so many bytes of input.
#[unsafe(no_mangle)]
extern "C" fn rig_input(len: usize) -> *mut u8 {
    let mut input = INPUT.lock().unwrap();
    *input = vec![0; len];
    input.as_mut_ptr()
}

/// The seam, with one reset for so many calls: what more of them add is what a reset costs.
struct Rig {
    seam: LinkedModule,
    calls_per_reset: u32,
    calls: u32,
}

impl Seam for Rig {
    fn linked(&self) -> Vec<u8> {
        self.seam.linked()
    }

    fn initialise(&mut self, policy: u32) -> u32 {
        self.seam.initialise(policy)
    }

    fn allow(&mut self, fuel: u64, memory_bytes: u32) {
        self.seam.allow(fuel, memory_bytes);
    }

    fn fuel(&self) -> u64 {
        self.seam.fuel()
    }

    fn charge(&mut self, units: u64) -> Result<(), Fault> {
        self.seam.charge(units)
    }

    fn call(
        &mut self,
        policy: u32,
        function: PolicyFunction,
        args: [u32; 4],
        visit: Option<&PolicyCall<'_>>,
    ) -> Result<u32, Fault> {
        self.seam.call(policy, function, args, visit)
    }

    fn size(&self) -> u32 {
        self.seam.size()
    }

    fn read(&self, policy: u32, at: u32, into: &mut [u8]) -> Result<(), Fault> {
        self.seam.read(policy, at, into)
    }

    fn write(&mut self, policy: u32, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.seam.write(policy, at, bytes)
    }

    fn save_globals(&self, policy: u32, into: &mut [u64; limits::POLICY_GLOBALS]) -> usize {
        self.seam.save_globals(policy, into)
    }

    fn restore(&mut self, policy: u32, memory: &[u8], globals: &[u64], image: u32) {
        if self.calls.is_multiple_of(self.calls_per_reset) {
            self.seam.restore(policy, memory, globals, image);
        }
        self.calls = self.calls.wrapping_add(1);
    }
}

thread_local! {
    /// How many calls each question of the gate makes.
    static TURNS: Cell<u32> = const { Cell::new(1) };
    static PREPARED: RefCell<Option<Prepared>> = const { RefCell::new(None) };
}

/// A gate, and a request that it allows.
struct Prepared {
    gate: Gate,
    head: RequestHead,
    now: UnixTime,
}

/// Asks its policy as often as it is told, and gives the last answer.
struct Often(LinkedPolicies<Rig>);

impl Policies for Often {
    fn linked(&self) -> &[LinkedPolicy] {
        self.0.linked()
    }

    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        self.0.configure(entry)
    }

    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult {
        for _ in 1..TURNS.get() {
            let answer = self.0.check(entry, request);
            assert!(
                matches!(answer.verdict, Ok(Verdict::Allow(_))),
                "the bench measures an allow: {answer:?}"
            );
        }
        self.0.check(entry, request)
    }
}

/// Takes the configuration and the request that were handed over.
#[unsafe(no_mangle)]
extern "C" fn rig_prepare(calls_per_reset: u32) {
    let input = INPUT.lock().unwrap();
    let input: Value = serde_json::from_slice(&input).unwrap();
    let config = Config::parse(input["configuration"].to_string().as_bytes()).unwrap();
    let headers: Vec<(String, String)> = serde_json::from_value(input["headers"].clone()).unwrap();
    let headers: Headers = headers.into();
    let policies = LinkedPolicies::new(Rig { seam: LinkedModule, calls_per_reset, calls: 0 }).unwrap();
    let gate = Gate::new(config, Box::new(Often(policies)), [7; 16])
        .unwrap_or_else(|problems| panic!("{problems:?}"));
    let now = UnixTime::from_secs(input["now"].as_u64().unwrap());
    PREPARED.set(Some(Prepared { gate, head: RequestHead::new(headers), now }));
}

/// Decides the request, with so many calls of each of its policies. Gives whether it was allowed.
#[unsafe(no_mangle)]
extern "C" fn rig_decide(turns: u32) -> u32 {
    TURNS.set(turns);
    PREPARED.with_borrow_mut(|prepared| {
        let Prepared { gate, head, now } = prepared.as_mut().unwrap();
        let step = Flow::new(String::new(), head.clone()).advance(gate, &InModule, *now);
        let Step::Done(decision) = step else { panic!("inline keys never wait") };
        u32::from(decision.reason().is_none())
    })
}
