//! Every bound of the request path, in one place.
//!
//! A value that an operator may set has its default and its ceiling here; the rest is fixed.

use mandate_seam::limits as seam;
/// What the linker holds policies to as well.
pub use mandate_seam::limits::{BYTES_PER_FUEL, GLOBALS as POLICY_GLOBALS};

/// Longest compact token, in bytes, where `token_bytes` is absent.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// Least and largest `token_bytes`. Envoy's own limit for all headers of a request is 60 KiB (`max_request_headers_kb`).
pub const MIN_TOKEN_BYTES: usize = 256;
/// See [`MIN_TOKEN_BYTES`].
pub const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// Most claims that one member of `claims` or `agent` names.
pub const CLAIM_POINTERS: usize = 32;
/// Most hops of a chain, counted or not.
pub const HOPS: usize = 32;
/// Most links of an attenuated chain, root and access token included: no chain may have more hops.
pub const CHAIN_LINKS: usize = MAX_MAX_DEPTH as usize;
/// Longest header with the links of an attenuated chain, in bytes.
pub const CHAIN_BYTES: usize = 64 * 1024;
/// Deepest nesting of any JSON that comes from outside: token header, claims, key sets, configuration.
pub const JSON_DEPTH: usize = 32;
/// Most values in the header, and in the claims, of one token: the memory that JSON takes grows with them.
pub const TOKEN_VALUES: usize = 1024;
/// Most values in one key set document.
pub const KEY_SET_VALUES: usize = 4096;
/// Longest `kid`, in bytes; a `kid` is hostile input (RFC 8725 §3.10).
pub const KID_BYTES: usize = 256;
/// Longest `sub`, `iss`, `client_id` or `jti`, in bytes.
pub const IDENTITY_BYTES: usize = 2048;
/// Most elements of an `aud` array.
pub const AUDIENCES: usize = 32;
/// Most scope tokens in one `scope` claim.
pub const SCOPES: usize = 256;
/// Largest JWK set document, in bytes.
pub const KEY_SET_BYTES: usize = 256 * 1024;
/// Most keys of one issuer.
pub const KEYS: usize = 64;
/// Smallest RSA modulus, in bits (RFC 7518 §3.3).
pub const RSA_MIN_BITS: usize = 2048;
/// Largest RSA modulus, in bits: verification time grows with it.
pub const RSA_MAX_BITS: usize = 8192;
/// Longest text from outside in the evidence of a denial, in bytes; the rest is cut off.
pub const EVIDENCE_TEXT_BYTES: usize = 256;
/// Longest `x-forwarded-client-cert`, in bytes: it may hold a chain of certificates.
pub const FORWARDED_CERTIFICATE_BYTES: usize = 32 * 1024;
/// Longest host name, in bytes (RFC 1035 §2.3.4).
pub const HOST_BYTES: usize = 255;
/// Longest request path including the query, in bytes.
pub const PATH_BYTES: usize = 8 * 1024;

/// `body_bytes` of a route with a protocol when absent: longest body of a message, in bytes.
pub const BODY_BYTES: usize = 1024 * 1024;
/// Largest `body_bytes`.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Most values in the body of one message: the memory that JSON takes grows with them.
pub const BODY_VALUES: usize = 64 * 1024;
/// How long after the head of a message the first part of its body must be shown, in milliseconds: a proxy that is not set up
/// for it never shows one.
pub const BODY_WAIT_MS: u64 = 10_000;
/// How long after its head the last part of a message must have come, in milliseconds.
pub const BODY_COMPLETE_MS: u64 = 60_000;
/// Most requests that a worker holds until their message came.
pub const HELD_REQUESTS: usize = 1024;
/// Most answers with lists that a worker holds at the same time until they are whole.
pub const READ_RESPONSES: usize = 1024;
/// Most bytes of events that a worker holds at the same time until they are complete.
pub const READ_EVENT_BYTES: usize = 16 * 1024 * 1024;
/// Least length of the secret that sessions are bound with, in bytes.
pub const SESSION_SECRET_BYTES: usize = 32;
/// The largest number of an argument that a rule admits: up to here every integer is a number of its own where numbers are floating
/// point numbers of 64 bits (RFC 8259 §6).
pub const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
/// Most `acr_values` of a route or a rule.
pub const ACR_VALUES: usize = 16;
/// Range of `max_age_s` of a route or a rule: to a year.
pub const AUTHENTICATION_AGE_S: core::ops::RangeInclusive<u64> = 1..=31_536_000;
/// Most rules of one kind on one route.
pub const ACTION_RULES: usize = 1024;

/// Longest proof of possession, in bytes.
pub const PROOF_BYTES: usize = 8 * 1024;
/// Most values in the header, and in the claims, of one proof.
pub const PROOF_VALUES: usize = 64;
/// `proofs.dpop.window_s` when absent: how far `iat` of a proof may be from now, in seconds.
pub const DEFAULT_DPOP_WINDOW_S: u64 = 60;
/// Range of `proofs.dpop.window_s`.
pub const DPOP_WINDOW_S: core::ops::RangeInclusive<u64> = 1..=300;
/// `proofs.dpop.nonce_lifetime_s` when absent.
pub const DEFAULT_DPOP_NONCE_LIFETIME_S: u64 = 300;
/// Range of `proofs.dpop.nonce_lifetime_s`.
pub const DPOP_NONCE_LIFETIME_S: core::ops::RangeInclusive<u64> = 10..=3600;
/// `proofs.wpt.lifetime_s` when absent: how far `exp` of a proof may be ahead, in seconds.
pub const DEFAULT_WPT_LIFETIME_S: u64 = 300;
/// Range of `proofs.wpt.lifetime_s`.
pub const WPT_LIFETIME_S: core::ops::RangeInclusive<u64> = 1..=300;
/// Longest approval, in bytes.
pub const APPROVAL_BYTES: usize = 8 * 1024;
/// Most values in the header, and in the claims, of one approval.
pub const APPROVAL_VALUES: usize = 128;
/// Most entries of `approvals.approvers`.
pub const APPROVERS: usize = 16;
/// `approvals.max_lifetime_s` when absent.
pub const DEFAULT_APPROVAL_LIFETIME_S: u64 = 600;
/// Largest `approvals.max_lifetime_s`: a day.
pub const MAX_APPROVAL_LIFETIME_S: u64 = 24 * 3600;
/// Parts of the memory of used proofs, and of that of used approvals.
pub const REPLAY_SLOTS: usize = 4096;
/// Most uses that one part remembers at the same time.
pub const REPLAY_SLOT_USES: usize = 64;
/// Most of these of one sender, so that none takes all room.
pub const REPLAY_OWNER_USES: usize = 8;
/// How often a worker tries to write a part that other workers write at the same time.
pub const REPLAY_ATTEMPTS: usize = 16;

/// Largest plugin configuration, in bytes.
pub const CONFIG_BYTES: usize = 4 * 1024 * 1024;
/// Most issuers, routes and policies in one configuration.
pub const ISSUERS: usize = 64;
/// See [`ISSUERS`].
pub const ROUTES: usize = 4096;
/// See [`ISSUERS`].
pub const POLICIES: usize = 64;

/// `clock_skew_s` when absent.
pub const DEFAULT_CLOCK_SKEW_S: u64 = 30;
/// Largest `clock_skew_s`.
pub const MAX_CLOCK_SKEW_S: u64 = 60;
/// `max_lifetime_s` when absent.
pub const DEFAULT_MAX_LIFETIME_S: u64 = 3600;
/// Largest `max_lifetime_s`: a week.
pub const MAX_MAX_LIFETIME_S: u64 = 7 * 24 * 3600;
/// A `max_lifetime_s` above a day is pointed at: an agent's credential is short-lived.
pub const LONG_LIFETIME_S: u64 = 24 * 3600;
/// `max_depth` when absent.
pub const DEFAULT_MAX_DEPTH: u8 = 4;
/// Largest `max_depth`.
pub const MAX_MAX_DEPTH: u8 = 8;

/// `timeout_ms` of a remote key set when absent.
pub const DEFAULT_KEYS_TIMEOUT_MS: u64 = 1000;
/// Range of `timeout_ms`.
pub const KEYS_TIMEOUT_MS: core::ops::RangeInclusive<u64> = 50..=10_000;
/// `refresh_s` of a remote key set when absent.
pub const DEFAULT_KEYS_REFRESH_S: u64 = 300;
/// Range of `refresh_s`.
pub const KEYS_REFRESH_S: core::ops::RangeInclusive<u64> = 1..=86_400;
/// `stale_s` of a remote key set when absent.
pub const DEFAULT_KEYS_STALE_S: u64 = 3600;
/// Range of `stale_s`: how old the last good set may grow before it is no longer trusted.
pub const KEYS_STALE_S: core::ops::RangeInclusive<u64> = 1..=604_800;
/// Least time between two refetches that an unknown `kid` asks for, in seconds.
pub const UNKNOWN_KID_REFETCH_S: u64 = 30;

/// Most verified tokens kept in one cache.
pub const CACHE_ENTRIES: usize = 4096;
/// Most bytes of tokens kept in one cache. Their claims come on top: some ten times as much for usual ones.
pub const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Most entries of `token_types`, `actor_issuers`, a route's `methods` and a route's `policies`.
pub const SMALL_LIST: usize = 64;
/// Most elements of `protected_resources`.
pub const PROTECTED_RESOURCES: usize = 64;
/// Longest name in the configuration (policy, HTTP method, media type), in bytes.
pub const NAME_BYTES: usize = 64;
/// Longest URL in the configuration, in bytes.
pub const URL_BYTES: usize = 2048;
/// Most problems that one look at a configuration lists.
pub const PROBLEMS: usize = 200;

/// `limits.fuel` of a policy when absent.
pub const DEFAULT_POLICY_FUEL: u64 = 1_000_000;
/// Range of `limits.fuel`.
pub const POLICY_FUEL: core::ops::RangeInclusive<u64> = 1..=100_000_000;
/// `limits.memory_bytes` of a policy when absent.
pub const DEFAULT_POLICY_MEMORY_BYTES: u64 = 1024 * 1024;
/// Range of `limits.memory_bytes`: from one page of WebAssembly.
pub const POLICY_MEMORY_BYTES: core::ops::RangeInclusive<u64> = seam::PAGE_BYTES..=seam::MEMORY_BYTES;
/// `limits.output_bytes` of a policy when absent.
pub const DEFAULT_POLICY_OUTPUT_BYTES: u64 = 4096;
/// Range of `limits.output_bytes`.
pub const POLICY_OUTPUT_BYTES: core::ops::RangeInclusive<u64> = 1..=64 * 1024;

/// Most bytes of an issuer's answer that a line of the log shows.
pub const REPORTED_BYTES: usize = 256;
/// Most keys of a set without a usable one that the message about it names.
pub const REPORTED_KEYS: usize = 8;
/// Longest pause between two attempts to fetch keys that fail, in milliseconds; the first pause is a second, then it doubles.
/// Each is up to a fifth shorter, at random.
pub const KEYS_BACKOFF_MAX_MS: u64 = 30_000;
/// How long past its timeout a fetch may still be answered before it counts as lost, in milliseconds.
pub const KEYS_FETCH_GRACE_MS: u64 = 500;
/// Longest name of an Envoy cluster, in bytes; Istio's names hold a host, a port and a subset.
pub const CLUSTER_BYTES: usize = 512;

/// Most requests of one worker that wait for keys at the same time; one more is denied at once.
pub const WAITING_REQUESTS: usize = 1024;
/// Most bytes of the heads of requests that wait for keys at the same time in one worker.
pub const WAITING_BYTES: usize = 8 * 1024 * 1024;
/// Most requests of one source that wait for keys at the same time, so that no client takes all places.
pub const WAITING_SOURCE_REQUESTS: usize = 64;
/// Most bytes of the heads of requests of one source that wait for keys at the same time.
pub const WAITING_SOURCE_BYTES: usize = WAITING_BYTES / 16;
/// How long the deciding of requests that waited for keys may hold up a worker at one go, in microseconds as estimated; the
/// rest follows with the next tick. At least one is decided.
pub const SETTLE_AT_ONCE_US: u64 = 5000;
/// What a look at a request that waited takes, beside its signature, in microseconds.
pub const SETTLE_ONE_US: u64 = 50;
/// What a verification by the proxy takes, in microseconds.
pub const VERIFY_BY_HOST_US: u64 = 100;
/// What a verification in the module takes, in microseconds: Ed25519, P-256, P-384, and RSA of 2048 bits, which grows with the
/// square of the modulus.
pub const VERIFY_ED25519_US: u64 = 150;
/// See [`VERIFY_ED25519_US`].
pub const VERIFY_P256_US: u64 = 1500;
/// See [`VERIFY_ED25519_US`].
pub const VERIFY_P384_US: u64 = 5000;
/// See [`VERIFY_ED25519_US`].
pub const VERIFY_RSA_2048_US: u64 = 1300;
/// Largest RSA modulus that the module itself verifies with, in bits: 8192 would take nine milliseconds of a worker.
pub const RSA_IN_MODULE_MAX_BITS: usize = 4096;
/// How often a worker looks after its keys while a fetch is owed or a request waits, in milliseconds.
pub const TICK_BUSY_MS: u32 = 20;
/// How often it does otherwise.
pub const TICK_IDLE_MS: u32 = 1000;
/// Most lines that a policy may log in one call; what goes beyond is dropped.
pub const POLICY_LOG_LINES: usize = 16;
/// Most bytes that a policy may log in one call.
pub const POLICY_LOG_BYTES: usize = 2048;
/// Most problems that a policy may find with its settings.
pub const POLICY_PROBLEMS: usize = 32;
/// What one question of a policy costs it in fuel, beside what its answer takes.
pub const HOST_CALL_FUEL: u64 = 100;
/// Longest text that a policy may hand over at once, as a question, a log line or a part of its answer.
pub const POLICY_TEXT_BYTES: u32 = 64 * 1024;
/// What each obligation or problem takes of the budget for answers, beside its text.
pub const POLICY_ELEMENT_BYTES: u32 = 16;
/// The budget for an answer of `configure`.
pub const POLICY_CONFIGURE_OUTPUT_BYTES: u32 = 16 * 1024;
/// The fuel of `configure`, which runs once for each entry.
pub const POLICY_CONFIGURE_FUEL: u64 = 100_000_000;
/// Most obligations of one answer.
pub const POLICY_OBLIGATIONS: usize = 64;
/// Most characters of the text that says why a policy wants an approval: a person reads it before they say yes.
pub const POLICY_APPROVAL_CHARACTERS: usize = 256;
/// What it costs a policy to have its own `cabi_realloc` called for an answer.
pub const ALLOCATE_FUEL: u64 = 50;
/// Most bytes of all images of one configuration together: each entry keeps the memory that its policy has after `configure`.
pub const POLICY_IMAGE_BYTES: usize = 64 * 1024 * 1024;
