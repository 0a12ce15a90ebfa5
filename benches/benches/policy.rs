//! One call of a policy, five ways, in one run: the linked code bare, contained, and with the reset to a fresh state, which is
//! how the filter calls it; and unlinked in native Wasmtime, in an instance that is used again and in a fresh one.
//!
//! The linked ways run in the rig (`benches/rig`): the filter's own seam and core under Wasmtime, without a proxy. Each
//! measured decision makes so many calls that what a decision costs besides them does not count.
#![expect(clippy::unwrap_used, reason = "a bench that measures something else must not go on")]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use mandate_benches::policy::{CALLS_PER_INSTANCE, Question, Rig, rig_module};
use mandate_host::authoring::{Component, examples};
use mandate_host::oracle::Oracle;
use mandate_host::tokens::{Algorithm, SigningKey};
use mandate_link::{Policy, link, link_bare};

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
        let mut instance = rig.prepare(question, calls_per_reset).unwrap();
        group.bench_function(name, |b| {
            b.iter_custom(|turns| instance.time(u32::try_from(turns).unwrap()).unwrap());
        });
    }
}

fn unlinked(group: &mut BenchmarkGroup<'_, WallTime>, component: &Component, question: &Question) {
    let mut oracle = Oracle::new().unwrap();
    oracle.add(&component.name, &component.bytes).unwrap();
    for (name, reuse) in [("oracle, instance reused", true), ("oracle, fresh instance", false)] {
        group.bench_function(name, |b| {
            b.iter_custom(|turns| question.time_unlinked(&oracle, reuse, turns).unwrap());
        });
    }
}

fn policies(c: &mut Criterion) {
    let key = SigningKey::generate(Algorithm::EdDsa, "bench").unwrap();
    for component in examples().unwrap() {
        let question = Question::of(&component.name, &key).unwrap();
        let mut group = c.benchmark_group(&component.name);
        linked(&mut group, &component, &question);
        unlinked(&mut group, &component, &question);
        group.finish();
    }
}

criterion_group!(benches, policies);
criterion_main!(benches);
