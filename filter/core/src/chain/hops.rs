//! The identities of a delegation chain, as a token names them.

use crate::config::{AgentFrom, ChainForm};
use crate::denial::{ClaimProblem, Denial, Evidence};
use crate::limits;
use crate::reason::Reason;
use crate::token::ClaimReader;
use crate::token::claims::identifier_in;
use serde_json::{Map, Value};

/// Who somebody is. The pair is the identity; neither half is one alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The namespace of `subject`: `act.iss`, or the token's `iss` for a principal or a hop without one.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
}

/// One actor of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Who it is.
    pub identity: Identity,
    /// What kind of entity it is, as its issuer says: `sub_profile` (OAuth actor profile), such as `ai_agent`.
    pub sub_profile: Option<String>,
    /// Its OAuth client, where its issuer says so.
    pub client_id: Option<String>,
    /// Whether it counts for the depth, see [`ChainRule::count`](crate::config::ChainRule::count).
    pub counts: bool,
}

/// Who acts now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody but the principal, who is no agent.
    Nobody,
    /// The last hop.
    LastHop,
    /// The principal, who is an agent.
    Principal,
}

/// What a token says of who acts for its principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegated {
    /// Oldest first.
    pub hops: Vec<Hop>,
    /// How many of them count.
    pub depth: usize,
    /// Who acts now.
    pub actor: Actor,
    /// Whether somebody is in the chain twice; the principal is in it too.
    pub cyclic: bool,
}

impl Delegated {
    /// Reads the chain of a token by its issuer's `chain` and `agent`. `may_act` (RFC 8693 §4.4) is for the authorization server
    /// and is not read.
    ///
    /// # Errors
    /// [`Reason::DelegationMalformed`]; [`Reason::ClaimMissing`] if the client must be the agent, and is not named.
    pub fn read(
        reader: &ClaimReader<'_>,
        principal: &Identity,
        client: Option<&str>,
    ) -> Result<Self, Denial> {
        let mut hops = hops(reader, principal)?;
        let own = own_hops(&hops, principal, reader.issuer().chain.form);
        hops.drain(..own);
        if hops.is_empty() {
            return Self::without_hops(reader, principal, client);
        }
        let is_principal = |hop: &Hop| hop.identity == *principal;
        let cyclic = hops.iter().any(is_principal) || has_pair(&hops);
        let depth = hops.iter().filter(|hop| hop.counts).count();
        // What does not count for the depth is no agent, and neither is an actor without the marks of one.
        let counts = hops.last().is_some_and(|hop| hop.counts);
        let is_agent = counts && (reader.issuer().agent.from != AgentFrom::Act || reader.agent_condition());
        let actor = if is_agent { Actor::LastHop } else { Actor::Nobody };
        Ok(Self { hops, depth, actor, cyclic })
    }

    /// The chain of the links of an attenuated one: who acts by each, as (issuer, client), root first. All count. Oldest ones that are the
    /// principal itself are left out: an agent that acts for itself delegates nothing.
    pub(super) fn of_links(principal: &Identity, agents: Vec<(String, String)>) -> Self {
        let mut hops: Vec<Hop> = agents
            .into_iter()
            .map(|(issuer, client)| Hop {
                identity: Identity { issuer, subject: client.clone() },
                sub_profile: None,
                client_id: Some(client),
                counts: true,
            })
            .collect();
        hops.drain(..own_hops(&hops, principal, ChainForm::Attenuated));
        let cyclic = hops.iter().any(|hop| hop.identity == *principal) || has_pair(&hops);
        let actor = if hops.is_empty() { Actor::Principal } else { Actor::LastHop };
        Self { depth: hops.len(), hops, actor, cyclic }
    }

    /// Who acts where the token names no actor.
    fn without_hops(
        reader: &ClaimReader<'_>,
        principal: &Identity,
        client: Option<&str>,
    ) -> Result<Self, Denial> {
        let alone = |actor| Ok(Self { hops: Vec::new(), depth: 0, actor, cyclic: false });
        if !reader.agent_condition() {
            return alone(Actor::Nobody);
        }
        match reader.issuer().agent.from {
            AgentFrom::Act => return alone(Actor::Nobody),
            AgentFrom::Subject => return alone(Actor::Principal),
            AgentFrom::Client => {}
        }
        let client = client.ok_or_else(|| {
            let evidence = Evidence::Claim { claim: "client_id".into(), problem: ClaimProblem::Missing };
            Denial::new(Reason::ClaimMissing, evidence)
        })?;
        let identity = Identity { issuer: principal.issuer.clone(), subject: client.to_owned() };
        if identity == *principal {
            return alone(Actor::Principal);
        }
        let sub_profile = identifier_in(reader.claims(), "client_profile").ok().flatten().map(str::to_owned);
        // The configuration says that it is an agent: it counts, whatever kind it is.
        let hop = Hop { identity, sub_profile, client_id: Some(client.to_owned()), counts: true };
        Ok(Self { hops: vec![hop], depth: 1, actor: Actor::LastHop, cyclic: false })
    }

    /// Who acts now for this principal, if it is an agent.
    #[must_use]
    pub fn agent<'a>(&'a self, principal: &'a Identity) -> Option<&'a Identity> {
        match self.actor {
            Actor::Nobody => None,
            Actor::LastHop => self.hops.last().map(|hop| &hop.identity),
            Actor::Principal => Some(principal),
        }
    }
}

/// How many of the oldest hops are the principal itself: an actor that is the principal, and the only one, is no delegation (OAuth
/// actor profile); the form `okta` also names the principal as the one with whom the chain began.
fn own_hops(hops: &[Hop], principal: &Identity, form: ChainForm) -> usize {
    let own = hops.iter().take_while(|hop| hop.identity == *principal).count();
    match form {
        ChainForm::Act if hops.len() > 1 => 0,
        ChainForm::Act | ChainForm::Okta | ChainForm::Attenuated => own,
    }
}

/// A chain is bounded by [`limits::HOPS`] and looked at once per token, so each is compared with each.
fn has_pair(hops: &[Hop]) -> bool {
    let is_later = |i: usize, hop: &Hop| hops.iter().skip(i + 1).any(|later| later.identity == hop.identity);
    hops.iter().enumerate().any(|(i, hop)| is_later(i, hop))
}

/// RFC 8693 §4.1: the outermost `act` is the current actor, the deepest the oldest. Other members of an `act` (`exp`,
/// `nbf`, `aud` among them) mean nothing there. Oldest first.
fn hops(reader: &ClaimReader<'_>, principal: &Identity) -> Result<Vec<Hop>, Denial> {
    let mut list = Actors {
        token_issuer: &principal.issuer,
        count: reader.issuer().chain.count.as_deref(),
        hops: Vec::new(),
    };
    let claims = reader.claims();
    let mut next = claims.get("act");
    // The nesting is bounded by `limits::JSON_DEPTH`: all hops are read, none is cut off.
    while let Some(act) = next {
        next = list.read(act, "act")?.get("act");
    }
    if reader.issuer().chain.form == ChainForm::Okta {
        let has_actor = !list.hops.is_empty();
        match claims.get("delegated_through") {
            None => {}
            Some(Value::Array(earlier)) => {
                for hop in earlier.iter().rev() {
                    list.read(hop, "delegated_through")?;
                }
            }
            Some(_) => return Err(list.malformed("delegated_through", ClaimProblem::Type)),
        }
        if let Some(origin) = claims.get("origin") {
            list.read(origin, "origin")?;
        }
        // Earlier hops without one who acts now: none of them may be taken for it.
        if !has_actor && list.hops.iter().any(|hop| hop.identity != *principal) {
            list.hops.clear();
            return Err(list.malformed("act", ClaimProblem::Missing));
        }
    }
    let mut hops = list.hops;
    hops.reverse();
    Ok(hops)
}

/// Actors as they are read, the current one first.
struct Actors<'a> {
    token_issuer: &'a str,
    count: Option<&'a [String]>,
    hops: Vec<Hop>,
}

impl Actors<'_> {
    fn malformed(&self, member: &'static str, problem: ClaimProblem) -> Denial {
        let evidence = Evidence::Actor { act: self.hops.len().saturating_add(1), member, problem };
        Denial::new(Reason::DelegationMalformed, evidence)
    }

    fn read<'v>(&mut self, actor: &'v Value, place: &'static str) -> Result<&'v Map<String, Value>, Denial> {
        if self.hops.len() >= limits::HOPS {
            return Err(self.malformed(place, ClaimProblem::TooMany { max: limits::HOPS }));
        }
        let actor = actor.as_object().ok_or_else(|| self.malformed(place, ClaimProblem::Type))?;
        let member = |name| identifier_in(actor, name).map_err(|problem| self.malformed(name, problem));
        let subject = member("sub")?.ok_or_else(|| self.malformed("sub", ClaimProblem::Missing))?;
        let issuer = member("iss")?.unwrap_or(self.token_issuer);
        let sub_profile = member("sub_profile")?;
        let client_id = member("client_id")?;
        // Whose kind is not said counts: only one that is said to be another does not.
        let is_counted = |count: &[String]| {
            sub_profile.is_none_or(|words| words.split(' ').any(|word| count.iter().any(|it| it == word)))
        };
        self.hops.push(Hop {
            identity: Identity { issuer: issuer.to_owned(), subject: subject.to_owned() },
            sub_profile: sub_profile.map(str::to_owned),
            client_id: client_id.map(str::to_owned),
            counts: self.count.is_none_or(is_counted),
        });
        Ok(actor)
    }
}
