//! What a request may take of the module, in instructions: a guard against what no clock on a busy machine would show.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use mandate_benches::count::{Counter, headers_for, known, tool_call};
use mandate_benches::proxy::bundle::{copies, five_policies, with_three_policies};
use mandate_benches::{ISSUER, NOW, PATH, Setup, headers};
use mandate_harness::VerifySignature;
use mandate_host::FILTER;
use mandate_host::tokens::Algorithm;
use serde_json::{Value, json};

fn setup() -> Setup {
    Setup::new(Algorithm::EdDsa).unwrap()
}

/// From the first point to the last, each step may take so much more.
fn grows(what: &str, [first, last]: [(u64, u64); 2], most_per_step: u64) {
    let allowed = first.1 + (last.0 - first.0) * most_per_step;
    assert!(last.1 <= allowed, "{what}: {first:?} to {last:?}, which may take {allowed}");
}

#[test]
fn a_known_token_takes_few() {
    let setup = setup();
    let usual = headers(&setup.authorization(0).unwrap());
    let plain = known(FILTER, &setup.configuration, &usual).unwrap();
    // 24,738 before proofs, approvals and step-up were looked at.
    assert!(plain < 26_000, "{plain} without a policy");
    let bundle = five_policies(FILTER).unwrap();
    let three = known(&bundle, &with_three_policies(&setup.configuration), &usual).unwrap();
    assert!(three < 43_000, "{three} with three policies");
}

#[test]
fn a_message_takes_no_more_than_its_length() {
    let setup = setup();
    let points = [1024_u64, 65_536]
        .map(|bytes| (bytes, tool_call(FILTER, &setup, usize::try_from(bytes).unwrap()).unwrap()));
    assert!(points[0].1 < 101_000, "{points:?}");
    grows("bytes of a message", points, 30);
}

#[test]
fn a_thousand_routes_take_hardly_more_than_one() {
    let setup = setup();
    let authorization = setup.authorization(0).unwrap();
    let points = [1_u64, 1000].map(|count| {
        let mut configuration = setup.configuration.clone();
        let route = |index| json!({ "match": { "path_prefix": format!("/v1/service{index:03}/") } });
        configuration["routes"] = (0..count).map(route).collect();
        let path = format!("/v1/service{:03}/x", count - 1);
        (count, known(FILTER, &configuration, &headers_for(&path, &authorization, 0)).unwrap())
    });
    grows("routes", points, 10);
}

#[test]
fn hops_headers_and_policies_take_no_more_than_their_share() {
    let setup = setup();
    let mut deep = setup.configuration.clone();
    deep["delegation"] = json!({ "max_depth": 8 });
    let hops = [0_u64, 8].map(|hops| {
        let authorization = setup.authorization_at(NOW, usize::try_from(hops).unwrap(), 0).unwrap();
        (hops, known(FILTER, &deep, &headers(&authorization)).unwrap())
    });
    grows("hops", hops, 900);

    let authorization = setup.authorization(0).unwrap();
    let more = [0_u64, 64].map(|more| {
        let headers = headers_for(PATH, &authorization, usize::try_from(more).unwrap());
        (more, known(FILTER, &setup.configuration, &headers).unwrap())
    });
    grows("headers", more, 600);

    let (bundle, names) = copies(FILTER, "tool-allow-list", 16).unwrap();
    let settings = json!({ "prefix": "/v1/", "principal_tools": [], "agents": [
        { "iss": ISSUER, "sub": "agent:2", "tools": ["tickets"] },
    ] });
    let entries: Vec<Value> =
        names.iter().map(|name| json!({ "name": name, "settings": settings })).collect();
    let policies = [1_u64, 16].map(|count| {
        let mut configuration = setup.configuration.clone();
        configuration["policies"] = json!(entries);
        let asked: Vec<&String> = names.iter().take(usize::try_from(count).unwrap()).collect();
        configuration["routes"][0]["policies"] = json!(asked);
        (count, known(&bundle, &configuration, &headers(&authorization)).unwrap())
    });
    grows("policies", policies, 8000);
}

#[test]
fn a_token_among_thousands_takes_no_more_than_one_alone() {
    let setup = setup();
    let counts = [1_u64, 1000].map(|count| {
        let mut counter = Counter::new(FILTER, &setup.configuration, VerifySignature::Real).unwrap();
        let tokens: Vec<_> = (0..count).map(|n| headers(&setup.authorization(n).unwrap())).collect();
        for token in tokens.iter().chain(&tokens) {
            counter.request(token.clone()).unwrap();
        }
        (count, counter.request(tokens[0].clone()).unwrap())
    });
    grows("known tokens", counts, 1);
}
