//! The same policies on both sides: linked into the filter, and unlinked on the oracle.

use super::requests::{Question, configuration};
use mandate_core::config::Config;
use mandate_core::flow::{Body, Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::time::UnixTime;
use mandate_harness::{Filter, LogLine, Vm};
use mandate_host::FILTER;
use mandate_host::filter_log::{self, Entry};
use mandate_host::oracle::Oracle;
use mandate_link::{Policy, link};
use serde_json::Value;
use std::collections::BTreeMap;

/// What one side made of one entry: of its settings, or of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `allow`, `deny`, `abstain`, `fault`; of settings `taken`, `refused`, `fault`.
    pub verdict: String,
    /// The code of a denial, or the kind of a fault.
    pub code: Option<String>,
    /// Message and obligations, or the problems of the settings.
    pub rest: String,
    /// What was logged.
    pub log: Vec<String>,
}

/// Policies by the names `p0`, `p1`, …, compiled on both sides.
pub struct Sides {
    filter: Filter,
    oracle: Oracle,
}

/// Both sides, configured.
pub struct Session {
    vm: Vm,
    gate: Gate,
    entries: Vec<String>,
}

impl Sides {
    pub fn new(components: &[Vec<u8>]) -> Self {
        let names: Vec<String> = (0..components.len()).map(|index| format!("p{index}")).collect();
        let policies: Vec<Policy<'_>> =
            names.iter().zip(components).map(|(name, component)| Policy { name, component }).collect();
        let filter = Filter::compile(&link(FILTER, &policies).unwrap()).unwrap();
        let mut oracle = Oracle::new().unwrap();
        for policy in policies {
            oracle.add(policy.name, policy.component).unwrap();
        }
        Self { filter, oracle }
    }

    /// What both sides make of the settings of every entry: the bundle, then the oracle.
    pub fn configure(&self, entries: &[Value]) -> Vec<(Said, Said)> {
        let configuration = configuration(entries).to_string();
        let config = Config::parse(configuration.as_bytes()).unwrap();
        let problems = match Gate::new(config, Box::new(self.oracle.clone()), [0; 16]) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_iter().map(|p| (p.pointer, p.message)).collect(),
        };
        let unlinked = by_entry(&problems);
        let vm = self.filter.vm().configuration(configuration).start().unwrap();
        let problems: Vec<(String, String)> = vm.logs().iter().filter_map(problem).collect();
        let linked = by_entry(&problems);
        let said = |problems: &BTreeMap<usize, String>, index| match problems.get(&index) {
            None => Said::of_settings("taken", None, ""),
            Some(text) => match text.split_once("the policy failed: ") {
                Some((_, kind)) => Said::of_settings("fault", Some(kind.trim_end()), ""),
                None => Said::of_settings("refused", None, text),
            },
        };
        (0..entries.len()).map(|index| (said(&linked, index), said(&unlinked, index))).collect()
    }

    /// Both sides with these entries, whose settings both take.
    pub fn start(&self, entries: &[Value]) -> Session {
        let configuration = configuration(entries).to_string();
        let config = Config::parse(configuration.as_bytes()).unwrap();
        let gate = Gate::new(config, Box::new(self.oracle.clone()), [0; 16]).unwrap();
        let vm = self.filter.vm().configuration(configuration);
        let mut vm = vm.allow_on_headers_stop_iteration(true).start().unwrap();
        let problems: Vec<_> = vm.take_logs().iter().filter_map(problem).collect();
        assert!(problems.is_empty(), "{problems:?}");
        let entries = entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect();
        Session { vm, gate, entries }
    }
}

impl Session {
    /// What both sides say to a question, entry by entry: the bundle, then the oracle.
    pub fn ask(&mut self, question: &Question) -> Vec<(Said, Said)> {
        let (linked, unlinked) = (self.ask_bundle(question), self.ask_oracle(question));
        assert_eq!((linked.len(), unlinked.len()), (self.entries.len(), self.entries.len()), "{question}");
        linked.into_iter().zip(unlinked).collect()
    }

    fn ask_bundle(&mut self, question: &Question) -> Vec<Said> {
        self.vm.set_now(question.now);
        let exchange = self.vm.send(question.request.clone()).unwrap();
        let lines = self.vm.take_logs();
        let audit = lines.iter().find_map(|line| Entry::of(&line.message).audit());
        let Some(Value::Array(records)) = audit.as_ref().and_then(|audit| audit.get("policies")) else {
            panic!("no policy was asked: {exchange:?} {lines:?} {question}");
        };
        let mut logs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (policy, line) in lines.iter().filter_map(policy_line) {
            logs.entry(policy).or_default().push(line);
        }
        records
            .iter()
            .map(|record| {
                let log = logs.remove(record["policy"].as_str().unwrap());
                Said::of_record(record, log.unwrap_or_default())
            })
            .collect()
    }

    fn ask_oracle(&mut self, question: &Question) -> Vec<Said> {
        // What the filter does before anything else.
        let mut headers = question.request.headers.clone();
        headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        headers.retain(|(name, _)| !self.gate.reserved().contains(name));
        let body = question.request.body.as_ref();
        let mut flow = Flow::new(String::new(), RequestHead::new(headers).with_body(body.is_some()));
        let now = UnixTime::from_secs(question.now);
        let mut step = flow.advance(&mut self.gate, &InModule, now);
        if let (Step::NeedBody(_), Some(body)) = (&step, body) {
            flow.set_body(Body::Whole(body.clone()));
            step = flow.advance(&mut self.gate, &InModule, now);
        }
        let Step::Done(decision) = step else { panic!("it waits for keys: {question}") };
        let said = decision.policies().iter().map(|record| {
            let lines = record.log.lines().iter();
            let mut log: Vec<String> = lines.map(|(at, line)| format!("{}: {line}", at.name())).collect();
            if record.log.dropped() > 0 {
                log.push(format!("debug: {} more lines were dropped", record.log.dropped()));
            }
            Said::of_record(&serde_json::to_value(record).unwrap(), log)
        });
        said.collect()
    }
}

impl Said {
    fn of_settings(verdict: &str, code: Option<&str>, rest: &str) -> Self {
        let (verdict, rest) = (verdict.to_owned(), rest.to_owned());
        Self { verdict, code: code.map(str::to_owned), rest, log: Vec::new() }
    }

    /// From the audit record; fuel is the bundle's alone.
    fn of_record(record: &Value, log: Vec<String>) -> Self {
        let text = |member: &str| Some(record.get(member)?.as_str()?.to_owned());
        let rest = [record.get("message"), record.get("obligations")];
        let rest = rest.into_iter().flatten().map(Value::to_string).collect();
        Self { verdict: text("verdict").unwrap(), code: text("code"), rest, log }
    }
}

/// Pointer and message of a problem in the filter's log.
fn problem(line: &LogLine) -> Option<(String, String)> {
    let (pointer, message) = filter_log::pointed(Entry::of(&line.message).configuration()?)?;
    Some((pointer.to_owned(), message.to_owned()))
}

/// All problems of one entry together, by its position.
fn by_entry(problems: &[(String, String)]) -> BTreeMap<usize, String> {
    let mut entries: BTreeMap<usize, String> = BTreeMap::new();
    for (pointer, message) in problems {
        let rest = pointer.strip_prefix("/policies/").unwrap();
        let (index, rest) = rest.split_once('/').unwrap();
        *entries.entry(index.parse().unwrap()).or_default() += &format!("{rest}: {message}\n");
    }
    entries
}

/// A line of a policy in the filter's log, with its level.
fn policy_line(line: &LogLine) -> Option<(&str, String)> {
    let Entry::Policy { policy, message } = Entry::of(&line.message) else { return None };
    Some((policy, format!("{}: {message}", filter_log::policy_level(line.level))))
}
