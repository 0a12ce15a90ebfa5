//! `mandate approve`: what it signs is what the filter takes, and nothing is signed unseen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::config::Config;
use mandate_core::decision::{AuditRecord, Decision, Reply};
use mandate_core::flow::{Body, Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::policy::NoPolicies;
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use support::{ISSUER, now, sign, through};

const APPROVER: &str = "https://approve.example";
const GATE: &str = "https://gate.example";
/// What the body of a denial does not say.
const WHO: [&str; 8] =
    ["--audience", GATE, "--token-issuer", ISSUER, "--principal", "user:alice", "--agent", "agent:1"];

/// An approver's folder, and a filter that knows its key.
struct Desk {
    folder: tempfile::TempDir,
    config: Config,
    gate: Gate,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = tool(&folder, &["token", "keygen", "--key", "key.json", "--algorithm", "ES256"], "");
        let keys: Value = serde_json::from_slice(&made.stdout).unwrap();
        let mut config = support::configuration();
        config["approvals"] = json!({
            "audience": GATE,
            "approvers": [{ "issuer": APPROVER, "algorithms": ["ES256"], "keys": { "inline": keys } }],
        });
        config["routes"] = json!([
            { "match": { "path_prefix": "/mcp" }, "approval": true, "mcp": { "tools": [{ "name": "*" }], "methods": ["tasks/*"] } },
            { "match": { "path_prefix": "/" }, "approval": true },
        ]);
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        let gate = Gate::new(config.clone(), Box::new(NoPolicies), [7; 16]).unwrap();
        Self { folder, config, gate }
    }

    fn write(&self, name: &str, value: &Value) {
        std::fs::write(self.folder.path().join(name), value.to_string()).unwrap();
    }

    fn approve(&self, asked: &Value, extra: &[&str]) -> Output {
        let command = ["approve", "-", "--yes", "--key", "key.json", "--issuer", APPROVER];
        tool(&self.folder, &[&command, extra].concat(), &asked.to_string())
    }

    fn approval(&self, asked: &Value, extra: &[&str]) -> String {
        let output = self.approve(asked, extra);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Why nothing was signed.
    fn refused(&self, asked: &Value, extra: &[&str]) -> String {
        let output = self.approve(asked, extra);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), b"".as_slice()), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The decision on a request of the agent for Alice, with this approval.
    fn decide(&mut self, method: &str, path: &str, body: Option<&Value>, approval: Option<&str>) -> Decision {
        let authorization = format!("Bearer {}", sign(through(now(), &["agent:1"])));
        let mut headers = vec![
            (":method", method),
            (":path", path),
            (":authority", "gate.example"),
            ("authorization", &authorization),
        ];
        headers.extend(approval.map(|approval| ("mandate-approval", approval)));
        let mut flow =
            Flow::new("decision-1".to_owned(), RequestHead::new(headers).with_body(body.is_some()));
        if let Some(body) = body {
            flow.set_body(Body::Whole(body.to_string().into_bytes()));
        }
        match flow.advance(&mut self.gate, &InModule, UnixTime::from_secs(now())) {
            Step::Done(decision) => *decision,
            other => panic!("{other:?}"),
        }
    }

    /// The body of the denial of a request without an approval, and its record.
    fn asked(&mut self, method: &str, path: &str, body: Option<&Value>) -> (Value, Value) {
        let decision = self.decide(method, path, body, None);
        assert_eq!(decision.reason(), Some(Reason::ApprovalRequired));
        let Reply::Local(answer) = Reply::new(&decision, Some(&self.config)) else { panic!("it passed") };
        let record = AuditRecord::new(&decision).to_json();
        (serde_json::from_slice(&answer.body).unwrap(), serde_json::from_str(&record).unwrap())
    }
}

fn tool(folder: &tempfile::TempDir, arguments: &[&str], input: &str) -> Output {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_mandate"))
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may be gone without having read.
    tool.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    tool.wait_with_output().unwrap()
}

fn call(arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "pay", "arguments": arguments } })
}

#[test]
fn what_was_approved_passes_once() {
    let mut desk = Desk::new();
    let arguments = json!({ "to": "bob", "amount": 1.0 });
    desk.write("arguments.json", &json!({ "amount": 1, "to": "bob" }));
    let (body, record) = desk.asked("POST", "/mcp", Some(&call(arguments.clone())));
    let given = ["--arguments", "arguments.json"];
    for (asked, extra) in [(&record, given.to_vec()), (&body, [given.as_slice(), &WHO].concat())] {
        let approval = desk.approval(asked, &extra);
        let decision = desk.decide("POST", "/mcp", Some(&call(arguments.clone())), Some(&approval));
        assert_eq!(decision.reason(), None, "{decision:?}");
        let again = desk.decide("POST", "/mcp", Some(&call(arguments.clone())), Some(&approval));
        assert_eq!(again.reason(), Some(Reason::ApprovalUsed));
    }
}

#[test]
fn what_is_approved_is_shown() {
    let mut desk = Desk::new();
    desk.write("arguments.json", &json!({ "to": "bob\u{202e}" }));
    let (_, record) = desk.asked("POST", "/mcp", Some(&call(json!({ "to": "bob\u{202e}" }))));
    let output = desk.approve(&record, &["--arguments", "arguments.json", "--json", "--claim", "by=carol"]);
    let shown = String::from_utf8(output.stderr).unwrap();
    for part in ["user:alice", "agent:1", "pay", "tools/call", "/mcp", "\"to\"", GATE, "120 s, once"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\u{202e}'), "{shown}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["id"], record["approval"]["id"]);
    assert_eq!((&printed["claims"]["by"], &printed["claims"]["aud"]), (&json!("carol"), &json!(GATE)));
}

#[test]
fn nothing_is_signed_unseen() {
    let mut desk = Desk::new();
    let (body, record) = desk.asked("POST", "/mcp", Some(&call(json!({ "amount": 1 }))));
    desk.write("same.json", &json!({ "amount": 1 }));
    desk.write("other.json", &json!({ "amount": 2 }));
    assert!(desk.refused(&record, &[]).contains("has arguments"));
    assert!(desk.refused(&record, &["--arguments", "other.json"]).contains("digest differs"));
    let same = ["--arguments", "same.json"];
    assert!(desk.refused(&body, &same).contains("--audience"));
    let with = |who: &[&'static str]| [same.as_slice(), who].concat();
    assert!(desk.refused(&body, &with(&WHO[..6])).contains("--agent"));
    let mut another = WHO.to_vec();
    another[5] = "user:bob";
    assert!(desk.refused(&body, &with(&another)).contains("one of them is not that of the request"));
    assert!(desk.refused(&record, &with(&["--no-agent"])).contains("one of them"));
    assert!(desk.refused(&json!({ "status": 403 }), &same).contains("does not say what to approve"));
}

#[test]
fn what_a_message_says_beside_its_arguments_is_shown_too() {
    let mut desk = Desk::new();
    let cancel = json!({ "jsonrpc": "2.0", "id": 1, "method": "tasks/cancel", "params": { "taskId": "7" } });
    let (_, record) = desk.asked("POST", "/mcp", Some(&cancel));
    assert!(desk.refused(&record, &[]).contains("says more than its arguments"));
    let mut other = cancel.clone();
    other["params"]["taskId"] = json!("8");
    desk.write("other.json", &other);
    assert!(desk.refused(&record, &["--message", "other.json"]).contains("says more"));
    desk.write("call.json", &call(json!({})));
    assert!(desk.refused(&record, &["--message", "call.json"]).contains("not the message"));
    desk.write("same.json", &cancel);
    let approval = desk.approval(&record, &["--message", "same.json"]);
    assert_eq!(desk.decide("POST", "/mcp", Some(&cancel), Some(&approval)).reason(), None);
}

#[test]
fn a_query_is_given_to_be_approved() {
    let mut desk = Desk::new();
    let (_, record) = desk.asked("DELETE", "/v1/tickets/7?force=1", None);
    assert!(desk.refused(&record, &[]).contains("--query"));
    assert!(desk.refused(&record, &["--query", "force=0"]).contains("--query"));
    let approval = desk.approval(&record, &["--query", "force=1"]);
    assert_eq!(desk.decide("DELETE", "/v1/tickets/7?force=1", None, Some(&approval)).reason(), None);
    let (_, plain) = desk.asked("DELETE", "/v1/tickets/7", None);
    assert!(desk.refused(&plain, &["--query", "force=1"]).contains("no query"));
}

#[test]
fn a_key_in_pem_needs_its_algorithm() {
    let mut desk = Desk::new();
    let key = std::fs::read_to_string(desk.folder.path().join("key.json")).unwrap();
    let key = mandate_host::tokens::SigningKey::from_private_jwk(&key).unwrap();
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.to_der().unwrap());
    // RFC 7468 §2: lines of 64 characters.
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    std::fs::write(desk.folder.path().join("key.pem"), pem).unwrap();
    let (_, record) = desk.asked("GET", "/v1", None);
    let run = |extra: &[&str]| {
        let command = ["approve", "-", "--yes", "--key", "key.pem", "--issuer", APPROVER];
        tool(&desk.folder, &[&command, extra].concat(), &record.to_string())
    };
    let without = run(&[]);
    assert!(String::from_utf8_lossy(&without.stderr).contains("--algorithm"), "{without:?}");
    for extra in [vec!["--algorithm", "ES256"], vec!["--algorithm", "ES256", "--kid", "desk-1"]] {
        let output = run(&extra);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let approval = String::from_utf8(run(&["--algorithm", "ES256"]).stdout).unwrap();
    assert_eq!(desk.decide("GET", "/v1", None, Some(approval.trim())).reason(), None);
}
