//! Misdeeds while a request is judged.

use super::suspect::{Misdeed, Outcome, Suspect};
use super::suspects;
use super::world::{self, Ask, Proxy, Seen};
use mandate_harness::Filter;
use mandate_host::filter_log::Entry;
use mandate_host::oracle::Oracle;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// All suspects, each as an entry that decides and as one in shadow mode.
struct Table {
    suspects: Vec<Suspect>,
    components: Vec<(String, Vec<u8>)>,
    bundle: Vec<u8>,
    config: Value,
    /// Every misdeed in both modes, each followed by a request that the policy treats well.
    asks: Vec<Ask>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let suspects = suspects::all();
        let components: Vec<_> = suspects.iter().map(|s| (s.name.clone(), s.component())).collect();
        let entries: Vec<Value> = suspects
            .iter()
            .flat_map(|Suspect { name, fuel, .. }| {
                let entry = |entry: &str, mode| {
                    json!({ "name": entry, "policy": name, "mode": mode, "limits": { "fuel": fuel } })
                };
                [entry(name, "enforce"), entry(&shadow(name), "shadow")]
            })
            .collect();
        let asks = suspects.iter().flat_map(|suspect| {
            let numbers = 1..=suspect.misdeeds.len();
            numbers.flat_map(|number| {
                let of = |entry: &str| [Ask::new(entry, number), Ask::new(entry, 0)];
                of(&suspect.name).into_iter().chain(of(&shadow(&suspect.name)))
            })
        });
        Table {
            asks: asks.collect(),
            bundle: world::link(&components),
            config: world::configuration(&entries),
            suspects,
            components,
        }
    })
}

fn shadow(name: &str) -> String {
    format!("{name}-in-shadow")
}

impl Table {
    /// The misdeed that a request asks for, and whether the entry is in shadow mode.
    fn misdeed(&self, ask: &Ask) -> (Option<&Misdeed>, bool) {
        let name = ask.entry.strip_suffix("-in-shadow");
        let suspect = self.suspects.iter().find(|s| s.name == *name.unwrap_or(&ask.entry)).unwrap();
        (ask.mode.checked_sub(1).map(|index| &suspect.misdeeds[index]), name.is_some())
    }

    /// The request in words, for whoever has to find out.
    fn words(&self, ask: &Ask) -> String {
        let name = self.misdeed(ask).0.map_or("nothing", |misdeed| &misdeed.name);
        format!("{} {}: {name}", ask.entry, ask.mode)
    }
}

/// On the harness, once for all tests.
fn on_harness() -> &'static [Seen] {
    static SEEN: OnceLock<Vec<Seen>> = OnceLock::new();
    SEEN.get_or_init(|| {
        let table = table();
        let mut vm = world::start(&filter(), &table.config);
        assert_eq!(world::complaints(&vm), [""; 0]);
        world::on_harness(&mut vm, &table.asks)
    })
}

fn filter() -> Filter {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    FILTER.get_or_init(|| Filter::compile(&table().bundle).unwrap()).clone()
}

/// In Envoy, once for all tests; `None` where there is no Envoy.
fn in_envoy() -> Option<&'static [Seen]> {
    static SEEN: OnceLock<Option<Vec<Seen>>> = OnceLock::new();
    let seen = SEEN.get_or_init(|| {
        let table = table();
        let proxy = Proxy::start(&super::support::envoy()?, &table.bundle, &table.config);
        let seen = proxy.ask(&table.asks);
        let log = proxy.envoy.log();
        // So Envoy says that a callback trapped.
        assert!(!log.contains("Function:"), "{}", proxy.envoy.log_tail());
        Some(seen)
    });
    seen.as_deref()
}

/// Holds what was seen against the table, and lists every difference.
fn differences(asks: &[Ask], seen: &[Seen], outcome: impl Fn(&Misdeed) -> Outcome) -> Vec<String> {
    let table = table();
    let mut differences = Vec::new();
    for (ask, seen) in asks.iter().zip(seen) {
        let (misdeed, in_shadow) = table.misdeed(ask);
        let fine = matches!(seen.verdict(), "abstain" | "allow") && seen.code().is_none() && seen.allowed;
        let is_as_it_should_be = match misdeed.map_or(Outcome::Fine, &outcome) {
            Outcome::Fine => fine && seen.reason.is_none(),
            Outcome::Fault(kind) => {
                let denied = !seen.allowed && seen.reason.as_deref() == Some("policy_fault");
                let as_decided = if in_shadow { seen.allowed && seen.reason.is_none() } else { denied };
                as_decided && seen.verdict() == "fault" && seen.code() == Some(kind)
            }
        };
        if !is_as_it_should_be || seen.record["shadow"] != in_shadow {
            differences.push(format!("{}: {seen:?}", table.words(ask)));
        }
    }
    differences
}

fn assert_as_the_table_says(seen: &[Seen]) {
    assert_eq!(seen.len(), table().asks.len());
    let differences = differences(&table().asks, seen, |misdeed| misdeed.outcome);
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    let vms: BTreeSet<&str> = seen.iter().map(Seen::vm).collect();
    assert_eq!(vms.len(), 1, "one virtual machine answered everything");
}

#[test]
fn every_misdeed_is_a_fault_of_one_request_on_the_harness() {
    assert_as_the_table_says(on_harness());
}

#[test]
fn every_misdeed_is_a_fault_of_one_request_in_envoy() {
    if let Some(seen) = in_envoy() {
        assert_as_the_table_says(seen);
    }
}

/// So each misdeed is one, contained or not: without its containment it would trap, and take the machine with it.
#[test]
fn every_misdeed_is_one_to_the_oracle() {
    let table = table();
    let mut oracle = Oracle::new().unwrap();
    for (name, component) in &table.components {
        oracle.add(name, component).unwrap();
    }
    let is_decisive_misdeed = |ask: &&Ask| ask.mode > 0 && !table.misdeed(ask).1;
    let asks: Vec<Ask> = table.asks.iter().filter(is_decisive_misdeed).cloned().collect();
    let seen = world::on_core(oracle, &table.config, &asks);
    let differences = differences(&asks, &seen, |misdeed| misdeed.oracle.unwrap_or(misdeed.outcome));
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn every_kind_of_fault_denies_when_it_decides_and_only_then() {
    let table = table();
    let outcomes = |in_shadow: bool| -> BTreeSet<(String, bool)> {
        let asked = table.asks.iter().zip(on_harness());
        let faults =
            asked.filter(|(ask, seen)| table.misdeed(ask).1 == in_shadow && seen.verdict() == "fault");
        faults.map(|(_, seen)| (seen.code().unwrap().to_owned(), seen.allowed)).collect()
    };
    let kinds = ["conflict", "fuel", "malformed", "memory", "output", "stack", "trap"];
    assert_eq!(outcomes(false), kinds.map(|kind| (kind.to_owned(), false)).into());
    assert_eq!(outcomes(true), kinds.map(|kind| (kind.to_owned(), true)).into());
}

#[test]
fn a_request_takes_the_same_fuel_whenever_and_wherever_it_is_judged() {
    let table = table();
    let first = on_harness();
    let again = {
        let mut vm = world::start(&filter(), &table.config);
        // Backwards, so that each is judged after other misdeeds than before.
        let backwards: Vec<Ask> = table.asks.iter().rev().cloned().collect();
        let mut seen = world::on_harness(&mut vm, &backwards);
        seen.reverse();
        seen
    };
    let differences = |others: &[Seen]| -> Vec<String> {
        let pairs = table.asks.iter().zip(first.iter().zip(others));
        let unlike = pairs.filter(|(_, (one, other))| one.record != other.record);
        unlike
            .map(|(ask, (one, other))| format!("{}: {} {}", table.words(ask), one.record, other.record))
            .collect()
    };
    assert_eq!(differences(&again), [""; 0]);
    if let Some(seen) = in_envoy() {
        assert_eq!(differences(seen), [""; 0]);
    }
    // And a good request takes the same whatever came before it.
    let mut fuel: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
    for (ask, seen) in table.asks.iter().zip(first) {
        fuel.entry((&ask.entry, ask.mode)).or_default().insert(seen.fuel());
    }
    for (ask, fuel) in fuel {
        assert!(fuel.len() == 1 && !fuel.contains(&0), "{ask:?}: {fuel:?}");
    }
}

#[test]
fn a_flood_of_lines_is_cut_and_no_line_poses_as_another() {
    let table = table();
    let mut vm = world::start(&filter(), &table.config);
    let suspect = table.suspects.iter().find(|suspect| suspect.name == "logs").unwrap();
    for number in 1..=suspect.misdeeds.len() {
        let (_, log) = world::ask_vm(&mut vm, &Ask::new("logs", number));
        let of_policy: Vec<_> = log
            .iter()
            .filter(|line| matches!(Entry::of(&line.message), Entry::Policy { policy: "logs", .. }))
            .collect();
        assert!((1..=17).contains(&of_policy.len()), "{of_policy:?}");
        let bytes: usize = of_policy.iter().map(|line| line.message.len()).sum();
        assert!(bytes < 4096, "{bytes} bytes of log");
        for line in &log {
            assert!(!line.message.contains(char::is_control), "{line:?}");
        }
        let audits = log.iter().filter(|line| matches!(Entry::of(&line.message), Entry::Audit(_))).count();
        assert_eq!((log.len(), audits), (of_policy.len() + 1, 1));
    }
}
