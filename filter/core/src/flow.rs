//! The way of one request from its head to a decision, as a machine that the filter feeds and obeys.
//!
//! ```text
//! head → path → route → credential → ParsedToken → (keys) → SignedToken → VerifiedChain → RequestContext → verdicts → Decision
//! ```
//!
//! The machine asks for nothing but keys. It does no I/O, reads no clock and logs nothing, so the harness, the unit
//! tests and the proxy run the very same steps.

use crate::cache::TokenCache;
use crate::chain::VerifiedChain;
use crate::claims::SignedToken;
use crate::config::{Config, Issuer, KeySource, PolicyEntry, Preflight, Problem, Route};
use crate::context::{MatchedRoute, RequestContext};
use crate::decision::{Decision, Grant, Outcome, Permit};
use crate::denial::{Denial, Evidence, KeysProblem};
use crate::keys::{KeyError, KeySet, KeySetError, PublicKey};
use crate::keystore::{KeyStore, Lookup, RemoteStore};
use crate::path::NormalPath;
use crate::policy::{Asked, Complaint, Fold, Linked, Policies};
use crate::printable::one_line;
use crate::request::{Connection, RequestHead};
use crate::reserved::ReservedHeaders;
use crate::routes::{Routes, Target};
use crate::signature::SignatureVerifier;
use crate::token::ParsedToken;
use crate::{reason::Reason, time::UnixTime};
use std::rc::Rc;

/// Everything that decisions need and that outlives a request: one configuration, its keys, its policies, its cache.
pub struct Gate {
    config: Config,
    stores: Vec<KeyStore>,
    cache: TokenCache,
    policies: Box<dyn Policies>,
    routes: Routes,
    reserved: ReservedHeaders,
    matches_hosts: bool,
    warnings: Vec<Problem>,
    /// For each route, which entries it asks, in order; `None` if one could not be found.
    asked: Vec<Option<Vec<Asked>>>,
    cache_hits: u64,
    cache_misses: u64,
    spent_us: u64,
}

impl Gate {
    /// Builds the gate for a configuration. `seed` is random, from the host: it keys the cache's hash, and decides when keys are
    /// fetched.
    ///
    /// # Errors
    /// Inline keys that hold a secret or of which none can be used, and every policy that is not linked, does not have the pinned digest, or
    /// refuses its settings.
    pub fn new(
        config: Config,
        mut policies: Box<dyn Policies>,
        seed: [u8; 16],
    ) -> Result<Self, Vec<Problem>> {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let mut stores = Vec::new();
        for (index, issuer) in config.issuers.iter().enumerate() {
            match &issuer.keys {
                KeySource::Remote(remote) => {
                    stores.push(KeyStore::Remote(RemoteStore::new(remote.clone(), seed, index)));
                }
                KeySource::Inline(jwks) => {
                    let pointer = format!("/issuers/{index}/keys/inline");
                    match KeySet::from_value(jwks) {
                        Ok(set) => {
                            let (secret, unusable): (Vec<_>, Vec<_>) =
                                rejected_keys(&set, &pointer).partition(|(is_secret, _)| *is_secret);
                            problems.extend(secret.into_iter().map(|(_, problem)| problem));
                            warnings.extend(unusable.into_iter().map(|(_, problem)| problem));
                            problems.extend(idle_algorithms(&set, issuer, index));
                            stores.push(KeyStore::Inline(set));
                        }
                        Err(error) => problems.extend(key_set_problems(&error, jwks, &pointer)),
                    }
                }
            }
        }
        for (index, entry) in config.policies.iter().enumerate() {
            let pointer = format!("/policies/{index}");
            let linked = policies.linked().iter().find(|l| l.name == entry.policy);
            match linked {
                // The culprit is the member that names the policy: without `policy` that is `name`.
                None => problems.push(problem(
                    format!("{pointer}/{}", if entry.policy == entry.name { "name" } else { "policy" }),
                    format!("no policy `{}` is linked into this module", entry.policy),
                )),
                Some(linked) if entry.sha256.as_ref().is_some_and(|pin| *pin != linked.sha256) => {
                    problems.push(problem(
                        format!("{pointer}/sha256"),
                        format!("the linked policy `{}` has the digest {}", entry.policy, linked.sha256),
                    ));
                }
                Some(_) => {
                    if let Err(complaints) = policies.configure(entry) {
                        let place = |c: &Complaint| format!("{pointer}/settings{}", one_line(&c.pointer));
                        problems.extend(complaints.iter().map(|c| problem(place(c), one_line(&c.message))));
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let asked = config.routes.iter().map(|route| asked(route, &config, policies.linked())).collect();
        let routes = Routes::new(&config.routes, config.upstream.case_sensitive_paths);
        let (reserved, matches_hosts) = (ReservedHeaders::new(&config), config.matches_hosts());
        let cache = TokenCache::new(seed);
        Ok(Self {
            config,
            stores,
            cache,
            policies,
            routes,
            reserved,
            matches_hosts,
            warnings,
            asked,
            cache_hits: 0,
            cache_misses: 0,
            spent_us: 0,
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is not as it should be with the keys in the configuration, and denies nobody who should not be.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The headers that are removed before anything is decided.
    #[must_use]
    pub fn reserved(&self) -> &ReservedHeaders {
        &self.reserved
    }

    /// The issuers whose keys are fetched: position in the configuration, and the store to feed.
    pub fn remote_stores(&mut self) -> impl Iterator<Item = (usize, &mut RemoteStore)> {
        self.stores.iter_mut().enumerate().filter_map(|(index, store)| match store {
            KeyStore::Remote(remote) => Some((index, remote)),
            KeyStore::Inline(_) => None,
        })
    }

    /// The store of one issuer whose keys are fetched.
    pub fn remote_store(&mut self, issuer: usize) -> Option<&mut RemoteStore> {
        match self.stores.get_mut(issuer) {
            Some(KeyStore::Remote(remote)) => Some(remote),
            _ => None,
        }
    }

    /// Takes over the keys that were fetched for `earlier`, the gate before or that of another plugin in the same memory, as
    /// far as they are from the same place and newer: see [`RemoteStore::take_over`].
    pub fn take_over(&mut self, earlier: &Self) {
        for (_, store) in self.remote_stores() {
            for other in &earlier.stores {
                if let KeyStore::Remote(other) = other {
                    store.take_over(other);
                }
            }
        }
    }

    /// How many tokens were found in the cache, and how many were not, since the last call.
    pub fn take_cache_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.cache_hits), std::mem::take(&mut self.cache_misses))
    }

    /// How long signatures took since the last call, in microseconds as estimated.
    pub fn take_spent_us(&mut self) -> u64 {
        std::mem::take(&mut self.spent_us)
    }

    fn cached(&mut self, token: &[u8], now: UnixTime) -> Option<Rc<SignedToken>> {
        let stores = &self.stores;
        let found = self.cache.get(token, now, |issuer| stores.get(issuer)?.generation(now));
        let count = if found.is_some() { &mut self.cache_hits } else { &mut self.cache_misses };
        *count = count.saturating_add(1);
        found
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("config", &self.config)
            .field("stores", &self.stores)
            .finish_non_exhaustive()
    }
}

/// What the machine needs next.
#[derive(Debug)]
pub enum Step {
    /// A newer key set of this issuer (its position in the configuration). Fetch it if its store says so, and
    /// [`advance`](Flow::advance) again when it came, or [`give_up`](Flow::give_up).
    NeedKeys(usize),
    /// Nothing more.
    Done(Box<Decision>),
}

/// One request on its way. It keeps the head only: what was parsed of it is parsed again after a wait, for those who
/// wait are many, unverified, and cheap to make.
#[derive(Debug)]
pub struct Flow {
    id: String,
    head: RequestHead,
}

/// What is known when the outcome is reached.
#[derive(Default)]
struct Known {
    path: Option<NormalPath>,
    connection: Connection,
    preflight: bool,
    route: Option<usize>,
    token: Option<Rc<SignedToken>>,
    fold: Fold,
}

/// Why the machine stopped before it allowed.
enum Stop {
    Deny(Denial),
    Wait(usize),
}

impl<T: Into<Denial>> From<T> for Stop {
    fn from(denial: T) -> Self {
        Self::Deny(denial.into())
    }
}

impl Flow {
    /// A request at the gate; `id` will be its decision's.
    #[must_use]
    pub fn new(id: String, head: RequestHead) -> Self {
        Self { id, head }
    }

    /// The head of the request.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// Goes as far as it can.
    pub fn advance(&mut self, gate: &mut Gate, verifier: &dyn SignatureVerifier, now: UnixTime) -> Step {
        let mut known = Known::default();
        let outcome = match self.start(gate, verifier, now, &mut known) {
            Ok(permit) => Outcome::Allow(permit),
            Err(Stop::Deny(denial)) => Outcome::Deny(denial),
            Err(Stop::Wait(issuer)) => return Step::NeedKeys(issuer),
        };
        Step::Done(Box::new(self.decide(known, outcome, now)))
    }

    /// Ends a request that waited for keys in vain.
    pub fn give_up(&mut self, gate: &Gate, why: KeysProblem, now: UnixTime) -> Decision {
        let mut known = Known::default();
        // It got as far as its route before it waited.
        let found = self.find_route(gate, &mut known);
        known.route = found.ok().map(|(index, _)| index);
        let denial = Denial::new(Reason::KeysUnavailable, Evidence::Keys { issuer: None, problem: why });
        self.decide(known, Outcome::Deny(denial), now)
    }

    /// The route for the request, found by host, path and method; for a preflight by the method that it asks for.
    fn find_route<'g>(&self, gate: &'g Gate, known: &mut Known) -> Result<(usize, &'g Route), Denial> {
        let path = NormalPath::normalise(self.head.path())
            .map_err(|problem| Denial::new(Reason::PathInvalid, Evidence::Path { problem }))?;
        let path = known.path.insert(path);
        if !self.head.has_plain_method() {
            return Err(Denial::new(Reason::RouteUnmatched, Evidence::Method));
        }
        let host = if gate.matches_hosts { self.head.host() } else { None };
        if gate.matches_hosts && host.is_none() {
            // Not even a route without hosts: it could be meant for any other.
            return Err(Denial::new(Reason::RouteUnmatched, Evidence::Host));
        }
        known.preflight = match gate.config.preflight {
            Preflight::Pass => self.head.preflight_method().is_some(),
            Preflight::Deny => false,
        };
        let method = self.head.preflight_method().filter(|_| known.preflight);
        let method = method.unwrap_or_else(|| self.head.method());
        let (routes, target) = (&gate.config.routes, Target { method, host: host.as_ref(), path });
        let found = gate.routes.find(routes, target).ok_or_else(|| {
            let host = host.as_ref().map(|host| host.as_str().into());
            Denial::new(Reason::RouteUnmatched, Evidence::Route { host })
        })?;
        let (matched_route, _) = found;
        match gate.routes.stricter_in_another_case(routes, target, matched_route) {
            Some(like_route) => {
                Err(Denial::new(Reason::PathInvalid, Evidence::PathCase { like_route, matched_route }))
            }
            None => Ok(found),
        }
    }

    fn start(
        &self,
        gate: &mut Gate,
        verifier: &dyn SignatureVerifier,
        now: UnixTime,
        known: &mut Known,
    ) -> Result<Permit, Stop> {
        let kept = |name: &[u8]| name.eq_ignore_ascii_case(b"authorization") || gate.reserved.contains(name);
        known.connection = self.head.connection(kept)?;
        let (index, route) = self.find_route(gate, known)?;
        known.route = Some(index);
        if known.preflight {
            return Ok(Permit(Grant::Preflight));
        }
        if route.anonymous {
            return Ok(Permit(Grant::Anonymous));
        }
        let credential = self.head.credential()?;
        // By its exact bytes, and before they are looked at: what is known is a token.
        let token = match gate.cached(credential.bytes(), now) {
            Some(token) => token,
            None => verify(gate, ParsedToken::parse(credential.token()?)?, verifier, now)?,
        };
        known.token = Some(Rc::clone(&token));
        self.with_token(gate, token, now, known)
    }

    /// Everything that is looked at on every request, also when the token was seen before.
    fn with_token(
        &self,
        gate: &mut Gate,
        token: Rc<SignedToken>,
        now: UnixTime,
        known: &mut Known,
    ) -> Result<Permit, Stop> {
        let Gate { config, policies, asked, .. } = gate;
        let (Some(path), Some(index)) = (&known.path, known.route) else {
            return Err(Reason::Internal.into());
        };
        let (Some(route), Some(Some(asked))) = (config.routes.get(index), asked.get(index)) else {
            return Err(Reason::Internal.into());
        };
        let issuer = config.issuers.get(token.issuer_index()).ok_or(Reason::Internal)?;
        let chain = VerifiedChain::verify(token, issuer, &config.delegation, route.max_depth, now)?;
        let (method, headers) = (self.head.method(), self.head.headers());
        let matched = MatchedRoute { index, route };
        let context = RequestContext::authorize(method, path, headers, &chain, matched, now)?;
        for asked in asked {
            let entry = config.policies.get(asked.entry).ok_or(Reason::Internal)?;
            known.fold.add(asked, policies.check(entry, &context));
            if let Some((reason, at)) = known.fold.denied {
                // How a policy fails is for the audit record only.
                let record = known.fold.records.get(at).filter(|_| reason == Reason::PolicyDenied);
                let policy = record.map(|r| (r.policy.to_string(), r.code.clone()));
                return Err(Stop::Deny(Denial { policy, ..reason.into() }));
            }
        }
        let obligations = std::mem::take(&mut known.fold.obligations);
        Ok(Permit(Grant::Delegated { chain, obligations }))
    }

    fn decide(&mut self, known: Known, outcome: Outcome, now: UnixTime) -> Decision {
        Decision {
            id: std::mem::take(&mut self.id),
            at: now,
            head: std::mem::take(&mut self.head),
            path: known.path,
            connection: known.connection,
            route: known.route,
            token: known.token,
            policies: known.fold.records,
            outcome,
        }
    }
}

/// The entries that a route names, all of them or none.
fn asked(route: &Route, config: &Config, linked: &[Linked]) -> Option<Vec<Asked>> {
    let find = |name: &String| {
        let entry = config.policies.iter().position(|entry| entry.name == *name)?;
        let PolicyEntry { name, policy, mode, .. } = config.policies.get(entry)?;
        let linked = linked.iter().find(|linked| linked.name == *policy)?;
        let (name, sha256) = (name.as_str().into(), linked.sha256.as_str().into());
        Some(Asked { entry, name, sha256, mode: *mode })
    };
    route.policies.iter().map(find).collect()
}

/// Finds the key, verifies, and keeps the verified token.
fn verify(
    gate: &mut Gate,
    token: ParsedToken,
    verifier: &dyn SignatureVerifier,
    now: UnixTime,
) -> Result<Rc<SignedToken>, Stop> {
    let Gate { config, stores, cache, spent_us, .. } = gate;
    let name = token.unverified_issuer()?;
    let mut issuers = config.issuers.iter().enumerate();
    let (index, issuer) = issuers.find(|(_, issuer)| issuer.issuer == name).ok_or_else(|| {
        Denial::new(Reason::IssuerUnknown, Evidence::Issuer { unverified_iss: name.into() })
    })?;
    let algorithm = SignedToken::precheck(&token, issuer)?;
    let store = stores.get_mut(index).ok_or(Reason::Internal)?;
    let kid = token.header().kid.as_deref();
    let key_unknown = || {
        let evidence = Evidence::Key {
            unverified_kid: kid.map(Into::into),
            algorithm: algorithm.name(),
            unverified_iss: name.into(),
        };
        Denial::new(Reason::KeyUnknown, evidence)
    };
    let (key, generation) = match store.find(kid, algorithm, now) {
        Lookup::Found(key, generation) => (key, generation),
        Lookup::Unknown => return Err(key_unknown().into()),
        Lookup::Unavailable => {
            let issuer = Some(issuer.issuer.clone());
            let evidence = Evidence::Keys { issuer, problem: KeysProblem::Missing };
            return Err(Denial::new(Reason::KeysUnavailable, evidence).into());
        }
        Lookup::Wait => return Err(Stop::Wait(index)),
    };
    // A key so large that a worker would be held up is none.
    let cost_us = verifier.cost_us(key, algorithm).ok_or_else(key_unknown)?;
    *spent_us = spent_us.saturating_add(cost_us);
    let bytes = token.as_str().to_owned();
    let verified = Rc::new(SignedToken::verify(token, index, issuer, key, verifier)?);
    // A token that has expired is judged by its own merits each time, and takes no other's place.
    if now < verified.expires_at() {
        cache.insert(&bytes, Rc::clone(&verified), generation);
    }
    Ok(verified)
}

fn problem(pointer: String, message: String) -> Problem {
    Problem { pointer, message, suggestion: None }
}

/// The keys of a set that are not used, and of each whether it is a secret, which belongs in no configuration.
fn rejected_keys(set: &KeySet, pointer: &str) -> impl Iterator<Item = (bool, Problem)> {
    set.rejected().iter().map(move |(i, error)| {
        let is_secret = matches!(error, KeyError::Private | KeyError::Symmetric);
        (is_secret, problem(format!("{pointer}/keys/{i}"), format!("{error}")))
    })
}

/// An algorithm that no inline key can serve is a slip: every token that uses it would be denied.
fn idle_algorithms(set: &KeySet, issuer: &Issuer, index: usize) -> Vec<Problem> {
    let idle = |(_, a): &(usize, &crate::algorithm::Algorithm)| !set.keys().iter().any(|key| key.serves(**a));
    let describe = |(i, a): (usize, &crate::algorithm::Algorithm)| {
        problem(
            format!("/issuers/{index}/algorithms/{i}"),
            format!("no inline key of this issuer can verify `{}`", a.name()),
        )
    };
    issuer.algorithms.iter().enumerate().filter(idle).map(describe).collect()
}

/// With every key rejected the set is empty; then each key's own fault says more than that.
fn key_set_problems(error: &KeySetError, jwks: &serde_json::Value, pointer: &str) -> Vec<Problem> {
    let keys =
        jwks.get("keys").and_then(serde_json::Value::as_array).filter(|_| *error == KeySetError::Empty);
    let faults: Vec<Problem> = keys
        .into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(i, key)| {
            let fault = PublicKey::from_jwk(key).err()?;
            Some(problem(format!("{pointer}/keys/{i}"), fault.to_string()))
        })
        .collect();
    if faults.is_empty() { vec![problem(pointer.to_owned(), error.to_string())] } else { faults }
}
