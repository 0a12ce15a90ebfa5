//! All requests of all tables, and all policies with all settings of their tables, in one configuration: every entry is a
//! shadow, so every request is put to every one of them.

use crate::native::{self, Comparable};
use crate::support::key;
use mandate_core::config::Config;
use mandate_core::flow::{Body, Flow, Gate, Step};
use mandate_core::http::Headers;
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::time::UnixTime;
use mandate_host::cases::{Case, Expected, Subject, Table};
use mandate_host::decide::RequestFile;
use mandate_host::oracle::Oracle;
use mandate_host::tokens::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub const NAMES: [&str; 6] = [
    "argument-limits",
    "business-hours",
    "drift",
    "production-writes",
    "separation-of-duties",
    "tool-allow-list",
];
/// Where cases with an action are, and no other: the route has a protocol.
const MESSAGES: &str = "/mcp";

/// The time that all requests of the corpus have, unless it is moved.
const NOW: u64 = 1_790_000_000;
/// Numbers in claims that are so near to a case's time are times, and move with it.
const NEAR_S: u64 = 30 * 24 * 3600;

pub fn table(name: &str) -> Table {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy-sdk/examples");
    Table::read(&folder.join(name).join("tests.yaml")).unwrap()
}

/// One policy with some settings.
struct Entry {
    name: String,
    policy: &'static str,
    settings: Map<String, Value>,
}

pub struct Corpus {
    pub now: u64,
    pub cases: Vec<Case>,
    entries: Vec<Entry>,
}

impl Corpus {
    /// With every request at one time: `now`, or that of the tables.
    pub fn new(now: Option<u64>) -> Self {
        let now = now.unwrap_or(NOW);
        let (mut cases, mut entries): (Vec<Case>, Vec<Entry>) = (Vec::new(), Vec::new());
        for policy in NAMES {
            for mut case in table(policy).cases {
                if matches!(case.expect, Expected::Refused(_)) {
                    continue;
                }
                if !entries.iter().any(|entry| entry.policy == policy && entry.settings == case.settings) {
                    let settings = case.settings.clone();
                    entries.push(Entry { name: format!("{policy}-{}", entries.len()), policy, settings });
                }
                for claim in case.claims.values_mut() {
                    shift(claim, case.now, now);
                }
                let is_message = case.request.path.starts_with(MESSAGES);
                assert_eq!(is_message, case.action.is_some(), "{policy}: {}", case.name);
                let route = if is_message { MESSAGES } else { "/" };
                (case.now, case.name, case.route) =
                    (now, format!("{policy}: {}", case.name), route.to_owned());
                cases.push(case);
            }
        }
        Self { now, cases, entries }
    }

    pub fn configuration(&self) -> String {
        let all = |of: fn(&Case) -> Vec<&str>| -> BTreeSet<&str> { self.cases.iter().flat_map(of).collect() };
        let issuers = all(|case| vec![case.principal.iss.as_str()]);
        let actors = all(|case| case.chain.iter().filter_map(|actor| actor.iss.as_deref()).collect());
        let template = self.cases[0].configuration(&Subject::new(NAMES[0]), key(Algorithm::Es256));
        let issuer = |name: &&str| {
            let mut issuer = template["issuers"][0].clone();
            issuer["issuer"] = json!(name);
            issuer
        };
        let entry = |entry: &Entry| json!({ "name": entry.name, "policy": entry.policy, "settings": entry.settings, "mode": "shadow" });
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        json!({
            "issuers": issuers.iter().map(issuer).collect::<Vec<_>>(),
            "delegation": { "max_depth": 8, "allow_cycles": true, "actor_issuers": actors.union(&issuers).collect::<Vec<_>>() },
            "routes": [
                {
                    "match": { "path_prefix": MESSAGES },
                    "policies": names,
                    "mcp": {
                        "tools": [{ "name": "*" }],
                        "resources": [{ "uri": "*" }],
                        "prompts": [{ "name": "*" }],
                        "methods": ["*"],
                    },
                },
                { "match": { "path_prefix": "/" }, "policies": names },
            ],
            "policies": self.entries.iter().map(entry).collect::<Vec<_>>(),
            "audit": { "log": "all" },
        })
        .to_string()
    }

    pub fn request(&self, case: &Case) -> RequestFile {
        case.request(key(Algorithm::Es256)).unwrap()
    }

    /// The core, with the oracle for its policies.
    pub fn gate(&self, oracle: Oracle) -> Gate {
        Gate::new(Config::parse(self.configuration().as_bytes()).unwrap(), Box::new(oracle), [0; 16]).unwrap()
    }

    pub fn on_oracle(&self, gate: &mut Gate, case: &Case) -> Vec<Said> {
        let request = self.request(case).to_request();
        let headers: Headers = request.headers.into();
        let mut flow = Flow::new(String::new(), RequestHead::new(headers).with_body(request.body.is_some()));
        let now = UnixTime::from_secs(self.now);
        let mut step = flow.advance(gate, &InModule, now);
        if let (Step::NeedBody(_), Some(body)) = (&step, request.body) {
            flow.set_body(Body::Whole(body));
            step = flow.advance(gate, &InModule, now);
        }
        let Step::Done(decision) = step else { panic!("inline keys never wait") };
        let records = serde_json::to_value(decision.policies()).unwrap();
        Vec::deserialize(&records).unwrap()
    }

    pub fn natively(&self, case: &Case) -> Vec<Comparable> {
        let request = native::request(case);
        let ask = |entry: &Entry| {
            let policy = native::policy(entry.policy, Value::Object(entry.settings.clone()));
            native::said(policy.unwrap_or_else(|problems| panic!("{problems:?}"))(&request))
        };
        self.entries.iter().map(ask).collect()
    }
}

fn shift(claim: &mut Value, from: u64, to: u64) {
    match claim {
        Value::Number(number) => {
            if let Some(time) = number.as_u64().filter(|time| time.abs_diff(from) < NEAR_S) {
                *claim = json!(time + to - from);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| shift(element, from, to)),
        Value::Object(members) => members.values_mut().for_each(|member| shift(member, from, to)),
        _ => {}
    }
}

/// One policy's part of an audit record.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Said {
    policy: String,
    sha256: String,
    pub verdict: String,
    pub code: Option<String>,
    pub message: Option<String>,
    #[serde(default)]
    pub obligations: Vec<Value>,
    fuel: Option<u64>,
}

pub fn of_audit(record: &Value) -> Vec<Said> {
    Vec::deserialize(&record["policies"]).unwrap()
}

/// Only linked policies are metered.
pub fn unmetered(said: &[Said]) -> Vec<Said> {
    assert!(said.iter().all(|said| said.fuel.is_some_and(|fuel| fuel > 0)), "{said:?}");
    said.iter().map(|said| Said { fuel: None, ..said.clone() }).collect()
}

pub fn without_sandbox(said: &[Said]) -> Vec<Comparable> {
    said.iter().map(native::of_record).collect()
}

/// What came up, so that a corpus that says one thing only does not pass for agreement.
#[derive(Default)]
pub struct Verdicts(BTreeMap<(String, String), usize>);

impl Verdicts {
    pub fn count(&mut self, said: &[Said]) {
        for said in said {
            let policy = said.policy.rsplit_once('-').unwrap().0.to_owned();
            *self.0.entry((policy, said.verdict.clone())).or_default() += 1;
        }
    }

    pub fn assert_varied(&self) {
        for policy in NAMES {
            let seen: Vec<&str> = self
                .0
                .keys()
                .filter(|(name, _)| name == policy)
                .map(|(_, verdict)| verdict.as_str())
                .collect();
            assert!(seen.contains(&"deny") && seen.contains(&"allow"), "{policy} said only {seen:?}");
            assert!(!seen.contains(&"fault"), "{policy} failed");
        }
    }
}
