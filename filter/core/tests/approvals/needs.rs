//! What needs an approval, and what is said of it.

use super::*;
use mandate_core::action::Action;
use mandate_core::approval::ApprovalRequest;
use mandate_core::chain::Identity;
use mandate_core::decision::Forward;
use mandate_core::policy::{Fault, Verdict};
use support::policies::{Scripted, allow_with, approve, deny, note};

const ARGUMENTS: &str = r#"{"amount":100}"#;

fn forward<'a>(decision: &'a Decision, config: &'a Config) -> Forward<'a> {
    match Reply::new(decision, Some(config)) {
        Reply::Forward(forward) => forward,
        Reply::Local(answer) => panic!("{}", String::from_utf8_lossy(&answer.body)),
    }
}

#[test]
fn only_what_the_rule_is_for_needs_one() {
    let named = |method: &str, params: Value| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        decide(&mut new_gate(), message(&[]), &body.to_string()).reason()
    };
    let required = Some(Reason::ApprovalRequired);
    assert_eq!(named("tools/call", json!({ "name": "pay" })), required);
    assert_eq!(named("prompts/get", json!({ "name": "x" })), required);
    assert_eq!(named("resources/read", json!({ "uri": "bank://1" })), required);
    assert_eq!(named("tools/call", json!({ "name": "list" })), None);
    assert_eq!(named("tools/list", json!({})), None);
    assert_eq!(named("initialize", json!({})), None);
}

#[test]
fn a_route_that_needs_one_does_so_for_every_action_that_needs_a_rule_or_is_listed() {
    let config = config_with(|c| {
        c["routes"] = json!([{ "match": { "path_prefix": "/mcp" }, "approval": true, "mcp": {
            "tools": [{ "name": "*" }], "methods": ["tasks/*"],
        } }]);
    });
    let named = |method: &str, params: Value| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        decide(&mut gate(config.clone()), message(&[]), &body.to_string())
    };
    let required = Some(Reason::ApprovalRequired);
    assert_eq!(named("tools/call", json!({ "name": "list" })).reason(), required);
    assert_eq!(named("tasks/cancel", json!({ "taskId": "1" })).reason(), required);
    for method in ["initialize", "ping", "tools/list"] {
        assert_eq!(named(method, json!({})).reason(), None, "{method}");
    }
    let decision = named("tasks/cancel", json!({ "taskId": "1" }));
    let parameters = record(&decision)["approval"]["action"]["parameters"].clone();
    assert_eq!(parameters, digest(r#"{"taskId":"1"}"#), "which task it is");
    let denied = record(&decision);
    assert_eq!(denied["approval"]["needed_by"], json!([{ "by": "route" }]));
}

/// Two policies, one of which allows what an approval allows.
#[test]
fn what_policies_want_approved_needs_one_approval_and_each_reason_is_recorded() {
    let config = config_with(|c| {
        c["policies"] = json!([{ "name": "amounts" }, { "name": "payees" }]);
        c["routes"][0] = json!({
            "match": { "path_prefix": "/mcp" }, "mcp": { "tools": [{ "name": "*" }] }, "policies": ["amounts", "payees"],
        });
    });
    let decide_by = |answer: Result<Verdict, Fault>, approvals: &[&str]| {
        let amounts = allow_with(&[approve("more than 50"), note("a", "1")]);
        let policies = Scripted::default().with("amounts", amounts).with("payees", answer);
        let mut gate = Gate::new(config.clone(), Box::new(policies), [7; 16]).unwrap();
        decide(&mut gate, message(approvals), &call(ARGUMENTS))
    };
    let wants = || allow_with(&[approve("a new payee"), approve("at night")]);
    let denied = decide_by(wants(), &[]);
    assert_eq!(
        (denied.reason(), problem(&denied).as_str()),
        (Some(Reason::ApprovalRequired), "no approval came")
    );
    let needed_by = json!([
        { "by": "policy", "reason": "more than 50" },
        { "by": "policy", "reason": "a new payee" },
        { "by": "policy", "reason": "at night" },
    ]);
    assert_eq!(record(&denied)["approval"]["needed_by"], needed_by);
    let told = told(&denied, &config).to_string();
    assert!(!told.contains("payee"), "a policy's words are not for the client: {told}");

    let approval = sign(&claims(ARGUMENTS));
    let allowed = decide_by(wants(), &[&approval]);
    assert_eq!(allowed.reason(), None);
    let record = record(&allowed);
    assert_eq!(record["approval"]["needed_by"], needed_by);
    assert_eq!(record["obligations"], json!([{ "name": "a", "value": "1" }]), "what is carried out");
    // Nobody approves what a policy denies.
    assert_eq!(decide_by(deny("closed"), &[&approval]).reason(), Some(Reason::PolicyDenied));
}

#[test]
fn the_answer_says_what_must_be_approved_and_no_claim_of_the_token() {
    let config = parse_config(&document());
    let decision = decide(&mut gate(config.clone()), message(&[]), &call(ARGUMENTS));
    let body = told(&decision, &config);
    let approval = &body["error"]["data"]["approval"];
    let claims = claims(ARGUMENTS);
    // The id, written out by hand: members in order, no white space.
    let party = |sub: &str| format!(r#"{{"iss":"{ISSUER}","sub":"{sub}"}}"#);
    let action = r#"{"host":"gate.example","kind":"tool","method":"tools/call","name":"pay","path":"/mcp","protocol":"mcp"}"#;
    let id = digest(&format!(
        r#"{{"action":{action},"agent":{},"arguments":"{}","audience":"{AUDIENCE}","principal":{}}}"#,
        party("agent:payer"),
        digest(ARGUMENTS),
        party("user:alice"),
    ));
    let expected = json!({ "id": id, "action": claims["action"], "arguments": claims["arguments"] });
    assert_eq!(*approval, expected);
    assert!(!body.to_string().contains("alice") && !body.to_string().contains("payer"), "{body}");
    // The record has all of it.
    let denied = record(&decision);
    let of_record = &denied["approval"];
    let expected = json!({
        "id": id, "audience": AUDIENCE, "principal": claims["principal"], "agent": claims["agent"],
        "action": claims["action"], "arguments": claims["arguments"],
        "needed_by": [{ "by": "rule", "kind": "tool", "index": 0 }],
    });
    assert_eq!(*of_record, expected);
}

#[test]
fn on_a_route_without_a_protocol_the_answer_is_a_problem_with_the_same_member() {
    let config = parse_config(&document());
    let authorization = format!("Bearer {}", agent_token());
    let request = head("GET", "/v1/x?y", &[("authorization", &authorization)]);
    let decision = decide_in(&mut gate(config.clone()), request, None, &InModule, NOW);
    let body = told(&decision, &config);
    assert_eq!(body["code"], "approval_required");
    assert_eq!(body["approval"]["action"], json!({ "method": "GET", "path": "/v1/x", "query": digest("y") }));
    assert_eq!(body["approval"]["arguments"], digest("{}"));
}

#[test]
fn whoever_knows_principal_and_agent_derives_the_same_id() {
    let decision = decide(&mut new_gate(), message(&[]), &call(ARGUMENTS));
    let of = |sub: &str| Identity { issuer: ISSUER.to_owned(), subject: sub.to_owned() };
    let made = ApprovalRequest::new(
        AUDIENCE,
        &of("user:alice"),
        Some(&of("agent:payer")),
        claims(ARGUMENTS)["action"].clone(),
        digest(ARGUMENTS),
    )
    .unwrap();
    assert_eq!(record(&decision)["approval"]["id"], made.id());
    assert!(decision.action().is_some_and(|action: &Action| action.name() == "pay"));
}

#[test]
fn the_record_of_what_was_approved_says_by_whom() {
    let mut gate = new_gate();
    let decision = decide(&mut gate, message(&[&sign(&claims(ARGUMENTS))]), &call(ARGUMENTS));
    let allowed = record(&decision);
    assert_eq!(allowed["result"], "allow");
    assert_eq!(allowed["approval"]["approver"], APPROVER);
    assert_eq!(allowed["approval"]["jti"], "approval-1");
    assert_eq!(allowed["approval"]["principal"]["sub"], "user:alice");
}

#[test]
fn the_upstream_never_sees_an_approval() {
    let config = parse_config(&document());
    let approval = sign(&claims(ARGUMENTS));
    let needed = decide(&mut gate(config.clone()), message(&[&approval]), &call(ARGUMENTS));
    assert!(forward(&needed, &config).remove.contains(&"mandate-approval"));
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let needless = decide(&mut gate(config.clone()), message(&["whatever", "twice"]), &list);
    assert!(forward(&needless, &config).remove.contains(&"mandate-approval"), "not looked at, and removed");
    let none = decide(&mut gate(config.clone()), message(&[]), &list);
    assert!(!forward(&none, &config).remove.contains(&"mandate-approval"));
    let open = config_with(|c| c["routes"] = json!([{ "match": { "path_prefix": "/" }, "anonymous": true }]));
    let request = head("GET", "/", &[("mandate-approval", &approval)]);
    let anonymous = decide_in(&mut gate(open.clone()), request, None, &InModule, NOW);
    assert!(forward(&anonymous, &open).remove.contains(&"mandate-approval"));
    // Nor may it be dropped on the way, or come as a trailer.
    let request = head("GET", "/", &[("connection", "mandate-approval"), ("mandate-approval", &approval)]);
    let dropped = decide_in(&mut gate(open), request, None, &InModule, NOW);
    assert_eq!(dropped.reason(), Some(Reason::ConnectionInvalid));
}

#[test]
fn everything_else_must_allow_the_request_first() {
    let scoped = config_with(|c| {
        c["routes"][0]["mcp"]["tools"][0] =
            json!({ "name": "pay", "approval": true, "scopes": ["pay"], "arguments": { "/amount": [100] } });
    });
    let mut gate = gate(scoped);
    let approval = sign(&claims(ARGUMENTS));
    let denied = decide(&mut gate, message(&[&approval]), &call(ARGUMENTS));
    assert_eq!(denied.reason(), Some(Reason::ScopeInsufficient));
    let rich = token(json!({ "act": act(&[(None, "agent:payer")]), "scope": "pay" }));
    let denied = decide(&mut gate, message_of(&rich, &[&approval]), &call(r#"{"amount":101}"#));
    assert_eq!(denied.reason(), Some(Reason::ArgumentDenied));
    // It was used by none of these.
    assert_eq!(decide(&mut gate, message_of(&rich, &[&approval]), &call(ARGUMENTS)).reason(), None);
}

#[test]
fn what_a_policy_in_shadow_wants_is_not_needed() {
    let config = config_with(|c| {
        c["policies"] = json!([{ "name": "careful", "mode": "shadow" }]);
        c["routes"][0]["policies"] = json!(["careful"]);
    });
    let policies = Scripted::default().with("careful", allow_with(&[approve("a new payee")]));
    let mut gate = Gate::new(config, Box::new(policies), [7; 16]).unwrap();
    let list = call("{}").replace("pay", "list");
    assert_eq!(decide(&mut gate, message(&[]), &list).reason(), None);
}

#[test]
fn where_nobody_can_approve_nobody_does() {
    let mut config = document();
    config.as_object_mut().unwrap().remove("approvals");
    config["policies"] = json!([{ "name": "careful" }]);
    config["routes"] = json!([{ "match": { "path_prefix": "/mcp" }, "policies": ["careful"], "mcp": { "tools": [{ "name": "*" }] } }]);
    let policies = Scripted::default().with("careful", allow_with(&[approve("a new payee")]));
    let config = parse_config(&config);
    let mut gate = Gate::new(config.clone(), Box::new(policies), [7; 16]).unwrap();
    let denied = decide(&mut gate, message(&[&sign(&claims(ARGUMENTS))]), &call(ARGUMENTS));
    assert_eq!(denied.reason(), Some(Reason::ApprovalRequired));
    assert_eq!(problem(&denied), "no approval can be given: there are no `approvals`");
    assert_eq!(told(&denied, &config)["error"]["data"].get("approval"), None);
}

#[test]
fn another_letter_case_does_not_lead_round_an_approval() {
    let config = config_with(|c| {
        c["routes"] = json!([
            { "match": { "path_prefix": "/v1/Payments" }, "approval": true },
            { "match": { "path_prefix": "/" } },
        ]);
    });
    let authorization = format!("Bearer {}", agent_token());
    let request = head("GET", "/v1/payments", &[("authorization", &authorization)]);
    let decision = decide_in(&mut gate(config), request, None, &InModule, NOW);
    assert_eq!(decision.reason(), Some(Reason::PathInvalid));
}
