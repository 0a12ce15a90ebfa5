//! The whole way of an approval: the official client is told that it needs one, somebody approves with the tool, the call goes through
//! once.

use super::gateway::{Gateway, token};
use super::servers;
use mandate_host::tokens::{Algorithm, SigningKey, jwks};
use serde_json::{Value, json};

#[test]
fn the_users_of_the_official_client_have_a_call_approved_and_it_runs_once() {
    let Some(server) = servers::mcp() else { return };
    let key = SigningKey::generate(Algorithm::Es256, "approver-1").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("approver.jwk");
    key.save(&file).unwrap();
    let routes = json!([{
        "match": { "path_prefix": "/mcp" },
        "scopes": ["tickets.read"],
        "mcp": { "tools": [{ "name": "tickets.close", "approval": true }, { "name": "tickets.*" }] },
    }]);
    let approvals = json!({
        "audience": "https://gate.example",
        "approvers": [{
            "issuer": "https://approve.example", "algorithms": ["ES256"], "keys": { "inline": jwks(&[&key]) },
        }],
    });
    let Some(gateway) = Gateway::start(&routes, &[("approvals", approvals)], &[("mcp", server)]) else {
        return;
    };
    for mode in ["auto", "legacy"] {
        let url = format!("http://{}/mcp", gateway.address());
        let printed = servers::mcp_approval_client(&url, &token("tickets.read"), mode, &file);
        let seen: Vec<[String; 3]> =
            printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found = |what: &str| {
            let [_, outcome, said] = seen.iter().find(|[name, ..]| name == what).unwrap();
            (outcome.as_str(), said.as_str())
        };
        for (what, outcome, part) in [
            ("nobody", "denied", "nobody approved tickets.close"),
            ("approved", "done", "closed 7"),
            ("again", "denied", "approval_used"),
            ("other arguments", "denied", "approval_invalid"),
            ("approved anew", "done", "closed 8"),
        ] {
            let (came, said) = found(what);
            assert_eq!(came, outcome, "{mode} {what}: {said}\n{}", gateway.log());
            assert!(said.contains(part), "{mode} {what}: {said}");
        }
    }
    let ran: Vec<Value> = server.ran("mcp").into_iter().map(|line| line["handler"].clone()).collect();
    assert_eq!(ran, vec!["tickets.close staging"; 4], "twice in each mode");
}
