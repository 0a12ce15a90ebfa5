//! When two sides agree, and what a run has seen.

use super::sides::Said;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Faults that may bear two names, the bundle's first. Every other difference is a disagreement.
const ALIKE: [(&str, &str); 4] = [
    // The bundle looks at the length of a text before it looks at the text, the oracle after.
    ("output", "malformed"),
    // The bundle looks at an answer's size before it lets the policy free the answer, the oracle after, when that may have
    // failed.
    ("output", "trap"),
    ("output", "fuel"),
    // The oracle takes fuel for bytes that are copied or filled before it looks whether there is room for them.
    ("trap", "fuel"),
];

/// Whether both sides say the same, as far as they are meant to.
pub fn agree(linked: &Said, unlinked: &Said) -> bool {
    if linked == unlinked {
        return true;
    }
    let kinds = (linked.fault(), unlinked.fault());
    match kinds {
        // Fuel and stack are measured in other units on either side. The oracle is given more of both, by far, so it may go
        // on where the bundle ended; and it may have ended otherwise by then.
        (Some("fuel" | "stack"), _) => true,
        (Some(linked_kind), Some(unlinked_kind)) => {
            let same = linked_kind == unlinked_kind || ALIKE.contains(&(linked_kind, unlinked_kind));
            same && linked.log == unlinked.log
        }
        _ => false,
    }
}

impl Said {
    /// The kind of its fault, if it is one.
    fn fault(&self) -> Option<&str> {
        self.code.as_deref().filter(|_| self.verdict == "fault")
    }

    /// The verdict, or the kind of fault. An allow that wants an approval is one of its own.
    fn outcome(&self) -> String {
        if self.verdict == "allow" && self.rest.contains(r#"{"approve":"#) {
            return "approve".to_owned();
        }
        self.fault().map_or_else(|| self.verdict.clone(), |kind| format!("fault {kind}"))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, code, rest, log } = self;
        write!(f, "{verdict} {} {rest}", code.as_deref().unwrap_or_default())?;
        log.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// How often each outcome was seen, and how often two sides came to agree in other words.
#[derive(Debug, Default)]
pub struct Tally {
    pub calls: u64,
    outcomes: BTreeMap<String, u64>,
    excused: BTreeMap<(String, String), u64>,
    disagreements: Vec<String>,
}

impl Tally {
    /// Counts what both sides said; `what` describes the call, should they disagree.
    pub fn compare(&mut self, linked: &Said, unlinked: &Said, what: impl FnOnce() -> String) {
        self.calls += 1;
        *self.outcomes.entry(linked.outcome()).or_default() += 1;
        if linked.outcome() != unlinked.outcome() {
            *self.excused.entry((linked.outcome(), unlinked.outcome())).or_default() += 1;
        }
        if !agree(linked, unlinked) {
            self.disagreements.push(format!("{}\nbundle: {linked}\noracle: {unlinked}", what()));
        }
    }

    /// Fails if the sides disagreed anywhere.
    pub fn settle(&self, rerun: &str) {
        let count = self.disagreements.len();
        let shown: Vec<&str> = self.disagreements.iter().take(5).map(String::as_str).collect();
        assert!(count == 0, "{count} disagreements; again with: {rerun}\n\n{}", shown.join("\n\n"));
    }

    pub fn count(&self, outcome: &str) -> u64 {
        self.outcomes.get(outcome).copied().unwrap_or_default()
    }

    /// Calls that did not end in a fault.
    pub fn answered(&self) -> u64 {
        ["allow", "approve", "deny", "abstain"].iter().map(|verdict| self.count(verdict)).sum()
    }

    /// Calls that came out differently, as they may.
    pub fn excused(&self) -> u64 {
        self.excused.values().sum()
    }

    /// Fails if any of these was never seen: then the run says less than it seems to.
    pub fn saw(&self, outcomes: &[&str]) {
        let missing: Vec<_> = outcomes.iter().filter(|outcome| self.count(outcome) == 0).collect();
        assert!(missing.is_empty(), "never seen: {missing:?}; {self:?}");
    }
}

/// Keeps the component of a disagreement, and gives the place.
pub fn keep(kind: &str, seed: u64, entry: &str, component: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("random-{kind}-{seed}-{entry}.wasm"));
    std::fs::write(&path, component).unwrap();
    path.display().to_string()
}
