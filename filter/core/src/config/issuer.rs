//! `issuers`: whose tokens are accepted, and where their keys are.

use super::checks;
use super::claims::{AgentRule, ChainRule, ClaimMapping};
use super::proof::ProofMode;
use super::provider::Provider;
#[cfg(feature = "schema")]
use super::{defaults, schema};
use crate::algorithm::Algorithm;
#[cfg(feature = "schema")]
use crate::limits;
use crate::proof_kind::ProofKind;
use crate::{spiffe, workload};
use serde_json::Value;

/// A token issuer, and the checks that its tokens must pass.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(
        deny_unknown_fields,
        extend(
            "if" = { "properties": { "provider": { "const": "wit" } }, "required": ["provider"] },
            "else" = { "required": ["audiences"] },
        )
    )
)]
pub struct Issuer {
    /// Issuer identifier. It must equal the token's `iss` claim byte for byte: a trailing slash makes a difference. With the
    /// providers `jwt_svid` and `wit` the trust domain (`spiffe://prod.example`, for `wit` also `wimse://prod.example`): the token's `sub`
    /// must be in it, and `iss` is not looked at. One trust domain may have an entry of either provider.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::Identity", extend("examples" = ["https://idp.example"]))
    )]
    pub issuer: String,
    /// What the tokens of this issuer look like: a preset of the members `token_types`, `claims`, `agent`, `chain` and
    /// `max_lifetime_s`. A member that is written wins over the preset; `claims`, `claims.require`, `chain`, `agent` and
    /// `agent.when` are merged member by member. With another `agent.from` than the preset's, the preset's `agent.when` does not
    /// apply. `mandate check --expand` prints the result.
    /// `docs/providers.md` has an example for each.
    #[cfg_attr(
        feature = "schema",
        schemars(default, extend("default" = "rfc9068"), extend("examples" = ["keycloak"]))
    )]
    pub provider: Provider,
    /// Accepted audiences. The token's `aud` claim (a string or an array) must contain at least one of them, byte for byte.
    /// `claims.audience` may name another claim. Only with the provider `wit` it may be absent: then the tokens must have no audience,
    /// and that of the proof is checked.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::Identity, 1, { limits::AUDIENCES }>>",
            extend("x-default" = "required, unless the provider is `wit`"),
            extend("examples" = [["https://tools.example"]])
        )
    )]
    pub audiences: Vec<String>,
    /// Accepted signature algorithms (`alg` of the token header). `none` and HMAC algorithms are not supported. `Ed25519`
    /// (RFC 9864) and `EdDSA` name the same algorithm, and either is accepted where one of them is listed.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<Algorithm, 1, { limits::SMALL_LIST }>",
            extend("examples" = [["EdDSA", "ES256"]])
        )
    )]
    pub algorithms: Vec<Algorithm>,
    /// Accepted values of `typ` in the token header, compared case-insensitively; a leading `application/` is ignored. `null`
    /// stands for a header without `typ`. `JWT` and `null` are accepted only if listed, and then admit every JWT of this
    /// issuer, ID tokens too, unless `claims.require` has marks that tell them apart. Default: that of the provider.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::MediaTypeOrNull, 1, { limits::SMALL_LIST }>",
            default = "defaults::token_types",
            extend("examples" = [["at+jwt", "JWT"], [null]])
        )
    )]
    pub token_types: Vec<Option<String>>,
    /// Where the tokens say what: audience, principal, client, scopes, and marks that they must have.
    #[cfg_attr(feature = "schema", schemars(with = "Option<ClaimMapping>", extend("x-default" = "that of the provider")))]
    pub claims: ClaimMapping,
    /// Who the agent is.
    #[cfg_attr(feature = "schema", schemars(with = "Option<AgentRule>", extend("x-default" = "that of the provider")))]
    pub agent: AgentRule,
    /// How the tokens write a delegation chain.
    #[cfg_attr(feature = "schema", schemars(with = "Option<ChainRule>", extend("x-default" = "that of the provider")))]
    pub chain: ChainRule,
    /// Source of the issuer's public keys.
    pub keys: KeySource,
    /// Tolerated difference between the issuer's clock and the proxy's, in seconds. A token is accepted until
    /// `exp` + `clock_skew_s`, and from `nbf` - `clock_skew_s` and `iat` - `clock_skew_s` on.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::clock_skew_s",
            range(min = 0, max = limits::MAX_CLOCK_SKEW_S),
            extend("examples" = [10])
        )
    )]
    pub clock_skew_s: u64,
    /// Maximum lifetime of a token (`exp` - `iat`), in seconds. A token with a longer one is denied (`lifetime_too_long`).
    /// Without `iat` it is the maximum of what is left until `exp`. Default: that of the provider, at most a day.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::max_lifetime_s",
            range(min = 1, max = limits::MAX_MAX_LIFETIME_S),
            extend("examples" = [900])
        )
    )]
    pub max_lifetime_s: u64,
    /// Maximum length of a token, in bytes. A longer one is denied (`token_too_large`). Envoy limits all headers of a request
    /// together to 60 KiB (`max_request_headers_kb`).
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::token_bytes",
            range(min = limits::MIN_TOKEN_BYTES, max = limits::MAX_TOKEN_BYTES),
            extend("examples" = [32768])
        )
    )]
    pub token_bytes: usize,
    /// Whether the tokens of this issuer must come with a proof that their sender holds the key that they are bound to. A route may ask for
    /// more. Those of the provider `wit` always need one, whatever stands here.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "none"), extend("examples" = ["required"])))]
    pub proof: ProofMode,
    /// Kinds of proofs that are accepted for the tokens of this issuer. A token that is bound in another way only is denied
    /// (`proof_unsupported`). One that is bound in several of these ways needs all of these proofs.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<ProofKind, 1, { limits::SMALL_LIST }>",
            default,
            extend("default" = ["dpop", "mtls", "wpt"]),
            extend("examples" = [["dpop"]])
        )
    )]
    pub proof_kinds: Vec<ProofKind>,
}

impl Issuer {
    /// Whether the issuer is a trust domain, whose tokens are found by their `sub`.
    #[must_use]
    pub fn is_trust_domain(&self) -> bool {
        matches!(self.provider, Provider::JwtSvid | Provider::Wit)
    }

    /// Whether its tokens are Workload Identity Tokens, which always need a Workload Proof Token.
    #[must_use]
    pub fn is_wit(&self) -> bool {
        self.provider == Provider::Wit
    }

    /// Whether it is a trust domain of SPIFFE, so that its keys are in a bundle.
    #[must_use]
    pub fn is_spiffe(&self) -> bool {
        self.is_trust_domain() && spiffe::is_trust_domain(&self.issuer)
    }

    /// The trust domain that a workload is in, by the ids that this issuer's tokens have.
    #[must_use]
    pub fn trust_domain_of<'a>(&self, id: &'a str) -> Option<&'a str> {
        if self.is_wit() { workload::trust_domain(id) } else { spiffe::trust_domain(id) }
    }

    /// Whether workloads of this trust domain may sign proofs with an algorithm: those of SPIFFE have RSA and the curves of NIST only
    /// (WIT-SVID §3.2).
    #[must_use]
    pub fn may_prove_with(&self, algorithm: Algorithm) -> bool {
        !(self.is_spiffe() && algorithm == Algorithm::EdDsa)
    }
}

/// Source of an issuer's public keys: exactly one of `inline` and `remote`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum KeySource {
    /// JWK set (RFC 7517 §5) in the configuration itself. Public keys only: a private or symmetric key is refused.
    Inline(#[cfg_attr(feature = "schema", schemars(with = "schema::JwkSet"))] Value),
    /// JWK set that each worker fetches through a cluster of the proxy, and fetches again before it is `refresh_s` old.
    Remote(RemoteKeys),
}

/// A JWK set that is fetched over HTTP. Each worker fetches for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct RemoteKeys {
    /// Name of the proxy's cluster through which the JWK set is fetched. The cluster decides where the request is sent
    /// and whether TLS is used.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::ClusterName", extend("examples" = ["outbound|443||idp.example"]))
    )]
    pub cluster: String,
    /// URL of the JWK set, `http` or `https`, with a path and without fragment. Its host becomes `:authority` of the
    /// request, its path and query become `:path`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = limits::URL_BYTES),
            regex(pattern = schema::HTTP_URL),
            extend("examples" = ["https://idp.example/jwks.json"])
        )
    )]
    pub uri: String,
    /// Timeout of one fetch, in milliseconds.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::timeout_ms",
            range(min = *limits::KEYS_TIMEOUT_MS.start(), max = *limits::KEYS_TIMEOUT_MS.end()),
            extend("examples" = [2000])
        )
    )]
    pub timeout_ms: u64,
    /// Maximum time from one successful fetch to the next, in seconds. The next fetch starts at a random
    /// moment between 80 % and 100 % of this time.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::refresh_s",
            range(min = *limits::KEYS_REFRESH_S.start(), max = *limits::KEYS_REFRESH_S.end()),
            extend("examples" = [600])
        )
    )]
    pub refresh_s: u64,
    /// Maximum age of the last fetched set while fetches fail, in seconds; at least `refresh_s`. Older keys are not used,
    /// and the issuer's tokens are denied (`keys_unavailable`).
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::stale_s",
            range(min = *limits::KEYS_STALE_S.start(), max = *limits::KEYS_STALE_S.end()),
            extend("examples" = [7200])
        )
    )]
    pub stale_s: u64,
}

impl RemoteKeys {
    /// The authority of `uri`, for the `:authority` pseudo header.
    #[must_use]
    pub fn authority(&self) -> &str {
        checks::split_url(&self.uri).map_or("", |url| url.authority)
    }

    /// Path and query of `uri`, for the `:path` pseudo header.
    #[must_use]
    pub fn path(&self) -> &str {
        checks::split_url(&self.uri).map_or("", |url| url.path)
    }

    /// The scheme of `uri`, `http` or `https`, for the `:scheme` pseudo header.
    #[must_use]
    pub fn scheme(&self) -> &str {
        checks::split_url(&self.uri).map_or("", |url| url.scheme)
    }
}

/// Whether two `typ` values mean the same media type: without regard to case, and with `application/` prepended
/// to a value that holds no slash (RFC 7515 §4.1.9).
#[must_use]
pub fn same_token_type(left: &str, right: &str) -> bool {
    fn short(value: &str) -> &str {
        match value.split_once('/') {
            Some((top, rest)) if top.eq_ignore_ascii_case("application") && !rest.contains('/') => rest,
            _ => value,
        }
    }
    short(left).eq_ignore_ascii_case(short(right))
}
