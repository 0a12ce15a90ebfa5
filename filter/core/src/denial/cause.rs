//! What can be wrong with the parts of a request, each with its place and the limit that it broke.

use crate::json::JsonError;
use crate::limits;

/// Why there is no one credential to look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialProblem {
    /// No `authorization` header.
    #[error("no authorization header came")]
    Absent,
    /// A scheme that is not known.
    #[error("the authorization header has another scheme than Bearer, DPoP and WPT")]
    Scheme,
    /// `DPoP`, where no issuer's tokens may come with it.
    #[error(
        "the authorization header has the scheme DPoP, and `proof` of no issuer and no route asks for such proofs"
    )]
    Proof,
    /// Several headers with links of a chain.
    #[error("more than one header with links of a delegation chain came")]
    Chains,
    /// `WPT`, where no issuer's tokens may come with it.
    #[error("the authorization header has the scheme WPT, and no issuer has the provider `wit`")]
    WorkloadProof,
    /// `WPT` without the token that it proves.
    #[error("the authorization header has the scheme WPT, and no workload-identity-token came with it")]
    NoWorkload,
    /// Several headers, or several credentials in one.
    #[error("more than one credential came")]
    Several,
    /// Several tokens of a workload.
    #[error("more than one workload-identity-token came")]
    SeveralWorkloads,
}

/// Why a credential is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// Nothing follows the scheme.
    #[error("nothing follows the scheme")]
    Empty,
    /// A byte that RFC 9110 §11.2 does not allow in a `token68`.
    #[error("byte {at} of the token is not one that a token may hold")]
    Byte {
        /// Its offset in the token.
        at: usize,
    },
    /// Too long.
    #[error("the token has {bytes} bytes, {max} are accepted")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// What is accepted.
        max: usize,
    },
    /// Not three parts between dots (RFC 7515 §7.1).
    #[error("the token has {parts} parts between dots, a signed token has 3")]
    Parts {
        /// How many there are.
        parts: usize,
    },
    /// Not base64url without padding (RFC 7515 §2).
    #[error("the {part} of the token is not base64url")]
    Base64 {
        /// `header`, `claims` or `signature`.
        part: &'static str,
    },
    /// Not strict JSON.
    #[error("the {part} of the token: {error}")]
    Json {
        /// `header` or `claims`.
        part: &'static str,
        /// What is wrong, and where.
        error: JsonError,
    },
    /// JSON that names a member twice. Its name is the client's text, and not kept.
    #[error("the {part} of the token names a member twice")]
    Duplicate {
        /// `header` or `claims`.
        part: &'static str,
    },
    /// JSON, but no object.
    #[error("the {part} of the token is no JSON object")]
    NotObject {
        /// `header` or `claims`.
        part: &'static str,
    },
    /// A member of the header is missing, no string, or too long.
    #[error("`{name}` in the header of the token is missing, no string, or too long")]
    Member {
        /// Its name.
        name: &'static str,
    },
    /// An extension that must be understood, and is not (RFC 7515 §4.1.11).
    #[error("the header of the token has `crit` or `b64`, and no extension is understood here")]
    Critical,
}

/// What is wrong with a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimProblem {
    /// It is absent.
    #[error("is missing")]
    Missing,
    /// It has another type than it must have.
    #[error("has the wrong type")]
    Type,
    /// It is empty, too long, or has control characters.
    #[error("is empty, longer than {} bytes, or has control characters", limits::IDENTITY_BYTES)]
    Text,
    /// It is no date (RFC 7519 §2, NumericDate).
    #[error("is no date in seconds since 1970")]
    Date,
    /// It has too many elements.
    #[error("has more than {max} elements")]
    TooMany {
        /// What is accepted.
        max: usize,
    },
    /// It is no list of scope tokens (RFC 6749 §3.3).
    #[error("is no list of scope tokens with one space between them")]
    Scopes,
    /// `exp` is not later than `iat`.
    #[error("is not later than `iat`")]
    NotAfterIssued,
    /// The token is bound to a key, and no proof is checked (RFC 7800 §3.1).
    #[error("binds the token to a key, and `proof` of neither its issuer nor the route asks for proofs")]
    Bound,
    /// Not the digest of a key or a certificate.
    #[error("is no SHA-256 digest in base64url, which has 43 characters")]
    Digest,
    /// No public key that can verify.
    #[error("is no public key that can verify signatures with its `alg`")]
    Key,
    /// No algorithm for proofs.
    #[error("is no signature algorithm that is accepted for proofs")]
    Algorithm,
}

/// Why a body is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyProblem {
    /// Nothing follows the head.
    #[error("there is no body")]
    Absent,
    /// Not strict JSON.
    #[error("the body: {0}")]
    Json(JsonError),
    /// JSON that names a member twice. Its name is the client's text, and not kept.
    #[error("the body names a member twice")]
    Duplicate,
    /// An array: several messages at once.
    #[error("the body is a batch, and batches are not accepted")]
    Batch,
    /// JSON, but no object.
    #[error("the body is no JSON object")]
    NotObject,
    /// A member of the envelope is missing or has the wrong form (JSON-RPC 2.0 §4).
    #[error("`{name}` is missing or has the wrong form")]
    Member {
        /// Its name.
        name: &'static str,
    },
    /// A member that is one of the protocol's but for upper and lower case: some servers take it for that one.
    #[error("the body names a member of the protocol in another letter case, or with underscores")]
    Spelling,
    /// A URI that servers read in different ways, such as one with dot segments.
    #[error("`uri` is not in normal form: it has dot segments, backslashes, encoded slashes or white space")]
    Uri,
    /// The last part of the body did not come in time.
    #[error("the body did not come in time")]
    Late,
    /// A message of JSON-RPC at an address of REST: which of the two the server reads is not known.
    #[error("the body is a message of JSON-RPC, and the path is one of REST")]
    Envelope,
    /// A member that only the other version of the protocol has.
    #[error("the body names a member that only another version of the protocol has")]
    OtherVersion,
    /// The body is compressed, or in another character set than UTF-8.
    #[error("the body is compressed or not UTF-8, as its headers say")]
    Encoded,
}

/// Why a rule does not admit an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentProblem {
    /// It is not there.
    #[error("it is absent")]
    Absent,
    /// It is there.
    #[error("its value is not one of those that the rule lists")]
    Value,
    /// Servers may find different values.
    #[error(
        "servers may read different values there: there is a name in another letter case, `__proto__`, or a string in which others are written"
    )]
    Ambiguous,
    /// It is given in the query of the path too, or may be.
    #[error("it is, or may be, given in the path as well, outside of what is read from there")]
    Elsewhere,
    /// It does what another rule must admit, and none does.
    #[error("no rule admits CreateTaskPushNotificationConfig, which it amounts to")]
    Unruled,
}

/// How headers and body of a message contradict each other, or the revision that it names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolProblem {
    /// A header comes more than once.
    #[error("the header {header} comes more than once")]
    Repeated {
        /// Its name.
        header: &'static str,
    },
    /// A header has the name of another, but for what stands between its letters.
    #[error(
        "a header has the name {header} but for what stands between its letters, and some servers read it as that one"
    )]
    Respelled {
        /// The other's name.
        header: &'static str,
    },
    /// A header that the revision asks for is missing.
    #[error("the header {header} is missing")]
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// A header says something else than the body.
    #[error("the header {header} does not agree with the body")]
    Differs {
        /// Its name.
        header: &'static str,
    },
    /// A revision that is not known here.
    #[error("the protocol version is not known here")]
    Version,
    /// An id in the body is not the one in the path.
    #[error("an id in the path is not the one in the body, or no text")]
    Path,
    /// A request without a body by its method has one.
    #[error("a request with this method must not have a body")]
    Body,
}

/// Why a session is not the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionProblem {
    /// The id says nothing of whose it is.
    #[error("the id was not given out by this filter: the session was opened before it, or around it")]
    Unbound,
    /// The id is bound to somebody else.
    #[error(
        "the id is bound to another principal or agent, or with another secret than this worker has (MANDATE_SESSION_SECRET)"
    )]
    Foreign,
}

/// Why a header names no client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardedCertificateProblem {
    /// Longer than [`limits::FORWARDED_CERTIFICATE_BYTES`].
    #[error("longer than {} bytes", limits::FORWARDED_CERTIFICATE_BYTES)]
    TooLong,
    /// Of several proxies, or several headers: which of them is to be believed is not known.
    #[error("several elements")]
    Several,
    /// Not of the grammar.
    #[error("malformed")]
    Malformed,
    /// Without a digest, with several, or with one that is no SHA-256 in hexadecimal digits.
    #[error("no single SHA-256 digest")]
    Digest,
}

/// Why a sender has not shown that it holds the key of its token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofProblem {
    /// A token without `cnf`, where one is asked for.
    #[error("the token is not bound to a key (`cnf`), and only such tokens are accepted here")]
    Unbound,
    /// A token that is bound in no way that is known.
    #[error(
        "the token is bound to a key in a way that is not known here: its `cnf` has neither `jkt` nor `x5t#S256`"
    )]
    UnknownBinding,
    /// A kind of proof that the issuer's entry does not list.
    #[error("this kind of proof is not among `proof_kinds` of the issuer")]
    NotAccepted,
    /// No proof.
    #[error("no proof came with the token")]
    Absent,
    /// A bound token as a bearer token (RFC 9449 §7.2).
    #[error("the token is bound to a key and came as a bearer token, without the scheme DPoP")]
    Scheme,
    /// The scheme `DPoP` with a token that has no `cnf.jkt` (RFC 9449 §7.1).
    #[error("the token came with the scheme DPoP, and is not bound to a key by `cnf.jkt`")]
    NotBoundSo,
    /// A token of a workload without a proof of its own (draft-ietf-wimse-workload-creds §9.2).
    #[error("the token is a Workload Identity Token, which needs a Workload Proof Token with the scheme WPT")]
    NoWorkloadProof,
    /// The scheme `WPT` with another token.
    #[error(
        "the proof has the scheme WPT, and what came with it is no Workload Identity Token of an issuer with the provider `wit`"
    )]
    NoWorkloadToken,
    /// No certificate (RFC 8705 §3).
    #[error(
        "the token is bound to a certificate, and the connection has none: the client sent none, or the proxy does not ask for one"
    )]
    NoCertificate,
    /// Another certificate than the token's.
    #[error("the certificate of the connection is not the one that the token is bound to")]
    OtherCertificate,
    /// What a proxy in front says of it cannot be read.
    #[error("x-forwarded-client-cert: {0}")]
    Forwarded(ForwardedCertificateProblem),
    /// More than one header.
    #[error("more than one proof came")]
    Several,
    /// Not a compact JWS of strict JSON.
    #[error("{0}")]
    Malformed(TokenProblem),
    /// Not text.
    #[error("the proof has bytes that are no text")]
    NotText,
    /// Another `typ`.
    #[error("`typ` of the proof is not `{expected}`")]
    Type {
        /// What it must be.
        expected: &'static str,
    },
    /// `alg` is unknown, or not accepted.
    #[error("`alg` of the proof is not one of {accepted}")]
    Algorithm {
        /// What is accepted.
        accepted: String,
    },
    /// `jwk` is absent, private, symmetric, or no key of `alg`.
    #[error("`jwk` of the proof: {problem}")]
    Key {
        /// What is wrong with it.
        problem: String,
    },
    /// Another key than the token's.
    #[error("the key of the proof is not the one that the token is bound to")]
    OtherKey,
    /// The signature.
    #[error("the signature of the proof does not verify with its key")]
    Signature,
    /// A claim is absent or has the wrong form.
    #[error("`{claim}` of the proof {problem}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What is wrong with it.
        problem: ClaimProblem,
    },
    /// `alg` is another than that of the token's key.
    #[error("`alg` of the proof is not `{expected}`, which `cnf.jwk` of the token has")]
    OtherAlgorithm {
        /// What it must be.
        expected: String,
    },
    /// `htm`.
    #[error("`htm` of the proof is not the method of the request")]
    Method,
    /// `ath`.
    #[error("`ath` of the proof is not the digest of the token that came with it")]
    TokenDigest,
    /// `wth`.
    #[error("`wth` of the proof is not the digest of the workload-identity-token that came with it")]
    WorkloadDigest,
    /// `tth` beside a `Txn-Token`, or without one.
    #[error("`tth` of the proof is not the digest of the one txn-token that came with it")]
    TransactionDigest,
    /// A member of `oth`.
    #[error(
        "`oth` of the proof is no object of digests, or a header that it names did not come exactly once with a value of that digest"
    )]
    OtherDigest,
    /// No nonce.
    #[error("the proof has no nonce")]
    NonceAbsent,
    /// A nonce that was not given out, or with another secret.
    #[error("the nonce of the proof was not given out by this gateway, or by one with another secret")]
    NonceUnknown,
    /// An old nonce.
    #[error("the nonce of the proof is too old")]
    NonceOld,
    /// The same proof again.
    #[error("a proof with this `jti` and key was used before")]
    Used,
    /// There is no room to remember it.
    #[error("so many proofs of this sender are remembered that there is no room for another")]
    NoRoom,
}

/// Why it is not agreed who the agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgreementProblem {
    /// The token names no agent.
    #[error("the token names no agent")]
    NoAgent,
    /// One of the sources has no name.
    #[error("no name")]
    Absent,
    /// It has another one.
    #[error("another name")]
    Differs,
}

/// Why an issuer's keys are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysProblem {
    /// There is no set, or it is too old, and the next attempt to fetch one is not due yet.
    #[error("no key set could be fetched, or it is older than stale_s")]
    Missing,
    /// They did not come in the time that a request waits.
    #[error("the request waited for a key set, which did not come in time")]
    Late,
    /// The configuration changed while the request waited.
    #[error("the request waited for a key set when another configuration came")]
    Reconfigured,
    /// So many requests wait already that this one may not.
    #[error("too many requests wait for keys already")]
    NoRoom,
}

/// Why a path was refused. Positions are byte offsets into what came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Longer than [`limits::PATH_BYTES`].
    #[error("the path has {bytes} bytes, at most {max} are accepted", max = limits::PATH_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Empty, the asterisk form, or an authority: a path begins with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// A `#`, anywhere: a fragment is never sent (RFC 9110 §7.1).
    #[error("the path has a fragment at byte {at}")]
    Fragment {
        /// Offset of the `#`.
        at: usize,
    },
    /// A byte that RFC 3986 allows neither in a path nor in a query.
    #[error("byte 0x{byte:02X} at {at} is not allowed, percent-encode it")]
    ForbiddenByte {
        /// The byte.
        byte: u8,
        /// Its offset.
        at: usize,
    },
    /// A `%` without two hexadecimal digits.
    #[error("the percent sign at byte {at} is not followed by two hexadecimal digits")]
    BadTriplet {
        /// Offset of the `%`.
        at: usize,
    },
    /// An encoded slash, backslash or control character: proxy and upstream might read it differently.
    #[error("the encoded byte 0x{byte:02X} at {at} is ambiguous")]
    AmbiguousTriplet {
        /// What the triplet stands for.
        byte: u8,
        /// Offset of the `%`.
        at: usize,
    },
    /// Triplets that are together no UTF-8: servers replace, drop or keep such bytes.
    #[error("the percent-encoded bytes from {at} on are not UTF-8")]
    NotUtf8 {
        /// Offset of the first such `%`.
        at: usize,
    },
    /// A segment that ends in encoded white space: some servers trim it.
    #[error("the segment that ends at byte {at} ends in white space, which some servers trim")]
    TrailingSpace {
        /// Offset of the byte behind the segment.
        at: usize,
    },
    /// A path parameter: some upstreams strip it before they route, so `/admin;x` is `/admin` to them and not to us.
    #[error(
        "the semicolon at byte {at} begins a path parameter, which proxies and upstreams read differently"
    )]
    Parameter {
        /// Offset of the semicolon, encoded or not.
        at: usize,
    },
    /// Dot segments that climb above the root.
    #[error("the path climbs above its root")]
    AboveRoot,
    /// An address of the route's protocol, but for letter case, to which not every server pays regard.
    #[error("the path is an address of the protocol in another letter case")]
    AddressSpelling,
    /// A path that is two addresses of the route's protocol, depending on where the upstream serves it.
    #[error("the path can be read as two addresses of the protocol")]
    TwoAddresses,
    /// A configured prefix that is not in normal form and so would match nothing.
    #[error("the prefix is not in normal form, write `{normal}`")]
    NotNormal {
        /// The normal form.
        normal: String,
    },
    /// A configured prefix with a query.
    #[error("the prefix has a query, routes match the path only")]
    PrefixQuery,
}
