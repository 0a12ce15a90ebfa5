//! The tool as its users type it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "tool/possession.rs"]
mod possession;
mod support;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output};
use support::{AUDIENCE, ISSUER};

/// A folder of a user, outside of the repository.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, value: &Value) {
        std::fs::write(self.path(name), value.to_string()).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mandate"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("CARGO_TARGET_DIR", target())
            .output()
            .unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A key, its set in `jwks.json`, and a token of it.
    fn token(&self, extra: &[&str]) -> String {
        if !self.path("key.json").exists() {
            let jwks =
                self.ok(&["token", "keygen", "--key", "key.json", "--algorithm", "EdDSA", "--kid", "k1"]);
            std::fs::write(self.path("jwks.json"), jwks).unwrap();
        }
        let mint = [
            "token",
            "mint",
            "--key",
            "key.json",
            "--issuer",
            ISSUER,
            "--audience",
            AUDIENCE,
            "--subject",
            "user:alice",
        ];
        self.ok(&[&mint, extra].concat())
    }

    fn verify(&self, token: &str, extra: &[&str]) -> (Option<i32>, Value) {
        let verify =
            ["token", "verify", "--jwks", "jwks.json", "--issuer", ISSUER, "--audience", AUDIENCE, "--json"];
        let output = self.run(&[&verify, extra, &[token]].concat());
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
    }
}

fn target() -> PathBuf {
    mandate_host::paths::target_dir().unwrap()
}

#[test]
fn a_token_that_is_not_right_is_refused_with_the_filters_own_reason() {
    let desk = Desk::new();
    let token = desk.token(&["--now", "1790000000", "--lifetime", "60"]);
    assert_eq!(
        desk.verify(&token, &["--now", "1790000200"]),
        (
            Some(1),
            json!({
                "valid": false, "reason": "token_expired", "detail": "the token has expired",
            })
        )
    );
    let (code, result) = desk.verify(&mandate_host::tokens::forge(&token).unwrap(), &["--now", "1790000001"]);
    assert_eq!((code, &result["reason"]), (Some(1), &json!("signature_invalid")));
    let deep = desk.token(&["--act", "a", "--act", "b"]);
    let (code, result) = desk.verify(&deep, &["--max-depth", "1"]);
    assert_eq!((code, &result["reason"]), (Some(1), &json!("delegation_too_deep")));
}

#[test]
fn a_minted_token_verifies_and_shows_its_chain() {
    let desk = Desk::new();
    let token = desk.token(&["--act", "agent:old", "--act", "agent:new", "--claim", "tier=3"]);
    let (code, result) = desk.verify(&token, &[]);
    assert_eq!((code, &result["depth"], &result["claims"]["tier"]), (Some(0), &json!(2), &json!(3)));
    let subjects: Vec<&str> =
        result["chain"].as_array().unwrap().iter().map(|hop| hop["sub"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["user:alice", "agent:old", "agent:new"]);
    let inspected: Value = serde_json::from_str(&desk.ok(&["token", "inspect", &token])).unwrap();
    assert_eq!(
        (&inspected["verified"], &inspected["claims"]["act"]["sub"]),
        (&json!(false), &json!("agent:new"))
    );
}

#[test]
fn decide_answers_for_one_request_without_a_proxy() {
    let desk = Desk::new();
    let token = desk.token(&["--scope", "tickets.read", "--act", "agent:1"]);
    let jwks: Value =
        serde_json::from_str(&std::fs::read_to_string(desk.path("jwks.json")).unwrap()).unwrap();
    let config = |keys: Value| {
        json!({
            "issuers": [{ "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": ["EdDSA"], "keys": keys }],
            "routes": [{ "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] }],
            "audit": { "log": "none" },
        })
    };
    desk.write("inline.json", &config(json!({ "inline": jwks })));
    desk.write(
        "remote.json",
        &config(json!({ "remote": { "cluster": "idp", "uri": "https://idp.example/keys" } })),
    );
    let request = |path: &str| json!({ "method": "GET", "path": path, "headers": [["authorization", format!("Bearer {token}")]] });
    desk.write("good.json", &request("/v1/x"));
    desk.write("bad.json", &request("/v2/x"));
    let decide = |config: &str, file: &str, extra: &[&str]| {
        let output =
            desk.run(&[&["decide", "--config", config, "--request", file, "--json"], extra].concat());
        let decided: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        (output.status.code(), decided)
    };
    let (code, decided) = decide("inline.json", "bad.json", &[]);
    assert_eq!(
        (code, &decided["reason"], &decided["status"]),
        (Some(1), &json!("route_unmatched"), &json!(403))
    );
    let (code, decided) = decide("inline.json", "good.json", &["--now", "1000000000"]);
    assert_eq!((code, &decided["reason"]), (Some(1), &json!("token_not_yet_valid")));
    let (code, decided) = decide("remote.json", "good.json", &[]);
    assert_eq!((code, &decided["reason"]), (Some(1), &json!("keys_unavailable")));
    for (config, extra) in [("inline.json", vec![]), ("remote.json", vec!["--jwks", "jwks.json"])] {
        let (code, decided) = decide(config, "good.json", &extra);
        assert_eq!((code, &decided["result"]), (Some(0), &json!("allow")), "{decided}");
        assert_eq!(decided["audit"]["chain"][1]["sub"], "agent:1", "the desk always shows the record");
    }
}

#[test]
fn misuse_is_told_apart_from_a_no() {
    let desk = Desk::new();
    for arguments in [
        vec!["decide", "--config", "absent.json", "--request", "absent.json"],
        vec!["check", "absent.json"],
        vec!["check"],
        vec!["nonsense"],
        vec!["token", "inspect", "x"],
        vec!["up", "--config", "absent.json", "--upstream", "127.0.0.1:1"],
    ] {
        let output = desk.run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn outside_of_a_checkout_build_writes_the_filter_that_the_tool_carries() {
    let desk = Desk::new();
    desk.ok(&["build", "-o", "out/mandate.wasm"]);
    assert!(std::fs::read(desk.path("out/mandate.wasm")).unwrap() == mandate_host::FILTER);
}

#[test]
fn the_demo_comes_out_as_it_should_embedded() {
    demo("embedded");
}

#[test]
fn the_demo_comes_out_as_it_should_in_envoy() {
    if support::envoy().is_some() {
        demo("envoy");
    }
}

fn demo(engine: &str) {
    let desk = Desk::new();
    let rows: Value = serde_json::from_str(&desk.ok(&["demo", "--engine", engine, "--json"])).unwrap();
    let rows = rows.as_array().unwrap();
    assert!(rows.len() >= 27 && rows.iter().all(|row| row["ok"] == true), "{rows:?}");
    assert_readme_shows(rows);
    let decided: Vec<&str> = rows.iter().map(|row| row["got"].as_str().unwrap()).collect();
    for must in [
        "allow",
        "deny: delegation_too_deep",
        "deny: token_expired",
        "deny: signature_invalid",
        "deny: key_unknown",
        "deny: policy_denied",
        "deny: action_denied",
        "deny: argument_denied",
        "deny: proof_required",
        "deny: proof_invalid",
        "deny: proof_replayed",
    ] {
        assert!(decided.contains(&must), "{must} not in {decided:?}");
    }
}

/// What the README shows of the demo is what it prints, in its order.
fn assert_readme_shows(rows: &[Value]) {
    let readme = include_str!("../../README.md");
    let all = rows.len();
    let cells = ["case", "expected", "got", "seen"];
    let mut printed = rows.iter().map(|row| cells.map(|cell| row[cell].as_str().unwrap()));
    let mut shown = 0;
    for line in readme.lines().filter(|line| line.starts_with("│ ✓")) {
        let cells: Vec<&str> = line.trim_matches('│').split('┆').map(str::trim).collect();
        assert!(printed.any(|row| row == cells[1..]), "not printed, or not in this place: {line}");
        shown += 1;
    }
    assert!(shown > 10, "{shown} rows are shown");
    for said in [format!("{all} of {all} came out"), format!("{shown} of the {all} rows")] {
        assert!(readme.contains(&said), "the README does not say `{said}`");
    }
}

#[test]
fn the_gateway_of_up_runs_until_it_is_stopped() {
    use std::io::{BufRead as _, BufReader};
    let desk = Desk::new();
    desk.write("config.json", &support::configuration());
    let upstream = mandate_host::upstream::Upstream::start().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mandate"))
        .args([
            "up",
            "--config",
            "config.json",
            "--listen",
            "127.0.0.1:0",
            "--engine",
            "embedded",
            "--upstream",
        ])
        .arg(upstream.address().to_string())
        .current_dir(desk.0.path())
        .env("CARGO_TARGET_DIR", target())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let listening = lines
        .find_map(|line| Some(line.split_once("listening on ")?.1.split_once(',')?.0.to_owned()))
        .unwrap();
    let send = |path| {
        mandate_host::client::blocking::send(
            listening.parse().unwrap(),
            &mandate_host::client::Request::get(path),
        )
        .unwrap()
    };
    assert_eq!(send("/v1/x").status, 401);
    assert_eq!(send("/healthz").status, 200);
    assert!(lines.any(|line| line.contains("\"reason\":\"token_missing\"")), "the audit record is shown");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(upstream.requests(), 1);
}

#[test]
fn help_teaches() {
    let desk = Desk::new();
    let help = desk.ok(&["--help"]);
    for command in ["demo", "up", "build", "bundle", "check", "decide", "token", "policy"] {
        assert!(help.contains(command), "{command}");
        assert!(desk.ok(&[command, "--help"]).len() > 100, "{command}");
    }
    assert!(help.contains("mandate demo"));
    let help = desk.ok(&["policy", "--help"]);
    for command in ["new", "build", "test", "bench", "inspect", "explain"] {
        assert!(help.contains(command), "{command}");
        assert!(desk.ok(&["policy", command, "--help"]).len() > 100, "{command}");
    }
    assert!(help.contains("mandate policy new"));
}

/// A configuration whose keys are fetched, and a token that it accepts.
fn read_token(
    desk: &Desk,
    change: impl FnOnce(&mut Value),
    extra: &[&str],
    mint: &[&str],
) -> (Option<i32>, Value) {
    let mut config = support::remote_configuration("https://idp.example/jwks.json");
    config["issuers"][0]["algorithms"] = json!(["EdDSA"]);
    change(&mut config);
    desk.write("mandate.json", &config);
    let token = desk.token(&[&["--scope", "tickets.read"], mint].concat());
    let output = desk.run(&[&["check", "mandate.json", "--json", "--token", &token], extra].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}")))
}

#[test]
fn check_token_lists_everything_that_denies_and_not_only_the_first() {
    let desk = Desk::new();
    let broken = |config: &mut Value| {
        config["issuers"][0]["audiences"] = json!(["https://other.example"]);
        config["issuers"][0]["max_lifetime_s"] = json!(10);
        config["issuers"][0]["claims"] = json!({ "require": { "/token_use": "access" }, "client": ["/azp"] });
    };
    let (code, reading) = read_token(&desk, broken, &[], &["--typ", "JWT", "--claim", "cnf={}"]);
    assert_eq!(code, Some(1));
    let problems: Vec<(&str, &str)> = reading["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| Some((row["what"].as_str()?, row["problem"]["reason"].as_str()?)))
        .collect();
    assert_eq!(
        problems,
        [
            ("type", "token_type"),
            ("mark", "claim_missing"),
            ("audience", "audience_mismatch"),
            ("client", "claim_missing"),
            ("times", "lifetime_too_long"),
            ("key binding", "claim_invalid"),
        ]
    );
    assert_eq!(reading["accepted"], json!(false));
}

#[test]
fn check_token_checks_the_signature_if_it_has_the_keys_and_says_so_if_not() {
    let desk = Desk::new();
    // Nobody knows: anybody could have made it.
    let (code, reading) = read_token(&desk, |_| {}, &[], &[]);
    assert_eq!(
        (code, &reading["accepted"], &reading["signature_checked"]),
        (Some(1), &json!(false), &json!(false))
    );
    let signature =
        reading["rows"].as_array().unwrap().iter().find(|row| row["what"] == "signature").unwrap();
    assert_eq!(signature["unchecked"], json!(true));
    assert_eq!(reading["routes"][0].get("denied"), None);
    let (code, reading) = read_token(&desk, |_| {}, &["--jwks", "jwks.json"], &[]);
    assert_eq!(
        (code, &reading["accepted"], &reading["signature_checked"]),
        (Some(0), &json!(true), &json!(true))
    );
    let other = desk.ok(&["token", "keygen", "--key", "other.json", "--kid", "k1"]);
    std::fs::write(desk.path("other-jwks.json"), other).unwrap();
    let (code, reading) = read_token(&desk, |_| {}, &["--jwks", "other-jwks.json"], &[]);
    assert_eq!((code, &reading["accepted"]), (Some(1), &json!(false)));
    let signature =
        reading["rows"].as_array().unwrap().iter().find(|row| row["what"] == "signature").unwrap();
    assert_eq!(signature["problem"]["reason"], "signature_invalid");
    let (_, reading) = read_token(&desk, |_| {}, &["--jwks", "jwks.json", "--now", "1000000000"], &[]);
    assert_eq!(reading["routes"][0]["denied"]["reason"], "token_not_yet_valid");
}

#[test]
fn check_token_says_that_the_key_set_has_no_key_for_it_and_what_it_has() {
    let desk = Desk::new();
    let other = desk.ok(&["token", "keygen", "--key", "other.json", "--kid", "k2"]);
    std::fs::write(desk.path("other-jwks.json"), other).unwrap();
    let (code, reading) = read_token(&desk, |_| {}, &["--jwks", "other-jwks.json"], &[]);
    assert_eq!((code, &reading["signature_checked"]), (Some(1), &json!(false)));
    let key = reading["rows"].as_array().unwrap().iter().find(|row| row["what"] == "key").unwrap();
    assert_eq!(key["problem"]["reason"], "key_unknown");
    let denied = |route: &Value| route["denied"]["reason"] == "key_unknown" || route.get("denied").is_none();
    let routes = reading["routes"].as_array().unwrap();
    assert!(!routes.is_empty() && routes.iter().all(denied), "{reading}");
    assert!(reading["advice"].to_string().contains("`k2` for EdDSA"), "{reading}");
    std::fs::write(desk.path("empty.json"), r#"{"keys": []}"#).unwrap();
    let (code, reading) = read_token(&desk, |_| {}, &["--jwks", "empty.json"], &[]);
    assert_eq!((code, reading["routes"].as_array().map(Vec::len)), (Some(1), Some(1)), "{reading}");
    assert!(reading["advice"].to_string().contains("cannot be used"), "{reading}");
    let none = desk.run(&["check", "mandate.json", "--token", "Bearer "]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("the token is empty"), "{none:?}");
}

#[test]
fn check_token_needs_no_policies_wherever_they_are_named() {
    let desk = Desk::new();
    let mut config = support::remote_configuration("https://idp.example/jwks.json");
    config["issuers"][0]["algorithms"] = json!(["EdDSA"]);
    config["policies"] = json!([{ "name": "tool-allow-list" }]);
    let tools = json!([{ "name": "x", "policies": ["tool-allow-list"] }]);
    config["routes"] =
        json!([{ "match": { "path_prefix": "/" }, "scopes": ["tickets.read"], "mcp": { "tools": tools } }]);
    let config = mandate_core::config::Config::parse(config.to_string().as_bytes()).unwrap();
    let token = desk.token(&["--scope", "tickets.read"]);
    let keys = std::fs::read(desk.path("jwks.json")).unwrap();
    let now = mandate_core::time::UnixTime::from_secs(support::now());
    let reading = mandate_host::reading::Reading::of(&token, &config, Some(&keys), now).unwrap();
    assert!(reading.is_accepted(), "{reading:#?}");
}

#[test]
fn check_token_suggests_the_provider_and_where_the_scopes_are() {
    let desk = Desk::new();
    let (_, reading) = read_token(
        &desk,
        |config| config["routes"] = json!([{ "match": { "path_prefix": "/" }, "scopes": ["tickets.close"] }]),
        &[],
        &["--claim", "scp=[\"tickets.close\"]", "--claim", "cid=0oa", "--claim", "ver=1"],
    );
    let advice = reading["advice"].to_string();
    assert!(advice.contains("\\\"provider\\\": \\\"okta\\\"") && advice.contains("`scp`"), "{advice}");
    let opaque = desk.run(&["check", "mandate.json", "--token", "Bearer 8f2c1a"]);
    assert!(String::from_utf8_lossy(&opaque.stdout).contains("opaque"), "{opaque:?}");
    assert_eq!(opaque.status.code(), Some(1));
}

#[test]
fn check_expand_prints_what_a_provider_stands_for() {
    let desk = Desk::new();
    let mut config = support::remote_configuration("https://idp.example/jwks.json");
    config["issuers"][0]["provider"] = json!("cognito");
    config["issuers"][0]["claims"] = json!({ "require": { "/tenant": "a" } });
    desk.write("mandate.json", &config);
    let expanded: Value = serde_json::from_str(&desk.ok(&["check", "mandate.json", "--expand"])).unwrap();
    let issuer = &expanded["issuers"][0];
    assert_eq!(issuer["claims"]["audience"], json!(["/client_id"]));
    assert_eq!(issuer["claims"]["require"], json!({ "/token_use": "access", "/tenant": "a" }));
    assert_eq!(issuer["token_types"], json!([null, "JWT"]));
    assert_eq!(expanded["routes"], config["routes"]);
}

#[test]
fn check_names_the_addresses_of_metadata_and_decide_answers_them() {
    let desk = Desk::new();
    let mut config = support::configuration();
    config["protected_resources"] =
        json!([{ "resource": "https://tools.example/v1", "authorization_servers": [support::ISSUER] }]);
    desk.write("mandate.json", &config);
    let address = "https://tools.example/.well-known/oauth-protected-resource";
    let served = |url: &str| json!({ "url": url, "resource": "https://tools.example/v1" });
    let found: Value = serde_json::from_str(&desk.ok(&["check", "mandate.json", "--json"])).unwrap();
    assert_eq!(found["metadata"], json!([served(&format!("{address}/v1")), served(address)]));
    let said = desk.ok(&["check", "mandate.json"]);
    assert!(said.contains(&format!("serves {address}/v1: metadata of https://tools.example/v1")), "{said}");

    let ask = |host: &str| {
        let path = "/.well-known/oauth-protected-resource/v1";
        desk.write("request.json", &json!({ "method": "GET", "path": path, "headers": [["host", host]] }));
        let output = desk.run(&["decide", "--config", "mandate.json", "--request", "request.json", "--json"]);
        let decided: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code(), decided)
    };
    let (code, decided) = ask("evil.example");
    assert_eq!((code, &decided["result"]), (Some(1), &json!("deny")), "{decided}");
    let (code, decided) = ask("tools.example");
    assert_eq!(
        (code, &decided["result"], &decided["status"]),
        (Some(0), &json!("answer"), &json!(200)),
        "{decided}"
    );
    assert_eq!(decided["body"]["authorization_servers"], json!([support::ISSUER]));
}

#[test]
fn check_token_tells_of_every_route_and_shows_nothing_that_steers_a_terminal() {
    let desk = Desk::new();
    let routes = json!([
        { "match": { "path_prefix": "/v1", "methods": ["POST"] }, "scopes": ["x"] },
        { "match": { "path_prefix": "/v1" }, "scopes": [] },
        { "match": { "path_prefix": "/v1/behind" }, "scopes": ["y"], "policies": ["ticket-guard"] },
        { "match": { "path_prefix": "/mcp" }, "mcp": { "tools": [{ "name": "*" }] } },
    ]);
    let (code, reading) = read_token(
        &desk,
        |config| {
            config["routes"] = routes;
            config["policies"] = json!([]);
            config["routes"][2].as_object_mut().unwrap().remove("policies");
        },
        &["--jwks", "jwks.json"],
        &["--claim", "sub_profile=a\u{1b}[31m"],
    );
    assert_eq!(code, Some(0));
    let denied: Vec<Value> =
        reading["routes"].as_array().unwrap().iter().map(|it| it["denied"]["reason"].clone()).collect();
    assert_eq!(denied, [json!("scope_insufficient"), Value::Null, json!("scope_insufficient"), Value::Null]);
    let reads: Vec<&Value> =
        reading["routes"].as_array().unwrap().iter().map(|it| &it["reads_body"]).collect();
    assert_eq!(reads, [false, false, false, true]);
    let token = desk.token(&["--typ", "a\u{1b}[31m"]);
    let shown = desk.run(&["check", "mandate.json", "--token", &token]);
    assert!(!String::from_utf8(shown.stdout).unwrap().contains('\u{1b}'));
}
