//! `proof` and `proofs`: which tokens must be bound to a key, and what a proof of that key is compared with.

use super::defaults;
#[cfg(feature = "schema")]
use super::schema;
use crate::algorithm::Algorithm;
use crate::http::ExternalUri;
use crate::limits;

/// Whether a token must come with a proof that its sender holds the key that it is bound to (`cnf`, RFC 7800).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum ProofMode {
    /// No proof is verified. A token that is bound to a key is denied (`claim_invalid`), because without a proof anybody could have
    /// stolen it.
    #[default]
    None,
    /// A token that is bound to a key needs a proof. A token that is not bound is a bearer token, and needs none.
    IfBound,
    /// Every token must be bound to a key, and needs a proof.
    Required,
}

/// What proofs of possession are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Proofs {
    /// Addresses under which clients know this gateway: scheme, host, port if it is not the usual one of the scheme, and, if a proxy in
    /// front removes the beginning of the path, that beginning. `htu` of a DPoP proof (RFC 9449) and `aud` of a Workload Proof Token must
    /// be one of them, followed by the path of the request. Query and fragment are ignored. Both sides are compared in normal form (RFC
    /// 3986, section 6.2.2 and 6.2.3): scheme and host in lower case, without the usual port, the path as routes are matched. Required
    /// where proofs of these kinds are verified, unless `uris_from_host` is `true`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::ExternalUri, 0, { limits::SMALL_LIST }>",
            default,
            extend("default" = []),
            extend("examples" = [["https://tools.example", "https://api.example/tools"]])
        )
    )]
    pub external_uris: Vec<ExternalUri>,
    /// `true`: `https://`, the host of the request (`:authority` or `host`) and its path are an address of this gateway, too. The sender
    /// of a request chooses its host, so a proof that was made for another server is accepted if it is sent here with that server's
    /// host. Use it only if the proxy accepts requests for its own hosts only.
    #[cfg_attr(feature = "schema", schemars(default, extend("examples" = [true])))]
    pub uris_from_host: bool,
    /// DPoP proofs (RFC 9449).
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub dpop: Dpop,
    /// Certificates that tokens are bound to (mutual TLS, RFC 8705).
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub mtls: Mtls,
    /// Workload Proof Tokens (WIMSE).
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub wpt: Wpt,
}

/// Certificates that tokens are bound to (mutual TLS, RFC 8705).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Mtls {
    /// Where it is learned which certificate the client has. Also for `certificate` in `issuers[].agent.agree`.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "connection"), extend("examples" = ["xfcc"])))]
    pub certificate: CertificateSource,
}

/// Where it is learned which certificate a client has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum CertificateSource {
    /// From the connection to this proxy, which must end TLS and ask for client certificates.
    #[default]
    Connection,
    /// From the header `x-forwarded-client-cert`, which the proxy in front of this one sets. It must have exactly one element, with `Hash`.
    /// Whoever can send this header has any certificate: use it only where every request comes from a proxy that removes what its client
    /// sent and sets its own (Envoy: `forward_client_cert_details: SANITIZE_SET`), and where this proxy passes on what it gets from there
    /// only.
    Xfcc,
}

/// Workload Proof Tokens (WIMSE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Wpt {
    /// How far `exp` of a proof may be ahead of the time of the proxy, and of the proof's `iat` where it has one, in seconds. A proof is
    /// remembered until then, so that it is used once.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::wpt_lifetime_s",
            range(min = *limits::WPT_LIFETIME_S.start(), max = *limits::WPT_LIFETIME_S.end()),
            extend("examples" = [60])
        )
    )]
    pub lifetime_s: u64,
}

impl Default for Wpt {
    fn default() -> Self {
        Self { lifetime_s: limits::DEFAULT_WPT_LIFETIME_S }
    }
}

/// DPoP proofs (RFC 9449).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Dpop {
    /// Accepted signature algorithms of proofs; challenges name them (`algs`). The proxy verifies `ES256`, `ES384` and `RS256` to `RS512`
    /// with its own cryptography where it offers that, the module verifies the others, which takes longer: see `docs/performance.md`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<Algorithm, 1, { limits::SMALL_LIST }>",
            default,
            extend("default" = ["ES256", "EdDSA"]),
            extend("examples" = [["ES256", "RS256"]])
        )
    )]
    pub algorithms: Vec<Algorithm>,
    /// How far `iat` of a proof may be from the time of the proxy, before and after, in seconds. A proof is remembered for as long, so that
    /// it is used once.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::dpop_window_s",
            range(min = *limits::DPOP_WINDOW_S.start(), max = *limits::DPOP_WINDOW_S.end()),
            extend("examples" = [30])
        )
    )]
    pub window_s: u64,
    /// Whether a proof must have a nonce that this gateway gave out.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "none")))]
    pub nonce: NonceMode,
    /// How long a nonce is accepted, in seconds. After half of that time, answers to allowed requests have a new one.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::dpop_nonce_lifetime_s",
            range(min = *limits::DPOP_NONCE_LIFETIME_S.start(), max = *limits::DPOP_NONCE_LIFETIME_S.end()),
            extend("examples" = [60])
        )
    )]
    pub nonce_lifetime_s: u64,
}

/// Whether a proof must have a nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum NonceMode {
    /// A nonce is neither asked for nor looked at.
    #[default]
    None,
    /// A proof without a nonce of this gateway, or with an old one, is answered with `use_dpop_nonce` and the header `dpop-nonce` (RFC
    /// 9449, section 9). Nonces need no state: they hold a time and a signature (HMAC-SHA256) with the secret that sessions of MCP are
    /// bound with. Proxies and workers that one client may reach need the same secret: see `docs/proofs.md`.
    Required,
}

impl Default for Dpop {
    fn default() -> Self {
        Self {
            algorithms: defaults::dpop_algorithms(),
            window_s: limits::DEFAULT_DPOP_WINDOW_S,
            nonce: NonceMode::None,
            nonce_lifetime_s: limits::DEFAULT_DPOP_NONCE_LIFETIME_S,
        }
    }
}
