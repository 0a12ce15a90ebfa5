//! Proofs of possession: evidence that the sender holds the key that its token is bound to.
//!
//! A token that is bound to a key (`cnf`, RFC 7800) and comes without a proof of that key is a stolen token, or as good as one. A
//! [`Possession`] says that this was looked at; without one no request is authorized.

mod address;
mod agreement;
mod dpop;
mod mtls;
mod nonce;
mod peer;
mod replay;
mod wpt;

pub use nonce::NonceKey;
use peer::Peer;
pub use replay::{PartState, ReplayError, ReplayMemory, SharedMemory, SharedMemoryFailed, Use};

use crate::algorithm::Algorithm;
use crate::chain::{SignedToken, VerifiedChain};
use crate::config::{ProofMode, Proofs};
use crate::denial::{ClaimProblem, Denial, Evidence, ProofProblem};
use crate::http::{ClientCertificate, Credential, NormalPath, RequestHead, Scheme};
use crate::keys::{InModule, PublicKey, SignatureVerifier};
use crate::proof_kind::ProofKind;
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::token::claims::identifier_in;
use crate::token::{Digest, ParsedToken, WorkloadKey};
use serde_json::{Map, Value};

/// What a decision asks of the proxy, beside the time: to verify signatures, and what it knows that is not in the request.
pub trait Surroundings: SignatureVerifier {
    /// The memory that all workers of the proxy share, and nobody else writes. `None`: there is none, and each worker remembers for
    /// itself.
    fn shared_memory(&self) -> Option<&dyn SharedMemory> {
        None
    }

    /// The certificate with which the client authenticated the connection. `None`: it did not.
    ///
    /// # Errors
    /// If the proxy failed.
    fn client_certificate(&self) -> Result<Option<ClientCertificate>, ConnectionFailed> {
        Ok(None)
    }
}

/// The proxy failed to say what it knows of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proxy failed to say what it knows of the connection")]
pub struct ConnectionFailed;

impl Surroundings for InModule {}

/// A request, as far as proofs are about it.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// Its path in normal form.
    pub path: &'a NormalPath,
    /// What it came with.
    pub credential: Credential<'a>,
}

/// What was shown of the key that a token is bound to. It can only be made by [`Prover::prove`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possession {
    kinds: Vec<ProofKind>,
    wants_nonce: bool,
}

impl Possession {
    /// Nothing was shown yet, or need be.
    const fn nothing() -> Self {
        Self { kinds: Vec::new(), wants_nonce: false }
    }

    /// The kinds of proofs that hold; none of a token that is not bound.
    #[must_use]
    pub fn kinds(&self) -> &[ProofKind] {
        &self.kinds
    }

    /// Whether the sender should be given a new nonce: that of its proof is soon too old.
    #[must_use]
    pub fn wants_nonce(&self) -> bool {
        self.wants_nonce
    }
}

/// Verifies proofs, and remembers those that were used.
#[derive(Debug)]
pub struct Prover {
    memory: ReplayMemory,
    nonces: NonceKey,
}

impl Prover {
    /// With a secret for nonces; nothing is remembered yet.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self { memory: ReplayMemory::default(), nonces: NonceKey::new(secret) }
    }

    /// What was used; approvals are remembered there too.
    #[must_use]
    pub fn memory(&self) -> &ReplayMemory {
        &self.memory
    }

    /// Makes nonces with another secret.
    pub fn set_secret(&mut self, secret: &[u8]) {
        self.nonces = NonceKey::new(secret);
    }

    /// Takes over what `earlier` remembers.
    pub fn take_over_memory(&mut self, earlier: &Self) {
        self.memory = earlier.memory.clone();
    }

    /// Takes over the secret for nonces.
    pub fn take_over_secret(&mut self, earlier: &Self) {
        self.nonces = earlier.nonces.clone();
    }

    /// A nonce for the next proof (RFC 9449 §9).
    #[must_use]
    pub fn nonce(&self, now: UnixTime) -> String {
        self.nonces.make(now)
    }

    /// Checks that the sender of a request holds what its token is bound to, and that everybody who must agrees who it is. A proof that
    /// holds is used up.
    ///
    /// # Errors
    /// [`Reason::ProofRequired`], [`Reason::ProofInvalid`], [`Reason::ProofReplayed`], [`Reason::ProofNonceRequired`],
    /// [`Reason::ProofUnsupported`], [`Reason::AgentMismatch`], or [`Reason::ClaimInvalid`] for a bound token where no proofs are verified.
    pub fn prove(
        &self,
        chain: &VerifiedChain,
        sent: Sent<'_>,
        settings: &Proofs,
        surroundings: &dyn Surroundings,
        now: UnixTime,
    ) -> Result<Possession, Denial> {
        let peer = Peer::new(surroundings, sent.head, settings);
        let asked = Asked { sent, settings, surroundings, peer: &peer, now };
        let possession = self.possession(chain, &asked)?;
        agreement::check(chain, &peer)?;
        Ok(possession)
    }

    fn possession(&self, chain: &VerifiedChain, asked: &Asked<'_>) -> Result<Possession, Denial> {
        let (token, route) = (chain.token(), chain.route().entry());
        let issuer = token.issuer().entry();
        let mode = issuer.proof.max(route.proof);
        let scheme = asked.sent.credential.scheme();
        let Some(binding) = token.binding() else {
            return match (mode, scheme) {
                (_, Scheme::Wpt) => Err(not_of_workload()),
                (ProofMode::Required, _) => Err(required(None, ProofProblem::Unbound)),
                (_, Scheme::Dpop) => Err(required(Some(ProofKind::Dpop), ProofProblem::NotBoundSo)),
                (ProofMode::None | ProofMode::IfBound, Scheme::Bearer) => Ok(Possession::nothing()),
            };
        };
        let accepts = |kind| match issuer.proof_kinds.contains(&kind) {
            true => Ok(()),
            false => Err(denial(Reason::ProofUnsupported, Some(kind), ProofProblem::NotAccepted)),
        };
        // A token of a workload without its proof is nobody's, whatever the configuration says of proofs.
        match (binding.workload(), scheme) {
            (Some(_), Scheme::Bearer | Scheme::Dpop) => {
                return Err(required(Some(ProofKind::Wpt), ProofProblem::NoWorkloadProof));
            }
            (None, Scheme::Wpt) => return Err(not_of_workload()),
            (None, _) if mode == ProofMode::None => {
                let evidence = Evidence::Claim { claim: "cnf".into(), problem: ClaimProblem::Bound };
                return Err(Denial::new(Reason::ClaimInvalid, evidence));
            }
            (None, _) | (Some(_), Scheme::Wpt) => {}
        }
        let mut possession = Possession::nothing();
        // Before a proof is used up.
        if let Some(certificate) = binding.certificate() {
            accepts(ProofKind::Mtls)?;
            mtls::check(certificate, asked.peer)?;
            possession.kinds.push(ProofKind::Mtls);
        }
        match (binding.thumbprint(), scheme) {
            (Some(thumbprint), Scheme::Bearer | Scheme::Dpop) => {
                accepts(ProofKind::Dpop)?;
                possession.wants_nonce = self.dpop(token, thumbprint, asked)?;
                possession.kinds.push(ProofKind::Dpop);
            }
            // A request has one proof in `authorization`.
            (Some(_), Scheme::Wpt) => {
                let problem = ProofProblem::NotAccepted;
                return Err(denial(Reason::ProofUnsupported, Some(ProofKind::Dpop), problem));
            }
            (None, Scheme::Dpop) => return Err(required(Some(ProofKind::Dpop), ProofProblem::NotBoundSo)),
            (None, Scheme::Bearer | Scheme::Wpt) => {}
        }
        if let Some(key) = binding.workload() {
            self.workload(token, key, asked)?;
            possession.kinds.push(ProofKind::Wpt);
        }
        match possession.kinds.is_empty() {
            true => Err(denial(Reason::ProofUnsupported, None, ProofProblem::UnknownBinding)),
            false => Ok(possession),
        }
    }

    /// Gives whether the sender needs a new nonce soon.
    fn dpop(&self, token: &SignedToken, thumbprint: &Digest, asked: &Asked<'_>) -> Result<bool, Denial> {
        let proven = dpop::Proof { token, asked }.check(&self.nonces)?;
        let used = Use { purpose: "dpop", owner: thumbprint, id: &proven.id, until: proven.until };
        self.use_once(ProofKind::Dpop, &used, asked)?;
        Ok(proven.is_nonce_old)
    }

    fn workload(&self, token: &SignedToken, key: &WorkloadKey, asked: &Asked<'_>) -> Result<(), Denial> {
        let proven = wpt::Proof { token, key, asked }.check()?;
        let used = Use { purpose: "wpt", owner: key.thumbprint(), id: &proven.id, until: proven.until };
        self.use_once(ProofKind::Wpt, &used, asked)
    }

    fn use_once(&self, kind: ProofKind, used: &Use<'_>, asked: &Asked<'_>) -> Result<(), Denial> {
        let memory = asked.surroundings.shared_memory();
        self.memory.use_once(memory, used, asked.now).map_err(|error| refused(kind, error))
    }
}

/// What is asked of one request, and by whom.
struct Asked<'a> {
    sent: Sent<'a>,
    settings: &'a Proofs,
    surroundings: &'a dyn Surroundings,
    peer: &'a Peer<'a>,
    now: UnixTime,
}

impl Asked<'_> {
    /// Checks the signature of a proof, which is a JWT. It takes the most time, so it comes last.
    fn signature(
        &self,
        kind: ProofKind,
        proof: &ParsedToken,
        key: &PublicKey,
        algorithm: Algorithm,
    ) -> Result<(), Denial> {
        let invalid = |problem| Err(denial(Reason::ProofInvalid, Some(kind), problem));
        // A key that is of no use for the algorithm, or so large that a worker would be held up.
        if !key.serves(algorithm) || self.surroundings.cost_us(key, algorithm).is_none() {
            return invalid(ProofProblem::Key {
                problem: format!("is no key for {algorithm}, or too large"),
            });
        }
        match self.surroundings.verify(key, algorithm, proof.signing_input(), proof.signature()) {
            Ok(true) => Ok(()),
            Ok(false) => invalid(ProofProblem::Signature),
            Err(_) => Err(Reason::Internal.into()),
        }
    }
}

/// A claim of a proof that must be there, with text.
fn text<'a>(claims: &'a Map<String, Value>, claim: &'static str) -> Result<&'a str, ProofProblem> {
    let found = identifier_in(claims, claim).map_err(|problem| ProofProblem::Claim { claim, problem })?;
    found.ok_or(ProofProblem::Claim { claim, problem: ClaimProblem::Missing })
}

/// A claim of a proof with a date, if it is there.
fn date(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<UnixTime>, ProofProblem> {
    let no_date = ProofProblem::Claim { claim, problem: ClaimProblem::Date };
    claims.get(claim).map(|value| UnixTime::from_numeric_date(value).ok_or(no_date)).transpose()
}

fn not_of_workload() -> Denial {
    denial(Reason::ProofInvalid, Some(ProofKind::Wpt), ProofProblem::NoWorkloadToken)
}

fn denial(reason: Reason, proof: Option<ProofKind>, problem: ProofProblem) -> Denial {
    Denial::new(reason, Evidence::Proof { proof, problem })
}

fn required(proof: Option<ProofKind>, problem: ProofProblem) -> Denial {
    denial(Reason::ProofRequired, proof, problem)
}

fn refused(kind: ProofKind, error: ReplayError) -> Denial {
    let (reason, problem) = match error {
        ReplayError::Used => (Reason::ProofReplayed, ProofProblem::Used),
        ReplayError::Full => (Reason::ReplayMemoryFull, ProofProblem::NoRoom),
        ReplayError::Failed => return Reason::Internal.into(),
    };
    denial(reason, Some(kind), problem)
}
