//! Every call of the filter to its host, made to fail one at a time, in every way: nothing is let through by it.
//!
//! A fault is harmless if the upstream gets exactly what it gets without the fault. Which calls may be harmless stands in
//! [`MAY_BE_HARMLESS`], each with its reason; for every other call, a request that was hit by a fault is not forwarded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use mandate_harness::{
    Effect, Exchange, Forwarded, Headers, HostCall, Injection, LogLevel, Nth, Outcome, Request, Response,
    Status, Vm, VmBuilder,
};
use serde_json::Value;
use std::collections::BTreeMap;
use support::{claims, key, sign};

const NOW: u64 = 1_790_000_000;

/// Calls whose failure may leave a request to go on just as it would have.
const MAY_BE_HARMLESS: &[(HostCall, &str)] = &[
    (HostCall::DefineMetric, "metrics inform; nothing depends on them"),
    (HostCall::IncrementMetric, "the same"),
    (HostCall::RecordMetric, "the same"),
    (HostCall::GetProperty, "requests whose source cannot be had share the places of one source"),
    (
        HostCall::CallForeignFunction,
        "at start the trial fails, so the module checks signatures itself; later it denies",
    ),
    (HostCall::Log, "at start; the audit record of an allow that cannot be written denies"),
    (HostCall::GetCurrentTimeNanoseconds, "in a tick: the next one does the work; in a request it denies"),
    (
        HostCall::SetTickPeriodMilliseconds,
        "the period stays as it was, and is set again at the next occasion",
    ),
    (HostCall::SetEffectiveContext, "back to the root context, after all requests were seen to"),
];

/// A way of a request through the filter, played to its end.
struct Scenario {
    name: &'static str,
    config: Value,
    request: Request,
    /// Whether it is forwarded when nothing fails.
    forwarded: bool,
}

fn scenarios() -> Vec<Scenario> {
    let bearer = |request: Request, token: &str| request.header("authorization", format!("Bearer {token}"));
    let good = sign(claims(NOW).delegation([("https://idp.example", "agent:1")]));
    let spoofing = bearer(Request::get("/v1//x"), &good).header("x-mandate-agent", "root");
    vec![
        Scenario { name: "allowed", config: support::configuration(), request: spoofing, forwarded: true },
        Scenario {
            name: "allowed with trailers",
            config: support::configuration(),
            request: bearer(Request::new("POST", "/v1/x"), &good)
                .body("{}")
                .trailer("x-mandate-agent", "root"),
            forwarded: true,
        },
        Scenario {
            name: "anonymous",
            config: support::configuration(),
            request: Request::get("/healthz"),
            forwarded: true,
        },
        Scenario {
            name: "denied",
            config: support::configuration(),
            request: bearer(Request::get("/v1/x"), &format!("{good}x")),
            forwarded: false,
        },
        Scenario {
            name: "allowed with fetched keys",
            config: support::remote_configuration("http://idp.example/jwks.json"),
            request: bearer(Request::get("/v1/x"), &good),
            forwarded: true,
        },
        Scenario {
            name: "not configured",
            config: Value::Null,
            request: Request::get("/healthz"),
            forwarded: false,
        },
    ]
}

fn builder(scenario: &Scenario) -> VmBuilder {
    support::filter().vm().configuration(scenario.config.to_string()).now(NOW).go_on_refused(true)
}

/// Sends the request, ticks and answers calls for keys for as long as the request waits, but not for ever.
fn play(vm: &mut Vm, request: &Request) -> Exchange {
    let jwks = mandate_host::tokens::jwks(&[key(mandate_host::tokens::Algorithm::Es256)]).to_string();
    let sent = vm.send(request.clone()).unwrap();
    if sent.outcome.is_final() {
        return sent;
    }
    for _ in 0..40 {
        if vm.dead().is_none() && vm.tick_period().is_some() {
            vm.tick().unwrap();
        }
        for call in vm.calls() {
            if vm.dead().is_none() {
                vm.answer_call(call.token, Response::new(200, jwks.clone())).unwrap();
            }
        }
        if vm.outcome(sent.stream).unwrap().is_final() {
            return vm.finish(sent.stream).unwrap();
        }
        vm.advance(std::time::Duration::from_millis(100));
    }
    vm.exchange(sent.stream).unwrap()
}

/// What the upstream got, without the decision's id, which counts on with every start.
fn comparable(forwarded: &Forwarded) -> Forwarded {
    let mut forwarded = forwarded.clone();
    if forwarded.headers.contains("x-mandate-decision") {
        forwarded.headers.replace("x-mandate-decision", "(an id)");
    }
    forwarded
}

fn effects(call: HostCall) -> Vec<Effect> {
    let failures =
        Status::ALL.into_iter().filter(|status| *status != Status::Ok).map(|s| Effect::Status(s.code()));
    // And one that no version of the ABI knows.
    let mut effects: Vec<Effect> = failures.chain([Effect::Status(77)]).collect();
    if call.returns_bytes() {
        effects.extend([Effect::Bytes(Vec::new()), Effect::Bytes(vec![0xff; 7]), Effect::Bytes(vec![0; 64])]);
    }
    effects
}

#[test]
fn no_single_fault_of_the_host_lets_a_request_through_that_it_should_not() {
    let mut faults = 0_u32;
    let mut harmless: BTreeMap<HostCall, u32> = BTreeMap::new();
    for scenario in scenarios() {
        let mut vm = builder(&scenario).start().unwrap();
        let undisturbed = play(&mut vm, &scenario.request);
        assert_eq!(
            undisturbed.outcome.forwarded().is_some(),
            scenario.forwarded,
            "{}: {undisturbed:?}",
            scenario.name
        );
        for (call, count) in vm.call_counts() {
            for nth in 1..=count {
                for effect in effects(call) {
                    faults += 1;
                    let fault = format!("{}: {call} number {nth}: {effect:?}", scenario.name);
                    let injection = Injection { call, nth: Nth::Only(nth), effect };
                    let mut vm = builder(&scenario).inject(injection).start_or_dead().unwrap();
                    let exchange = play(&mut vm, &scenario.request);
                    assert_eq!(vm.violations(), [], "{fault}");
                    assert!(vm.dead().is_none(), "{fault}: {:?}", vm.dead());
                    // A denial after a part was forwarded would show here.
                    let upstream =
                        exchange.outcome.forwarded().or(exchange.upstream.as_ref()).map(comparable);
                    let Some(upstream) = upstream else { continue };
                    if let (HostCall::GetHeaderMapPairs | HostCall::RemoveHeaderMapValue, Outcome::Reset) =
                        (call, &exchange.outcome)
                    {
                        // Trailers that could not be stripped: the head had passed on its own merits, the rest is cut off.
                        assert!(upstream.trailers.is_none(), "{fault}");
                        continue;
                    }
                    let usual = comparable(
                        undisturbed.outcome.forwarded().unwrap_or_else(|| panic!("let through: {fault}")),
                    );
                    let is_listed = MAY_BE_HARMLESS.iter().any(|(listed, _)| *listed == call);
                    assert!(is_listed, "forwarded in spite of {fault}");
                    assert_eq!(upstream, usual, "{fault}");
                    *harmless.entry(call).or_default() += 1;
                }
            }
        }
    }
    assert!(faults > 500, "only {faults} faults were tried");
    for (call, reason) in MAY_BE_HARMLESS {
        assert!(harmless.contains_key(call), "{call} is excused ({reason}), and never was harmless");
    }
}

#[test]
fn a_request_of_which_a_header_is_not_shown_is_not_let_through() {
    let scenario = &scenarios()[0];
    let all: Headers = scenario.request.headers.iter().cloned().collect();
    let mut shown = all.clone();
    shown.remove("x-mandate-agent");
    assert_eq!(shown.len() + 1, all.len());
    for (headers, forwarded) in [(shown, false), (all, true)] {
        let injection = Injection::headers(HostCall::GetHeaderMapPairs, Nth::Only(1), &headers);
        let mut vm = builder(scenario).inject(injection).start().unwrap();
        let exchange = play(&mut vm, &scenario.request);
        assert_eq!(exchange.outcome.forwarded().is_some(), forwarded, "{exchange:?}");
        assert_eq!(exchange.property("mandate.reason"), (!forwarded).then_some("internal"));
    }
}

#[test]
fn an_allow_that_cannot_be_recorded_is_a_denial() {
    let scenario = &scenarios()[0];
    let mut vm = builder(scenario).start().unwrap();
    vm.inject(Injection::status(HostCall::Log, Nth::Always, Status::InternalFailure)).unwrap();
    let exchange = play(&mut vm, &scenario.request);
    assert_eq!(exchange.outcome.status(), Some(503));
    assert_eq!(exchange.property("mandate.reason"), Some("internal"));
}

#[test]
fn a_verifier_that_fails_denies_and_does_not_guess() {
    let scenario = &scenarios()[0];
    let mut vm = builder(scenario).start().unwrap();
    vm.inject(Injection::status(HostCall::CallForeignFunction, Nth::Always, Status::InternalFailure))
        .unwrap();
    assert_eq!(play(&mut vm, &scenario.request).property("mandate.reason"), Some("internal"));
    // The next request is none the worse for it.
    vm.clear_injections();
    assert!(play(&mut vm, &scenario.request).outcome.forwarded().is_some());
}

#[test]
fn a_host_that_lies_about_signatures_is_caught_at_the_trial() {
    use mandate_harness::VerifySignature;
    let good = &scenarios()[0];
    let forged = mandate_host::tokens::forge(&sign(claims(NOW))).unwrap();
    let forged = Request::get("/v1/x").header("authorization", format!("Bearer {forged}"));
    for (mode, by_host) in [
        (VerifySignature::AlwaysTrue, 0),
        (VerifySignature::AlwaysFalse, 0),
        (VerifySignature::Absent, 0),
        (VerifySignature::Real, 5),
    ] {
        let mut vm = builder(good).verify_signature(mode).start().unwrap();
        assert_eq!(vm.metric("mandate.signatures.by_host"), Some(by_host), "{mode:?}");
        let exchange = play(&mut vm, &forged);
        assert_eq!(exchange.property("mandate.reason"), Some("signature_invalid"), "{mode:?}");
        assert!(play(&mut vm, &good.request).outcome.forwarded().is_some(), "{mode:?}");
    }
}

#[test]
fn a_lost_machine_denies_until_it_is_loaded_anew() {
    let scenario = &scenarios()[0];
    let trap = Injection { call: HostCall::GetHeaderMapPairs, nth: Nth::Only(1), effect: Effect::Trap };
    let mut vm = builder(scenario).inject(trap).start().unwrap();
    for _ in 0..2 {
        let exchange = play(&mut vm, &scenario.request);
        assert!(matches!(exchange.outcome, Outcome::Trapped { .. }), "{exchange:?}");
    }
    vm.reload().unwrap();
    assert!(play(&mut vm, &scenario.request).outcome.forwarded().is_some());
}

#[test]
fn no_token_is_ever_logged() {
    for scenario in scenarios() {
        let mut vm = builder(&scenario).log_level(LogLevel::Trace).start().unwrap();
        play(&mut vm, &scenario.request);
        let token = scenario.request.headers.iter().find(|(name, _)| name == "authorization");
        let Some(token) =
            token.and_then(|(_, value)| std::str::from_utf8(value).ok()?.strip_prefix("Bearer "))
        else {
            continue;
        };
        let signature = token.rsplit_once('.').unwrap().1;
        assert!(!vm.logs().iter().any(|line| line.message.contains(signature)), "{}", scenario.name);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_comes_the_machine_lives_and_lets_nothing_through(
        method in "[ -~]{0,12}",
        path in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64),
        scheme in "(Bearer|bearer|DPoP|Basic|)",
        token in "[A-Za-z0-9_.=-]{0,200}",
        noise in proptest::collection::vec(("[a-z-]{1,20}", proptest::collection::vec(1_u8..=255, 0..40)), 0..8),
    ) {
        thread_local! {
            static MACHINE: std::cell::RefCell<Vm> = std::cell::RefCell::new(
                support::filter().vm().configuration(support::configuration().to_string()).now(NOW).start().unwrap(),
            );
        }
        let mut request = Request::default().header(":method", method).header(":path", [b"/".as_slice(), &path].concat());
        request = request.header("authorization", format!("{scheme} {token}"));
        for (name, value) in noise {
            // What ends a line never reaches a filter.
            let value: Vec<u8> = value.into_iter().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
            request = request.header(&name, value);
        }
        let forwarded = MACHINE.with_borrow_mut(|vm| {
            let exchange = vm.send(request).unwrap();
            assert_eq!(vm.dead(), None);
            exchange.outcome.forwarded().map(|f| f.headers.text(":path").unwrap_or_default().to_owned())
        });
        // By chance only the anonymous route could be met.
        assert!(forwarded.is_none_or(|path| path.starts_with("/healthz")));
    }
}
