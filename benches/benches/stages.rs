//! The stages of one decision, each alone, in native code: what the core's own work costs, without a proxy or a virtual machine.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that measures something else must not go on"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use mandate_benches::{NOW, PATH, Setup, headers};
use mandate_core::chain::IdentityHeaders;
use mandate_core::chain::SignedToken;
use mandate_core::chain::VerifiedChain;
use mandate_core::config::Config;
use mandate_core::decision::AuditRecord;
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::NormalPath;
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::policy::NoPolicies;
use mandate_core::routes::{Routes, Target};
use mandate_core::time::UnixTime;
use mandate_core::token::ParsedToken;
use mandate_host::tokens::Algorithm;
use serde_json::{Value, json};
use std::hint::black_box;
use std::rc::Rc;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];

fn config(json: &Value) -> Config {
    Config::parse(json.to_string().as_bytes()).unwrap()
}

fn token(setup: &Setup) -> String {
    setup.authorization(0).unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

/// A token, from its bytes to a chain.
fn tokens(c: &mut Criterion) {
    for algorithm in ALGORITHMS {
        let setup = Setup::new(algorithm).unwrap();
        let (config, token) = (config(&setup.configuration), token(&setup));
        let mut gate = Gate::new(config, Box::new(NoPolicies), [7; 16]).unwrap();
        let now = UnixTime::from_secs(NOW);
        let mut verify = |token: ParsedToken| {
            let key = gate.key_for(&token, &InModule, now).unwrap();
            SignedToken::verify(token, &key, &InModule).unwrap()
        };
        c.bench_function(&format!("parse and verify/{algorithm}"), |b| {
            b.iter(|| verify(ParsedToken::parse(&token).unwrap()));
        });
        if algorithm != Algorithm::EdDsa {
            continue;
        }
        c.bench_function("parse", |b| b.iter(|| ParsedToken::parse(black_box(&token)).unwrap()));
        let signed = Rc::new(verify(ParsedToken::parse(&token).unwrap()));
        let path = NormalPath::normalise(PATH).unwrap();
        let routes = Routes::new(gate.config(), &[]).unwrap();
        let route = routes.find(Target { method: "GET", host: None, path: &path }).unwrap();
        let delegation = &gate.config().delegation;
        c.bench_function("chain", |b| {
            b.iter(|| VerifiedChain::verify(Rc::clone(&signed), Rc::clone(route), delegation, now).unwrap());
        });
        c.bench_function("identity headers", |b| {
            b.iter(|| IdentityHeaders::new(signed.principal(), signed.delegated()))
        });
    }
}

fn routes(c: &mut Criterion) {
    c.bench_function("path", |b| b.iter(|| NormalPath::normalise(black_box(PATH)).unwrap()));
    for count in [1, 1000] {
        let setup = Setup::new(Algorithm::EdDsa).unwrap();
        let mut json = setup.configuration;
        json["routes"] =
            (0..count).map(|i| json!({ "match": { "path_prefix": format!("/v1/service{i}/") } })).collect();
        let config = config(&json);
        let routes = Routes::new(&config, &[]).unwrap();
        let path = NormalPath::normalise(format!("/v1/service{}/x", count - 1)).unwrap();
        c.bench_function(&format!("route/of {count}"), |b| {
            b.iter(|| routes.find(Target { method: "GET", host: None, path: &path }).unwrap());
        });
    }
}

fn record(c: &mut Criterion) {
    let setup = Setup::new(Algorithm::EdDsa).unwrap();
    let mut gate = Gate::new(config(&setup.configuration), Box::new(NoPolicies), [7; 16]).unwrap();
    let head = RequestHead::new(headers(&setup.authorization(0).unwrap()));
    let step = Flow::new("0123456789abcdef-1".to_owned(), head).advance(
        &mut gate,
        &InModule,
        UnixTime::from_secs(NOW),
    );
    let Step::Done(decision) = step else { panic!("inline keys never wait") };
    assert_eq!(decision.reason(), None, "the bench measures an allow");
    c.bench_function("audit record", |b| {
        b.iter(|| AuditRecord::new(&decision).to_json());
    });
}

criterion_group!(benches, tokens, routes, record);
criterion_main!(benches);
