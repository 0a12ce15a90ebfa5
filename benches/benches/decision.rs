//! One decision: a token that was never seen, and one that was. Every one is asserted to be an allow.
//!
//! `core` is the core in native code; `harness` is the module under Wasmtime, with all its host calls.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that measures something else must not go on"
)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mandate_benches::{NOW, Setup, headers};
use mandate_core::config::Config;
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::policy::NoPolicies;
use mandate_core::time::UnixTime;
use mandate_harness::{Filter, Request, Vm};
use mandate_host::FILTER;
use mandate_host::tokens::Algorithm;
use std::cell::Cell;

/// Algorithms whose keys are made fast.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::EdDsa, Algorithm::Es256];
/// So many different tokens are signed beforehand; a cold decision never meets one of them twice in the same gate.
const TOKENS: u64 = 256;

fn decide(gate: &mut Gate, head: RequestHead) {
    let mut flow = Flow::new(String::new(), head);
    let step = flow.advance(gate, &InModule, UnixTime::from_secs(NOW));
    let Step::Done(decision) = step else { panic!("inline keys never wait") };
    assert_eq!(decision.reason(), None, "the bench measures an allow");
}

fn core(c: &mut Criterion) {
    for algorithm in ALGORITHMS {
        let setup = Setup::new(algorithm).unwrap();
        let config = setup.configuration.to_string();
        let gate =
            || Gate::new(Config::parse(config.as_bytes()).unwrap(), Box::new(NoPolicies), [7; 16]).unwrap();
        let head = RequestHead::new(headers(&setup.authorization(0).unwrap()));
        c.bench_function(&format!("core/cold/{algorithm}"), |b| {
            b.iter_batched(
                || (gate(), head.clone()),
                |(mut gate, head)| decide(&mut gate, head),
                BatchSize::SmallInput,
            );
        });
        let mut warm = gate();
        decide(&mut warm, head.clone());
        c.bench_function(&format!("core/cached/{algorithm}"), |b| {
            b.iter_batched(|| head.clone(), |head| decide(&mut warm, head), BatchSize::SmallInput);
        });
        assert!(warm.take_cache_counts().0 > 0, "the bench measures hits");
    }
}

fn send(vm: &mut Vm, authorization: &str) {
    let request = Request { headers: headers(authorization), ..Request::default() };
    let exchange = vm.send(request).unwrap();
    assert!(exchange.outcome.forwarded().is_some(), "the bench measures an allow: {:?}", exchange.outcome);
}

fn harness(c: &mut Criterion) {
    let filter = Filter::compile(FILTER).unwrap();
    for algorithm in ALGORITHMS {
        let setup = Setup::new(algorithm).unwrap();
        let start = || filter.vm().configuration(setup.configuration.to_string()).now(NOW).start().unwrap();
        let tokens: Vec<String> = (0..TOKENS).map(|serial| setup.authorization(serial).unwrap()).collect();
        // A machine that has seen all tokens is put aside for a new one, outside of the time that is measured.
        let (machine, seen) = (Cell::new(Some(start())), Cell::new(0));
        c.bench_function(&format!("harness/cold/{algorithm}"), |b| {
            b.iter_batched(
                || {
                    let next = seen.get();
                    let used_up = next == tokens.len();
                    seen.set(if used_up { 1 } else { next + 1 });
                    let vm = if used_up { start() } else { machine.take().unwrap_or_else(start) };
                    (vm, &tokens[seen.get() - 1])
                },
                |(mut vm, token)| {
                    send(&mut vm, token);
                    machine.set(Some(vm));
                },
                BatchSize::PerIteration,
            );
        });
        let mut warm = start();
        let first = tokens.first().unwrap();
        send(&mut warm, first);
        c.bench_function(&format!("harness/cached/{algorithm}"), |b| b.iter(|| send(&mut warm, first)));
        warm.tick().unwrap();
        assert!(warm.metric("mandate.tokens.cache.hit") > Some(0), "the bench measures hits");
        assert_eq!(warm.metric("mandate.tokens.cache.miss"), Some(1), "and nothing else");
    }
}

criterion_group!(benches, core, harness);
criterion_main!(benches);
