//! Headers that a client may not send: those that say who acts, and those by which a known server, gateway or framework takes
//! the path, the method, the host, the client's address or the user from somewhere else than the filter does.
//!
//! One list, for the filter, the tests and the documentation (`docs/upstream-headers.md` says who reads what). They are
//! removed on every route, before anything is decided.
//!
//! Names compare without regard to case, and **every character that is no letter and no digit counts as a dash**: CGI and its
//! heirs show a program `x_mandate_principal`, `x.mandate.principal` and `x-mandate-principal` under one name (RFC 3875
//! §4.1.18).

mod names;

use names::{Entry, ONE_SPELLING};
pub use names::{RESERVED, Takes, WITH_HOSTS};

use std::collections::BTreeMap;

/// Every header with this prefix is ours.
pub const OWN_PREFIX: &str = "x-mandate-";

/// Which headers are removed under one configuration: their names as a tree, a character a step, so that most headers are left
/// at a glance.
#[derive(Debug, Clone)]
pub struct ReservedHeaders {
    /// The root is the first.
    nodes: Vec<Node>,
    /// The node for `x-`, with which most names begin that are looked at for long.
    x_dash: usize,
    /// What the operator passes on, in lower case.
    passed: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Node {
    /// A bit for each [`class`] of character that may follow.
    follow: u64,
    /// Position of the node for the first of them; the others lie behind it.
    first: usize,
    ends: Ends,
}

/// Whether a name ends at a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Ends {
    #[default]
    No,
    /// Here or not at all.
    Whole,
    /// Whatever follows.
    Prefix,
}

/// Without a configuration nothing is passed on.
impl Default for ReservedHeaders {
    fn default() -> Self {
        Self::of(RESERVED.iter().chain(&WITH_HOSTS), &[])
    }
}

impl ReservedHeaders {
    /// What is removed: not what the operator passes on (`pass_headers`), nor, unless routes match on hosts, what only matters
    /// there.
    #[must_use]
    pub fn new(pass_headers: &[String], matches_hosts: bool) -> Self {
        let mut passed = pass_headers.to_vec();
        passed.extend(ONE_SPELLING.iter().map(|(_, name)| (*name).to_owned()));
        if !matches_hosts {
            // In this spelling; servers that take another for the same are not what ordinary gateways write for.
            passed.extend(WITH_HOSTS.iter().map(|(_, name)| (*name).to_owned()));
        }
        Self::of(RESERVED.iter().chain(&WITH_HOSTS).chain(&ONE_SPELLING), &passed)
    }

    fn of<'a>(entries: impl Iterator<Item = &'a Entry>, passed: &[String]) -> Self {
        let names = entries.map(|(_, name)| match name.strip_suffix('*') {
            Some(prefix) => (prefix.as_bytes(), Ends::Prefix),
            None => (name.as_bytes(), Ends::Whole),
        });
        let mut tree = Self { nodes: vec![Node::default()], x_dash: 0, passed: passed.to_vec() };
        tree.grow(0, names.collect());
        tree.x_dash = tree.step(0, b'x').and_then(|at| tree.step(at, b'-')).unwrap_or_default();
        tree
    }

    /// Makes the node at `at` hold these names.
    fn grow(&mut self, at: usize, names: Vec<(&[u8], Ends)>) {
        let first = self.nodes.len();
        let mut node = Node { first, ..Node::default() };
        let mut below: BTreeMap<u8, Vec<(&[u8], Ends)>> = BTreeMap::new();
        for (name, ends) in names {
            match name.split_first() {
                Some((character, rest)) => below.entry(class(*character)).or_default().push((rest, ends)),
                None => node.ends = ends,
            }
        }
        node.follow = below.keys().fold(0, |bits, class| bits | 1 << class);
        self.nodes.extend(below.values().map(|_| Node::default()));
        self.nodes.get_mut(at).into_iter().for_each(|place| *place = node);
        for (child, names) in (first..).zip(below.into_values()) {
            self.grow(child, names);
        }
    }

    /// Whether a header of this name is removed.
    #[must_use]
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        self.is_known(name) && !self.passed.iter().any(|passed| name.eq_ignore_ascii_case(passed.as_bytes()))
    }

    /// The node for `character` behind the one at `at`.
    #[inline]
    fn step(&self, at: usize, character: u8) -> Option<usize> {
        let node = self.nodes.get(at)?;
        let bit = 1_u64 << class(character);
        let earlier = (node.follow & (bit - 1)).count_ones();
        (node.follow & bit != 0).then(|| node.first.saturating_add(earlier as usize))
    }

    fn is_known(&self, name: &[u8]) -> bool {
        let (mut at, rest) = match name {
            [b'x', b'-', rest @ ..] => (self.x_dash, rest),
            _ => (0, name),
        };
        let ends = |at: usize| self.nodes.get(at).map_or(Ends::No, |node| node.ends);
        for character in rest {
            match self.step(at, *character) {
                Some(next) => at = next,
                None => return ends(at) == Ends::Prefix,
            }
        }
        ends(at) != Ends::No
    }
}

/// Whether an operator may have this header passed on: it would be removed, and is not one of ours.
#[must_use]
pub fn may_be_passed_on(name: &str) -> bool {
    ReservedHeaders::default().contains(name) && !name.starts_with(OWN_PREFIX)
}

/// Whether a server may take one name for the other: letters in any case, and every character that is no letter and no digit for the
/// same.
#[must_use]
pub fn reads_alike(name: &[u8], other: &[u8]) -> bool {
    name.len() == other.len() && name.iter().zip(other).all(|(one, other)| class(*one) == class(*other))
}

/// Which characters are the same: 0 to 25 for letters in any case, 26 to 35 for digits, 36 for everything else.
#[inline]
fn class(character: u8) -> u8 {
    CLASSES.get(usize::from(character)).copied().unwrap_or(36)
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "it is evaluated when compiled, and has a place for every byte"
)]
const CLASSES: [u8; 256] = {
    let mut classes = [36; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = (byte as u8).to_ascii_lowercase();
        classes[byte] = match character {
            b'a'..=b'z' => character - b'a',
            b'0'..=b'9' => character - b'0' + 26,
            _ => 36,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_filter_reads_is_removed_in_every_spelling_but_its_own() {
        let reserved = ReservedHeaders::new(&[], false);
        for name in ["mandate_approval", "workload_identity-token", "workload.identity.token", "txn_token"] {
            assert!(reserved.contains(name), "{name}");
        }
        for name in ["mandate-approval", "workload-identity-token", "txn-token", "dpop"] {
            assert!(!reserved.contains(name), "{name}");
        }
    }

    #[test]
    fn a_name_that_only_looks_different_is_reserved_too() {
        let reserved = ReservedHeaders::default();
        for name in [
            "x-mandate-principal",
            "X-Mandate-Chain",
            "x_mandate_principal",
            "x-mandate_x",
            "x-mandate-",
            "x.mandate!chain",
            "X-HTTP-Method-Override",
            "x_original_url",
            "SCRIPT_NAME",
            "script-name",
            "Path.Info",
            "x-forwarded-prefix",
            "x-envoy-original-path",
            "remote_user",
            "x-forwarded-host",
            "$WSRU",
        ] {
            assert!(reserved.contains(name), "{name}");
        }
        for name in [
            "",
            "-",
            "x",
            "x-mandat",
            "x-mandate",
            "y-mandate-principal",
            "x-mandates-a",
            "authorization",
            "x-request-id",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-client-cert",
            "host",
            ":authority",
            ":path",
            "script-names",
            "path",
            "content-type",
            "user-agent",
            "accept",
            "traceparent",
            "grpc-timeout",
        ] {
            assert!(!reserved.contains(name), "{name}");
        }
    }

    #[test]
    fn the_list_is_in_its_normal_form_and_without_repetition() {
        let names: Vec<&str> = RESERVED.iter().chain(&WITH_HOSTS).map(|(_, name)| *name).collect();
        for (position, name) in names.iter().enumerate() {
            let prefix = name.strip_suffix('*').unwrap_or(name);
            assert!(
                prefix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
                    && !prefix.is_empty(),
                "{name}"
            );
            let others = names.iter().enumerate().filter(|(other, _)| *other != position);
            let covers = |other: &str| other.strip_suffix('*').is_some_and(|other| prefix.starts_with(other));
            assert!(others.clone().all(|(_, other)| other != name && !covers(other)), "{name}");
        }
    }

    #[test]
    fn each_name_is_found_and_none_beside_it() {
        let reserved = ReservedHeaders::default();
        for (_, name) in RESERVED.iter().chain(&WITH_HOSTS) {
            match name.strip_suffix('*') {
                Some(prefix) => {
                    assert!(reserved.contains(prefix) && reserved.contains(format!("{prefix}zz")))
                }
                None => {
                    assert!(reserved.contains(name), "{name}");
                    assert!(!reserved.contains(format!("{name}zz")), "{name}zz");
                }
            }
        }
    }

    #[test]
    fn what_an_operator_passes_on_is_passed_in_that_spelling_only() {
        assert!(may_be_passed_on("x-real-ip") && may_be_passed_on("x-auth-request-email"));
        assert!(!may_be_passed_on("x-mandate-agent") && !may_be_passed_on("x-request-id"));
        let passing =
            ReservedHeaders::of(RESERVED.iter(), &["x-real-ip".to_owned(), "x-mandate-agent".to_owned()]);
        assert!(
            !passing.contains("X-Real-IP")
                && passing.contains("x_real_ip")
                && passing.contains("x-client-ip")
        );
    }
}
