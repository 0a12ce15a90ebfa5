//! What a policy costs: in fuel, which is the same on every machine, and in time on this one.

use super::{AuthoringError, Trial};
use crate::cases::{Case, CaseVerdict, advance};
use crate::decide::body_bytes;
use crate::oracle::Oracle;
use mandate_core::config::{Config, PolicyEntry};
use mandate_core::flow::Gate;
use mandate_core::http::Headers;
use mandate_core::http::RequestHead;
use mandate_core::policy::RequestContext;
use mandate_core::policy::{CheckResult, Complaint, LinkedPolicy, Policies};
use mandate_core::time::UnixTime;
use mandate_harness::{Request, Vm};
use serde::Serialize;
use serde_json::Value;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Rounds before the first that counts: the token is verified and cached, and the processor has seen the code.
const WARM_UP: usize = 10;

/// One case, ready to be asked again and again: three ways, in turns, so that whatever else the machine does meets all.
pub struct Bench {
    request: Request,
    with: Vm,
    without: Vm,
    gate: Gate,
    head: Headers,
    now: UnixTime,
    oracle: Rc<Cell<Duration>>,
    fuel: Option<u64>,
}

/// What one case costs. Times are medians.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The fuel of the policy's `check`, the same in every proxy.
    pub fuel: Option<u64>,
    /// A whole decision by the bundle on the harness, in nanoseconds. The token was seen before.
    pub with_ns: u64,
    /// The same decision by the same bundle, on a route that asks no policy.
    pub without_ns: u64,
    /// The oracle's call of the component: a fresh instance, its `configure`, and `check`.
    pub oracle_ns: u64,
}

impl Cost {
    /// What the policy adds to a decision, in nanoseconds.
    #[must_use]
    pub const fn policy_ns(&self) -> u64 {
        self.with_ns.saturating_sub(self.without_ns)
    }
}

impl Bench {
    /// A case to measure; none if it is about settings that are refused, for then the policy is not asked.
    ///
    /// # Errors
    /// [`AuthoringError::Case`], [`AuthoringError::Harness`].
    pub fn new(trial: &Trial, case: &Case) -> Result<Option<Self>, AuthoringError> {
        let outcome = trial.try_case(case).outcome?;
        if outcome.verdict == CaseVerdict::Refused {
            return Ok(None);
        }
        let (configuration, request) = trial.setting(case)?;
        let request = request.to_request();
        let vm = |configuration: &Value| {
            let configuration = configuration.to_string();
            let reads_bodies = body_bytes(&configuration).is_some();
            let vm = trial.linked().vm().configuration(configuration).now(case.now);
            vm.allow_on_headers_stop_iteration(reads_bodies).start()
        };
        let (with, without) = (vm(&configuration)?, vm(&unasked(&configuration))?);
        let refused = |problems: Vec<mandate_core::config::Problem>| {
            crate::cases::CaseError::Configuration(problems.iter().map(ToString::to_string).collect())
        };
        let config = Config::parse(configuration.to_string().as_bytes()).map_err(refused)?;
        let oracle = Rc::new(Cell::new(Duration::ZERO));
        let timed = Timed { oracle: trial.oracle().clone(), took: Rc::clone(&oracle) };
        let gate = Gate::new(config, Box::new(timed), [0; 16]).map_err(refused)?;
        let head = request.headers.clone().into();
        let now = UnixTime::from_secs(case.now);
        Ok(Some(Self { request, with, without, gate, head, now, oracle, fuel: outcome.fuel }))
    }

    /// Measures the case so many times in each way.
    ///
    /// # Errors
    /// [`AuthoringError::Harness`].
    pub fn run(mut self, rounds: usize) -> Result<Cost, AuthoringError> {
        let mut times = [const { Vec::new() }; 3];
        for round in 0..rounds.saturating_add(WARM_UP) {
            let took = [
                decide(&mut self.with, &self.request)?,
                decide(&mut self.without, &self.request)?,
                self.ask(),
            ];
            if round >= WARM_UP {
                times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
            }
        }
        let [with_ns, without_ns, oracle_ns] = times.map(median_ns);
        Ok(Cost { fuel: self.fuel, with_ns, without_ns, oracle_ns })
    }

    fn ask(&mut self) -> Duration {
        let head = RequestHead::new(self.head.clone()).with_body(self.request.body.is_some());
        let body = self.request.body.as_deref().unwrap_or_default();
        // What it decides is the same every time, and was looked at before.
        drop(advance(&mut self.gate, head, body, self.now));
        self.oracle.get()
    }
}

/// One decision, and how long it took.
fn decide(vm: &mut Vm, request: &Request) -> Result<Duration, AuthoringError> {
    let request = request.clone();
    let start = Instant::now();
    vm.send(request)?;
    let took = start.elapsed();
    vm.take_logs();
    Ok(took)
}

/// The configuration of a case without its policy.
fn unasked(configuration: &Value) -> Value {
    let mut configuration = configuration.clone();
    if let Some(policies) = configuration.pointer_mut("/routes/0/policies") {
        *policies = Value::Array(Vec::new());
    }
    configuration
}

fn median_ns(mut times: Vec<Duration>) -> u64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    u64::try_from(middle.as_nanos()).unwrap_or(u64::MAX)
}

/// The oracle with a watch.
struct Timed {
    oracle: Oracle,
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
        let start = Instant::now();
        let answer = self.oracle.check(entry, request);
        self.took.set(start.elapsed());
        answer
    }
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("request", &self.request).finish_non_exhaustive()
    }
}
