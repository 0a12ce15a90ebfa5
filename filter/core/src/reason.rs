//! Why a request was denied: one closed, stable set.
//!
//! Every place that turns a reason into something (status, challenge, text) matches exhaustively, so that a new
//! reason does not compile until each of them has an answer.

use serde::{Serialize, Serializer};
use strum::{EnumCount, VariantArray};

/// The closed set of reasons of a denial. The codes are stable: logs, metrics and clients rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount, VariantArray)]
pub enum Reason {
    /// No bearer credential came with the request.
    TokenMissing,
    /// The credential is no compact JWS, or its header or claims are no strict JSON.
    TokenMalformed,
    /// The token is longer than is accepted.
    TokenTooLarge,
    /// The token or the request asks for a kind of proof of possession that is not checked here.
    ProofUnsupported,
    /// The token is bound to a key and no proof of it came, or must be bound and is not (RFC 9449 §7.2, RFC 8705 §3).
    ProofRequired,
    /// The proof of possession does not hold (RFC 9449 §4.3, RFC 8705 §3, WIMSE WPT).
    ProofInvalid,
    /// The proof was used before (RFC 9449 §11.1).
    ProofReplayed,
    /// The proof has no nonce that this gateway gave out, or an old one (RFC 9449 §9).
    ProofNonceRequired,
    /// More than one credential came with the request.
    CredentialAmbiguous,
    /// The header's `typ` is not one that the issuer's entry lists (RFC 8725 §3.11).
    TokenType,
    /// The header's `alg` is not one that the issuer's entry lists (RFC 8725 §3.1).
    AlgorithmNotAllowed,
    /// No entry of the configuration has this `iss` (RFC 9068 §4).
    IssuerUnknown,
    /// The issuer has no key with this `kid` for this algorithm.
    KeyUnknown,
    /// The signature does not verify under the issuer's key.
    SignatureInvalid,
    /// `aud` names none of the audiences of the issuer's entry.
    AudienceMismatch,
    /// `exp` has passed.
    TokenExpired,
    /// `nbf` or `iat` lies in the future.
    TokenNotYetValid,
    /// `exp - iat` is longer than the issuer's entry allows.
    LifetimeTooLong,
    /// A claim that this kind of token must have is absent.
    ClaimMissing,
    /// A claim has the wrong type, is out of range, or asks for a proof that is not there.
    ClaimInvalid,
    /// The configuration wants a delegated request and the token has no `act`.
    DelegationRequired,
    /// An `act` is no object, or lacks its `sub` (RFC 8693 §4.1).
    DelegationMalformed,
    /// More hops than the configuration or the route allows.
    DelegationTooDeep,
    /// A hop's issuer is not one whose actors are trusted.
    ActorUntrusted,
    /// The same identity stands twice in one chain.
    DelegationCycle,
    /// A link of an attenuated chain grants more than the one before it.
    DelegationWidened,
    /// Two sources name different agents.
    AgentMismatch,
    /// The token does not say that its user authenticated as the route needs (RFC 9470).
    AuthenticationInsufficient,
    /// The token lacks a scope that the route needs.
    ScopeInsufficient,
    /// No rule of the route admits what the request is about to do.
    ActionDenied,
    /// An argument is not one that the rule for this action admits.
    ArgumentDenied,
    /// A policy said no.
    PolicyDenied,
    /// A policy failed, which counts as no.
    PolicyFault,
    /// The request needs an approval, and none came with it.
    ApprovalRequired,
    /// The approval is not one of this request, or not of an approver.
    ApprovalInvalid,
    /// The approval was used before.
    ApprovalUsed,
    /// No route of the configuration matches.
    RouteUnmatched,
    /// The request path cannot be normalised without ambiguity, or differs from a stricter route only in upper and lower case.
    PathInvalid,
    /// `connection` asks the next proxy to drop a header that this one adds or removes.
    ConnectionInvalid,
    /// The body is no message of the route's protocol, or cannot be read in one way only.
    BodyMalformed,
    /// The body is longer than the route accepts.
    BodyTooLarge,
    /// Headers and body of the message do not agree, or it does not follow the revision that it names.
    ProtocolMismatch,
    /// The session that the request names is none of this principal and agent.
    SessionUnknown,
    /// There is no room to remember that the proof or the approval was used.
    ReplayMemoryFull,
    /// The issuer's keys could not be had in time, or are too old.
    KeysUnavailable,
    /// The configuration is wrong, so nothing is allowed.
    ConfigInvalid,
    /// A call to the proxy failed, or something that cannot be happened.
    Internal,
}

/// What `WWW-Authenticate` says with a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// No such header.
    None,
    /// `Bearer` without an error: the client did nothing wrong yet (RFC 6750 §3.1).
    Bare,
    /// `Bearer error="…"`.
    Error(&'static str),
    /// `Bearer error="insufficient_scope", scope="…"` with all that the route needs.
    Scope,
    /// What the kind of proof says of one that does not hold: `DPoP error="invalid_dpop_proof"` (RFC 9449 §7.1), `WPT`, or, of mutual TLS,
    /// `Bearer error="invalid_token"` (RFC 8705 §3).
    Proof,
}

impl Reason {
    /// Every reason, in the order of the documentation's table.
    pub const ALL: [Self; Self::COUNT] = {
        let mut all = [Self::TokenMissing; Self::COUNT];
        all.copy_from_slice(Self::VARIANTS);
        all
    };

    /// The stable code: in the answer, the audit record, access logs and metric names.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TokenMissing => "token_missing",
            Self::TokenMalformed => "token_malformed",
            Self::TokenTooLarge => "token_too_large",
            Self::ProofUnsupported => "proof_unsupported",
            Self::ProofRequired => "proof_required",
            Self::ProofInvalid => "proof_invalid",
            Self::ProofReplayed => "proof_replayed",
            Self::ProofNonceRequired => "proof_nonce_required",
            Self::CredentialAmbiguous => "credential_ambiguous",
            Self::TokenType => "token_type",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::IssuerUnknown => "issuer_unknown",
            Self::KeyUnknown => "key_unknown",
            Self::SignatureInvalid => "signature_invalid",
            Self::AudienceMismatch => "audience_mismatch",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::ClaimMissing => "claim_missing",
            Self::ClaimInvalid => "claim_invalid",
            Self::DelegationRequired => "delegation_required",
            Self::DelegationMalformed => "delegation_malformed",
            Self::DelegationTooDeep => "delegation_too_deep",
            Self::ActorUntrusted => "actor_untrusted",
            Self::DelegationCycle => "delegation_cycle",
            Self::DelegationWidened => "delegation_widened",
            Self::AgentMismatch => "agent_mismatch",
            Self::AuthenticationInsufficient => "authentication_insufficient",
            Self::ScopeInsufficient => "scope_insufficient",
            Self::ActionDenied => "action_denied",
            Self::ArgumentDenied => "argument_denied",
            Self::PolicyDenied => "policy_denied",
            Self::PolicyFault => "policy_fault",
            Self::ApprovalRequired => "approval_required",
            Self::ApprovalInvalid => "approval_invalid",
            Self::ApprovalUsed => "approval_used",
            Self::RouteUnmatched => "route_unmatched",
            Self::PathInvalid => "path_invalid",
            Self::ConnectionInvalid => "connection_invalid",
            Self::BodyMalformed => "body_malformed",
            Self::BodyTooLarge => "body_too_large",
            Self::ProtocolMismatch => "protocol_mismatch",
            Self::SessionUnknown => "session_unknown",
            Self::ReplayMemoryFull => "replay_memory_full",
            Self::KeysUnavailable => "keys_unavailable",
            Self::ConfigInvalid => "config_invalid",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::CredentialAmbiguous
            | Self::ConnectionInvalid
            | Self::BodyMalformed
            | Self::ProtocolMismatch => 400,
            // MCP 2025-03-26, session management: it asks the client to open a new one.
            Self::SessionUnknown => 404,
            Self::BodyTooLarge => 413,
            Self::TokenMissing
            | Self::TokenMalformed
            | Self::TokenTooLarge
            | Self::ProofUnsupported
            | Self::ProofRequired
            | Self::ProofInvalid
            | Self::ProofReplayed
            | Self::ProofNonceRequired
            | Self::TokenType
            | Self::AlgorithmNotAllowed
            | Self::IssuerUnknown
            | Self::KeyUnknown
            | Self::SignatureInvalid
            | Self::AudienceMismatch
            | Self::TokenExpired
            | Self::TokenNotYetValid
            | Self::LifetimeTooLong
            | Self::ClaimMissing
            | Self::ClaimInvalid
            | Self::DelegationMalformed
            | Self::DelegationWidened
            | Self::AuthenticationInsufficient => 401,
            // A 401 would make clients ask for consent again and again: no other token of theirs would do.
            Self::DelegationRequired
            | Self::DelegationTooDeep
            | Self::ActorUntrusted
            | Self::DelegationCycle
            | Self::AgentMismatch
            | Self::ScopeInsufficient
            | Self::ActionDenied
            | Self::ArgumentDenied
            | Self::PolicyDenied
            | Self::PolicyFault
            | Self::ApprovalRequired
            | Self::ApprovalInvalid
            | Self::ApprovalUsed
            | Self::RouteUnmatched
            | Self::PathInvalid => 403,
            Self::ReplayMemoryFull | Self::KeysUnavailable | Self::ConfigInvalid | Self::Internal => 503,
        }
    }

    /// The challenge of the answer (RFC 6750 §3.1; `actor_unauthorized` is the actor profile's).
    #[must_use]
    pub const fn challenge(self) -> Challenge {
        match self {
            Self::TokenMissing => Challenge::Bare,
            Self::CredentialAmbiguous => Challenge::Error("invalid_request"),
            // RFC 6750 §3.1: a token that is malformed is an invalid one.
            Self::TokenMalformed
            | Self::TokenTooLarge
            | Self::ProofUnsupported
            | Self::TokenType
            | Self::AlgorithmNotAllowed
            | Self::IssuerUnknown
            | Self::KeyUnknown
            | Self::SignatureInvalid
            | Self::AudienceMismatch
            | Self::TokenExpired
            | Self::TokenNotYetValid
            | Self::LifetimeTooLong
            | Self::ClaimMissing
            | Self::ClaimInvalid
            | Self::ProofRequired
            | Self::DelegationMalformed
            | Self::DelegationWidened => Challenge::Error("invalid_token"),
            Self::ProofInvalid | Self::ProofReplayed => Challenge::Proof,
            Self::ProofNonceRequired => Challenge::Error("use_dpop_nonce"),
            Self::AuthenticationInsufficient => Challenge::Error("insufficient_user_authentication"),
            Self::DelegationRequired
            | Self::DelegationTooDeep
            | Self::ActorUntrusted
            | Self::DelegationCycle
            | Self::AgentMismatch => Challenge::Error("actor_unauthorized"),
            Self::ScopeInsufficient => Challenge::Scope,
            Self::ActionDenied
            | Self::ArgumentDenied
            | Self::PolicyDenied
            | Self::PolicyFault
            | Self::ApprovalRequired
            | Self::ApprovalInvalid
            | Self::ApprovalUsed
            | Self::RouteUnmatched
            | Self::PathInvalid
            | Self::ConnectionInvalid
            | Self::BodyMalformed
            | Self::BodyTooLarge
            | Self::ProtocolMismatch
            | Self::SessionUnknown
            | Self::ReplayMemoryFull
            | Self::KeysUnavailable
            | Self::ConfigInvalid
            | Self::Internal => Challenge::None,
        }
    }

    /// What the client is told. Fixed text: it names no key, token, claim value or inner actor.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::TokenMissing => "this resource needs a bearer token in the authorization header",
            Self::TokenMalformed => "the credential is not a well-formed signed token",
            Self::TokenTooLarge => "the token is larger than is accepted here",
            Self::ProofUnsupported => "this kind of proof of possession is not checked here",
            Self::ProofRequired => "the token must be bound to a key, and come with a proof of that key",
            Self::ProofInvalid => "the proof of possession does not hold for this token and this request",
            Self::ProofReplayed => "the proof of possession was used before; make a new one for each request",
            Self::ProofNonceRequired => "repeat the request with a proof that has the nonce of this answer",
            Self::CredentialAmbiguous => "send exactly one credential, in one authorization header",
            Self::TokenType => "this kind of token is not accepted here",
            Self::AlgorithmNotAllowed => "the token is signed with an algorithm that is not accepted here",
            Self::IssuerUnknown => "the token's issuer is not trusted here",
            Self::KeyUnknown => "the token is signed with a key that its issuer does not publish",
            Self::SignatureInvalid => "the token's signature does not verify",
            Self::AudienceMismatch => "the token was issued for another audience",
            Self::TokenExpired => "the token has expired",
            Self::TokenNotYetValid => "the token is not valid yet",
            Self::LifetimeTooLong => "the token's lifetime is longer than is accepted here",
            Self::ClaimMissing => "the token lacks a claim that is required here",
            Self::ClaimInvalid => "a claim of the token cannot be accepted",
            Self::DelegationRequired => "this resource is for delegated requests: the token names no actor",
            Self::DelegationMalformed => "the token's delegation chain is not well-formed",
            Self::DelegationTooDeep => "the token was delegated more often than is accepted here",
            Self::ActorUntrusted => "an actor of the delegation chain is not trusted here",
            Self::DelegationCycle => "the delegation chain names the same identity twice",
            Self::DelegationWidened => "a link of the delegation chain grants more than the one before it",
            Self::AgentMismatch => "the token and the connection or its other claims name different agents",
            Self::AuthenticationInsufficient => {
                "this operation needs a token from a stronger or more recent authentication of its user"
            }
            Self::ScopeInsufficient => "the token lacks a scope that this operation needs",
            Self::ActionDenied => "this action is not allowed here",
            Self::ArgumentDenied => "an argument of this action is not allowed here",
            Self::PolicyDenied => "a policy of this resource denied the request",
            Self::PolicyFault => "a policy of this resource could not decide",
            Self::ApprovalRequired => "this operation needs an approval",
            Self::ApprovalInvalid => "the approval does not hold for this operation",
            Self::ApprovalUsed => "the approval was used before",
            Self::RouteUnmatched => "nothing is allowed at this path with this method",
            Self::PathInvalid => "the request path is ambiguous or not valid",
            Self::ConnectionInvalid => "the connection header names a header that must not be dropped",
            Self::BodyMalformed => "the body must be one plain message of the protocol",
            Self::BodyTooLarge => "the body is larger than is accepted here",
            Self::ProtocolMismatch => {
                "protocol headers are missing, unknown or differ from the body, or the path differs from it"
            }
            Self::SessionUnknown => "this session is not known here; open a new one",
            Self::ReplayMemoryFull => "too many proofs are remembered; try again later",
            Self::KeysUnavailable => "the issuer's keys are not available; try again later",
            Self::ConfigInvalid => "this gateway is not configured",
            Self::Internal => "the request could not be checked",
        }
    }

    /// The reason with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.code() == code)
    }

    /// The title of the answer: the status' own phrase, as `about:blank` asks for (RFC 9457 §4.2.1).
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            413 => "Content Too Large",
            _ => "Service Unavailable",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_lead_back_to_their_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(Reason::from_code("nope"), None);
    }

    #[test]
    fn a_401_always_challenges_as_http_asks() {
        // RFC 9110 §15.5.2: a 401 MUST carry WWW-Authenticate.
        for reason in Reason::ALL {
            if reason.status() == 401 {
                assert_ne!(reason.challenge(), Challenge::None, "{reason}");
            }
        }
    }
}
