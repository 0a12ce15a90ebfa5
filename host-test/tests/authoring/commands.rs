//! What the commands do when all is well.

use super::{Built, Desk, NAME, built, configuration, nested, request, support, token};
use mandate_host::client::{Request, blocking};
use mandate_host::envoy::{Envoy, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::tokens::Algorithm;
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// The bundle of the new project's policy.
fn bundled(desk: &Desk, built: &Built) -> std::path::PathBuf {
    let component = built.component.to_str().unwrap();
    let said = desk.ok(&["bundle", "--policy", component, "--output", "out/mandate.wasm"]);
    assert!(said.contains(&built.sha256) && said.contains(NAME), "{said}");
    desk.path("out/mandate.wasm")
}

#[test]
fn a_new_project_passes_its_own_unit_tests() {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--quiet"])
        .current_dir(built().project())
        .env("CARGO_TARGET_DIR", nested())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", super::said(&output));
}

#[test]
fn a_new_project_passes_its_cases() {
    let built = built();
    let rows = built.desk.json(&["policy", "test", NAME]);
    let rows = rows.as_array().unwrap();
    assert!(rows.len() >= 8 && rows.iter().all(|row| row["ok"] == true), "{rows:?}");
    let allowed = rows.iter().find(|row| row["verdict"] == "allow").unwrap();
    assert_eq!(allowed["headers"], json!([["tenant", "acme"]]));
    assert!(allowed["fuel"].as_u64().is_some_and(|fuel| fuel > 100), "{allowed}");
    // For people, and of the component alone.
    let cases = built.project().join("tests.yaml");
    let component = built.component.to_str().unwrap();
    let table = built.desk.ok(&["policy", "test", component, "--cases", cases.to_str().unwrap()]);
    assert!(table.contains("tenant_mismatch") && table.contains('✓') && !table.contains('✗'), "{table}");
}

#[test]
fn a_new_project_has_no_part_in_a_workspace_around_it() {
    let desk = Desk::new();
    desk.write("Cargo.toml", "[workspace]\nmembers = [\"*\"]\n");
    desk.ok(&["policy", "new", NAME, "--path", "policies/guard"]);
    let metadata = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(desk.path("policies/guard"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let root = desk.path("policies/guard").canonicalize().unwrap();
    assert_eq!(metadata["workspace_root"], json!(root));
}

#[test]
fn the_same_inputs_make_the_same_bundle() {
    let (desk, built) = (Desk::new(), built());
    let first = std::fs::read(bundled(&desk, built)).unwrap();
    let project = format!("{NAME}={}", built.project().display());
    desk.ok(&["bundle", "--policy", &project, "-o", "again.wasm"]);
    assert!(
        first == std::fs::read(desk.path("again.wasm")).unwrap(),
        "a component and its crate make one bundle"
    );
    let component = built.component.display();
    let two = desk.json(&[
        "bundle",
        "--policy",
        &format!("one={component}"),
        "--policy",
        &format!("two={component}"),
        "-o",
        "two.wasm",
    ]);
    let names: Vec<&Value> =
        two["policies"].as_array().unwrap().iter().map(|policy| &policy["name"]).collect();
    assert_eq!(names, [&json!("one"), &json!("two")]);
    assert_eq!(two["policies"][1]["sha256"], json!(built.sha256));
}

#[test]
fn decide_is_the_same_with_a_bundle_and_with_its_policy() {
    let (desk, built) = (Desk::new(), built());
    desk.write("config.json", &configuration().to_string());
    desk.write("own.json", &request("/v1/tenants/acme/x"));
    desk.write("other.json", &request("/v1/tenants/evil/x"));
    let bundle = bundled(&desk, built);
    let component = built.component.to_str().unwrap();
    for module in [["--filter", bundle.to_str().unwrap()], ["--policy", component]] {
        let decide = |request: &str| {
            let command = ["decide", "--config", "config.json", "--request", request, "--json"];
            let output = desk.run(&[&command[..], &module].concat());
            (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
        };
        let (code, denied) = decide("other.json");
        assert_eq!((code, &denied["reason"]), (Some(1), &json!("policy_denied")), "{denied}");
        assert_eq!(
            (&denied["body"]["policy"], &denied["body"]["policy_code"]),
            (&json!(NAME), &json!("tenant_mismatch"))
        );
        let (code, allowed) = decide("own.json");
        assert_eq!(code, Some(0), "{allowed}");
        let told = json!(["x-mandate-ext-tenant", "acme"]);
        assert!(allowed["headers"].as_array().unwrap().contains(&told), "{allowed}");
        assert_eq!(allowed["audit"]["policies"][0]["sha256"], json!(built.sha256));
    }
}

#[test]
fn the_bundle_runs_in_envoy() {
    let Some(binary) = support::envoy() else { return };
    let (desk, built) = (Desk::new(), built());
    let upstream = Upstream::start().unwrap();
    let setup =
        EnvoySetup::new(upstream.address()).filter(bundled(&desk, built), configuration().to_string());
    let envoy = Envoy::start(&binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()).unwrap();
    let address = envoy.listener().unwrap();
    let send = |path: &str| blocking::send(address, &Request::get(path).bearer(&token())).unwrap();
    let denied = send("/v1/tenants/evil/x");
    assert_eq!(
        (denied.status, support::reason(&denied).as_deref()),
        (403, Some("policy_denied")),
        "{}",
        envoy.log()
    );
    assert_eq!(upstream.requests(), 0);
    assert_eq!(send("/v1/tenants/acme/x").status, 200, "{}", envoy.log());
    let received = upstream.received();
    assert_eq!(received.last().unwrap().header("x-mandate-ext-tenant"), Some("acme"));
}

#[test]
fn check_has_the_policies_check_their_settings() {
    let (desk, built) = (Desk::new(), built());
    let mut config = configuration();
    desk.write("good.json", &config.to_string());
    let policy = built.component.to_str().unwrap();
    desk.ok(&["check", "good.json", "--policy", policy]);
    let unknown = desk.exits(1, &["check", "good.json"]);
    assert!(
        unknown.contains("/policies/0/name") && unknown.contains("--policy ticket-guard=PATH"),
        "{unknown}"
    );
    config["policies"][0]["settings"] = json!({ "prefix": "v1" });
    desk.write("bad.json", &config.to_string());
    let refused = desk.exits(1, &["check", "bad.json", "--policy", policy]);
    assert!(
        refused.contains("/policies/0/settings/prefix") && refused.contains("must begin with"),
        "{refused}"
    );
}

#[test]
fn inspect_says_what_is_in_a_component_and_in_a_bundle() {
    let (desk, built) = (Desk::new(), built());
    let component = desk.json(&["policy", "inspect", built.component.to_str().unwrap()]);
    assert_eq!((&component["kind"], &component["sha256"]), (&json!("component"), &json!(built.sha256)));
    assert_eq!((&component["refused"], &component["description"]["name"]), (&Value::Null, &json!(NAME)));
    let request = |name: &str| json!({ "interface": "mandate:policy/request@0.1.2", "name": name });
    assert_eq!(
        component["imports"],
        json!([request("[method]request.path"), request("[method]request.claim")])
    );
    let exports: Vec<&Value> = component["exports"].as_array().unwrap().iter().map(|f| &f["name"]).collect();
    assert_eq!(exports, ["describe", "configure", "check"]);
    assert_eq!(component["modules"][0]["memory_bytes"], 65536, "one page: its stack is small");
    let bundle = desk.json(&["policy", "inspect", bundled(&desk, built).to_str().unwrap()]);
    let expected = json!([{ "name": NAME, "sha256": built.sha256, "memory_bytes": 65536 }]);
    assert_eq!((&bundle["kind"], &bundle["policies"]), (&json!("bundle"), &expected));
    desk.ok(&["build", "-o", "plain.wasm"]);
    let plain = desk.json(&["policy", "inspect", "plain.wasm"]);
    assert_eq!((&plain["kind"], &plain["filter"]), (&json!("module"), &json!(true)));
}

#[test]
fn explain_shows_what_the_policy_read_and_said() {
    let built = built();
    let (project, component) = (built.project(), built.component.to_str().unwrap());
    let explained = built.desk.json(&["policy", "explain", project.to_str().unwrap(), "--case", "own data"]);
    let expected = json!([
        { "function": "request.path", "arguments": [], "answer": "/v1/tenants/acme/invoices" },
        { "function": "request.claim", "arguments": ["/tenant"], "answer": "acme" },
    ]);
    assert_eq!(explained["questions"], expected);
    assert_eq!(explained["outcome"]["verdict"], "allow");
    let desk = Desk::new();
    // Of a whole configuration: keys that are fetched, and two entries for this policy.
    let mut config = configuration();
    config["issuers"] = support::remote_configuration("https://idp.example/keys")["issuers"].clone();
    let lax = json!({ "name": "lax", "policy": NAME, "settings": { "prefix": "/v2/" } });
    config["policies"].as_array_mut().unwrap().insert(0, lax);
    config["routes"][0]["policies"] = json!(["lax", NAME]);
    desk.write("config.json", &config.to_string());
    desk.write("jwks.json", &mandate_host::tokens::jwks(&[support::key(Algorithm::Es256)]).to_string());
    desk.write("request.json", &request("/v1/tenants/evil/x"));
    let explain = ["policy", "explain", component, "--config", "config.json", "--request", "request.json"];
    assert!(desk.exits(2, &explain).contains("pick one with `--entry`"));
    assert!(desk.exits(2, &[&explain[..], &["--entry", NAME]].concat()).contains("give them with `--jwks`"));
    let said = desk.ok(&[&explain[..], &["--entry", NAME, "--jwks", "jwks.json"]].concat());
    assert!(
        said.contains("deny (tenant_mismatch): `acme` asked for `evil`") && said.contains("fuel: "),
        "{said}"
    );
}

#[test]
fn a_case_with_an_action_is_tested_explained_and_measured() {
    let desk = Desk::new();
    let example = mandate_host::authoring::examples().unwrap().remove(0);
    assert_eq!(example.name, "tool-allow-list");
    std::fs::write(desk.path("tool-allow-list.wasm"), &example.bytes).unwrap();
    let table = "
defaults:
  settings: { agents: [{ iss: 'https://idp.example', sub: 'agent:research', tools: [search] }] }
  chain: [{ sub: 'agent:research' }]
cases:
  - { name: another tool, action: { name: pay, arguments: { amount: 5 } }, expect: { verdict: deny, code: tool_not_allowed } }
  - { name: its tool, action: { name: search }, expect: { verdict: allow } }
  - { name: a list, action: { kind: method, name: tools/list }, expect: { verdict: abstain } }
  - { name: no message, expect: { verdict: deny, code: action_unknown } }
";
    desk.write("tests.yaml", table);
    let command = |name: &'static str| ["policy", name, "tool-allow-list.wasm", "--cases", "tests.yaml"];
    desk.ok(&command("test"));
    let explained = desk.json(&[&command("explain")[..], &["--case", "another tool"]].concat());
    let action = json!({ "protocol": "mcp", "kind": "tool", "name": "pay", "method": "tools/call" });
    assert_eq!(
        explained["questions"][0],
        json!({ "function": "request.action", "arguments": [], "answer": action })
    );
    assert_eq!(explained["outcome"]["code"], "tool_not_allowed");
    let measured = desk.json(&[&command("bench")[..], &["--rounds", "3"]].concat());
    assert!(
        measured.as_array().unwrap().iter().all(|row| row["cost"]["oracle_ns"].as_u64().unwrap() > 0),
        "{measured}"
    );

    // What no message does is no case.
    for (action, says) in [
        ("{ name: x, method: prompts/get }", "the filter reads the prompt `x`"),
        ("{ kind: session, name: PUT }", "the filter reads nothing: action_denied"),
        ("{ kind: resource, name: 'file:///a/../b' }", "the filter reads nothing: body_malformed"),
        ("{ kind: session, name: GET, arguments: { a: 1 } }", "the filter reads the session `GET`"),
    ] {
        desk.write(
            "tests.yaml",
            &format!("cases: [{{ name: a, action: {action}, expect: {{ verdict: allow }} }}]"),
        );
        let said = desk.exits(1, &command("test"));
        assert!(said.contains(says), "{action}: {said}");
    }
    desk.write("tests.yaml", "cases: [{ name: a, action: { nam: x }, expect: { verdict: allow } }]");
    assert!(desk.exits(2, &command("test")).contains("unknown field `nam`"));
    let delete =
        "cases: [{ name: a, request: { method: DELETE }, action: { name: x }, expect: { verdict: allow } }]";
    desk.write("tests.yaml", delete);
    assert!(desk.exits(1, &command("test")).contains("the request's method is `DELETE`"));
}

#[test]
fn bench_measures_every_case_that_asks_the_policy() {
    let built = built();
    let cases = built.project().join("tests.yaml");
    let component = built.component.to_str().unwrap();
    let bench = ["policy", "bench", component, "--cases", cases.to_str().unwrap(), "--rounds", "3"];
    let rows = built.desk.json(&bench);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 9, "three of twelve are about settings: {rows:?}");
    let measured = |row: &Value| {
        let positive = |name: &str| row["cost"][name].as_u64().is_some_and(|number| number > 0);
        ["fuel", "with_ns", "without_ns", "oracle_ns"].into_iter().all(positive)
    };
    assert!(rows.iter().all(measured), "{rows:?}");
}

#[test]
fn watch_tests_again_when_a_file_changes() {
    let (desk, built) = (Desk::new(), built());
    let table = std::fs::read_to_string(built.project().join("tests.yaml")).unwrap();
    desk.write("tests.yaml", &table);
    let component = built.component.to_str().unwrap();
    let mut child = desk
        .mandate(&["policy", "test", component, "--cases", "tests.yaml", "--watch"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut waits = |what: &str| assert!(lines.any(|line| line.contains(what)), "{what}");
    waits("12 of 12 cases came out as they should");
    waits("waiting");
    desk.write("tests.yaml", &table.replace("code: tenant_mismatch", "code: elsewhere"));
    waits("3 of 12 cases did not come out as they should");
    desk.write("tests.yaml", "cases: nonsense");
    waits("cannot use the cases in `tests.yaml`");
    child.kill().unwrap();
    child.wait().unwrap();
}
