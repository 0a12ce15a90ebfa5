//! Attenuated delegation chains: each link grants no more than the link before it, which anybody can verify who has the issuer's key.
//!
//! ```text
//! chain = root *( "," link )          ; each a token of RFC 9068; the last one is the access token, the others come in a header
//! ```
//!
//! After draft-asor-wimse-agent-delegation-chain-02, its steps in its order (section 5). The root is verified with a key of the issuer. The draft
//! leaves open with which key the others are; here it is the one that the link before confirms, so that nobody else can have
//! granted what it grants. What a link says of anything but the delegation is therefore the word of an agent: it is looked at in the root.
//!
//! A hop is named by the agent before it. What an agent may name another is not limited; what it may grant is.

mod authority;
mod constraint;
mod holder;
mod link;

pub use authority::Authority;

use crate::config::{ConstraintType, Issuer};
use crate::denial::{Denial, Evidence, LinkProblem, TokenProblem, WidenedMember};
use crate::keys::{PublicKey, SignatureVerifier, TrustedKey};
use crate::limits;
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::token::claims::lifetime;
use crate::token::{ClaimReader, ParsedToken, Times};
use holder::Unsigned;
use link::Link;
use serde_json::{Map, Value};

/// The links of a chain, each of the right shape for its place. Nothing of it is verified.
#[derive(Debug)]
pub struct Attenuated {
    root: Link,
    /// The others, each with the key that it must be signed with.
    rest: Vec<(Link, Result<PublicKey, Unsigned>)>,
}

/// A chain whose links are all verified, and grant no more from one to the next.
#[derive(Debug)]
pub(super) struct Verified {
    chain: Attenuated,
    times: Times,
}

/// The claims of the last link that take the place of those of the root: agents wrote them, and they can do no more than narrow.
const OF_LAST_LINK: [&str; 10] =
    ["aud", "authorization_details", "client_id", "cnf", "del_depth", "exp", "iat", "jti", "nbf", "par_hash"];

impl Attenuated {
    /// Reads the chain of a request: what came in the header, if anything, and the access token.
    ///
    /// # Errors
    /// [`Reason::TokenTooLarge`] or [`Reason::DelegationTooDeep`] for a chain that is longer than any may be,
    /// [`Reason::DelegationMalformed`] for the first link that is not one.
    pub fn read(header: Option<&[u8]>, last: ParsedToken) -> Result<Self, Denial> {
        let earlier = header.map(elements).transpose()?.unwrap_or_default();
        let mut links = earlier.into_iter().enumerate().map(|(position, token)| {
            let token = ParsedToken::parse_within(token, limits::MAX_TOKEN_BYTES)
                .map_err(|denial| malformed(position, None, unreadable(denial)))?;
            read(token, position)
        });
        let Some(root) = links.next() else {
            return Ok(Self { root: read(last, 0)?, rest: Vec::new() });
        };
        let mut chain = Self { root: root?, rest: Vec::new() };
        for link in links {
            chain.push(link?);
        }
        chain.push(read(last, chain.len())?);
        Ok(chain)
    }

    fn push(&mut self, link: Link) {
        let signer = self.last().holder.signer(&link.header);
        self.rest.push((link, signer));
    }

    fn last(&self) -> &Link {
        self.rest.last().map_or(&self.root, |(link, _)| link)
    }

    fn len(&self) -> usize {
        self.rest.len().saturating_add(1)
    }

    /// The root, by whose issuer the chain is looked at.
    #[must_use]
    pub fn root(&self) -> &ParsedToken {
        &self.root.token
    }

    /// How long the verification of all links but the root takes, in microseconds as estimated.
    #[must_use]
    pub fn cost_us(&self, verifier: &dyn SignatureVerifier) -> u64 {
        let cost = |(link, key): &(Link, Result<PublicKey, Unsigned>)| {
            verifier.cost_us(key.as_ref().ok()?, link.token.header().algorithm?)
        };
        self.rest.iter().filter_map(cost).fold(0, u64::saturating_add)
    }

    /// Verifies the chain: signatures, hashes, shape, narrowing, times, audience. `key` is the issuer's key for the root.
    ///
    /// # Errors
    /// The first step that fails.
    pub(super) fn verify(
        self,
        key: &TrustedKey<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Verified, Denial> {
        let issuer = key.issuer.entry();
        self.signatures(key, verifier)?;
        self.hashes()?;
        self.shape()?;
        self.narrowing()?;
        let times = self.times(issuer)?;
        self.revocation()?;
        self.audiences(issuer)?;
        self.checkable(issuer.chain.constraints.as_deref().unwrap_or_default())?;
        Ok(Verified { chain: self, times })
    }

    /// The links, root first.
    fn links(&self) -> impl Iterator<Item = &Link> {
        std::iter::once(&self.root).chain(self.rest.iter().map(|(link, _)| link))
    }

    /// Each link but the root, with its position and the link before it.
    fn steps(&self) -> impl Iterator<Item = (usize, &Link, &Link)> {
        let steps = self.links().zip(self.rest.iter().map(|(link, _)| link));
        steps.enumerate().map(|(before, (parent, link))| (before.saturating_add(1), parent, link))
    }

    /// Step 1: every algorithm is one that the issuer's entry lists, and one of the key; the root is signed with the issuer's key, each other
    /// link with the key that the link before it confirms.
    fn signatures(&self, key: &TrustedKey<'_>, verifier: &dyn SignatureVerifier) -> Result<(), Denial> {
        let issuer = key.issuer.entry();
        let verifies = |key: &PublicKey, algorithm, token: &ParsedToken| {
            let verified = verifier.verify(key, algorithm, token.signing_input(), token.signature());
            verified.map_err(|_| Denial::from(Reason::Internal))
        };
        let root = &self.root.token;
        if root.algorithm_for(issuer)? != key.algorithm {
            return Err(Denial::new(Reason::KeyUnknown, root.key_evidence(key.algorithm)));
        }
        if !verifies(key.key, key.algorithm, root)? {
            return Err(Denial::new(Reason::SignatureInvalid, root.key_evidence(key.algorithm)));
        }
        for (before, (link, signer)) in self.rest.iter().enumerate() {
            let position = before.saturating_add(1);
            let algorithm = link.token.algorithm_for(issuer)?;
            let forged = || refused(Reason::SignatureInvalid, position, link, LinkProblem::Signature);
            let signer = match signer {
                Ok(signer) => signer,
                Err(Unsigned::OtherKey) => return Err(forged()),
                Err(Unsigned::NoKey) => {
                    let parent = self.links().nth(before).map(|link| link.client_id.as_str());
                    return Err(malformed(before, parent, LinkProblem::NoKey));
                }
            };
            // A key so large that a worker would be held up is none.
            let is_usable = signer.serves(algorithm) && verifier.cost_us(signer, algorithm).is_some();
            if !is_usable || !verifies(signer, algorithm, &link.token)? {
                return Err(forged());
            }
        }
        Ok(())
    }

    /// Step 2: each link was made for the link before it.
    fn hashes(&self) -> Result<(), Denial> {
        for (position, parent, link) in self.steps() {
            if !link.follows(parent.hash()) {
                return Err(refused(Reason::DelegationMalformed, position, link, LinkProblem::ParentHash));
            }
        }
        Ok(())
    }

    /// Step 3: positions, the number of links, and the principal, who is the same in all.
    fn shape(&self) -> Result<(), Denial> {
        for (expected, link) in self.links().enumerate() {
            if usize::try_from(link.depth).ok() != Some(expected) {
                let problem = LinkProblem::Position { expected };
                return Err(refused(Reason::DelegationMalformed, expected, link, problem));
            }
        }
        // The smallest that any link names: a longer one is for step 4 to find.
        let depth = self.len();
        let most = self.links().filter_map(|link| link.max_depth).min().unwrap_or_default();
        if usize::try_from(most).is_ok_and(|most| depth > most) {
            let max_depth = u8::try_from(most).unwrap_or(u8::MAX);
            return Err(Denial::new(Reason::DelegationTooDeep, Evidence::Depth { depth, max_depth }));
        }
        for (position, _, link) in self.steps() {
            if link.subject != self.root.subject {
                return Err(refused(Reason::DelegationMalformed, position, link, LinkProblem::Subject));
            }
        }
        Ok(())
    }

    /// Step 4: no link grants what the link before it does not.
    fn narrowing(&self) -> Result<(), Denial> {
        let mut most = self.root.max_depth;
        for (position, parent, link) in self.steps() {
            if let Some(beyond) = link.authority.beyond(&parent.authority) {
                let name = Some(beyond.name);
                return Err(widened(position, link, beyond.member, name, beyond.constraint));
            }
            if link.max_depth > most {
                return Err(widened(position, link, WidenedMember::DelMaxDepth, None, None));
            }
            most = link.max_depth.or(most);
        }
        Ok(())
    }

    /// Step 5: no link outlives the link before it, or lives too long. What is left depends on the time, and is looked at with every
    /// request: since the last link expires first, and all must have begun, it is the times of one token.
    fn times(&self, issuer: &Issuer) -> Result<Times, Denial> {
        for (position, parent, link) in self.steps() {
            if link.expires_at > parent.expires_at {
                return Err(widened(position, link, WidenedMember::Exp, None, None));
            }
        }
        for link in self.links() {
            lifetime(issuer, link.issued_at, link.expires_at)?;
        }
        let begins: Option<UnixTime> =
            self.links().flat_map(|link| [Some(link.issued_at), link.not_before]).flatten().max();
        let last = self.last();
        Ok(Times { issued_at: Some(last.issued_at), not_before: begins, expires_at: last.expires_at })
    }

    /// Step 7: no list of revoked tokens is looked at, and a link that asks for it may have been revoked.
    fn revocation(&self) -> Result<(), Denial> {
        let asks = |link: &Link| link.token.unverified_claims().contains_key("status");
        match self.links().enumerate().find(|(_, link)| asks(link)) {
            Some((position, link)) => Err(refused(Reason::ClaimInvalid, position, link, LinkProblem::Status)),
            None => Ok(()),
        }
    }

    /// Step 8: every link is meant for us. The draft asks it of the last one only; but that one's audience is an agent's word, and a token
    /// for another service would become one for us.
    fn audiences(&self, issuer: &Issuer) -> Result<(), Denial> {
        self.links().try_for_each(|link| ClaimReader::new(&link.token, issuer).audience())
    }

    /// Step 8: no constraint is left that nobody looks at.
    fn checkable(&self, checked: &[ConstraintType]) -> Result<(), Denial> {
        let last = self.last();
        let Some(constraint) = last.authority.unchecked(checked) else { return Ok(()) };
        let problem = LinkProblem::Unchecked { constraint };
        Err(refused(Reason::ClaimInvalid, self.rest.len(), last, problem))
    }
}

impl Verified {
    /// The root.
    pub(super) fn root(&self) -> &ParsedToken {
        self.chain.root()
    }

    /// The last link: the access token.
    pub(super) fn last(&self) -> &ParsedToken {
        &self.chain.last().token
    }

    /// When the chain is valid.
    pub(super) fn times(&self) -> Times {
        self.times
    }

    /// Who acts by each link, as (issuer, client), root first.
    pub(super) fn agents(&self) -> Vec<(String, String)> {
        self.chain.links().map(|link| (link.issuer.clone(), link.client_id.clone())).collect()
    }

    /// The claims of the root, with those of the last link that are about the delegation; and what that one grants.
    pub(super) fn into_claims(self) -> (Map<String, Value>, Authority) {
        let Attenuated { root, mut rest } = self.chain;
        let mut claims = root.token.into_claims();
        let Some((last, _)) = rest.pop() else { return (claims, root.authority) };
        let mut of_last = last.token.into_claims();
        for name in OF_LAST_LINK {
            claims.remove(name);
            claims.extend(of_last.remove_entry(name));
        }
        (claims, last.authority)
    }
}

/// The elements of the header of a chain: tokens, separated by commas (RFC 9110 §5.6.1, without empty ones).
fn elements(value: &[u8]) -> Result<Vec<&str>, Denial> {
    if value.len() > limits::CHAIN_BYTES {
        let problem = TokenProblem::TooLarge { bytes: value.len(), max: limits::CHAIN_BYTES };
        return Err(Denial::new(Reason::TokenTooLarge, Evidence::Token { problem }));
    }
    // Beside the last link, which is elsewhere.
    let links = value.split(|byte| *byte == b',').count().saturating_add(1);
    if links > limits::CHAIN_LINKS {
        let max_depth = u8::try_from(limits::CHAIN_LINKS).unwrap_or(u8::MAX);
        return Err(Denial::new(Reason::DelegationTooDeep, Evidence::Depth { depth: links, max_depth }));
    }
    value.split(|byte| *byte == b',').enumerate().map(element).collect()
}

/// One of them, without white space around it.
fn element((position, bytes): (usize, &[u8])) -> Result<&str, Denial> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_matches([' ', '\t']);
    if text.is_empty() { Err(malformed(position, None, LinkProblem::Element)) } else { Ok(text) }
}

fn read(token: ParsedToken, position: usize) -> Result<Link, Denial> {
    let client = token.unverified_claims().get("client_id").and_then(Value::as_str).map(str::to_owned);
    Link::read(token, position).map_err(|problem| malformed(position, client.as_deref(), problem))
}

/// Why a text is no token.
fn unreadable(denial: Denial) -> LinkProblem {
    match denial.evidence.map(|evidence| *evidence) {
        Some(Evidence::Token { problem }) => LinkProblem::Token(problem),
        _ => LinkProblem::Element,
    }
}

fn malformed(link: usize, client_id: Option<&str>, problem: LinkProblem) -> Denial {
    let evidence = Evidence::Link { link, unverified_client_id: client_id.map(Into::into), problem };
    Denial::new(Reason::DelegationMalformed, evidence)
}

fn refused(reason: Reason, position: usize, link: &Link, problem: LinkProblem) -> Denial {
    Denial { reason, ..malformed(position, Some(&link.client_id), problem) }
}

fn widened(
    position: usize,
    link: &Link,
    member: WidenedMember,
    name: Option<crate::denial::Shown>,
    constraint: Option<&'static str>,
) -> Denial {
    let client_id = (&link.client_id).into();
    let evidence = Evidence::Widened { link: position, client_id, member, name, constraint };
    Denial::new(Reason::DelegationWidened, evidence)
}
