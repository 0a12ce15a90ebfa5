//! Random policies, linked and unlinked: the bundle must say what the oracle says.
//!
//! Each batch is one bundle: up to 64 policies in shadow mode on one route, so that one request asks them all. A batch follows
//! from its seed. Environment:
//! - `MANDATE_RANDOM_CALLS`: how many calls of each kind of policy are compared, at least; 1,000 where it is not set.
//! - `MANDATE_RANDOM_SEED`: the one batch to run, as a failure names it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "random/agreement.rs"]
mod agreement;
#[path = "random/bodies.rs"]
mod bodies;
#[path = "random/dialogue.rs"]
mod dialogue;
#[path = "random/dice.rs"]
mod dice;
#[path = "support/guests.rs"]
mod guests;
#[path = "random/instructions.rs"]
mod instructions;
#[path = "random/requests.rs"]
mod requests;
#[path = "random/sides.rs"]
mod sides;

use agreement::{Tally, keep};
use dice::Dice;
use serde_json::{Value, json};
use sides::Sides;
use std::str::FromStr;

/// Policies of one batch, and entries of its configuration: some policies have two entries.
const POLICIES: u64 = 56;
const ENTRIES: u64 = 64;
/// Requests of one batch.
const REQUESTS: u64 = 24;

/// A kind of random policy.
struct Kind {
    name: &'static str,
    test: &'static str,
    /// Makes the policy of this position in a batch.
    component: fn(&mut Dice, u64) -> Vec<u8>,
}

#[test]
fn random_bodies_run_linked_as_they_do_unlinked() {
    let kind = Kind { name: "bodies", test: "random_bodies", component: |dice, _| bodies::component(dice) };
    let tally = run(&kind);
    if tally.calls > 500 {
        assert!(tally.answered() > tally.calls / 3 && tally.excused() < tally.calls / 5, "{tally:?}");
        tally.saw(&["allow", "deny", "fault trap", "fault fuel"]);
    }
}

#[test]
fn random_dialogues_go_linked_as_they_do_unlinked() {
    let kind = Kind { name: "dialogues", test: "random_dialogues", component: dialogue::component };
    let tally = run(&kind);
    if tally.calls > 500 {
        assert!(tally.answered() > tally.calls / 3 && tally.excused() < tally.calls / 5, "{tally:?}");
        tally.saw(&["allow", "approve", "deny", "abstain"]);
        tally.saw(&["fault trap", "fault fuel", "fault stack", "fault memory"]);
        tally.saw(&["fault output", "fault malformed", "fault conflict"]);
    }
}

/// Runs batches until there were enough calls, or the one that the environment names.
fn run(kind: &Kind) -> Tally {
    let mut tally = Tally::default();
    let mut settings = Tally::default();
    let only: Option<u64> = variable("MANDATE_RANDOM_SEED");
    let calls = variable("MANDATE_RANDOM_CALLS").unwrap_or(1000);
    for seed in only.unwrap_or(1).. {
        batch(kind, seed, &mut tally, &mut settings);
        let rerun =
            format!("MANDATE_RANDOM_SEED={seed} cargo test -p mandate-host --test random {}", kind.test);
        settings.settle(&rerun);
        tally.settle(&rerun);
        if only.is_some() || tally.calls >= calls {
            break;
        }
    }
    println!("{}: {tally:#?}, of settings: {settings:#?}", kind.name);
    tally
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("`{name}` is `{text}`")))
}

/// One bundle, its settings, and some requests.
fn batch(kind: &Kind, seed: u64, tally: &mut Tally, settings: &mut Tally) {
    let dice = &mut Dice::new(seed);
    let components: Vec<Vec<u8>> = (0..POLICIES).map(|index| (kind.component)(dice, index)).collect();
    let sides = Sides::new(&components);
    let kept = |entry: &Value| {
        let (name, policy) = (entry["name"].as_str().unwrap(), entry["policy"].as_str().unwrap());
        let index: usize = policy.trim_start_matches('p').parse().unwrap();
        format!("component: {}\nentry: {entry}", keep(kind.name, seed, name, &components[index]))
    };
    let mut entries: Vec<Value> = (0..ENTRIES).map(|index| entry(dice, index)).collect();
    let said = sides.configure(&entries);
    for ((linked, unlinked), entry) in said.iter().zip(&entries) {
        settings.compare(linked, unlinked, || kept(entry));
    }
    let mut taken =
        said.iter().map(|(linked, unlinked)| linked.verdict == "taken" && unlinked.verdict == "taken");
    entries.retain(|_| taken.next().unwrap());
    let mut session = sides.start(&entries);
    for _ in 0..REQUESTS {
        let question = requests::any(dice);
        for ((linked, unlinked), entry) in session.ask(&question).iter().zip(&entries) {
            tally.compare(linked, unlinked, || format!("{}\n{question}", kept(entry)));
        }
    }
}

/// An entry of the configuration; the last ones take policies that have one already.
fn entry(dice: &mut Dice, index: u64) -> Value {
    let policy = if index < POLICIES { index } else { dice.below(POLICIES) };
    let settings = match dice.below(4) {
        0 => json!({}),
        1 => json!({ "list": vec![dice.below(100); usize::try_from(dice.below(50)).unwrap()] }),
        _ => json!({ "seed": dice.roll(), "text": "ä\"\n" }),
    };
    let limits = json!({
        "fuel": dice.pick(&[200_000, 400_000, 1_000_000]),
        "memory_bytes": dice.pick(&[1_048_576, 300_000, 262_144]),
        "output_bytes": dice.pick(&[4096, 4096, 65_536, 100]),
    });
    json!({
        "name": format!("e{index}"),
        "policy": format!("p{policy}"),
        "mode": "shadow",
        "settings": settings,
        "limits": limits,
    })
}
