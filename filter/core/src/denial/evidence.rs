//! What led to a denial, for the audit record.

use super::cause::{
    AgreementProblem, ArgumentProblem, BodyProblem, ClaimProblem, CredentialProblem, KeysProblem, PathError,
    ProofProblem, ProtocolProblem, SessionProblem, TokenProblem,
};
use super::link::{LinkProblem, WidenedMember};
use crate::limits;
use crate::proof_kind::ProofKind;
use crate::time::UnixTime;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt::Display;

/// A text from outside, cut to [`limits::EVIDENCE_TEXT_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown(String);

impl<T: AsRef<str>> From<T> for Shown {
    fn from(text: T) -> Self {
        let text = text.as_ref();
        let end = text.floor_char_boundary(limits::EVIDENCE_TEXT_BYTES);
        match text.get(..end) {
            Some(cut) if cut.len() < text.len() => Self(format!("{cut}…")),
            _ => Self(text.to_owned()),
        }
    }
}

/// What was expected, and what came. In the audit record it is an object with the member `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// The path has no normal form.
    Path {
        /// What is wrong with it, and where.
        #[serde(serialize_with = "text")]
        problem: PathError,
    },
    /// The path differs from an earlier route only in upper and lower case.
    PathCase {
        /// Position of that route.
        like_route: usize,
        /// Position of the route that matched with regard to case.
        matched_route: usize,
    },
    /// The method has other characters than upper-case letters, digits, `-` and `_`.
    Method,
    /// No route is for this host, path and method.
    Route {
        /// The host as it was compared; absent if no route asks for a host.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<Shown>,
    },
    /// Routes ask for a host, and the request has none that could be compared.
    Host,
    /// `connection` names a header that must not be dropped on the way.
    Connection {
        /// That name.
        names: Shown,
    },
    /// There is not exactly one bearer token in the `authorization` header.
    Credential {
        /// What there is.
        #[serde(serialize_with = "text")]
        problem: CredentialProblem,
    },
    /// The credential cannot be read as a token.
    Token {
        /// What is wrong with it, and where.
        #[serde(serialize_with = "text")]
        problem: TokenProblem,
    },
    /// `typ` is not accepted.
    TokenType {
        /// What the header says; `None` if it says nothing.
        unverified_typ: Option<Shown>,
        /// `token_types` of the issuer.
        accepted: Vec<Option<String>>,
        /// `iss` of the token.
        unverified_iss: Shown,
    },
    /// `alg` is not accepted.
    Algorithm {
        /// What the header says.
        unverified_alg: Shown,
        /// `algorithms` of the issuer.
        accepted: Vec<&'static str>,
        /// `iss` of the token.
        unverified_iss: Shown,
    },
    /// No issuer of the configuration has this name.
    Issuer {
        /// `iss` of the token; of a token of a SPIFFE trust domain `sub`.
        unverified_iss: Shown,
    },
    /// The issuer has no such key, or the signature is not that key's.
    Key {
        /// `kid` of the token.
        unverified_kid: Option<Shown>,
        /// `alg` of the token.
        algorithm: &'static str,
        /// `iss` of the token.
        unverified_iss: Shown,
    },
    /// The issuer's keys are not there.
    Keys {
        /// `issuer` of its entry; absent if it could not be told any more.
        #[serde(skip_serializing_if = "Option::is_none")]
        issuer: Option<String>,
        /// Why.
        #[serde(serialize_with = "text")]
        problem: KeysProblem,
    },
    /// `aud` is for somebody else.
    Audience {
        /// `audiences` of the issuer.
        expected: Vec<String>,
        /// What the token says.
        aud: Vec<Shown>,
    },
    /// A claim has not the value that `claims.require` asks for.
    Mark {
        /// Its JSON pointer.
        claim: String,
        /// What was expected, in words.
        expected: String,
        /// What the token says, as JSON; absent if it says nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<Shown>,
    },
    /// `exp` has passed.
    Expired {
        /// `exp`, in milliseconds since the Unix epoch.
        exp_ms: UnixMillis,
        /// The time of the decision, likewise.
        now_ms: UnixMillis,
        /// `clock_skew_s` of the issuer.
        clock_skew_s: u64,
    },
    /// `nbf` or `iat` is yet to come.
    NotYetValid {
        /// Which of them.
        claim: &'static str,
        /// Its value, in milliseconds since the Unix epoch.
        from_ms: UnixMillis,
        /// The time of the decision, likewise.
        now_ms: UnixMillis,
        /// `clock_skew_s` of the issuer.
        clock_skew_s: u64,
    },
    /// `exp` less `iat` is too much.
    Lifetime {
        /// In seconds.
        lifetime_s: u64,
        /// `max_lifetime_s` of the issuer.
        max_lifetime_s: u64,
    },
    /// A claim is absent or has the wrong form.
    Claim {
        /// Its name, or its JSON pointer if it is inside of another.
        claim: Cow<'static, str>,
        /// What is wrong with it.
        #[serde(serialize_with = "text")]
        problem: ClaimProblem,
    },
    /// An actor is not well-formed.
    Actor {
        /// Its place: 1 is the outermost `act`, 2 the one in it or, in the form `okta`, the latest beside it.
        act: usize,
        /// Its member; `act`, `delegated_through` or `origin` if it is no object.
        member: &'static str,
        /// What is wrong with it.
        #[serde(serialize_with = "text")]
        problem: ClaimProblem,
    },
    /// A link of an attenuated chain is not one, or does not follow the link before it.
    Link {
        /// Its position; the root is at 0.
        link: usize,
        /// `client_id` of the link, whose signature may not have been verified.
        #[serde(skip_serializing_if = "Option::is_none")]
        unverified_client_id: Option<Shown>,
        /// What is wrong with it.
        #[serde(serialize_with = "text")]
        problem: LinkProblem,
    },
    /// A link of an attenuated chain grants more than the link before it.
    Widened {
        /// Its position; the root is at 0.
        link: usize,
        /// `client_id` of the link: the agent that would be given more.
        client_id: Shown,
        /// What is wider.
        member: WidenedMember,
        /// The scope, or the key of the constraint.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<Shown>,
        /// The type of the constraint.
        #[serde(skip_serializing_if = "Option::is_none")]
        constraint: Option<&'static str>,
    },
    /// The chain has too many hops.
    Depth {
        /// How many it has.
        depth: usize,
        /// How many it may have here.
        max_depth: u8,
    },
    /// A hop's issuer is not trusted.
    ActorIssuer {
        /// `act.iss`.
        iss: Shown,
        /// `actor_issuers`, or the issuer of the token.
        trusted: Vec<String>,
    },
    /// The sender has not shown that it holds the key of its token.
    Proof {
        /// The kind of proof; absent if it could be any.
        #[serde(skip_serializing_if = "Option::is_none")]
        proof: Option<ProofKind>,
        /// What is wrong.
        #[serde(serialize_with = "text")]
        problem: ProofProblem,
    },
    /// A proof is for another address.
    ProofAddress {
        /// The kind of proof.
        proof: ProofKind,
        /// What the proof names.
        address: Shown,
        /// What it may name, before the path of the request: `proofs.external_uris`.
        external_uris: Vec<String>,
    },
    /// A proof was made too long ago, or is yet to be made.
    ProofTime {
        /// The kind of proof.
        proof: ProofKind,
        /// `iat`, in milliseconds since the Unix epoch.
        iat_ms: UnixMillis,
        /// The time of the decision, likewise.
        now_ms: UnixMillis,
        /// How far they may be apart, in seconds.
        window_s: u64,
    },
    /// A proof expires too late, or has expired.
    ProofExpiry {
        /// The kind of proof.
        proof: ProofKind,
        /// `exp`, in milliseconds since the Unix epoch.
        exp_ms: UnixMillis,
        /// The time of the decision, likewise.
        now_ms: UnixMillis,
        /// How far `exp` may be ahead, in seconds.
        lifetime_s: u64,
    },
    /// What names the agent does not agree.
    Agreement {
        /// The source, of those in `agent.agree`; absent if there is no agent at all.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<&'static str>,
        /// What is wrong with it.
        #[serde(serialize_with = "text")]
        problem: AgreementProblem,
        /// The agent's name in the token.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent: Option<Shown>,
        /// The name that this source has.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<Shown>,
    },
    /// The body is no message.
    Body {
        /// What is wrong with it.
        #[serde(serialize_with = "text")]
        problem: BodyProblem,
    },
    /// The body is too long.
    BodySize {
        /// How many bytes came, at least.
        bytes: usize,
        /// `body_bytes` of the route.
        max: usize,
    },
    /// Headers and body contradict each other.
    Protocol {
        /// How.
        #[serde(serialize_with = "text")]
        problem: ProtocolProblem,
    },
    /// The session is not the caller's.
    Session {
        /// What is wrong with its id.
        #[serde(serialize_with = "text")]
        problem: SessionProblem,
    },
    /// A policy asks for a header, and the head went on ahead of the body (`"hold": "body"`).
    HeadGone,
    /// No rule admits the action; it stands in the record.
    Action,
    /// An argument is absent or has a value that the rule does not admit.
    Argument {
        /// Its JSON pointer.
        argument: String,
        /// The position of the rule in its list.
        rule: usize,
        /// What is wrong with it.
        #[serde(serialize_with = "text")]
        problem: ArgumentProblem,
    },
    /// The token lacks scopes.
    Scopes {
        /// Those that are missing.
        missing: Vec<String>,
    },
}

/// A moment, in the audit record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixMillis(pub UnixTime);

impl Serialize for UnixMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.as_millis())
    }
}

fn text<T: Display, S: Serializer>(problem: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(problem)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::denial::Denial;
    use crate::reason::Reason;

    #[test]
    fn what_comes_from_outside_is_cut_between_characters() {
        let long = "é".repeat(limits::EVIDENCE_TEXT_BYTES);
        let Shown(cut) = Shown::from(&long);
        assert_eq!(cut, format!("{}…", "é".repeat(limits::EVIDENCE_TEXT_BYTES / 2)));
        assert_eq!(Shown::from("short"), Shown("short".to_owned()));
    }

    #[test]
    fn evidence_is_an_object_that_says_its_kind() {
        let denial = Denial::new(Reason::DelegationTooDeep, Evidence::Depth { depth: 3, max_depth: 1 });
        let json = serde_json::to_value(denial.evidence.unwrap()).unwrap();
        assert_eq!(json, serde_json::json!({ "kind": "depth", "depth": 3, "max_depth": 1 }));
        let json =
            serde_json::to_value(Evidence::Token { problem: TokenProblem::Parts { parts: 2 } }).unwrap();
        assert_eq!(json["problem"], "the token has 2 parts between dots, a signed token has 3");
    }
}
