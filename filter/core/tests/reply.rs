//! A decision as HTTP: what the client is told, and what the upstream gets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::chain::Identity;
use mandate_core::chain::encode_identifier;
use mandate_core::config::Config;
use mandate_core::decision::Decision;
use mandate_core::decision::{Forward, LocalReply, Reply};
use mandate_core::reason::Reason;
use proptest::prelude::*;
use serde_json::{Value, json};
use sfv::{BareItem, List, ListEntry, Parser, key_ref};
use support::policies::{Scripted, allow_with, note, set_header};
use support::{ISSUER, NOW, act, config, decide, denials, gate, get, head, token, verify};

const OTHER: &str = "https://other.example";
const METADATA: &str = "resource_metadata=\"https://tools.example/.well-known/oauth-protected-resource\"";

fn answer(decision: &Decision, config: Option<&Config>) -> LocalReply {
    match Reply::new(decision, config) {
        Reply::Local(answer) => answer,
        Reply::Forward(forward) => panic!("forwarded: {forward:?}"),
    }
}

fn forward<'a>(decision: &'a Decision, config: &'a Config) -> Forward<'a> {
    match Reply::new(decision, Some(config)) {
        Reply::Forward(forward) => forward,
        Reply::Local(answer) => panic!("answered: {}", String::from_utf8_lossy(&answer.body)),
    }
}

fn header<'a>(answer: &'a LocalReply, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
}

fn set<'a>(forward: &Forward<'a>, name: &str) -> Option<&'a str> {
    forward.add.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
}

fn config_with(change: impl FnOnce(&mut Value)) -> Config {
    config(change)
}

/// The contract, written out independently of the code: reason, status, `error` of the challenge. The error is `None` for a challenge without
/// one, and `Some("")` for no challenge at all.
const TABLE: [(&str, u16, Option<&str>); 47] = [
    ("token_missing", 401, None),
    ("token_malformed", 401, Some("invalid_token")),
    ("token_too_large", 401, Some("invalid_token")),
    ("proof_unsupported", 401, Some("invalid_token")),
    ("proof_required", 401, Some("invalid_token")),
    ("proof_invalid", 401, Some("invalid_dpop_proof")),
    ("proof_replayed", 401, Some("invalid_dpop_proof")),
    ("proof_nonce_required", 401, Some("use_dpop_nonce")),
    ("credential_ambiguous", 400, Some("invalid_request")),
    ("token_type", 401, Some("invalid_token")),
    ("algorithm_not_allowed", 401, Some("invalid_token")),
    ("issuer_unknown", 401, Some("invalid_token")),
    ("key_unknown", 401, Some("invalid_token")),
    ("signature_invalid", 401, Some("invalid_token")),
    ("audience_mismatch", 401, Some("invalid_token")),
    ("token_expired", 401, Some("invalid_token")),
    ("token_not_yet_valid", 401, Some("invalid_token")),
    ("lifetime_too_long", 401, Some("invalid_token")),
    ("claim_missing", 401, Some("invalid_token")),
    ("claim_invalid", 401, Some("invalid_token")),
    ("delegation_required", 403, Some("actor_unauthorized")),
    ("delegation_malformed", 401, Some("invalid_token")),
    ("delegation_too_deep", 403, Some("actor_unauthorized")),
    ("actor_untrusted", 403, Some("actor_unauthorized")),
    ("delegation_cycle", 403, Some("actor_unauthorized")),
    ("delegation_widened", 401, Some("invalid_token")),
    ("agent_mismatch", 403, Some("actor_unauthorized")),
    ("authentication_insufficient", 401, Some("insufficient_user_authentication")),
    ("scope_insufficient", 403, Some("insufficient_scope")),
    ("action_denied", 403, Some("")),
    ("argument_denied", 403, Some("")),
    ("policy_denied", 403, Some("")),
    ("policy_fault", 403, Some("")),
    ("approval_required", 403, Some("")),
    ("approval_invalid", 403, Some("")),
    ("approval_used", 403, Some("")),
    ("route_unmatched", 403, Some("")),
    ("path_invalid", 403, Some("")),
    ("connection_invalid", 400, Some("")),
    ("body_malformed", 400, Some("")),
    ("body_too_large", 413, Some("")),
    ("protocol_mismatch", 400, Some("")),
    ("session_unknown", 404, Some("")),
    ("replay_memory_full", 503, Some("")),
    ("keys_unavailable", 503, Some("")),
    ("config_invalid", 503, Some("")),
    ("internal", 503, Some("")),
];

/// The reasons of that table whose request came, or should come, with the scheme `DPoP`.
const WITH_DPOP: [&str; 4] = ["proof_required", "proof_invalid", "proof_replayed", "proof_nonce_required"];

#[test]
fn the_table_of_the_design_names_every_reason_once() {
    let codes: Vec<&str> = TABLE.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, Reason::ALL.map(Reason::code));
}

#[test]
fn every_denial_has_the_status_and_the_challenge_of_the_design() {
    let denials = denials(&json!({}));
    for (code, status, error) in TABLE {
        let denied = denials.iter().find(|d| d.reason.code() == code).unwrap();
        let answer = answer(&denied.decision, denied.config.as_ref());
        assert_eq!(answer.status, status, "{code}");
        let metadata = denied.config.as_ref().is_some_and(|c| c.resource_metadata.is_some());
        let scope = "scope=\"tickets.read tickets.list\"";
        let mut parameters = Vec::new();
        let expected = match error {
            Some("") => None,
            error => {
                parameters.extend(error.map(|e| format!("error=\"{e}\"")));
                if code == "authentication_insufficient" {
                    parameters.extend(["acr_values=\"phr mfa\"", "max_age=\"300\""].map(str::to_owned));
                }
                if code == "scope_insufficient" || status == 401 {
                    parameters.push(scope.to_owned());
                }
                if metadata {
                    parameters.push(METADATA.to_owned());
                }
                let scheme = if WITH_DPOP.contains(&code) { "DPoP" } else { "Bearer" };
                if scheme == "DPoP" {
                    parameters
                        .insert(parameters.len() - usize::from(metadata), "algs=\"ES256 EdDSA\"".to_owned());
                }
                let space = if parameters.is_empty() { "" } else { " " };
                Some(format!("{scheme}{space}{}", parameters.join(", ")))
            }
        };
        assert_eq!(header(&answer, "www-authenticate"), expected.as_deref(), "{code}");
    }
}

#[test]
fn without_metadata_or_scopes_the_challenge_for_a_missing_token_is_bare() {
    let config = config(|_| {});
    let decision = decide(&mut gate(config.clone()), head("GET", "/", &[]));
    assert_eq!(header(&answer(&decision, Some(&config)), "www-authenticate"), Some("Bearer"));
}

#[test]
fn every_denials_body_is_a_problem_with_the_members_of_the_design_and_no_others() {
    for denied in denials(&json!({})) {
        let code = denied.reason.code();
        let answer = answer(&denied.decision, denied.config.as_ref());
        assert_eq!(header(&answer, "cache-control"), Some("no-store"), "{code}");
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
        let mut media_type = "application/problem+json";
        if denied.decision.route().is_some_and(|route| route.entry().mcp.is_some()) {
            // On a route with a protocol it is the data of the protocol's error.
            media_type = "application/json";
            body = body["error"]["data"].take();
        }
        assert_eq!(header(&answer, "content-type"), Some(media_type), "{code}");
        let mut members: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        let mut expected = vec!["code", "decision", "detail", "status", "title", "type"];
        // A policy's denial carries its name and its code; that one failed is nobody's business but the operator's.
        if denied.reason == Reason::PolicyDenied {
            expected.extend(["policy", "policy_code"]);
            expected.sort_unstable();
        }
        // What must be approved.
        if denied.decision.route().is_some_and(|route| route.entry().approval) {
            expected.push("approval");
            expected.sort_unstable();
        }
        assert_eq!(members, expected, "{code}");
        assert_eq!(body["type"], "about:blank", "{code}");
        assert_eq!(body["status"], answer.status, "{code}");
        assert_eq!(body["code"], code);
        assert_eq!(body["decision"], "decision-1", "{code}");
        // RFC 9457 §4.2.1: with `about:blank` the title is the status' own phrase.
        let title = match answer.status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            413 => "Content Too Large",
            503 => "Service Unavailable",
            other => panic!("{code}: status {other}"),
        };
        assert_eq!(body["title"], title, "{code}");
        assert!(body["detail"].as_str().is_some_and(|d| !d.is_empty()), "{code}");
    }
}

#[test]
fn a_policys_denial_carries_its_name_and_code_and_not_its_message() {
    let denied = denials(&json!({})).into_iter().find(|d| d.reason == Reason::PolicyDenied).unwrap();
    let answer = answer(&denied.decision, denied.config.as_ref());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&body["policy"], &body["policy_code"]), (&json!("denier"), &json!("too-late")));
    assert!(!String::from_utf8(answer.body).unwrap().contains("because"));
}

#[test]
fn a_policys_fault_is_answered_without_its_name_and_its_kind() {
    let denied = denials(&json!({})).into_iter().find(|d| d.reason == Reason::PolicyFault).unwrap();
    let answer = answer(&denied.decision, denied.config.as_ref());
    let told = format!("{:?} {}", answer.headers, String::from_utf8(answer.body).unwrap());
    assert!(!told.contains("faulty") && !told.contains("fuel"), "{told}");
    // The record has both.
    let record = &denied.decision.policies()[0];
    assert_eq!((&*record.policy, record.code.as_deref()), ("faulty", Some("fuel")));
}

#[test]
fn no_denial_tells_a_claim_a_key_a_token_or_an_actor() {
    // Every claim of every token has the marker in it, and so have the unknown issuer, kid, audience and actors.
    let mark = json!({
        "sub": "marker-sub", "client_id": "marker-client", "jti": "marker-jti", "email": "marker@example",
        "act": { "sub": "marker-actor", "act": { "sub": "marker-oldest" } }, "scope": "marker-scope",
    });
    let denials = denials(&mark);
    assert_eq!(denials.len(), Reason::ALL.len());
    for denied in denials {
        let code = denied.reason.code();
        let answer = answer(&denied.decision, denied.config.as_ref());
        let mut told = String::from_utf8(answer.body).unwrap();
        for (name, value) in &answer.headers {
            told.push_str(name);
            told.push_str(value);
        }
        for secret in ["marker", "evil", "remote.example", "agent-", "key-1", "eyJ", "alice", "idp.example"] {
            assert!(!told.contains(secret), "{code}: `{secret}` in {told}");
        }
    }
}

#[test]
fn without_a_configuration_nothing_is_forwarded() {
    let decision = decide(&mut gate(config(|_| {})), get(&token(json!({}))));
    assert_eq!(decision.reason(), None);
    assert_eq!(answer(&decision, None).status, 503);
}

#[test]
fn a_decision_that_could_not_be_carried_out_becomes_a_denial_and_a_denial_stays_one() {
    let config = config(|_| {});
    let allowed = decide(&mut gate(config.clone()), get(&token(json!({}))));
    assert_eq!(answer(&allowed.or_deny(Reason::Internal), Some(&config)).status, 503);
    let denied = decide(&mut gate(config), head("GET", "/", &[]));
    assert_eq!(denied.or_deny(Reason::Internal).reason(), Some(Reason::TokenMissing));
}

#[test]
fn the_credential_is_removed_unless_the_configuration_forwards_it() {
    for (forward_token, anonymous, removed) in [
        (false, false, true),
        (false, true, true),
        // Nobody checked it.
        (true, true, true),
        (true, false, false),
    ] {
        let config = config_with(|c| {
            c["upstream"] = json!({ "forward_token": forward_token });
            c["routes"][0]["anonymous"] = json!(anonymous);
        });
        let decision = decide(&mut gate(config.clone()), get(&token(json!({}))));
        assert_eq!(
            forward(&decision, &config).remove == ["authorization"],
            removed,
            "forward {forward_token}, anonymous {anonymous}"
        );
    }
}

#[test]
fn the_upstream_is_told_who_acts_for_whom() {
    let config = config(|_| {});
    let act = act(&[(None, "agent:now"), (None, "agent:before")]);
    let decision = decide(&mut gate(config.clone()), get(&token(json!({ "act": act }))));
    let forward = forward(&decision, &config);
    let names: Vec<&str> = forward.add.iter().map(|(n, _)| &**n).collect();
    let expected = [
        "x-mandate-decision",
        "x-mandate-principal",
        "x-mandate-agent",
        "x-mandate-depth",
        "x-mandate-chain",
    ];
    assert_eq!(names, expected);
    assert_eq!(set(&forward, "x-mandate-decision"), Some("decision-1"));
    assert_eq!(set(&forward, "x-mandate-principal"), Some("user:alice"));
    assert_eq!(set(&forward, "x-mandate-agent"), Some("agent:now"));
    assert_eq!(set(&forward, "x-mandate-depth"), Some("2"));
    let chain = set(&forward, "x-mandate-chain").unwrap();
    let iss = format!(";iss=\"{ISSUER}\"");
    assert_eq!(chain, format!("\"user:alice\"{iss}, \"agent:before\"{iss}, \"agent:now\"{iss}"));
}

#[test]
fn a_request_without_an_actor_has_no_agent_and_an_anonymous_one_no_identity_at_all() {
    let config = config(|_| {});
    let decision = decide(&mut gate(config.clone()), get(&token(json!({}))));
    let direct = forward(&decision, &config);
    assert_eq!(set(&direct, "x-mandate-agent"), None);
    assert_eq!(set(&direct, "x-mandate-depth"), Some("0"));
    assert_eq!(set(&direct, "x-mandate-principal"), Some("user:alice"));

    let config = config_with(|c| c["routes"][0]["anonymous"] = json!(true));
    let decision = decide(&mut gate(config.clone()), get(&token(json!({}))));
    let anonymous = forward(&decision, &config);
    let names: Vec<&str> = anonymous.add.iter().map(|(n, _)| &**n).collect();
    assert_eq!(names, ["x-mandate-decision"]);
}

#[test]
fn identity_headers_can_be_switched_off_and_what_policies_ask_for_stays() {
    let config = config_with(|c| {
        c["upstream"] = json!({ "identity_headers": false });
        c["policies"] = json!([{ "name": "guard" }]);
        c["routes"][0]["policies"] = json!(["guard"]);
    });
    let policies =
        Scripted::default().with("guard", allow_with(&[set_header("tier", "gold"), note("why", "x")]));
    let mut gate = mandate_core::flow::Gate::new(config.clone(), Box::new(policies), [7; 16]).unwrap();
    let decision = decide(&mut gate, get(&token(json!({}))));
    assert_eq!(forward(&decision, &config).add, [("x-mandate-ext-tier".into(), "gold")]);
}

#[test]
fn a_header_that_two_policies_ask_for_comes_once() {
    let config = config_with(|c| {
        c["upstream"] = json!({ "identity_headers": false });
        c["policies"] = json!([{ "name": "one" }, { "name": "two" }]);
        c["routes"][0]["policies"] = json!(["one", "two"]);
    });
    let policies = Scripted::default()
        .with("one", allow_with(&[set_header("tier", "gold")]))
        .with("two", allow_with(&[set_header("tier", "gold"), set_header("desk", "7")]));
    let mut gate = mandate_core::flow::Gate::new(config.clone(), Box::new(policies), [7; 16]).unwrap();
    let decision = decide(&mut gate, get(&token(json!({}))));
    let expected = [("x-mandate-ext-tier".into(), "gold"), ("x-mandate-ext-desk".into(), "7")];
    assert_eq!(forward(&decision, &config).add, expected);
}

#[test]
fn the_path_is_rewritten_only_where_normalisation_changed_it() {
    let config = config_with(|c| c["routes"][0]["anonymous"] = json!(true));
    for (path, rewritten) in [
        ("/v1//x", Some("/v1/x")),
        ("/v1/%61?b=%61//", Some("/v1/a?b=%61//")),
        ("/a/../v1", Some("/v1")),
        ("/v1/%c3%a9", Some("/v1/%C3%A9")),
        ("/v1/x", None),
        ("/v1/x?y=//../z", None),
        ("/v1/%C3%A9", None),
    ] {
        let decision = decide(&mut gate(config.clone()), head("GET", path, &[]));
        assert_eq!(forward(&decision, &config).path.as_deref(), rewritten, "{path}");
    }
}

/// Reads `x-mandate-chain` back, by the rules of RFC 9651.
fn parse_chain(chain: &str) -> Vec<Identity> {
    let text = |item: &BareItem| match item {
        BareItem::String(s) => s.as_str().to_owned(),
        BareItem::DisplayString(s) => s.clone(),
        other => panic!("{other:?}"),
    };
    let list: List = Parser::new(chain).parse().unwrap_or_else(|error| panic!("{error}: {chain}"));
    list.iter()
        .map(|entry| match entry {
            ListEntry::Item(item) => {
                assert_eq!(item.params.len(), 1);
                Identity { subject: text(&item.bare_item), issuer: text(&item.params[key_ref("iss")]) }
            }
            ListEntry::InnerList(list) => panic!("{list:?}"),
        })
        .collect()
}

#[test]
fn a_chain_with_awkward_names_is_read_back_hop_by_hop() {
    let names = ["Zoë", "山田, 太郎", "a\"b\\c", "x;iss=\"y\"", " ", "%c3%ab", "🤖", "a, b"];
    let hops: Vec<(Option<&str>, &str)> = names
        .iter()
        .enumerate()
        .map(|(i, n)| (if i % 2 == 0 { Some(OTHER) } else { Some("urn:ë") }, *n))
        .collect();
    let config = config_with(|c| {
        c["delegation"] = json!({ "max_depth": 8, "actor_issuers": [OTHER, "urn:ë"] });
    });
    let decision =
        decide(&mut gate(config.clone()), get(&token(json!({ "sub": "Ålice", "act": act(&hops) }))));
    let forward = forward(&decision, &config);
    assert!(forward.add.iter().all(|(_, v)| v.bytes().all(|b| matches!(b, 0x20..=0x7e))), "{forward:?}");
    assert_eq!(set(&forward, "x-mandate-principal"), Some("%C3%85lice"));
    assert_eq!(set(&forward, "x-mandate-agent"), Some("Zo%C3%AB"));
    let chain = parse_chain(set(&forward, "x-mandate-chain").unwrap());
    let expected: Vec<Identity> = decision.token().unwrap().identities().cloned().collect();
    assert_eq!(chain, expected);
    assert_eq!((chain.len(), chain[0].subject.as_str(), chain[8].subject.as_str()), (9, "Ålice", "Zoë"));
}

#[test]
fn a_decision_keeps_the_moment_that_it_was_made_for() {
    assert_eq!(decide(&mut gate(config(|_| {})), get(&token(json!({})))).at(), NOW);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_chain_is_read_back_as_it_was(sub in "\\PC{1,20}", hop in "\\PC{1,20}", iss in "\\PC{1,20}") {
        let identifiers = [&sub, &hop, &iss];
        prop_assume!(identifiers.iter().all(|s| !s.chars().any(char::is_control)));
        let members = json!({ "sub": sub, "act": { "sub": hop, "iss": iss } });
        let token = verify(members).unwrap();
        let chain = parse_chain(&token.identity_headers().chain);
        let expected: Vec<Identity> = token.identities().cloned().collect();
        prop_assert_eq!(chain, expected);
    }

    #[test]
    fn an_identifier_is_read_back_from_its_header_value(identifier in "\\PC{0,12}|[ %0-9a-f]{0,6}") {
        let encoded = encode_identifier(&identifier);
        prop_assert!(encoded.bytes().all(|b| b.is_ascii_graphic()));
        let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap();
        prop_assert_eq!(&*decoded, &identifier);
        // So the value itself, as somebody's name, is another value.
        prop_assert_eq!(encode_identifier(&encoded) == encoded, encoded == identifier);
    }
}
