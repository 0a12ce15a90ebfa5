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
        let rule = &reader.issuer().agent;
        let mut hops = hops(reader, &principal.issuer)?;
        // The principal may go by another name in the token than the one that `claims.principal` gives it.
        let sub = reader.claims().get("sub").and_then(Value::as_str);
        let is_principal = |hop: &Hop| {
            hop.identity.issuer == principal.issuer
                && (hop.identity.subject == principal.subject || Some(hop.identity.subject.as_str()) == sub)
        };
        let begins_with_principal = |hops: &[Hop]| hops.first().is_some_and(is_principal);
        // An actor that is the principal is no delegation (OAuth actor profile).
        let mut own = usize::from(hops.len() == 1 && begins_with_principal(&hops));
        if reader.issuer().chain.form == ChainForm::Okta {
            own = hops.iter().take_while(|hop| is_principal(hop)).count();
        }
        hops.drain(..own);
        if !hops.is_empty() {
            let is_agent = rule.from != AgentFrom::Act || reader.agent_condition();
            let actor = if is_agent { Actor::LastHop } else { Actor::Nobody };
            let cyclic = hops.iter().any(is_principal) || has_pair(&hops);
            let depth = hops.iter().filter(|hop| hop.counts).count();
            return Ok(Self { hops, depth, actor, cyclic });
        }
        let alone = |actor| Ok(Self { hops: Vec::new(), depth: 0, actor, cyclic: false });
        if rule.from == AgentFrom::Act || !reader.agent_condition() {
            return alone(Actor::Nobody);
        }
        if rule.from == AgentFrom::Subject {
            return alone(Actor::Principal);
        }
        let client = client.ok_or_else(|| {
            let evidence = Evidence::Claim { claim: "client_id".into(), problem: ClaimProblem::Missing };
            Denial::new(Reason::ClaimMissing, evidence)
        })?;
        let hop = Hop {
            identity: Identity { issuer: principal.issuer.clone(), subject: client.to_owned() },
            sub_profile: identifier_in(reader.claims(), "client_profile").ok().flatten().map(str::to_owned),
            client_id: Some(client.to_owned()),
            counts: true,
        };
        if is_principal(&hop) {
            return alone(Actor::Principal);
        }
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

/// A chain is bounded by [`limits::HOPS`] and looked at once per token, so each is compared with each.
fn has_pair(hops: &[Hop]) -> bool {
    let is_later = |i: usize, hop: &Hop| hops.iter().skip(i + 1).any(|later| later.identity == hop.identity);
    hops.iter().enumerate().any(|(i, hop)| is_later(i, hop))
}

/// RFC 8693 §4.1: the outermost `act` is the current actor, the deepest the oldest. Other members of an `act` (`exp`,
/// `nbf`, `aud` among them) mean nothing there. Oldest first.
fn hops(reader: &ClaimReader<'_>, token_issuer: &str) -> Result<Vec<Hop>, Denial> {
    let mut list = Actors { token_issuer, count: reader.issuer().chain.count.as_deref(), hops: Vec::new() };
    let claims = reader.claims();
    let mut next = claims.get("act");
    // The nesting is bounded by `limits::JSON_DEPTH`: all hops are read, none is cut off.
    while let Some(act) = next {
        next = list.read(act, "act")?.get("act");
    }
    if reader.issuer().chain.form == ChainForm::Okta {
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
        let is_counted = |count: &[String]| {
            sub_profile.is_some_and(|words| words.split(' ').any(|word| count.iter().any(|it| it == word)))
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
