//! Keys, tokens and configurations for the tests of the decisions.
#![allow(dead_code, reason = "each test file takes what it needs")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mandate_core::algorithm::Algorithm;
use mandate_core::chain::SignedToken;
use mandate_core::config::{Config, Issuer};
use mandate_core::decision::{Decision, Reply};
use mandate_core::denial::KeysProblem;
use mandate_core::flow::{Body, Flow, Gate, Step, Stop};
use mandate_core::http::{ClientCertificate, Headers, Host, NormalPath, RequestHead};
use mandate_core::json::canonical;
use mandate_core::keys::PublicKey;
use mandate_core::keys::{InModule, SignatureVerifier};
use mandate_core::policy::NoPolicies;
use mandate_core::proof::{ConnectionFailed, PartState, SharedMemory, SharedMemoryFailed, Surroundings};
use mandate_core::reason::Reason;
use mandate_core::routes::{MatchedRoute, Routes, Target};
use mandate_core::time::UnixTime;
use mandate_core::token::ParsedToken;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _};
use rsa::{
    BigUint, RsaPrivateKey,
    sha2::{self, Digest as _},
};
use serde_json::{Map, Value, json};
use std::rc::Rc;
use std::sync::OnceLock;

pub mod policies;
pub mod vectors;

pub const ISSUER: &str = "https://idp.example";
pub const AUDIENCE: &str = "https://tools.example";
pub const NOW_S: u64 = 1_700_000_000;
pub const NOW: UnixTime = UnixTime::from_secs(NOW_S);
/// The `kid` of the key that mints tokens unless a test says otherwise.
pub const KID: &str = "key-1";

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// A private key. Which one is told by a small number, so that runs are alike.
pub enum Private {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    /// The key of RFC 7515 §A.2.
    Rsa(&'static RsaPrivateKey),
}

impl Private {
    /// A key that serves `algorithm`. There is one RSA key only: making another takes too long in a test.
    pub fn new(algorithm: Algorithm, number: u8) -> Self {
        match algorithm {
            Algorithm::EdDsa => Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&[number; 32]))),
            Algorithm::Es256 => Self::P256(p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap()),
            Algorithm::Es384 => Self::P384(p384::ecdsa::SigningKey::from_slice(&[number; 48]).unwrap()),
            _ => Self::Rsa(rsa_private()),
        }
    }

    /// A signature as a JWS carries it (RFC 7518 §3).
    pub fn sign(&self, algorithm: Algorithm, text: &[u8]) -> Vec<u8> {
        use Algorithm as A;
        fn ps<D: sha2::Digest + sha2::digest::FixedOutputReset>(key: &RsaPrivateKey, text: &[u8]) -> Vec<u8> {
            rsa::pss::SigningKey::<D>::new(key.clone()).sign_with_rng(&mut NoRandomness, text).to_vec()
        }
        fn rs<D: sha2::Digest + rsa::pkcs8::AssociatedOid>(key: &RsaPrivateKey, text: &[u8]) -> Vec<u8> {
            rsa::pkcs1v15::SigningKey::<D>::new(key.clone()).sign(text).to_vec()
        }
        match (self, algorithm) {
            (Self::Ed25519(key), A::EdDsa) => {
                use ed25519_dalek::Signer as _;
                key.sign(text).to_bytes().to_vec()
            }
            (Self::P256(key), A::Es256) => {
                use p256::ecdsa::signature::Signer as _;
                let signature: p256::ecdsa::Signature = key.sign(text);
                signature.to_bytes().to_vec()
            }
            (Self::P384(key), A::Es384) => {
                use p384::ecdsa::signature::Signer as _;
                let signature: p384::ecdsa::Signature = key.sign(text);
                signature.to_bytes().to_vec()
            }
            (Self::Rsa(key), A::Rs256) => rs::<sha2::Sha256>(key, text),
            (Self::Rsa(key), A::Rs384) => rs::<sha2::Sha384>(key, text),
            (Self::Rsa(key), A::Rs512) => rs::<sha2::Sha512>(key, text),
            (Self::Rsa(key), A::Ps256) => ps::<sha2::Sha256>(key, text),
            (Self::Rsa(key), A::Ps384) => ps::<sha2::Sha384>(key, text),
            (Self::Rsa(key), A::Ps512) => ps::<sha2::Sha512>(key, text),
            _ => panic!("this key does not serve {algorithm}"),
        }
    }

    /// The public half as a JWK.
    pub fn jwk(&self) -> Value {
        let point = |crv: &str, sec1: &[u8]| {
            let (x, y) = sec1[1..].split_at((sec1.len() - 1) / 2);
            json!({ "kty": "EC", "crv": crv, "x": b64(x), "y": b64(y) })
        };
        match self {
            Self::Ed25519(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(key.verifying_key().to_bytes()) })
            }
            Self::P256(key) => point("P-256", &key.verifying_key().to_sec1_point(false).to_bytes()),
            Self::P384(key) => point("P-384", &key.verifying_key().to_sec1_point(false).to_bytes()),
            Self::Rsa(_) => vectors::rfc7515_a2_jwk(),
        }
    }

    /// The public half, read the way the core reads keys.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_jwk(&self.jwk()).unwrap()
    }
}

/// The RSA key of RFC 7515 §A.2, with its private part.
pub fn rsa_private() -> &'static RsaPrivateKey {
    static KEY: OnceLock<RsaPrivateKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let number = |text| BigUint::from_bytes_be(&unb64(text));
        let (n, p) = (number(vectors::RFC7515_A2_N), number(vectors::RFC7515_A2_P));
        let q = &n / &p;
        let (e, d) = (number(vectors::RSA_E), number(vectors::RFC7515_A2_D));
        RsaPrivateKey::from_components(n, e, d, vec![p, q]).unwrap()
    })
}

/// Zeros for a salt: a PSS signature verifies whatever its salt is, and a test wants the same one every time.
struct NoRandomness;

impl rsa::rand_core::RngCore for NoRandomness {
    fn next_u32(&mut self) -> u32 {
        0
    }

    fn next_u64(&mut self) -> u64 {
        0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        bytes.fill(0);
        Ok(())
    }
}

impl rsa::rand_core::CryptoRng for NoRandomness {}

/// The issuer's Ed25519 key.
pub fn issuer_key() -> Private {
    Private::new(Algorithm::EdDsa, 1)
}

/// A JWK with more members.
pub fn with(mut jwk: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members are an object") };
    jwk.as_object_mut().unwrap().extend(members);
    jwk
}

/// A key set of the issuer's key.
pub fn jwks() -> Value {
    json!({ "keys": [with(issuer_key().jwk(), json!({ "kid": KID }))] })
}

/// Claims that are accepted: minted ten seconds ago, good for ten minutes more.
pub fn claims() -> Map<String, Value> {
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user:alice", "client_id": "agent-app", "jti": "token-1",
        "iat": NOW_S - 10, "exp": NOW_S + 600,
    });
    claims.as_object().unwrap().clone()
}

/// Those claims with `members` put over them; `null` takes a member away.
pub fn claims_with(members: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    Value::Object(claims)
}

/// The header that goes with [`claims`].
pub fn header() -> Value {
    json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": KID })
}

/// A compact JWS over exactly these texts.
pub fn sign_texts(key: &Private, algorithm: Algorithm, header: &str, payload: &str) -> String {
    let input = format!("{}.{}", b64(header), b64(payload));
    let signature = b64(key.sign(algorithm, input.as_bytes()));
    format!("{input}.{signature}")
}

/// A token of the issuer with these claims over the accepted ones.
pub fn token(members: Value) -> String {
    token_with_header(&header(), members)
}

pub fn token_with_header(header: &Value, members: Value) -> String {
    let payload = claims_with(&members).to_string();
    sign_texts(&issuer_key(), Algorithm::EdDsa, &header.to_string(), &payload)
}

/// An `act` claim from the current actor inwards: the first is the outermost. Each is (`iss`, `sub`).
pub fn act(hops: &[(Option<&str>, &str)]) -> Value {
    hops.iter().rev().fold(Value::Null, |inner, (iss, sub)| {
        let mut act = json!({ "sub": sub });
        if let Some(iss) = iss {
            act["iss"] = json!(iss);
        }
        if !inner.is_null() {
            act["act"] = inner;
        }
        act
    })
}

/// `count` hops of the token's issuer with distinct names, `agent-0` the current actor.
pub fn act_of_depth(count: usize) -> Value {
    let names: Vec<String> = (0..count).map(|i| format!("agent-{i}")).collect();
    let hops: Vec<(Option<&str>, &str)> = names.iter().map(|n| (None, n.as_str())).collect();
    act(&hops)
}

/// A small configuration: one issuer with inline keys, one route for everything.
pub fn config_value() -> Value {
    json!({
        "issuers": [{
            "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": ["EdDSA"], "keys": { "inline": jwks() },
        }],
        "routes": [{ "match": { "path_prefix": "/" } }],
    })
}

pub fn parse_config(value: &Value) -> Config {
    Config::parse(value.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The small configuration, changed.
pub fn config(change: impl FnOnce(&mut Value)) -> Config {
    let mut value = config_value();
    change(&mut value);
    parse_config(&value)
}

/// The issuer's entry of the small configuration, changed.
pub fn issuer(change: impl FnOnce(&mut Value)) -> Issuer {
    config(|c| change(&mut c["issuers"][0])).issuers.remove(0)
}

/// Verifies a token against an issuer's entry with the issuer's key.
pub fn verify_with(token: &str, issuer: &Issuer) -> Result<SignedToken, Reason> {
    verify_by(&InModule, token, issuer)
}

/// The same, with another verifier.
pub fn verify_by(
    verifier: &dyn SignatureVerifier,
    token: &str,
    issuer: &Issuer,
) -> Result<SignedToken, Reason> {
    let token = ParsedToken::parse(token)?;
    let mut gate = gate(Config { issuers: vec![issuer.clone()], ..config(|_| {}) });
    let key = gate.key_for(&token, verifier, NOW).map_err(|stop| match stop {
        Stop::Deny(denial) => denial.reason,
        Stop::Wait(issuer) => panic!("keys of issuer {issuer} are missing"),
    })?;
    Ok(SignedToken::verify(token, &key, verifier)?)
}

/// The one route of a configuration, as a request of its path to the first of its hosts finds it.
pub fn only_route(config: &Config) -> Rc<MatchedRoute> {
    let matcher = &config.routes[0].matcher;
    let path = NormalPath::normalise(matcher.path_prefix.as_str()).unwrap();
    let host = matcher.hosts.as_ref().map(|hosts| hosts[0].to_string());
    let host = host.as_ref().map(|host| Host::parse(host.as_bytes()).unwrap());
    let routes = Routes::new(config, &[]).unwrap();
    Rc::clone(routes.find(Target { method: "GET", host: host.as_ref(), path: &path }).unwrap())
}

pub fn verify(members: Value) -> Result<SignedToken, Reason> {
    verify_with(&token(members), &issuer(|_| {}))
}

pub fn gate(config: Config) -> Gate {
    Gate::new(config, Box::new(NoPolicies), [7; 16]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The head of a request; `headers` come after the pseudo headers.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> RequestHead {
    let all: Headers =
        [(":method", method), (":path", path)].iter().chain(headers).map(|(n, v)| (*n, *v)).collect();
    RequestHead::new(all)
}

/// A GET of `/v1/tickets` with this bearer token.
pub fn get(token: &str) -> RequestHead {
    head("GET", "/v1/tickets", &[("authorization", &format!("Bearer {token}"))])
}

/// The decision on a request that needs nothing from outside.
pub fn decide_at(gate: &mut Gate, head: RequestHead, now: UnixTime) -> Decision {
    match Flow::new("decision-1".to_owned(), head).advance(gate, &InModule, now) {
        Step::Done(decision) => *decision,
        Step::NeedKeys(issuer) => panic!("keys of issuer {issuer} are missing"),
        Step::NeedBody(_) => panic!("its body is missing"),
    }
}

pub fn decide(gate: &mut Gate, head: RequestHead) -> Decision {
    decide_at(gate, head, NOW)
}

/// A request that a configuration denies for one reason: what the table of [`denials`] is made of.
pub struct Denied {
    pub reason: Reason,
    pub decision: Decision,
    pub config: Option<Config>,
}

/// A configuration with something for every reason to go wrong at.
pub fn strict_config() -> Config {
    config(|c| {
        let inline = c["issuers"][0].clone();
        let remote = with(
            inline,
            json!({
                "issuer": "https://remote.example",
                "keys": { "remote": { "cluster": "idp", "uri": "https://remote.example/jwks.json" } },
            }),
        );
        c["issuers"].as_array_mut().unwrap().push(remote);
        c["delegation"] = json!({ "max_depth": 2 });
        c["resource_metadata"] = json!("https://tools.example/.well-known/oauth-protected-resource");
        c["policies"] = json!([{ "name": "denier" }, { "name": "faulty" }]);
        c["routes"] = json!([
            { "match": { "path_prefix": "/v1" }, "scopes": ["tickets.read", "tickets.list"] },
            { "match": { "path_prefix": "/denied" }, "policies": ["denier"] },
            { "match": { "path_prefix": "/faulty" }, "policies": ["faulty"] },
            { "match": { "path_prefix": "/fresh" }, "scopes": ["tickets.read", "tickets.list"], "acr_values": ["phr", "mfa"], "max_age_s": 300 },
            { "match": { "path_prefix": "/mcp" }, "mcp": { "tools": [{ "name": "a", "arguments": { "/x": [1] } }], "body_bytes": 200 } },
        ]);
    })
}

/// That configuration, at work.
pub fn strict_gate(config: Config) -> Gate {
    let policies = policies::Scripted::default()
        .with("denier", policies::deny("too-late"))
        .with("faulty", Err(mandate_core::policy::Fault::Fuel));
    Gate::new(config, Box::new(policies), [7; 16]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The denials for want of a proof.
fn proof_denials(marked: &dyn Fn(Value) -> String) -> Vec<Denied> {
    let key = Private::new(Algorithm::Es256, 3);
    let token = marked(json!({ "cnf": { "jkt": b64(key.public().thumbprint()) } }));
    let proof = |members: Value| {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk() });
        let ath = b64(sha2::Sha256::digest(&token));
        let claims = json!({ "jti": "marker-id", "htm": "GET", "htu": "https://tools.example/v1", "iat": NOW_S, "ath": ath });
        sign_texts(&key, Algorithm::Es256, &header.to_string(), &with(claims, members).to_string())
    };
    let sent =
        |proof: &str| head("GET", "/v1", &[("authorization", &format!("DPoP {token}")), ("dpop", proof)]);
    let config = |nonce: &str| {
        let mut config = strict_config();
        config.issuers[0].proof = mandate_core::config::ProofMode::Required;
        let proofs = json!({ "external_uris": ["https://tools.example"], "dpop": { "nonce": nonce } });
        config.proofs = self::config(|c| c["proofs"] = proofs).proofs;
        config
    };
    let plain = head("GET", "/v1", &[("authorization", &format!("Bearer {token}"))]);
    let full = World::sharing(&AlwaysSlower);
    let rows: Vec<(Reason, &str, Vec<RequestHead>, &dyn Surroundings)> = vec![
        (Reason::ProofRequired, "none", vec![plain], &InModule),
        (Reason::ProofInvalid, "none", vec![sent(&proof(json!({ "htm": "marker" })))], &InModule),
        (Reason::ProofReplayed, "none", vec![sent(&proof(json!({}))), sent(&proof(json!({})))], &InModule),
        (Reason::ProofNonceRequired, "required", vec![sent(&proof(json!({ "nonce": "marker" })))], &InModule),
        (Reason::ReplayMemoryFull, "none", vec![sent(&proof(json!({})))], &full),
    ];
    let mut denials = Vec::new();
    for (reason, nonce, heads, surroundings) in rows {
        let config = config(nonce);
        let mut gate = strict_gate(config.clone());
        let decisions = heads.into_iter().map(|head| {
            match Flow::new("decision-1".to_owned(), head).advance(&mut gate, surroundings, NOW) {
                Step::Done(decision) => *decision,
                other => panic!("{other:?}"),
            }
        });
        let decision = decisions.last().unwrap();
        denials.push(Denied { reason, decision, config: Some(config) });
    }
    denials
}

/// The denial of a chain whose second link grants more than its first.
fn chain_denial(mark: &Value) -> Denied {
    let holder = Private::new(Algorithm::EdDsa, 4);
    let link = |members: Value, scopes: Value| {
        let detail = json!([{ "type": "agent_delegation", "scopes": scopes }]);
        let bound = with(json!({ "cnf": { "jwk": holder.jwk() }, "authorization_details": detail }), members);
        canonical(&with(claims_with(mark), bound)).unwrap()
    };
    let root = link(json!({ "del_depth": 0, "del_max_depth": 2 }), json!(["tickets.read"]));
    let root = sign_texts(&issuer_key(), Algorithm::EdDsa, &canonical(&header()).unwrap(), &root);
    let par_hash = b64(sha2::Sha256::digest(root.rsplit_once('.').unwrap().0));
    let last = link(json!({ "del_depth": 1, "par_hash": par_hash }), json!(["marker"]));
    let last = sign_texts(&holder, Algorithm::EdDsa, r#"{"alg":"EdDSA","typ":"at+jwt"}"#, &last);
    let mut config = strict_config();
    let chained = self::config(|c| {
        let chain = json!({ "form": "attenuated", "header": "x-delegation-chain" });
        c["issuers"][0] = with(c["issuers"][0].clone(), json!({ "chain": chain, "proof": "required" }));
        c["proofs"] = json!({ "external_uris": ["https://tools.example"] });
    });
    config.issuers[0] = chained.issuers[0].clone();
    config.proofs = chained.proofs;
    let authorization = format!("Bearer {last}");
    let headers = [("authorization", authorization.as_str()), ("x-delegation-chain", root.as_str())];
    let decision = decide(&mut strict_gate(config.clone()), head("GET", "/v1", &headers));
    Denied { reason: Reason::DelegationWidened, decision, config: Some(config) }
}

/// The denial of an agent whose client has another name.
fn mismatch_denial(marked: &dyn Fn(Value) -> String) -> Denied {
    let mut config = strict_config();
    config.issuers[0].agent.agree = issuer(|i| i["agent"] = json!({ "agree": ["client"] })).agent.agree;
    let authorization = format!("Bearer {}", marked(json!({ "act": { "sub": "marker-agent" } })));
    let request = head("GET", "/v1", &[("authorization", &authorization)]);
    let decision = decide(&mut strict_gate(config.clone()), request);
    Denied { reason: Reason::AgentMismatch, decision, config: Some(config) }
}

/// Denials for want of an approval that holds.
fn approval_denials(marked: &dyn Fn(Value) -> String) -> Vec<Denied> {
    let approver = Private::new(Algorithm::EdDsa, 4);
    let config = config(|c| {
        let keys = json!({ "inline": { "keys": [approver.jwk()] } });
        c["approvals"] = json!({
            "audience": AUDIENCE,
            "approvers": [{ "issuer": "https://approve.example", "algorithms": ["EdDSA"], "keys": keys }],
        });
        c["routes"][0]["approval"] = json!(true);
    });
    let token = marked(json!({ "act": null }));
    let principal: Value = serde_json::from_slice(&unb64(token.split('.').nth(1).unwrap())).unwrap();
    let claims = json!({
        "iss": "https://approve.example", "aud": AUDIENCE, "iat": NOW_S, "exp": NOW_S + 60, "jti": "marker-approval",
        "principal": { "iss": ISSUER, "sub": principal["sub"] }, "agent": null,
        "action": { "method": "GET", "path": "/v1" }, "arguments": b64(sha2::Sha256::digest("{}")),
    });
    let header = json!({ "typ": "mandate-approval+jwt", "alg": "EdDSA" }).to_string();
    let approval = |path: &str| {
        let claims = with(claims.clone(), json!({ "action": { "method": "GET", "path": path } }));
        sign_texts(&approver, Algorithm::EdDsa, &header, &claims.to_string())
    };
    let (good, other) = (approval("/v1"), approval("/marker"));
    let rows = [
        (Reason::ApprovalRequired, vec![None]),
        (Reason::ApprovalInvalid, vec![Some(&other)]),
        (Reason::ApprovalUsed, vec![Some(&good), Some(&good)]),
    ];
    let deny = |(reason, approvals): (Reason, Vec<Option<&String>>)| {
        let mut gate = gate(config.clone());
        let decisions = approvals.into_iter().map(|approval| {
            let authorization = format!("Bearer {token}");
            let mut headers = vec![("authorization", authorization.as_str())];
            headers.extend(approval.map(|approval| ("mandate-approval", approval.as_str())));
            decide(&mut gate, head("GET", "/v1", &headers))
        });
        let decision = decisions.last().unwrap();
        Denied { reason, decision, config: Some(config.clone()) }
    };
    rows.into_iter().map(deny).collect()
}

/// Shared memory that another worker always wrote just before.
struct AlwaysSlower;

impl SharedMemory for AlwaysSlower {
    fn read(&self, _: &str) -> Result<(Vec<u8>, PartState), SharedMemoryFailed> {
        Ok((Vec::new(), None))
    }

    fn replace(&self, _: &str, _: &[u8], _: PartState) -> Result<bool, SharedMemoryFailed> {
        Ok(false)
    }
}

/// The status and the challenges of a denial's answer.
pub fn challenged(decision: &Decision, config: &Config) -> (u16, Vec<String>) {
    match Reply::new(decision, Some(config)) {
        Reply::Forward(_) => panic!("it was allowed"),
        Reply::Local(answer) => {
            let named = answer.headers.into_iter().filter(|(name, _)| *name == "www-authenticate");
            (answer.status, named.map(|(_, value)| value).collect())
        }
    }
}

/// What a decision asks of a proxy: signatures are verified, and the rest is as it is said here.
pub struct World<'a> {
    memory: Option<&'a dyn SharedMemory>,
    certificate: Result<Option<ClientCertificate>, ConnectionFailed>,
}

impl<'a> World<'a> {
    /// Whose workers share this memory.
    pub fn sharing(memory: &'a dyn SharedMemory) -> Self {
        Self { memory: Some(memory), certificate: Ok(None) }
    }

    /// Whose client has this certificate.
    pub fn connected(certificate: Result<Option<ClientCertificate>, ConnectionFailed>) -> Self {
        Self { memory: None, certificate }
    }
}

impl SignatureVerifier for World<'_> {
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        text: &[u8],
        signature: &[u8],
    ) -> Result<bool, mandate_core::keys::VerifierFailed> {
        InModule.verify(key, algorithm, text, signature)
    }
}

impl Surroundings for World<'_> {
    fn shared_memory(&self) -> Option<&dyn SharedMemory> {
        self.memory
    }

    fn client_certificate(&self) -> Result<Option<ClientCertificate>, ConnectionFailed> {
        self.certificate.clone()
    }
}

struct BrokenVerifier;

impl Surroundings for BrokenVerifier {}

impl mandate_core::keys::SignatureVerifier for BrokenVerifier {
    fn verify(
        &self,
        _: &PublicKey,
        _: Algorithm,
        _: &[u8],
        _: &[u8],
    ) -> Result<bool, mandate_core::keys::VerifierFailed> {
        Err(mandate_core::keys::VerifierFailed)
    }
}

/// One denial per reason, each from a request through the machine but one: without a configuration there is no
/// machine, so [`Reason::ConfigInvalid`] is a refusal. `mark` is put over the accepted claims of every token that has a say.
pub fn denials(mark: &Value) -> Vec<Denied> {
    let marked = |members: Value| {
        let mut all = mark.clone();
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        token(all)
    };
    let bearer = |token: &str| format!("Bearer {token}");
    let get = |path: &str, token: &str| head("GET", path, &[("authorization", &bearer(token))]);
    let with_alg = |header: &Value| {
        let claims = claims_with(mark).to_string();
        get("/v1", &sign_texts(&issuer_key(), Algorithm::EdDsa, &header.to_string(), &claims))
    };
    let stranger = Private::new(Algorithm::EdDsa, 9);
    let forged =
        sign_texts(&stranger, Algorithm::EdDsa, &header().to_string(), &claims_with(mark).to_string());
    let two = [("authorization", bearer(&marked(json!({})))), ("authorization", bearer(&marked(json!({}))))];
    let two: Vec<(&str, &str)> = two.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let cycle = act(&[(None, "a"), (None, "a")]);
    let requests = vec![
        (Reason::TokenMissing, head("GET", "/v1", &[])),
        (Reason::TokenMalformed, get("/v1", "a.b.c")),
        (
            Reason::TokenTooLarge,
            get("/v1", &format!("a.{}.c", "b".repeat(mandate_core::limits::TOKEN_BYTES))),
        ),
        (Reason::ProofUnsupported, head("GET", "/v1", &[("authorization", "DPoP a.b.c")])),
        (Reason::CredentialAmbiguous, head("GET", "/v1", &two)),
        (Reason::TokenType, with_alg(&with(header(), json!({ "typ": "JWT" })))),
        (Reason::AlgorithmNotAllowed, with_alg(&with(header(), json!({ "alg": "none" })))),
        (Reason::IssuerUnknown, get("/v1", &marked(json!({ "iss": "https://evil.example" })))),
        (Reason::KeyUnknown, with_alg(&with(header(), json!({ "kid": "marker-kid" })))),
        (Reason::SignatureInvalid, get("/v1", &forged)),
        (Reason::AudienceMismatch, get("/v1", &marked(json!({ "aud": "https://marker.example" })))),
        (Reason::TokenExpired, get("/v1", &marked(json!({ "iat": NOW_S - 3000, "exp": NOW_S - 1000 })))),
        (Reason::TokenNotYetValid, get("/v1", &marked(json!({ "nbf": NOW_S + 100 })))),
        (Reason::LifetimeTooLong, get("/v1", &marked(json!({ "exp": NOW_S + 100_000 })))),
        (Reason::ClaimMissing, get("/v1", &marked(json!({ "sub": null })))),
        (Reason::ClaimInvalid, get("/v1", &marked(json!({ "jti": "marker\n" })))),
        (Reason::DelegationMalformed, get("/v1", &marked(json!({ "act": { "sub": "marker\n" } })))),
        (Reason::DelegationTooDeep, get("/v1", &marked(json!({ "act": act_of_depth(3) })))),
        (
            Reason::ActorUntrusted,
            get("/v1", &marked(json!({ "act": act(&[(Some("urn:marker"), "marker-a")]) }))),
        ),
        (Reason::DelegationCycle, get("/v1", &marked(json!({ "act": cycle })))),
        (Reason::AuthenticationInsufficient, get("/fresh", &marked(json!({ "acr": "marker-acr" })))),
        (Reason::ScopeInsufficient, get("/v1", &marked(json!({ "scope": "tickets.read" })))),
        (Reason::PolicyDenied, get("/denied", &marked(json!({})))),
        (Reason::PolicyFault, get("/faulty", &marked(json!({})))),
        (Reason::RouteUnmatched, get("/other", &marked(json!({})))),
        (Reason::PathInvalid, get("/v1/%2e%2e/%2e%2e/x", &marked(json!({})))),
        (Reason::ConnectionInvalid, head("GET", "/v1", &[("connection", "upgrade, x-mandate-agent")])),
    ];
    let mut denials: Vec<Denied> = requests
        .into_iter()
        .map(|(reason, head)| {
            let config = strict_config();
            let decision = decide(&mut strict_gate(config.clone()), head);
            Denied { reason, decision, config: Some(config) }
        })
        .collect();

    // Messages of a protocol.
    let call = |tool: &str| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } }).to_string()
    };
    for (reason, headers, body) in [
        (Reason::ActionDenied, vec![], Body::Whole(call("marker").into_bytes())),
        (Reason::ArgumentDenied, vec![], Body::Whole(call("a").into_bytes())),
        (Reason::BodyMalformed, vec![], Body::Whole(b"marker".to_vec())),
        (Reason::BodyTooLarge, vec![], Body::TooLong(201)),
        (Reason::ProtocolMismatch, vec![("mcp-name", "marker")], Body::Whole(call("a").into_bytes())),
        (Reason::SessionUnknown, vec![("mcp-session-id", "marker")], Body::Whole(call("a").into_bytes())),
    ] {
        let config = strict_config();
        let authorization = bearer(&marked(json!({})));
        let headers = [vec![("authorization", authorization.as_str())], headers].concat();
        let mut flow = Flow::new("decision-1".to_owned(), head("POST", "/mcp", &headers).with_body(true));
        flow.set_body(body);
        let Step::Done(decision) = flow.advance(&mut strict_gate(config.clone()), &InModule, NOW) else {
            panic!("the body is there")
        };
        denials.push(Denied { reason, decision: *decision, config: Some(config) });
    }

    let config = self::config(|c| c["delegation"] = json!({ "required": true }));
    let decision = decide(&mut gate(config.clone()), get("/v1", &marked(json!({ "act": null }))));
    denials.push(Denied { reason: Reason::DelegationRequired, decision, config: Some(config) });

    let config = strict_config();
    let mut flow =
        Flow::new("decision-1".to_owned(), get("/v1", &marked(json!({ "iss": "https://remote.example" }))));
    let mut waited_at = strict_gate(config.clone());
    assert!(matches!(flow.advance(&mut waited_at, &InModule, NOW), Step::NeedKeys(1)));
    let decision = flow.give_up(&waited_at, KeysProblem::Late, NOW);
    denials.push(Denied { reason: Reason::KeysUnavailable, decision, config: Some(config) });

    let config = strict_config();
    let mut flow = Flow::new("decision-1".to_owned(), get("/v1", &marked(json!({}))));
    let Step::Done(decision) = flow.advance(&mut strict_gate(config.clone()), &BrokenVerifier, NOW) else {
        panic!("the verifier failed")
    };
    denials.push(Denied { reason: Reason::Internal, decision: *decision, config: Some(config) });

    denials.extend(proof_denials(&marked));
    denials.push(chain_denial(mark));
    denials.push(mismatch_denial(&marked));
    denials.extend(approval_denials(&marked));

    let decision = Decision::refusal("decision-1".to_owned(), NOW, Reason::ConfigInvalid);
    denials.push(Denied { reason: Reason::ConfigInvalid, decision, config: None });
    denials
}
