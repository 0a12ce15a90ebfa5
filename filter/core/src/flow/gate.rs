//! Everything that decisions need and that outlives a request.

mod approve;
mod chains;
mod locate;
mod stores;

pub(super) use locate::{Denied, Place};

/// What each policy said, and what they want done.
pub(super) type Asking = (Vec<PolicyRecord>, Result<Vec<Obligation>, Denial>);

use super::key_problems::problem;
use crate::action::SessionKey;
use crate::chain::{SignedToken, TokenCache, VerifiedChain};
use crate::config::{Config, Issuer, PolicyEntry, Problem};
use crate::denial::{CredentialProblem, Denial, Evidence, KeysProblem};
use crate::http::{Credential, RequestHead, ReservedHeaders, Scheme};
use crate::keys::{KeyStore, KeyUse, Lookup, RemoteStore, SignatureVerifier, TrustedIssuer, TrustedKey};
use crate::policy::{Complaint, Fold, Obligation, Policies, PolicyRecord, RequestContext};
use crate::printable::one_line;
use crate::proof::{Possession, Prover, Sent, Surroundings};
use crate::proof_kind::ProofKind;
use crate::resources::Resources;
use crate::routes::{Asked, Routes};
use crate::token::ParsedToken;
use crate::{reason::Reason, time::UnixTime};
use std::rc::Rc;
use stores::Stores;

/// `typ` of a Workload Identity Token (draft-ietf-wimse-workload-creds §5.1).
const WIT: &str = "wit+jwt";

/// Everything that decisions need and that outlives a request: one configuration, its keys, its policies, its cache.
pub struct Gate {
    config: Config,
    issuers: Vec<(Rc<TrustedIssuer>, KeyStore)>,
    /// Keys of the approvers, in the order of the configuration.
    approvers: Vec<KeyStore>,
    cache: TokenCache,
    /// The headers in which links of chains come.
    chain_headers: Vec<String>,
    /// Tokens with such links, by the bytes of both.
    chains: TokenCache,
    policies: Box<dyn Policies>,
    routes: Routes,
    resources: Resources,
    reserved: ReservedHeaders,
    matches_hosts: bool,
    /// The longest token that any issuer has.
    token_bytes: usize,
    warnings: Vec<Problem>,
    session_key: SessionKey,
    prover: Prover,
    /// Whether other workers have the secret of these two.
    shares_secret: bool,
    /// Whether any token may come with the scheme `DPoP`.
    accepts_dpop: bool,
    /// Whether any may come with the scheme `WPT`.
    accepts_wpt: bool,
    cache_hits: u64,
    cache_misses: u64,
    spent_us: u64,
}

/// Why a request does not go on now.
#[derive(Debug)]
pub enum Stop {
    /// It is denied.
    Deny(Denial),
    /// It waits for a newer key set of the issuer at this position in the configuration; approvers come after the issuers.
    Wait(usize),
}

impl<T: Into<Denial>> From<T> for Stop {
    fn from(denial: T) -> Self {
        Self::Deny(denial.into())
    }
}

impl Gate {
    /// Builds the gate for a configuration. `seed` is random, from the host: it keys the cache's hash, and decides when keys are
    /// fetched.
    ///
    /// # Errors
    /// Inline keys of issuers and approvers that hold a secret or of which none can be used, and every policy that is not linked, does not have the pinned digest, or
    /// refuses its settings.
    pub fn new(
        config: Config,
        mut policies: Box<dyn Policies>,
        seed: [u8; 16],
    ) -> Result<Self, Vec<Problem>> {
        let mut stores = Stores::new(seed);
        let issuers = config.issuers.iter().enumerate().filter_map(|(index, issuer)| {
            let trusted = Rc::new(TrustedIssuer::new(index, issuer.clone()));
            let at = format!("/issuers/{index}");
            Some((trusted, stores.open(&issuer.keys, KeyUse::of(issuer), &issuer.algorithms, &at)?))
        });
        let issuers: Vec<_> = issuers.collect();
        let approvers = config.approvals.iter().flat_map(|approvals| &approvals.approvers).enumerate();
        let approvers = approvers.filter_map(|(index, approver)| {
            let at = format!("/approvals/approvers/{index}");
            stores.open(&approver.keys, KeyUse::Signatures, &approver.algorithms, &at)
        });
        let approvers: Vec<_> = approvers.collect();
        let Stores { mut problems, warnings, .. } = stores;
        let mut asked = Vec::new();
        for (index, entry) in config.policies.iter().enumerate() {
            match prepare(policies.as_mut(), index, entry) {
                Ok(ready) => asked.push(Rc::new(ready)),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let routes = Routes::new(&config, &asked).map_err(|error| {
            let pointer = format!("/routes/{}/policies/{}", error.route, error.position);
            vec![problem(pointer, error.to_string())]
        })?;
        let resources = Resources::new(&config).map_err(|index| {
            let message = "its metadata cannot be written as JSON".to_owned();
            vec![problem(format!("/protected_resources/{index}"), message)]
        })?;
        let matches_hosts = config.matches_hosts();
        // An approval is for a host, too.
        let depends_on_host = matches_hosts || config.approvals.is_some();
        let reserved = ReservedHeaders::new(&config.upstream.pass_headers, depends_on_host);
        let (cache, chains) = (TokenCache::new(seed), TokenCache::new(seed));
        let chain_headers = config.chain_headers().map(str::to_owned).collect();
        let accepts_dpop = config.accepts_proof(ProofKind::Dpop);
        let accepts_wpt = config.accepts_proof(ProofKind::Wpt);
        let token_bytes = config.issuers.iter().map(|issuer| issuer.token_bytes).max().unwrap_or_default();
        Ok(Self {
            config,
            issuers,
            approvers,
            cache,
            chain_headers,
            chains,
            policies,
            routes,
            resources,
            reserved,
            matches_hosts,
            token_bytes,
            warnings,
            session_key: SessionKey::new(&seed),
            prover: Prover::new(&seed),
            shares_secret: false,
            accepts_dpop,
            accepts_wpt,
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

    /// Binds sessions and makes nonces with a secret that other workers have too.
    #[must_use]
    pub fn with_secret(mut self, secret: &[u8]) -> Self {
        self.session_key = SessionKey::new(secret);
        self.prover.set_secret(secret);
        self.shares_secret = true;
        self
    }

    /// What session ids are bound with.
    #[must_use]
    pub fn session_key(&self) -> &SessionKey {
        &self.session_key
    }

    /// Whether the configuration needs a secret that all workers have, and this one has one of its own: another worker cannot tell
    /// whose a session is, and does not know a nonce.
    #[must_use]
    pub fn lacks_shared_secret(&self) -> bool {
        !self.shares_secret && self.config.needs_secret()
    }

    /// A nonce for the sender's next proof, if it is to be given one.
    #[must_use]
    pub(super) fn nonce(&self, now: UnixTime) -> String {
        self.prover.nonce(now)
    }

    /// Checks that the sender of a request holds what its token is bound to.
    pub(super) fn prove(
        &self,
        chain: &VerifiedChain,
        sent: Sent<'_>,
        surroundings: &dyn Surroundings,
        now: UnixTime,
    ) -> Result<Possession, Denial> {
        self.prover.prove(chain, sent, &self.config.proofs, surroundings, now)
    }

    /// The metadata of protected resources that is served.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The headers that are removed before anything is decided.
    #[must_use]
    pub fn reserved(&self) -> &ReservedHeaders {
        &self.reserved
    }

    /// The issuers and approvers whose keys are fetched: position in the configuration, those of approvers after those of issuers, and the
    /// store to feed.
    pub fn remote_stores(&mut self) -> impl Iterator<Item = (usize, &mut RemoteStore)> {
        let of_issuers = self.issuers.iter_mut().map(|(_, store)| store);
        of_issuers.chain(&mut self.approvers).enumerate().filter_map(|(index, store)| match store {
            KeyStore::Remote(remote) => Some((index, remote)),
            KeyStore::Inline(_) => None,
        })
    }

    /// The store at one such position.
    pub fn remote_store(&mut self, position: usize) -> Option<&mut RemoteStore> {
        let of_approver = position.checked_sub(self.issuers.len());
        let store = match of_approver {
            Some(position) => self.approvers.get_mut(position),
            None => self.issuers.get_mut(position).map(|(_, store)| store),
        };
        match store {
            Some(KeyStore::Remote(remote)) => Some(remote),
            _ => None,
        }
    }

    /// Whose keys are at such a position, in words.
    #[must_use]
    pub fn name_of(&self, position: usize) -> String {
        let issuer = self.config.issuers.get(position).map(|issuer| format!("issuer `{}`", issuer.issuer));
        let approver = || {
            let approvers = &self.config.approvals.as_ref()?.approvers;
            let approver = approvers.get(position.checked_sub(self.config.issuers.len())?)?;
            Some(format!("approver `{}`", approver.issuer))
        };
        issuer.or_else(approver).unwrap_or_default()
    }

    /// Takes over what proofs were used, the secret unless all workers share it, and the keys that were fetched for `earlier`, the gate before
    /// or that of another plugin in the same memory, as far as they are from the same place and newer: see [`RemoteStore::take_over`].
    pub fn take_over(&mut self, earlier: &Self) {
        self.prover.take_over_memory(&earlier.prover);
        if !self.shares_secret && !earlier.shares_secret {
            self.session_key = earlier.session_key.clone();
            self.prover.take_over_secret(&earlier.prover);
        }
        for (_, store) in self.remote_stores() {
            let of_issuers = earlier.issuers.iter().map(|(_, store)| store);
            for other in of_issuers.chain(&earlier.approvers) {
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

    /// The token that a request carries: known, or verified now and known from now on.
    pub(super) fn token(
        &mut self,
        head: &RequestHead,
        credential: Credential<'_>,
        verifier: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> Result<Rc<SignedToken>, Stop> {
        let unsupported = match credential.scheme() {
            Scheme::Dpop if !self.accepts_dpop => Some(CredentialProblem::Proof),
            Scheme::Wpt if !self.accepts_wpt => Some(CredentialProblem::WorkloadProof),
            Scheme::Bearer | Scheme::Dpop | Scheme::Wpt => None,
        };
        if let Some(problem) = unsupported {
            return Err(Denial::new(Reason::ProofUnsupported, Evidence::Credential { problem }).into());
        }
        if let Some(earlier) = self.earlier_links(head)? {
            return self.chained_token(credential, earlier, verifier, now);
        }
        // By its exact bytes, and before they are looked at: what is known is a token.
        if let Some(token) = self.cached(credential.bytes(), now) {
            return Ok(token);
        }
        let token = ParsedToken::parse_within(credential.token()?, self.token_bytes)?;
        let key = self.key_for(&token, verifier, now)?;
        let (bytes, generation) = (token.as_str().to_owned(), key.generation);
        let verified = Rc::new(SignedToken::verify(token, &key, verifier)?);
        // A token that has expired is judged by its own merits each time, and takes no other's place.
        if now < verified.expires_at() {
            self.cache.insert(&bytes, Rc::clone(&verified), generation);
        }
        Ok(verified)
    }

    /// The key that must have signed `token`, if its issuer, its kind and its algorithm are accepted. What verifying with it
    /// costs is counted as [spent](Self::take_spent_us).
    ///
    /// # Errors
    /// Why there is none, or that it must be waited for.
    pub fn key_for(
        &mut self,
        token: &ParsedToken,
        verifier: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> Result<TrustedKey<'_>, Stop> {
        let index = self.issuer_of(token)?;
        let (issuer, store) = self.issuers.get_mut(index).ok_or(Reason::Internal)?;
        let algorithm = token.algorithm_for(issuer.entry())?;
        let unknown = || Denial::new(Reason::KeyUnknown, token.key_evidence(algorithm));
        let (key, generation) = match store.find(token.header().kid.as_deref(), algorithm, now) {
            Lookup::Found(key, generation) => (key, generation),
            Lookup::Unknown => return Err(unknown().into()),
            Lookup::Unavailable => {
                let issuer = Some(issuer.entry().issuer.clone());
                let evidence = Evidence::Keys { issuer, problem: KeysProblem::Missing };
                return Err(Denial::new(Reason::KeysUnavailable, evidence).into());
            }
            Lookup::Wait => return Err(Stop::Wait(index)),
        };
        // A key so large that a worker would be held up is none.
        let cost_us = verifier.cost_us(key, algorithm).ok_or_else(unknown)?;
        self.spent_us = self.spent_us.saturating_add(cost_us);
        Ok(TrustedKey { issuer, algorithm, key, generation })
    }

    /// The entry that a token is looked at by, found by its `iss`, else by the trust domain that its `sub` is in; that of a Workload
    /// Identity Token, which says in `typ` that it is one, by the trust domain first. What it says is not believed yet: only a key of that
    /// entry then verifies it.
    ///
    /// # Errors
    /// [`Reason::IssuerUnknown`], or what is wrong with `iss`.
    pub fn issuer_of(&self, token: &ParsedToken) -> Result<usize, Denial> {
        let (named, domain) = (token.unverified_issuer(), token.unverified_trust_domain());
        let is_wit = token.is_of_type(WIT);
        let by_iss = || self.position(named.as_ref().ok()?, |it| !it.is_trust_domain());
        let by_sub =
            |kind: fn(&Issuer) -> bool| self.position(domain?, |it| it.is_trust_domain() && kind(it));
        // An entry of the other kind says what is wrong with the token's type.
        let found = match is_wit {
            true => by_sub(Issuer::is_wit).or_else(by_iss),
            false => by_iss().or_else(|| by_sub(|it| !it.is_wit())),
        };
        let unknown =
            |name: &str| Denial::new(Reason::IssuerUnknown, Evidence::Issuer { unverified_iss: name.into() });
        found.or_else(|| by_sub(|_| true)).ok_or_else(|| match (named, domain) {
            (Ok(name), _) | (Err(_), Some(name)) => unknown(name),
            (Err(denial), None) => denial,
        })
    }

    fn position(&self, name: &str, is_such: impl Fn(&Issuer) -> bool) -> Option<usize> {
        self.issuers.iter().position(|(issuer, _)| is_such(issuer.entry()) && issuer.entry().issuer == name)
    }

    /// Asks the policies of the request's route, then `more`: what each said, and what they want done.
    pub(super) fn ask<'r>(
        &mut self,
        request: &RequestContext<'r>,
        more: impl IntoIterator<Item = &'r Rc<Asked>>,
    ) -> Asking {
        let mut fold = Fold::default();
        for asked in request.route().asked().iter().chain(more) {
            if let Err(denial) = fold.add(asked, self.policies.check(&asked.entry, request)) {
                return (fold.records, Err(denial));
            }
        }
        (fold.records, Ok(fold.obligations))
    }

    fn cached(&mut self, token: &[u8], now: UnixTime) -> Option<Rc<SignedToken>> {
        let issuers = &self.issuers;
        let generation = |issuer: usize| issuers.get(issuer).and_then(|(_, store)| store.generation(now));
        let found = self.cache.get(token, now, generation);
        let count = if found.is_some() { &mut self.cache_hits } else { &mut self.cache_misses };
        *count = count.saturating_add(1);
        found
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("config", &self.config)
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}

/// Has a policy prepare an entry.
fn prepare(policies: &mut dyn Policies, index: usize, entry: &PolicyEntry) -> Result<Asked, Vec<Problem>> {
    let pointer = format!("/policies/{index}");
    let linked = policies.linked().iter().find(|linked| linked.name == entry.policy).ok_or_else(|| {
        // The culprit is the member that names the policy: without `policy` that is `name`.
        let member = if entry.policy == entry.name { "name" } else { "policy" };
        let message = format!("no policy `{}` is linked into this module", entry.policy);
        vec![problem(format!("{pointer}/{member}"), message)]
    })?;
    let sha256: Rc<str> = linked.sha256.as_str().into();
    if entry.sha256.as_ref().is_some_and(|pin| **pin != *sha256) {
        let message = format!("the linked policy `{}` has the digest {sha256}", entry.policy);
        return Err(vec![problem(format!("{pointer}/sha256"), message)]);
    }
    policies.configure(entry).map_err(|complaints| {
        let place = |c: &Complaint| format!("{pointer}/settings{}", one_line(&c.pointer));
        complaints.iter().map(|c| problem(place(c), one_line(&c.message))).collect::<Vec<_>>()
    })?;
    Ok(Asked { index, entry: entry.clone(), name: entry.name.as_str().into(), sha256 })
}
