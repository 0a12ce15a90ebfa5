//! One call of a policy, five ways, in one run: the linked code bare, contained, and with the reset to a fresh state, which is
//! how the filter calls it; and unlinked in native Wasmtime, in an instance that is used again and in a fresh one.
//!
//! The linked ways run in the rig (`benches/rig`): the filter's own seam and core under Wasmtime, without a proxy. Each
//! measured decision makes so many calls that what a decision costs besides them does not count.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that measures something else must not go on")]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use mandate_benches::policy::{Rig, rig_module};
use mandate_core::config::{Config, PolicyEntry};
use mandate_core::context::RequestContext;
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::policy::{Answer, Complaint, Fault, Linked, Policies, Verdict};
use mandate_core::request::RequestHead;
use mandate_core::signature::InModule;
use mandate_core::time::UnixTime;
use mandate_host::authoring::{Component, examples};
use mandate_host::cases::{Case, Expected, ExpectedVerdict, Subject, Table};
use mandate_host::oracle::{Oracle, Reusable};
use mandate_host::tokens::{Algorithm, SigningKey};
use mandate_link::{Policy, link, link_bare};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Memory for an instance that is used again, and how often it is: the SDK's allocator counts on a fresh state, and never
/// frees.
const ROOM_BYTES: u64 = 64 * 1024 * 1024;
/// See [`ROOM_BYTES`].
const CALLS_PER_INSTANCE: u32 = 1000;

/// An allowed case of an example's own table, as the filter meets it.
struct Question {
    configuration: serde_json::Value,
    headers: Vec<(String, String)>,
    now: u64,
}

impl Question {
    fn of(policy: &str, key: &SigningKey) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy-sdk/examples");
        let table = Table::read(&folder.join(policy).join("tests.yaml")).unwrap();
        let allowed = |case: &&Case| {
            matches!(&case.expect, Expected::Said { verdict: ExpectedVerdict::Allow { .. }, .. })
        };
        let case = table.cases.iter().find(allowed).unwrap();
        let mut subject = Subject::new(policy);
        subject.limits.memory_bytes = ROOM_BYTES;
        let request = case.request(key).unwrap();
        let mut headers = vec![(":method".to_owned(), request.method), (":path".to_owned(), request.path)];
        headers.extend(request.headers);
        Self { configuration: case.configuration(&subject, key), headers, now: case.now }
    }

    fn decide(&self, policies: impl Policies + 'static) {
        let config = Config::parse(self.configuration.to_string().as_bytes()).unwrap();
        let Ok(mut gate) = Gate::new(config, Box::new(policies), [7; 16]) else {
            panic!("it refused its settings")
        };
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes()));
        let mut flow = Flow::new(String::new(), RequestHead::new(headers.collect()));
        let Step::Done(decision) = flow.advance(&mut gate, &InModule, UnixTime::from_secs(self.now)) else {
            panic!("inline keys never wait");
        };
        assert_eq!(decision.reason(), None, "the bench measures an allow");
    }
}

/// Asks the oracle so many times, and notes how long that took.
struct Timed {
    oracle: Oracle,
    reused: Option<Reusable>,
    turns: u64,
    took: Rc<Cell<Duration>>,
}

impl Policies for Timed {
    fn linked(&self) -> &[Linked] {
        self.oracle.linked()
    }

    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        if self.reused.is_some() {
            self.reused = Some(self.oracle.reusable(entry)?);
        }
        self.oracle.configure(entry)
    }

    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> Answer {
        let mut took = Duration::ZERO;
        let mut last = None;
        let mut left = self.turns;
        while left > 0 {
            let turns = left.min(u64::from(CALLS_PER_INSTANCE));
            left -= turns;
            if self.reused.is_some() {
                self.reused = Some(self.oracle.reusable(entry).unwrap_or_else(|p| panic!("{p:?}")));
            }
            let started = Instant::now();
            for _ in 0..turns {
                let answer = match &mut self.reused {
                    Some(instance) => instance.check(request),
                    None => self.oracle.check(entry, request),
                };
                assert!(
                    matches!(answer.verdict, Ok(Verdict::Allow(_))),
                    "the bench measures an allow: {answer:?}"
                );
                last = Some(answer);
            }
            took += started.elapsed();
        }
        self.took.set(took);
        last.unwrap_or_else(|| Err(Fault::Missing).into())
    }
}

fn linked(group: &mut BenchmarkGroup<'_, WallTime>, component: &Component, question: &Question) {
    let module = rig_module().unwrap();
    let policies = [Policy { name: &component.name, component: &component.bytes }];
    let bare = Rig::new(&link_bare(&module, &policies).unwrap()).unwrap();
    let contained = Rig::new(&link(&module, &policies).unwrap()).unwrap();
    for (name, rig, calls_per_reset) in [
        ("bare, with reset", &bare, 1),
        ("contained, with reset", &contained, 1),
        ("contained, hardly ever reset", &contained, CALLS_PER_INSTANCE),
    ] {
        let mut instance =
            rig.prepare(&question.configuration, &question.headers, question.now, calls_per_reset).unwrap();
        group.bench_function(name, |b| {
            b.iter_custom(|turns| {
                let started = Instant::now();
                assert!(
                    instance.decide(u32::try_from(turns).unwrap()).unwrap(),
                    "the bench measures an allow"
                );
                started.elapsed()
            });
        });
    }
}

fn unlinked(group: &mut BenchmarkGroup<'_, WallTime>, component: &Component, question: &Question) {
    let mut oracle = Oracle::new().unwrap();
    oracle.add(&component.name, &component.bytes).unwrap();
    let config = Config::parse(question.configuration.to_string().as_bytes()).unwrap();
    for (name, reuse) in [("oracle, instance reused", true), ("oracle, fresh instance", false)] {
        group.bench_function(name, |b| {
            b.iter_custom(|turns| {
                let took = Rc::new(Cell::default());
                let reused = reuse.then(|| {
                    oracle.reusable(config.policies.first().unwrap()).unwrap_or_else(|p| panic!("{p:?}"))
                });
                let policies = Timed { oracle: oracle.clone(), reused, turns, took: Rc::clone(&took) };
                question.decide(policies);
                took.get()
            });
        });
    }
}

fn policies(c: &mut Criterion) {
    let key = SigningKey::generate(Algorithm::EdDsa, "bench").unwrap();
    for component in examples().unwrap() {
        let question = Question::of(&component.name, &key);
        let mut group = c.benchmark_group(&component.name);
        linked(&mut group, &component, &question);
        unlinked(&mut group, &component, &question);
        group.finish();
    }
}

criterion_group!(benches, policies);
criterion_main!(benches);
