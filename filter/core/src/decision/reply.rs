//! A decision as HTTP: what the upstream gets, or what the client is told.

use super::{Answer, Decision, Outcome, Permit};
use crate::action::{Protocol, is_json_rpc};
use crate::config::{Authentication, Config, ProofMode};
use crate::denial::{CredentialProblem, Denial, Evidence, ProofProblem};
use crate::http::{APPROVAL, Connection, OWN_PREFIX, Scheme, WORKLOAD_TOKEN, reads_alike};
use crate::policy::Obligation;
use crate::proof_kind::ProofKind;
use crate::reason::{Challenge, Reason};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// How many identity headers there are beside those that policies ask for.
const IDENTITY_HEADERS: usize = 5;

/// What a browser may have put into a preflight: nobody checks it, so nobody is handed it.
const PREFLIGHT_CREDENTIALS: [&str; 2] = ["cookie", "proxy-authorization"];

/// How long a client may keep metadata, and a browser what it was told of it before, in seconds.
const METADATA_AGE_S: u32 = 3600;

/// The header with a nonce for the next proof (RFC 9449 §8.1).
pub(crate) const NONCE: &str = "dpop-nonce";

/// What to do with the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Let it go on, changed like this.
    Forward(Forward<'a>),
    /// Answer it here.
    Local(LocalReply),
}

/// Changes to a request that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forward<'a> {
    /// The path to send, where normalisation changed it: what was authorised is what the upstream gets.
    pub path: Option<String>,
    /// What `connection` is set to.
    pub connection: Option<&'static str>,
    /// What `mcp-session-id` is set to.
    pub session: Option<&'a str>,
    /// Headers to remove.
    pub remove: Vec<&'static str>,
    /// More headers to remove, under the names that they came with: those with links of chains.
    pub remove_chains: Vec<&'a [u8]>,
    /// Headers to add: reserved ones, each once.
    pub add: Vec<(Cow<'a, str>, &'a str)>,
}

/// A response that the proxy sends instead of the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body: of a denial `application/problem+json`, or an error of the route's protocol.
    pub body: Vec<u8>,
}

impl<'a> Reply<'a> {
    /// The reply that carries out `decision`. `config` is `None` while there is no valid configuration.
    #[must_use]
    pub fn new(decision: &'a Decision, config: Option<&'a Config>) -> Self {
        match (decision.outcome(), config) {
            (Outcome::Allow(permit), Some(config)) => Self::Forward(forward(decision, permit, config)),
            (Outcome::Answer(answer), Some(_)) => Self::Local(metadata(answer)),
            (Outcome::Allow(_) | Outcome::Answer(_), None) => {
                Self::Local(local_reply(decision, &Reason::ConfigInvalid.into(), None))
            }
            (Outcome::Deny(denial), config) => Self::Local(local_reply(decision, denial, config)),
        }
    }
}

impl<'a> Forward<'a> {
    /// What a head becomes that goes on before it is known what its body says: nothing that depends on that can be done later.
    #[must_use]
    pub fn ahead(decision: &'a Decision, config: &Config) -> Self {
        let mut forward = match decision.outcome() {
            Outcome::Allow(permit) => forward(decision, permit, config),
            Outcome::Answer(_) | Outcome::Deny(_) => Self::default(),
        };
        // It may ask for a list.
        if decision.route().and_then(|route| route.entry().mcp.as_ref()).is_some_and(|mcp| mcp.narrow_lists) {
            forward.remove.push("accept-encoding");
        }
        forward
    }
}

fn forward<'a>(decision: &'a Decision, permit: &'a Permit, config: &Config) -> Forward<'a> {
    let mut forward = Forward::default();
    if let Some(path) = decision.path().filter(|path| path.changed()) {
        forward.path = Some(path.to_header());
    }
    match decision.facts.connection {
        Connection::Stays => {}
        Connection::Removed => forward.remove.extend(["connection", "proxy-connection"]),
        Connection::UpgradeOnly => {
            forward.connection = Some("upgrade");
            forward.remove.push("proxy-connection");
        }
    }
    // Where nobody checked the credential, nobody is handed it as if.
    if !(config.upstream.forward_token && permit.chain().is_some()) {
        forward.remove.push("authorization");
    }
    // Also where the token goes on: of another kind of proof nobody looked at it.
    if decision.head.has_dpop()
        && !(config.upstream.forward_token && decision.proofs().contains(&ProofKind::Dpop))
    {
        forward.remove.push("dpop");
    }
    let is_checked = config.upstream.forward_token && permit.chain().is_some();
    for header in config.chain_headers() {
        let names = decision.head.headers().iter().map(|(name, _)| name);
        // Also under a name that a server reads as that one, which nobody looked at.
        let unchecked = names.filter(|name| {
            reads_alike(name, header.as_bytes()) && !(is_checked && *name == header.as_bytes())
        });
        for name in unchecked {
            if !forward.remove_chains.contains(&name) {
                forward.remove_chains.push(name);
            }
        }
    }
    // Beside another credential nobody looked at it.
    let is_workload = decision.token().is_some_and(|token| token.workload().is_some());
    if decision.head.has_workload_token() && !(config.upstream.forward_token && is_workload) {
        forward.remove.push(WORKLOAD_TOKEN);
    }
    // Whether or not one was needed: it is for nobody else.
    if decision.head.has_approval() {
        forward.remove.push(APPROVAL);
    }
    if decision.head.has_odd_forwarded_host() {
        forward.remove.push("x-forwarded-host");
    }
    forward.session = decision.facts.message.as_ref().and_then(|message| message.session.as_deref());
    if decision.narrows_lists() {
        // It is read here.
        forward.remove.push("accept-encoding");
    }
    if permit.is_preflight() {
        forward.remove.extend(PREFLIGHT_CREDENTIALS);
    }
    if config.upstream.identity_headers {
        forward.add.reserve(IDENTITY_HEADERS + permit.obligations().len());
        let mut set = |name: &'static str, value: &'a str| forward.add.push((Cow::Borrowed(name), value));
        set("x-mandate-decision", decision.id());
        if let Some(chain) = permit.chain() {
            let identities = chain.token().identity_headers();
            set("x-mandate-principal", &identities.principal);
            if let Some(agent) = &identities.agent {
                set("x-mandate-agent", agent);
            }
            set("x-mandate-depth", &identities.depth);
            set("x-mandate-chain", &identities.chain);
        }
    }
    for obligation in permit.obligations() {
        if let Obligation::Header { name, value } = obligation {
            let name = format!("{OWN_PREFIX}ext-{name}");
            // Two policies may ask for the same, which is one header; two values would have been a conflict.
            if !forward.add.iter().any(|(known, _)| *known == name) {
                forward.add.push((Cow::Owned(name), value));
            }
        }
    }
    forward
}

/// The metadata of a protected resource (RFC 9728 §3.2), for the pages of every origin: there is nothing in it that is not for
/// everybody, and nobody's credential was looked at.
fn metadata(answer: &Answer) -> LocalReply {
    let any_origin = ("access-control-allow-origin", "*".to_owned());
    if answer.is_preflight {
        // Clients of MCP send `mcp-protocol-version` with it (Fetch Standard, section 3.3.3).
        let headers = vec![
            any_origin,
            ("access-control-allow-methods", "GET, HEAD".to_owned()),
            ("access-control-allow-headers", "*".to_owned()),
            ("access-control-max-age", METADATA_AGE_S.to_string()),
        ];
        return LocalReply { status: 204, headers, body: Vec::new() };
    }
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("cache-control", format!("max-age={METADATA_AGE_S}")),
        any_origin,
    ];
    LocalReply { status: 200, headers, body: answer.metadata().body().to_vec() }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<Approve<'a>>,
    decision: &'a str,
}

/// What must be approved, as far as the client said it itself: no claim of its token is told.
#[derive(Serialize)]
struct Approve<'a> {
    id: &'a str,
    action: &'a Value,
    arguments: &'a str,
}

impl<'a> Approve<'a> {
    fn of(decision: &'a Decision, reason: Reason) -> Option<Self> {
        let is_about_it =
            matches!(reason, Reason::ApprovalRequired | Reason::ApprovalInvalid | Reason::ApprovalUsed);
        let request = decision.facts.approval.as_ref()?.request.as_ref().filter(|_| is_about_it)?;
        Some(Self { id: request.id(), action: request.action(), arguments: request.arguments() })
    }
}

impl<'a> Problem<'a> {
    fn new(reason: Reason, decision: &'a str) -> Self {
        Self {
            r#type: "about:blank",
            title: reason.title(),
            status: reason.status(),
            code: reason.code(),
            detail: reason.detail(),
            policy: None,
            policy_code: None,
            approval: None,
            decision,
        }
    }
}

/// An error of JSON-RPC, in the place of an answer that cannot be shown to who asked for it.
#[must_use]
pub fn error_message(id: Option<&Value>, decision: &str) -> String {
    let reason = Reason::Internal;
    let problem = Problem::new(reason, decision);
    // Serialising a struct of strings and numbers does not fail; with an empty text nothing would be shown.
    serde_json::to_string(&RpcError::new(id, Protocol::Mcp, reason, problem)).unwrap_or_default()
}

fn local_reply(decision: &Decision, denial: &Denial, config: Option<&Config>) -> LocalReply {
    let reason = denial.reason;
    let policy = denial.policy.as_ref();
    let problem = Problem {
        policy: policy.map(|(name, _)| name.as_str()),
        policy_code: policy.and_then(|(_, code)| code.as_deref()),
        approval: Approve::of(decision, reason),
        ..Problem::new(reason, decision.id())
    };
    // Clients of the protocol show nothing but an error of the protocol.
    let protocol = json_rpc(decision);
    let is_message = protocol.is_some();
    let media_type = if is_message { "application/json" } else { "application/problem+json" };
    let mut headers = vec![("content-type", media_type.to_owned())];
    // A denial is for this request at this moment (RFC 9111 §5.2.2.5).
    headers.push(("cache-control", "no-store".to_owned()));
    for challenge in challenges(denial, decision, config) {
        headers.push(("www-authenticate", challenge));
    }
    if let Some(nonce) = decision.nonce() {
        headers.push((NONCE, nonce.to_owned()));
    }
    // Serialising a struct of strings and numbers does not fail; an empty body would still deny.
    let id = decision.facts.message.as_ref().and_then(|message| message.id.as_ref());
    let body = match protocol {
        Some(protocol) => serde_json::to_vec(&RpcError::new(id, protocol, reason, problem)),
        None => serde_json::to_vec(&problem),
    };
    LocalReply { status: reason.status(), headers, body: body.unwrap_or_default() }
}

/// The protocol of a request that is, or should be, a message of JSON-RPC.
fn json_rpc(decision: &Decision) -> Option<Protocol> {
    let rules = decision.route()?.entry().rules()?;
    let protocol = Protocol::from(rules);
    is_json_rpc(protocol, &decision.head, decision.path()?).then_some(protocol)
}

/// A response of JSON-RPC 2.0 (§5) with an error.
#[derive(Serialize)]
struct RpcError<'a> {
    jsonrpc: &'static str,
    id: Option<&'a Value>,
    error: RpcErrorObject<'a>,
}

#[derive(Serialize)]
struct RpcErrorObject<'a> {
    code: i32,
    message: String,
    data: Problem<'a>,
}

impl<'a> RpcError<'a> {
    fn new(id: Option<&'a Value>, protocol: Protocol, reason: Reason, problem: Problem<'a>) -> Self {
        let code = match (reason, protocol) {
            // JSON-RPC 2.0 §5.1.
            (Reason::BodyMalformed, _) => -32600,
            // MCP 2026-07-28 for headers that do not agree; of A2A 1.0 §5.4 what comes nearest, VersionNotSupportedError.
            (Reason::ProtocolMismatch, Protocol::Mcp) => -32020,
            (Reason::ProtocolMismatch, Protocol::A2a) => -32009,
            // Outside of the range that is reserved (-32768 to -32000): the HTTP status.
            (other, _) => i32::from(other.status()),
        };
        let policy = match (problem.policy, problem.policy_code) {
            (Some(policy), Some(code)) => format!(", {policy}: {code}"),
            (Some(policy), None) => format!(", {policy}"),
            _ => String::new(),
        };
        let message =
            format!("{} ({}{policy}, decision {})", reason.detail(), reason.code(), problem.decision);
        Self { jsonrpc: "2.0", id, error: RpcErrorObject { code, message, data: problem } }
    }
}

/// RFC 6750 §3, RFC 9449 §7.1 and RFC 9728 §5.1, one for each scheme that would do. The values need no escaping: error codes are ours,
/// scope tokens and the metadata URL were checked with the configuration to hold neither quotes nor backslashes.
fn challenges(denial: &Denial, decision: &Decision, config: Option<&Config>) -> Vec<String> {
    let challenge = denial.reason.challenge();
    let (error, schemes) = match challenge {
        Challenge::None => return Vec::new(),
        Challenge::Bare => {
            (None, config.map_or_else(|| vec![AuthScheme::Bearer], |config| offered(decision, config)))
        }
        Challenge::Error(error) => match config {
            Some(config) if is_wrong_scheme(denial) => (Some(error), offered(decision, config)),
            _ => (Some(error), vec![came_with(denial, decision)]),
        },
        Challenge::Scope => (Some("insufficient_scope"), vec![came_with(denial, decision)]),
        Challenge::Proof => match came_with(denial, decision) {
            AuthScheme::Bearer => (Some("invalid_token"), vec![AuthScheme::Bearer]),
            AuthScheme::Dpop => (Some("invalid_dpop_proof"), vec![AuthScheme::Dpop]),
            AuthScheme::Wpt => (None, vec![AuthScheme::Wpt]),
        },
    };
    let route = decision.route().map(|route| route.entry().scopes.as_slice()).unwrap_or_default();
    let of_action = decision.facts.message.iter().flat_map(|message| &message.scopes);
    let of_action = of_action.filter(|scope| !route.contains(scope));
    let scopes: Vec<&str> = route.iter().chain(of_action).map(String::as_str).collect();
    // A client that must get another token learns at once for which scopes: else it asks for all that there are.
    let names_scopes =
        matches!(challenge, Challenge::Scope | Challenge::Bare) || denial.reason.status() == 401;
    let scopes = Some(scopes.join(" ")).filter(|scopes| names_scopes && !scopes.is_empty());
    let metadata = config.and_then(|config| metadata_url(decision, config));
    let is_insufficient = denial.reason == Reason::AuthenticationInsufficient;
    let (acr_values, max_age) = if is_insufficient { authentication(decision) } else { (None, None) };
    let of_scheme = |scheme: AuthScheme| {
        // It has no parameters (draft-ietf-wimse-wpt-02 §2.1).
        if scheme == AuthScheme::Wpt {
            return scheme.name().to_owned();
        }
        let algorithms = match (scheme, config) {
            (AuthScheme::Dpop, Some(config)) => {
                let names = config.proofs.dpop.algorithms.iter().map(|algorithm| algorithm.name());
                Some(names.collect::<Vec<_>>().join(" "))
            }
            _ => None,
        };
        let parameters = [
            ("error", error),
            ("acr_values", acr_values.as_deref()),
            ("max_age", max_age.as_deref()),
            ("scope", scopes.as_deref()),
            ("algs", algorithms.as_deref()),
            ("resource_metadata", metadata),
        ];
        let parameters = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let parameters: Vec<String> = parameters.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("{} {}", scheme.name(), parameters.join(", ")).trim_end().to_owned()
    };
    schemes.into_iter().map(of_scheme).collect()
}

/// A scheme that a challenge names (RFC 9110 §11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AuthScheme {
    Bearer,
    Dpop,
    Wpt,
}

impl AuthScheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
            Self::Wpt => "WPT",
        }
    }
}

/// The scheme that an error is about: that of the proof that is asked for, else that of the request.
fn came_with(denial: &Denial, decision: &Decision) -> AuthScheme {
    use Evidence as E;
    let proof = match denial.evidence.as_deref() {
        Some(E::Proof { proof, .. }) => *proof,
        Some(E::ProofAddress { proof, .. } | E::ProofTime { proof, .. } | E::ProofExpiry { proof, .. }) => {
            Some(*proof)
        }
        _ => None,
    };
    match (proof, decision.head.credential().map(|credential| credential.scheme())) {
        (Some(ProofKind::Dpop), _) | (None, Ok(Scheme::Dpop)) => AuthScheme::Dpop,
        (Some(ProofKind::Wpt), _) | (None, Ok(Scheme::Wpt)) => AuthScheme::Wpt,
        _ => AuthScheme::Bearer,
    }
}

/// Whether the client should rather come with another scheme, or another kind of token.
fn is_wrong_scheme(denial: &Denial) -> bool {
    use Evidence as E;
    match denial.evidence.as_deref() {
        Some(E::Proof { problem, .. }) => matches!(problem, ProofProblem::Unbound | ProofProblem::NotBoundSo),
        Some(E::Credential { problem }) => {
            matches!(problem, CredentialProblem::Proof | CredentialProblem::WorkloadProof)
        }
        _ => false,
    }
}

/// The schemes that a request for this route may come with.
fn offered(decision: &Decision, config: &Config) -> Vec<AuthScheme> {
    let route = decision.route().map_or(ProofMode::None, |route| route.entry().proof);
    let any = |is: &dyn Fn(ProofMode, &[ProofKind]) -> bool| {
        let issuers = config.issuers.iter().filter(|issuer| !issuer.is_wit());
        issuers
            .map(|issuer| (issuer.proof.max(route), &issuer.proof_kinds))
            .any(|(mode, kinds)| is(mode, kinds))
    };
    // A token that is bound to a certificate comes as a bearer token (RFC 8705 §3).
    let is_bearer =
        |mode, kinds: &[ProofKind]| mode != ProofMode::Required || kinds.contains(&ProofKind::Mtls);
    let is_dpop = |mode, kinds: &[ProofKind]| mode != ProofMode::None && kinds.contains(&ProofKind::Dpop);
    let schemes = [
        (AuthScheme::Bearer, any(&is_bearer)),
        (AuthScheme::Dpop, any(&is_dpop)),
        (AuthScheme::Wpt, config.accepts_proof(ProofKind::Wpt)),
    ];
    schemes.into_iter().filter_map(|(scheme, is_offered)| is_offered.then_some(scheme)).collect()
}

/// What a client asks for when it has the user authenticate again (RFC 9470 §3): for what the route and the rule need together.
/// The values need no escaping, as those of scopes do not.
fn authentication(decision: &Decision) -> (Option<String>, Option<String>) {
    let route = decision.route().map(|route| &route.entry().authentication);
    let message = decision.facts.message.as_ref().map(|message| &message.authentication);
    let needed = route.into_iter().chain(message);
    let Authentication { acr_values, max_age_s } =
        needed.fold(Authentication::default(), |all, one| all.and(one));
    let acr_values = Some(acr_values.join(" ")).filter(|values| !values.is_empty());
    (acr_values, max_age_s.map(|age| age.to_string()))
}

/// Where a client learns how to get a token for what it asked: at the metadata of the resource, else where the configuration says.
fn metadata_url<'a>(decision: &Decision, config: &'a Config) -> Option<&'a str> {
    let resource = || config.protected_resource(&decision.head.host()?, decision.path()?);
    match config.protected_resources.is_empty() {
        false => resource().map(|it| it.resource.metadata_url()).or(config.resource_metadata.as_deref()),
        true => config.resource_metadata.as_deref(),
    }
}
