//! The documentation agrees with the code, and with itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use mandate_core::approval::{ApprovalRequest, digest_of};
use mandate_core::chain::Identity;
use mandate_core::config::Config;
use mandate_core::limits;
use mandate_core::reason::{Challenge, Reason};
use mandate_host::{cases, reference};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every page of the documentation, by its path from the root.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned).into();
    for folder in [
        "docs",
        "filter",
        "filter/link",
        "host-test",
        "policy-sdk",
        "policy-sdk/languages/c",
        "policy-sdk/languages/javascript",
        "policy-sdk/languages/python",
    ] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                pages.push(format!("{folder}/{name}"));
            }
        }
    }
    assert!(pages.len() > 15, "{pages:?}");
    pages
}

/// The blocks of code in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    page.split(fence.as_str())
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(code, _)| code)
        .collect()
}

/// A page without its blocks of code.
fn prose(page: &str) -> String {
    page.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
}

/// The cells of every row of every table.
fn rows(page: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    page.lines().filter(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn the_reference_of_the_configuration_is_the_one_that_the_schema_gives() {
    let made = reference::markdown(&mandate_core::config::schema());
    let is_current = read("docs/configuration.md").trim_end() == made.trim_end();
    assert!(is_current, "write it anew: cargo run -- check --reference > docs/configuration.md");
}

#[test]
fn every_configuration_in_the_documentation_is_valid() {
    let whole = |text: &str| text.contains("\"issuers\"");
    let mut seen = 0;
    for name in pages() {
        for block in blocks(&read(&name), "json") {
            if whole(block) {
                let config =
                    Config::parse(block.as_bytes()).unwrap_or_else(|p| panic!("{name}: {p:?}\n{block}"));
                assert_eq!(config.warnings(), [], "{name}");
                seen += 1;
            } else if block.contains("\"routes\"") {
                // A part of one: what is not shown is as simple as it can be.
                let mut config: Value =
                    serde_json::from_str(block).unwrap_or_else(|e| panic!("{name}: {e}\n{block}"));
                config["issuers"] = json!([{
                    "issuer": "https://idp.example", "audiences": ["https://tools.example"], "algorithms": ["EdDSA"],
                    "keys": { "inline": { "keys": [] } },
                }]);
                let config = Config::parse(config.to_string().as_bytes());
                assert!(config.is_ok(), "{name}: {config:?}\n{block}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 2, "{seen} configurations were found");
    let config = blocks(&read("README.md"), "json").into_iter().find(|block| whole(block)).map(str::to_owned);
    let lines = config.expect("the README has a configuration").lines().count();
    assert!(lines <= 16, "{lines} lines are more than a newcomer reads");
}

#[test]
fn the_readme_is_read_in_one_go() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 150, "it has {lines} lines: move what not everybody needs to docs/");
}

#[test]
fn every_reason_has_its_row_and_its_word_in_the_changelog() {
    let changelog = read("filter/CHANGELOG.md");
    let answers = read("docs/answers.md");
    let is_of_a_reason = |row: &&Vec<String>| row.len() == 7 && row[1].starts_with('`');
    let rows = rows(&answers);
    let found: Vec<&Vec<String>> = rows.iter().filter(is_of_a_reason).collect();
    let codes: Vec<&str> = found.iter().map(|row| row[1].trim_matches('`')).collect();
    assert_eq!(codes, Reason::ALL.map(Reason::code), "in the order of the enum");
    for (row, reason) in found.into_iter().zip(Reason::ALL) {
        assert!(changelog.contains(&row[1]), "{reason}");
        assert_eq!(row[2], reason.status().to_string(), "{reason}");
        let challenge = match reason.challenge() {
            Challenge::None => "none",
            Challenge::Bare => "`Bearer` without `error`",
            Challenge::Error(error) => error,
            Challenge::Scope => "insufficient_scope",
            Challenge::Proof => "invalid_dpop_proof",
        };
        assert!(row[3].contains(challenge), "{reason}: {} lacks {challenge}", row[3]);
        assert!(row[4].len() > 20 && row[5].len() > 20, "{reason}: what it means, and what to do");
    }
}

#[test]
fn the_problem_documents_that_are_shown_are_such_as_are_sent() {
    let page = read("docs/answers.md");
    let bodies = |language: &str| -> Vec<Value> {
        let body = |block: &str| serde_json::from_str(&block[block.find('{').unwrap()..]).unwrap();
        blocks(&page, language).into_iter().filter(|block| block.contains("\"code\"")).map(body).collect()
    };
    let shown = [bodies("http"), bodies("json")].concat();
    assert_eq!(shown.len(), 4);
    for shown in shown {
        // Of MCP it is part of an error of JSON-RPC.
        let problem = shown.pointer("/error/data").unwrap_or(&shown);
        let reason = Reason::from_code(problem["code"].as_str().unwrap()).unwrap();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["title"], reason.title());
        assert_eq!(problem["status"], reason.status());
        assert_eq!(problem["detail"], reason.detail());
        assert_eq!(problem.get("policy").is_some(), reason == Reason::PolicyDenied);
        assert_eq!(problem.get("policy_code").is_some(), reason == Reason::PolicyDenied);
    }
}

#[test]
fn the_approval_that_is_shown_has_the_digests_that_its_members_lead_to() {
    let page = read("docs/approvals.md");
    let shown = blocks(&page, "json").into_iter().find(|block| block.contains("\"decision\"")).unwrap();
    let problem: Value = serde_json::from_str(shown).unwrap();
    let reason = Reason::from_code(problem["code"].as_str().unwrap()).unwrap();
    assert_eq!((&problem["detail"], &problem["status"]), (&json!(reason.detail()), &json!(reason.status())));
    let who = |sub: &str| Identity { issuer: "https://idp.example".to_owned(), subject: sub.to_owned() };
    let arguments = json!({ "amount": 100, "to": "bob" }).as_object().cloned().unwrap();
    let (principal, agent, action) =
        (who("user:alice"), who("agent:payer"), problem["approval"]["action"].clone());
    let arguments = digest_of(&arguments).unwrap();
    let made =
        ApprovalRequest::new("https://tools.example", &principal, Some(&agent), action, arguments).unwrap();
    assert_eq!(problem["approval"]["id"], made.id());
    assert_eq!(problem["approval"]["arguments"], made.arguments());
}

/// What `host-test/tests/upstreams/approvals.rs` has an official client do.
#[test]
fn the_client_that_is_shown_in_the_page_of_approvals_is_the_one_that_is_tested() {
    let client = read("host-test/tests/upstreams/servers/mcp_approval_client.py");
    let page = read("docs/approvals.md");
    let shown = blocks(&page, "python");
    let called = shown.iter().find(|block| block.contains("def call_with_approval")).unwrap();
    assert!(client.contains(called.trim()), "{called}");
}

#[test]
fn the_test_table_that_is_shown_is_one() {
    let page = read("docs/policies.md");
    assert_eq!(cases::Table::parse(blocks(&page, "yaml")[0]).unwrap().cases.len(), 3);
}

/// A limit as a page shows it.
trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown {
    ($($number:ty)*) => {$(
        impl Shown for $number {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
shown!(u8 u32 u64 usize f64);

impl Shown for RangeInclusive<u64> {
    fn shown(&self) -> String {
        format!("{} to {}", self.start(), self.end())
    }
}

macro_rules! named {
    ($($name:ident)*) => {
        BTreeMap::from([$((stringify!($name), limits::$name.shown())),*])
    };
}

#[test]
fn every_limit_has_its_row_with_its_value() {
    let listed = named! {
        JSON_DEPTH CHAIN_LINKS CHAIN_BYTES TOKEN_VALUES KID_BYTES IDENTITY_BYTES AUDIENCES SCOPES PATH_BYTES HOST_BYTES FORWARDED_CERTIFICATE_BYTES
        BODY_VALUES BODY_WAIT_MS BODY_COMPLETE_MS HELD_REQUESTS READ_RESPONSES READ_EVENT_BYTES SESSION_SECRET_BYTES MAX_SAFE_INTEGER ACTION_RULES ACR_VALUES APPROVAL_BYTES APPROVAL_VALUES APPROVERS
        KEY_SET_BYTES KEY_SET_VALUES KEYS RSA_MIN_BITS RSA_MAX_BITS RSA_IN_MODULE_MAX_BITS UNKNOWN_KID_REFETCH_S
        KEYS_BACKOFF_MAX_MS KEYS_FETCH_GRACE_MS REPORTED_BYTES REPORTED_KEYS HOPS CLAIM_POINTERS
        WAITING_REQUESTS WAITING_BYTES WAITING_SOURCE_REQUESTS WAITING_SOURCE_BYTES SETTLE_AT_ONCE_US SETTLE_ONE_US
        VERIFY_BY_HOST_US VERIFY_ED25519_US VERIFY_P256_US VERIFY_P384_US VERIFY_RSA_2048_US TICK_BUSY_MS TICK_IDLE_MS
        CACHE_ENTRIES CACHE_BYTES PROOF_BYTES PROOF_VALUES REPLAY_SLOTS REPLAY_SLOT_USES REPLAY_OWNER_USES REPLAY_ATTEMPTS
        CONFIG_BYTES ISSUERS ROUTES POLICIES PROTECTED_RESOURCES SMALL_LIST NAME_BYTES URL_BYTES CLUSTER_BYTES PROBLEMS
        POLICY_CONFIGURE_FUEL POLICY_CONFIGURE_OUTPUT_BYTES POLICY_PROBLEMS POLICY_IMAGE_BYTES POLICY_GLOBALS
        POLICY_OBLIGATIONS POLICY_APPROVAL_CHARACTERS POLICY_TEXT_BYTES POLICY_ELEMENT_BYTES HOST_CALL_FUEL ALLOCATE_FUEL BYTES_PER_FUEL
        POLICY_LOG_LINES POLICY_LOG_BYTES EVIDENCE_TEXT_BYTES
    };
    // Defaults and ranges of members of the configuration stand there.
    let configurable = named! {
        BODY_BYTES MAX_BODY_BYTES AUTHENTICATION_AGE_S DEFAULT_APPROVAL_LIFETIME_S MAX_APPROVAL_LIFETIME_S
        TOKEN_BYTES MIN_TOKEN_BYTES MAX_TOKEN_BYTES LONG_LIFETIME_S DEFAULT_CLOCK_SKEW_S MAX_CLOCK_SKEW_S DEFAULT_MAX_LIFETIME_S MAX_MAX_LIFETIME_S DEFAULT_MAX_DEPTH MAX_MAX_DEPTH
        DEFAULT_KEYS_TIMEOUT_MS KEYS_TIMEOUT_MS DEFAULT_KEYS_REFRESH_S KEYS_REFRESH_S DEFAULT_KEYS_STALE_S KEYS_STALE_S
        DEFAULT_WPT_LIFETIME_S WPT_LIFETIME_S DEFAULT_DPOP_WINDOW_S DPOP_WINDOW_S DEFAULT_DPOP_NONCE_LIFETIME_S DPOP_NONCE_LIFETIME_S
        DEFAULT_POLICY_FUEL POLICY_FUEL DEFAULT_POLICY_MEMORY_BYTES POLICY_MEMORY_BYTES DEFAULT_POLICY_OUTPUT_BYTES
        POLICY_OUTPUT_BYTES
    };
    let source = read("filter/core/src/limits.rs");
    for line in source.lines().filter_map(|line| line.strip_prefix("pub const ")) {
        let name = line.split(':').next().unwrap();
        assert!(
            listed.contains_key(name) || configurable.contains_key(name),
            "`{name}` is missing from this test"
        );
    }
    let page = read("docs/limits.md");
    let shown: BTreeMap<String, String> = (rows(&page).into_iter())
        .filter(|row| row.len() == 7 && row[5].starts_with('`'))
        .map(|row| (row[5].trim_matches('`').to_owned(), row[2].clone()))
        .collect();
    let listed: BTreeMap<String, String> =
        listed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(shown, listed);
    let reference = read("docs/configuration.md");
    for (name, value) in configurable {
        assert!(reference.contains(&value), "{name}: {value}");
    }
}

/// What GitHub calls the anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    prose(page)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_to_a_heading_of_it() {
    let mut links = 0;
    for name in pages() {
        let page = read(&name);
        let folder = Path::new(&name).parent().unwrap();
        for target in prose(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) =
                target.split_once('#').map_or((target, None), |(file, at)| (file, Some(at)));
            let path = if file.is_empty() { PathBuf::from(&name) } else { folder.join(file) };
            let path = path.to_str().unwrap();
            assert!(root().join(path).exists(), "{name}: `{target}` leads nowhere");
            if let Some(heading) = heading {
                assert!(anchors(&read(path)).contains(heading), "{name}: `{target}` has no such heading");
            }
            links += 1;
        }
    }
    assert!(links > 100, "{links} links were found");
}

#[test]
fn the_workflows_call_scripts_that_exist_and_test_both_ends_of_the_supported_envoys() {
    let mut versions = BTreeSet::new();
    for entry in std::fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let workflow: Value =
            serde_norway::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for (name, job) in workflow["jobs"].as_object().expect("jobs") {
            let matrix = job.pointer("/strategy/matrix/envoy").and_then(Value::as_array);
            versions.extend(matrix.into_iter().flatten().map(|version| version.as_str().unwrap().to_owned()));
            let steps = job["steps"].as_array().unwrap_or_else(|| panic!("{name} has steps"));
            for command in steps.iter().filter_map(|step| step.get("run")?.as_str()) {
                let script = command
                    .split_whitespace()
                    .find(|word| word.starts_with(".ci/") || word.starts_with("scripts/"));
                if let Some(script) = script {
                    assert!(root().join(script).is_file(), "{name}: `{script}` does not exist");
                }
            }
        }
    }
    for supported in ["1.36.2", mandate_host::envoy::DEFAULT_VERSION] {
        assert!(versions.contains(supported), "{supported} is not tested: {versions:?}");
    }
}
