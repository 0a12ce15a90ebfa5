//! What the policy costs in each language. To be read, not to be passed:
//! `cargo test --release --package mandate-host --test languages -- --ignored --nocapture`

use super::{build, key, roomy, table};
use mandate_core::config::{Config, PolicyEntry};
use mandate_core::flow::{Flow, Gate};
use mandate_core::http::Headers;
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::policy::RequestContext;
use mandate_core::policy::{CheckResult, Complaint, LinkedPolicy, Policies};
use mandate_core::time::UnixTime;
use mandate_harness::Filter;
use mandate_host::FILTER;
use mandate_host::authoring::{Component, bundle};
use mandate_host::cases::{Case, on_harness};
use mandate_host::oracle::{Oracle, Reusable};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;

#[test]
#[ignore = "it measures; what it prints is what it is for"]
fn costs() {
    for language in ["c", "javascript", "python"] {
        let Some(component) = build(language) else { continue };
        println!("{language}: component of {} bytes", component.bytes.len());
        in_the_bundle(&component);
        for (instance, reuse) in [("fresh", false), ("reused", true)] {
            println!("  oracle, {instance} instance: {:?} per call", on_the_oracle(&component, reuse));
        }
    }
}

fn allowed() -> Case {
    table().cases.swap_remove(0)
}

fn in_the_bundle(component: &Component) {
    let bytes = match bundle(FILTER, std::slice::from_ref(component)) {
        Ok(bytes) => bytes,
        Err(refusal) => return println!("  not linked: {refusal}"),
    };
    println!("  bundle grows by {} bytes", bytes.len() - FILTER.len());
    let (case, subject) = (allowed(), roomy());
    let filter = Filter::compile(&bytes).unwrap();
    let outcome = case.run(&subject, key(), &mut on_harness(&filter)).unwrap();
    println!("  in the bundle: {}, {:?}, fuel {:?}", outcome.verdict, outcome.code, outcome.fuel);
    let configuration = case.configuration(&subject, key()).to_string();
    let mut vm = filter.vm().configuration(configuration).now(case.now).start().unwrap();
    let request = case.request(key()).unwrap().to_request();
    println!(
        "  a decision with it: {:?}",
        median(|| {
            let request = request.clone();
            let start = Instant::now();
            vm.send(request).unwrap();
            start.elapsed()
        })
    );
}

fn on_the_oracle(component: &Component, reuse: bool) -> Duration {
    let mut oracle = Oracle::new().unwrap();
    oracle.add(&component.name, &component.bytes).unwrap();
    let (case, took) = (allowed(), Rc::new(RefCell::new(Duration::ZERO)));
    let config = Config::parse(case.configuration(&roomy(), key()).to_string().as_bytes()).unwrap();
    let timed = Timed {
        reused: reuse.then(|| oracle.reusable(&config.policies[0]).unwrap()),
        oracle,
        took: took.clone(),
    };
    let mut gate = Gate::new(config, Box::new(timed), [0; 16]).unwrap();
    let headers: Headers = case.request(key()).unwrap().to_request().headers.into();
    median(|| {
        let mut flow = Flow::new(String::new(), RequestHead::new(headers.clone()));
        drop(flow.advance(&mut gate, &InModule, UnixTime::from_secs(case.now)));
        *took.borrow()
    })
}

fn median(mut measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| measure()).collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

/// The oracle with a watch.
struct Timed {
    oracle: Oracle,
    reused: Option<Reusable>,
    took: Rc<RefCell<Duration>>,
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
        let answer = match &mut self.reused {
            Some(reused) => reused.check(request),
            None => self.oracle.check(entry, request),
        };
        self.took.replace(start.elapsed());
        assert!(answer.verdict.is_ok(), "{:?}", answer.verdict);
        answer
    }
}
