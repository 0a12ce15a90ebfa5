//! Headers that a client may not send: those that say who acts, and those by which a known server, gateway or framework takes
//! the path, the method, the host, the client's address or the user from somewhere else than the filter does.
//!
//! One list, for the filter, the tests and the documentation (`docs/upstream-headers.md` says who reads what). They are
//! removed on every route, before anything is decided.
//!
//! Names compare without regard to case, and **every character that is no letter and no digit counts as a dash**: CGI and its
//! heirs show a program `x_mandate_principal`, `x.mandate.principal` and `x-mandate-principal` under one name (RFC 3875
//! §4.1.18).

use crate::config::Config;
use std::collections::BTreeMap;

/// Every header with this prefix is ours.
pub const OWN_PREFIX: &str = "x-mandate-";

/// What a server takes from a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Takes {
    /// Who acts for whom, as the filter says it. Cannot be passed on.
    Mandate,
    /// The path, or where the application is mounted in it.
    Path,
    /// The method.
    Method,
    /// The host. `x-forwarded-host` and `forwarded` among them are what ordinary gateways need, so they are removed only if
    /// routes match on hosts.
    Host,
    /// The address of the client.
    Client,
    /// The user, the groups, or a credential of theirs.
    Identity,
    /// Something else that changes what is done.
    Other,
}

/// A name that is removed; one that ends in `*` is a prefix.
pub type Entry = (Takes, &'static str);

/// What ordinary gateways need, and what leads to another host than the rules were for: removed where routes match on hosts.
pub const WITH_HOSTS: [Entry; 2] = [(Takes::Host, "forwarded"), (Takes::Host, "x-forwarded-host")];

/// What is always removed.
pub const RESERVED: &[Entry] = &[
    (Takes::Mandate, "x-mandate-*"),
    (Takes::Path, "script-name"),
    (Takes::Path, "path-info"),
    (Takes::Path, "x-script-name"),
    (Takes::Path, "x-forwarded-prefix"),
    (Takes::Path, "x-forwarded-path"),
    (Takes::Path, "x-forwarded-uri"),
    (Takes::Path, "x-forwarded-base"),
    (Takes::Path, "x-original-*"),
    (Takes::Path, "x-rewrite-url"),
    (Takes::Path, "x-replaced-path"),
    (Takes::Path, "x-envoy-original-*"),
    (Takes::Path, "raw-request-uri"),
    (Takes::Path, "x-matched-path"),
    (Takes::Path, "x-invoke-*"),
    (Takes::Path, "x-now-route-matches"),
    (Takes::Path, "x-middleware-*"),
    (Takes::Path, "spring-cloud-function-*"),
    (Takes::Method, "x-http-method*"),
    (Takes::Method, "x-method-override"),
    (Takes::Method, "x-forwarded-method"),
    (Takes::Host, "x-host"),
    (Takes::Host, "x-http-host-override"),
    (Takes::Host, "x-forwarded-server"),
    (Takes::Host, "x-forwarded-port"),
    (Takes::Host, "dapr-app-id"),
    (Takes::Host, "l5d-*"),
    // `$WSRU` and its like, which WebSphere takes from its web server.
    (Takes::Host, "-ws*"),
    (Takes::Client, "x-real-ip"),
    (Takes::Client, "x-client-ip"),
    (Takes::Client, "client-ip"),
    (Takes::Client, "true-client-ip"),
    (Takes::Client, "cf-connecting-ip"),
    (Takes::Client, "cf-connecting-ipv6"),
    (Takes::Client, "x-cluster-client-ip"),
    (Takes::Client, "fastly-client-ip"),
    (Takes::Client, "fly-client-ip"),
    (Takes::Client, "do-connecting-ip"),
    (Takes::Client, "x-azure-clientip"),
    (Takes::Client, "x-azure-socketip"),
    (Takes::Client, "x-nf-client-connection-ip"),
    (Takes::Client, "x-vercel-forwarded-for"),
    (Takes::Client, "cloudfront-viewer-address"),
    (Takes::Client, "x-forwarded"),
    (Takes::Client, "x-forwarded-by"),
    (Takes::Client, "forwarded-for"),
    (Takes::Client, "proxy-client-ip"),
    (Takes::Client, "x-proxyuser-ip"),
    (Takes::Client, "remote-addr"),
    (Takes::Client, "remote-address"),
    (Takes::Client, "remote-host"),
    (Takes::Client, "http-client-ip"),
    (Takes::Client, "http-forwarded"),
    (Takes::Client, "http-forwarded-for"),
    (Takes::Client, "http-x-forwarded"),
    (Takes::Client, "http-x-forwarded-for"),
    (Takes::Client, "http-x-cluster-client-ip"),
    (Takes::Client, "x-envoy-external-address"),
    (Takes::Client, "x-envoy-internal"),
    (Takes::Client, "x-envoy-ip-tags"),
    (Takes::Identity, "remote-user"),
    (Takes::Identity, "remote-email"),
    (Takes::Identity, "remote-name"),
    (Takes::Identity, "remote-groups"),
    (Takes::Identity, "x-remote-*"),
    (Takes::Identity, "x-forwarded-user"),
    (Takes::Identity, "x-forwarded-email"),
    (Takes::Identity, "x-forwarded-groups"),
    (Takes::Identity, "x-forwarded-preferred-username"),
    (Takes::Identity, "x-forwarded-access-token"),
    (Takes::Identity, "x-forwarded-mail"),
    (Takes::Identity, "x-forwarded-displayname"),
    (Takes::Identity, "x-forwarded-tls-client-cert*"),
    (Takes::Identity, "x-auth-request-*"),
    (Takes::Identity, "x-auth-user"),
    (Takes::Identity, "gap-auth"),
    (Takes::Identity, "gap-signature"),
    (Takes::Identity, "x-webauth-*"),
    (Takes::Identity, "x-consumer-*"),
    (Takes::Identity, "x-credential-*"),
    (Takes::Identity, "x-anonymous-consumer"),
    (Takes::Identity, "x-authenticated-*"),
    (Takes::Identity, "x-userinfo"),
    (Takes::Identity, "x-ms-client-principal*"),
    (Takes::Identity, "x-ms-token-*"),
    (Takes::Identity, "ms-aspnetcore-*"),
    (Takes::Identity, "x-iisnode-*"),
    (Takes::Identity, "x-arr-clientcert"),
    (Takes::Identity, "x-amzn-oidc-*"),
    (Takes::Identity, "x-amzn-mtls-clientcert*"),
    (Takes::Identity, "x-goog-authenticated-user-*"),
    (Takes::Identity, "x-goog-iap-jwt-assertion"),
    (Takes::Identity, "x-endpoint-api-userinfo"),
    (Takes::Identity, "x-apigateway-api-userinfo"),
    (Takes::Identity, "x-appengine-*"),
    (Takes::Identity, "x-serverless-authorization"),
    (Takes::Identity, "cf-access-authenticated-user-*"),
    (Takes::Identity, "cf-access-jwt-assertion"),
    (Takes::Identity, "x-pomerium-*"),
    (Takes::Identity, "tailscale-*"),
    (Takes::Identity, "teleport-jwt-assertion"),
    (Takes::Identity, "x-vouch-*"),
    (Takes::Identity, "x-authentik-*"),
    (Takes::Identity, "sm-user*"),
    (Takes::Identity, "sm-universalid"),
    (Takes::Identity, "sm-serversession*"),
    (Takes::Identity, "oam-*"),
    (Takes::Identity, "oidc-*"),
    (Takes::Identity, "shib-*"),
    (Takes::Identity, "iv-user*"),
    (Takes::Identity, "iv-groups"),
    (Takes::Identity, "iv-creds"),
    (Takes::Identity, "osso-*"),
    (Takes::Identity, "eppn"),
    (Takes::Identity, "persistent-id"),
    (Takes::Identity, "ssl-client-*"),
    (Takes::Identity, "x-ssl-client-*"),
    (Takes::Identity, "x-client-cert*"),
    (Takes::Identity, "x-client-verify"),
    (Takes::Identity, "x-client-dn"),
    (Takes::Identity, "client-cert"),
    (Takes::Identity, "client-cert-chain"),
    (Takes::Identity, "proxy-auth-cert"),
    (Takes::Identity, "wl-proxy-*"),
    (Takes::Identity, "impersonate-*"),
    (Takes::Identity, "x-proxy-user"),
    (Takes::Identity, "x-proxy-roles"),
    (Takes::Identity, "x-proxy-ext-*"),
    (Takes::Identity, "es-security-runas-user"),
    (Takes::Identity, "grpc-metadata-x-mandate-*"),
    (Takes::Identity, "grpc-metadata-authorization"),
    (Takes::Other, "x-forwarded-ssl"),
    (Takes::Other, "x-forwarded-scheme"),
    (Takes::Other, "x-forwarded-protocol"),
    (Takes::Other, "x-forwarded-https"),
    (Takes::Other, "x-forwarded-trusted-proxy"),
    (Takes::Other, "x-url-scheme"),
    (Takes::Other, "x-scheme"),
    (Takes::Other, "front-end-https"),
    (Takes::Other, "x-proxied-https"),
    (Takes::Other, "x-arr-ssl"),
    (Takes::Other, "proxy-ssl-id"),
    (Takes::Other, "ssl-cipher*"),
    (Takes::Other, "ssl-session-id"),
    (Takes::Other, "ssl-secure-protocol"),
    (Takes::Other, "x-accel-mapping"),
    (Takes::Other, "x-sendfile-type"),
    (Takes::Other, "proxy"),
];

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
    /// What is removed under `config`: not what its operator passes on, nor what only matters where hosts are matched.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut passed = config.upstream.pass_headers.clone();
        if !config.matches_hosts() {
            // In this spelling; servers that take another for the same are not what ordinary gateways write for.
            passed.extend(WITH_HOSTS.iter().map(|(_, name)| (*name).to_owned()));
        }
        Self::of(RESERVED.iter().chain(&WITH_HOSTS), &passed)
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
