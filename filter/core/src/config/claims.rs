//! `claims`, `agent` and `chain` of an issuer: where its tokens say what, who acts, and for whom.

#[cfg(feature = "schema")]
use super::schema;
use crate::json::Pointer;
#[cfg(feature = "schema")]
use crate::limits;
use serde_json::Value;

/// What the reference says of a default that each provider has of its own.
#[cfg(feature = "schema")]
const PROVIDERS: &str = "that of the provider";

/// Which claims of the issuer's tokens say what. Claims are named by JSON pointers (RFC 6901): `/sub` is the claim `sub`,
/// `/realm_access/roles` the member `roles` of the claim `realm_access`, and `/https:~1~1app~1roles` the claim `https://app/roles`.
/// A claim that is not named here decides nothing.
///
/// Absent members have the value of the `provider`; `mandate check --expand` prints them.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct ClaimMapping {
    /// Claims with the audience, a string or an array of strings: the first that is present is compared with `audiences`. A
    /// token that has none of them is denied (`claim_missing`).
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::Pointer, 1, { limits::CLAIM_POINTERS }>>",
            extend("x-default" = PROVIDERS, "examples" = [["/client_id"]])
        )
    )]
    pub audience: Vec<Pointer>,
    /// Claims with the principal, which are strings: the first that is present. An array in the array joins several claims, which must
    /// all be present: the values are separated by `/`. Where any claims are joined, a `/` or `%` in a value is percent-encoded,
    /// so that no two principals look the same.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::JoinedPointers, 1, { limits::CLAIM_POINTERS }>>",
            extend("x-default" = PROVIDERS, "examples" = [[["/tid", "/oid"]], ["/email"]])
        )
    )]
    pub principal: Vec<Vec<Pointer>>,
    /// Claims with the OAuth client, which are strings: the first that is present. A token without them is denied
    /// (`claim_missing`), unless `null` is in the list. An empty list: the client is not read. If neither this member nor the
    /// provider says anything: `client_id`, which a token of type `at+jwt` must have (RFC 9068 §2.2).
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::PointerOrNull, 0, { limits::CLAIM_POINTERS }>>",
            extend("x-default" = PROVIDERS, "examples" = [["/azp", "/appid"], ["/client_id", null]])
        )
    )]
    pub client: Option<ClaimPlaces>,
    /// Claims with the identifier of the token, which are strings, as for `client`. It is written to the audit log. If
    /// neither this member nor the provider says anything: `jti`, which a token of type `at+jwt` must have.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::PointerOrNull, 0, { limits::CLAIM_POINTERS }>>",
            extend("x-default" = PROVIDERS, "examples" = [["/uti", null], []])
        )
    )]
    pub token_id: Option<ClaimPlaces>,
    /// Claims with the time at which the token was issued, in seconds since 1970: the first that is present. A token
    /// without them is denied (`claim_missing`), unless `null` is in the list or the list is empty: then `max_lifetime_s` limits the time that is
    /// left to the token.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::PointerOrNull, 0, { limits::CLAIM_POINTERS }>>",
            extend("x-default" = PROVIDERS, "examples" = [["/iat", null]])
        )
    )]
    pub issued_at: ClaimPlaces,
    /// Claims with scopes, each a string of scopes separated by single spaces or an array: those of all that are present,
    /// together. An array in the array stands for the first of its claims that is present. Elements that are no scopes (RFC
    /// 6749 §3.3), such as a role with a space, are left out. An empty list: tokens have no scopes. If neither this member nor the provider says anything: the
    /// string `scope` (RFC 8693 §4.2).
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::JoinedPointers, 0, { limits::CLAIM_POINTERS }>>",
            extend("x-default" = PROVIDERS, "examples" = [["/scope", "/permissions"], [["/scp", "/roles"]]])
        )
    )]
    pub scopes: Option<Vec<Vec<Pointer>>>,
    /// Marks that a token must have, so that no other kind of token of the same issuer is accepted: for each JSON pointer
    /// the value of the claim (a string, a number or a boolean), `null` if the claim must be absent, an array of accepted values
    /// (with `null` in it, absence is accepted), or `{"present": true}` for any value. A token that lacks a mark is denied
    /// (`claim_missing`, or `claim_invalid` if the claim has another value). Marks of the provider stay in force and count for
    /// the limit; a mark that is written here replaces that of the same pointer.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<schema::Marks>", extend("x-default" = PROVIDERS, "examples" = [{ "/token_use": "access", "/nonce": null }]))
    )]
    pub require: Vec<(Pointer, Mark)>,
}

/// Where a claim may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPlaces {
    /// The first that is present counts.
    pub pointers: Vec<Pointer>,
    /// Whether a token may have none of them.
    pub may_be_absent: bool,
}

/// What a token must have at a pointer.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// One of these values.
    OneOf {
        /// Strings, numbers and booleans.
        values: Vec<Value>,
        /// Whether the claim may also be absent.
        or_absent: bool,
    },
    /// Any value.
    Present,
}

/// Who acts where the token has no `act`, and when. With an `act` it is the outermost actor.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct AgentRule {
    /// Who the agent is.
    #[cfg_attr(feature = "schema", schemars(with = "Option<AgentFrom>", extend("x-default" = PROVIDERS, "examples" = ["client"])))]
    pub from: AgentFrom,
    /// Conditions, for each JSON pointer a word: the claim must be that string, or contain it among words separated by spaces
    /// or as an element of an array. `{"present": true}` asks for any value. If one of them does not hold, there is no
    /// agent by this rule. If absent, there are those of the provider, unless another `from` than the provider's is written.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<schema::Signs>", extend("x-default" = PROVIDERS, "examples" = [{ "/xms_act_fct": "11" }]))
    )]
    pub when: Vec<(Pointer, Sign)>,
    /// What else must name the agent: each source that is listed must have a name, and it must be the agent's, byte for byte. A request where
    /// one differs, or whose token names no agent, is denied (`agent_mismatch`).
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<AgentSource, 0, { limits::SMALL_LIST }>",
            default,
            extend("default" = []),
            extend("examples" = [["certificate"], ["client", "certificate"]])
        )
    )]
    pub agree: Vec<AgentSource>,
}

/// A source of the agent's name, beside the token's `act` or what `agent.from` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum AgentSource {
    /// The OAuth client of the token (`claims.client`).
    Client,
    /// The URI among the subject alternative names of the client's certificate, such as a SPIFFE ID; `proofs.mtls.certificate` says where the
    /// certificate is found. The name is worth as much as the proxy's check of the certificate: it must verify that an authority of its own
    /// signed it. Of several URIs the proxy shows the first.
    Certificate,
    /// The workload of a Workload Identity Token: its `sub`. Only with the provider `wit`.
    Workload,
}

impl AgentSource {
    /// Its name in configuration and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Certificate => "certificate",
            Self::Workload => "workload",
        }
    }
}

/// Who the agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum AgentFrom {
    /// The outermost `act` (RFC 8693 §4.1). A token without `act` has no agent. `when` says which actors are agents.
    Act,
    /// Without `act`: the OAuth client of the token, which becomes a hop of the chain, unless it is the principal itself.
    Client,
    /// Without `act`: the principal itself, for example a workload. There is no delegation then: the depth is 0.
    Subject,
}

/// A word that a claim must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// This one.
    Word(String),
    /// Any value.
    Present,
}

/// How the issuer's tokens write a delegation chain, and which of its hops count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct ChainRule {
    /// Where the hops are.
    #[cfg_attr(feature = "schema", schemars(with = "Option<ChainForm>", extend("x-default" = PROVIDERS, "examples" = ["okta"])))]
    pub form: ChainForm,
    /// Values of `sub_profile`: hops with another one do not count for the depth, and are no agents. They stay in the chain, and
    /// are checked for trusted issuers and cycles like all. A hop without `sub_profile` counts. `null`: every hop counts.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<schema::WordsOrNull>", extend("x-default" = PROVIDERS, "examples" = [["ai_agent"]]))
    )]
    pub count: Option<Vec<String>>,
    /// With the form `attenuated`, which needs it: name of the header, in lower case, that has the links from the root to the one before the access
    /// token, separated by commas. It is removed before the request is forwarded, unless `upstream.forward_token`. A request that
    /// has it more than once is denied (`credential_ambiguous`).
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<schema::HeaderName>", extend("examples" = ["x-delegation-chain"]))
    )]
    pub header: Option<String>,
    /// With the form `attenuated`: types of constraints that policies of yours check; they are in the claim
    /// `/authorization_details/0/constraints`. A token with a constraint of another type is denied (`claim_invalid`), and so is one with any
    /// constraint on a route that asks no policy in mode `enforce`. If absent, no constraint is accepted. Totals over several requests
    /// (`max_lifetime`, `max_subtree`) are never accepted.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<ConstraintType, 1, { limits::SMALL_LIST }>>",
            extend("examples" = [["max", "one_of"]])
        )
    )]
    pub constraints: Option<Vec<ConstraintType>>,
}

/// Types of constraints that can be checked with one request alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum ConstraintType {
    /// No more than a number.
    Max,
    /// No less than a number.
    Min,
    /// One of several values.
    OneOf,
    /// None of several values.
    NotOneOf,
    /// A text that begins with another.
    Prefix,
    /// No later than a place in an order of words.
    Rank,
}

impl ConstraintType {
    /// Its name in the configuration and in tokens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
            Self::OneOf => "one_of",
            Self::NotOneOf => "not_one_of",
            Self::Prefix => "prefix",
            Self::Rank => "rank",
        }
    }
}

/// Where the hops of a chain are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum ChainForm {
    /// Nested `act` objects (RFC 8693 §4.1), the outermost the current actor.
    Act,
    /// As `act`, with earlier hops beside it: `origin`, the oldest, then the elements of `delegated_through`, oldest first.
    /// Oldest hops that name the principal itself are left out.
    Okta,
    /// A chain of tokens, each made by the agent before, that grant no more from one to the next
    /// (draft-asor-wimse-agent-delegation-chain-02). The access token is the last of them, the others are in `header`. A proof of the last one's key
    /// is always needed. Each link is a hop: its `client_id`, in the namespace of its `iss`. With the provider `rfc9068` only.
    Attenuated,
}
