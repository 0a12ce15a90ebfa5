//! Calls of a policy, without a proxy: linked, under Wasmtime, by the rig; and unlinked, by the oracle.

use crate::compile;
use mandate_core::config::{Config as Configuration, PolicyEntry};
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::policy::RequestContext;
use mandate_core::policy::{CheckResult, Complaint, Fault, LinkedPolicy, Policies, Verdict};
use mandate_core::time::UnixTime;
use mandate_host::cases::{Case, Expected, ExpectedVerdict, Subject, Table};
use mandate_host::oracle::{Oracle, Reusable};
use mandate_host::tokens::SigningKey;
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wasmtime::error::Context as _;
use wasmtime::{Config, Engine, Error, Instance, Linker, Module, Result, Store, TypedFunc, bail, ensure};

/// Memory for an instance that is used again, and how often it is: the SDK's allocator counts on a fresh state, and never
/// frees.
const ROOM_BYTES: u64 = 64 * 1024 * 1024;
/// See [`ROOM_BYTES`].
pub const CALLS_PER_INSTANCE: u32 = 1000;

/// Compiles the rig, and gives its module.
///
/// # Errors
/// If it does not compile.
pub fn rig_module() -> Result<Vec<u8>> {
    compile("mandate-bench-rig")
}

/// A rig with policies linked into it, compiled.
pub struct Rig {
    engine: Engine,
    module: Module,
}

/// A rig that has its configuration and its request.
pub struct Prepared {
    store: Store<()>,
    decide: TypedFunc<u32, u32>,
}

impl Rig {
    /// Compiles a bundle.
    ///
    /// # Errors
    /// If Wasmtime does not take it.
    pub fn new(bundle: &[u8]) -> Result<Self> {
        let mut config = Config::new();
        config.wasm_exceptions(true).wasm_gc(true).wasm_function_references(true);
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, bundle)?;
        Ok(Self { engine, module })
    }

    /// Starts it with a configuration and a request; every so many calls of a policy begin with a reset.
    ///
    /// # Errors
    /// If it traps.
    pub fn prepare(&self, question: &Question, calls_per_reset: u32) -> Result<Prepared> {
        let Question { configuration, headers, now } = question;
        let mut store = Store::new(&self.engine, ());
        let mut linker = Linker::new(&self.engine);
        // What Rust's runtime asks WASI for does not matter here.
        linker.define_unknown_imports_as_default_values(&mut store, &self.module)?;
        let instance = linker.instantiate(&mut store, &self.module)?;
        start(&instance, &mut store)?;
        let input = json!({ "configuration": configuration, "headers": headers, "now": now }).to_string();
        let place = instance.get_typed_func::<u32, u32>(&mut store, "rig_input")?;
        let at = place.call(&mut store, u32::try_from(input.len())?)?;
        let memory = instance.get_memory(&mut store, "memory").context("the rig has no memory")?;
        memory.write(&mut store, usize::try_from(at)?, input.as_bytes())?;
        instance.get_typed_func::<u32, ()>(&mut store, "rig_prepare")?.call(&mut store, calls_per_reset)?;
        let decide = instance.get_typed_func::<u32, u32>(&mut store, "rig_decide")?;
        Ok(Prepared { store, decide })
    }
}

fn start(instance: &Instance, store: &mut Store<()>) -> Result<()> {
    if let Ok(initialise) = instance.get_typed_func::<(), ()>(&mut *store, "_initialize") {
        initialise.call(store, ())?;
    }
    Ok(())
}

impl Prepared {
    /// Decides the request, with so many calls of each policy, and says whether it was allowed.
    ///
    /// # Errors
    /// If it traps.
    pub fn decide(&mut self, turns: u32) -> Result<bool> {
        ensure!(turns > 0, "a decision asks its policies at least once");
        Ok(self.decide.call(&mut self.store, turns)? != 0)
    }
}

impl Prepared {
    /// Makes so many calls, and says how long they took.
    ///
    /// # Errors
    /// If one is not an allow.
    pub fn time(&mut self, turns: u32) -> Result<Duration> {
        let started = Instant::now();
        ensure!(self.decide(turns)?, "the bench measures an allow");
        Ok(started.elapsed())
    }
}

/// An allowed case of an example's own table, as the filter meets it.
#[derive(Debug)]
pub struct Question {
    configuration: Value,
    headers: Vec<(String, String)>,
    now: u64,
}

impl Question {
    /// The first allowed case of an example.
    ///
    /// # Errors
    /// If its table cannot be read, or has none.
    pub fn of(example: &str, key: &SigningKey) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy-sdk/examples");
        let table = Table::read(&folder.join(example).join("tests.yaml"))?;
        let allowed = |case: &&Case| {
            matches!(&case.expect, Expected::Said { verdict: ExpectedVerdict::Allow { .. }, .. })
        };
        let case = table.cases.iter().find(allowed).context("it has no case that is allowed")?;
        let mut subject = Subject::new(example);
        subject.limits.memory_bytes = ROOM_BYTES;
        let request = case.request(key)?;
        let mut headers = vec![(":method".to_owned(), request.method), (":path".to_owned(), request.path)];
        headers.extend(request.headers);
        Ok(Self { configuration: case.configuration(&subject, key), headers, now: case.now })
    }

    /// Asks the unlinked policy so many times, in fresh instances or in one that is used again, and says how long that took.
    ///
    /// # Errors
    /// If the request is not allowed.
    pub fn time_unlinked(&self, oracle: &Oracle, reuse: bool, turns: u64) -> Result<Duration> {
        let took = Rc::new(Cell::default());
        let policies = Timed { oracle: oracle.clone(), reuse, turns, took: Rc::clone(&took) };
        let problems = |problems| Error::msg(format!("{problems:?}"));
        let config = Configuration::parse(self.configuration.to_string().as_bytes()).map_err(problems)?;
        let mut gate = Gate::new(config, Box::new(policies), [7; 16]).map_err(problems)?;
        let head = RequestHead::new(self.headers.clone());
        let now = UnixTime::from_secs(self.now);
        let Step::Done(decision) = Flow::new(String::new(), head).advance(&mut gate, &InModule, now) else {
            bail!("inline keys never wait");
        };
        ensure!(decision.reason().is_none(), "the bench measures an allow");
        Ok(took.get())
    }
}

/// Asks the oracle so many times, and notes how long that took.
struct Timed {
    oracle: Oracle,
    reuse: bool,
    turns: u64,
    took: Rc<Cell<Duration>>,
}

impl Policies for Timed {
    fn linked(&self) -> &[LinkedPolicy] {
        self.oracle.linked()
    }

    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        self.oracle.configure(entry)
    }

    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult {
        let mut took = Duration::ZERO;
        let mut last: CheckResult = Err(Fault::Missing).into();
        let mut left = self.turns;
        while left > 0 {
            let turns = left.min(u64::from(CALLS_PER_INSTANCE));
            left -= turns;
            let mut instance: Option<Reusable> = None;
            if self.reuse {
                instance = self.oracle.reusable(entry).ok();
            }
            let started = Instant::now();
            for _ in 0..turns {
                last = match &mut instance {
                    Some(instance) => instance.check(request),
                    None => self.oracle.check(entry, request),
                };
                if !matches!(last.verdict, Ok(Verdict::Allow(_))) {
                    return last;
                }
            }
            took += started.elapsed();
        }
        self.took.set(took);
        last
    }
}
