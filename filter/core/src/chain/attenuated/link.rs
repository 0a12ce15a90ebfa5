//! One link of an attenuated chain: a delegation token, read and checked for shape. Its signature is not verified here.

use super::authority::Authority;
use super::holder::Holder;
use crate::denial::{ClaimProblem, LinkProblem, TokenProblem};
use crate::json::{JsonError, is_canonical, parse_within};
use crate::limits;
use crate::time::UnixTime;
use crate::token::ParsedToken;
use crate::token::claims::identifier_in;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::sha2::{Digest as _, Sha256};
use serde_json::{Map, Value};

/// A delegation token of the right shape for its place.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) token: ParsedToken,
    /// All members of the JOSE header.
    pub(super) header: Map<String, Value>,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) client_id: String,
    pub(super) authority: Authority,
    pub(super) holder: Holder,
    pub(super) issued_at: UnixTime,
    pub(super) not_before: Option<UnixTime>,
    pub(super) expires_at: UnixTime,
    pub(super) depth: u64,
    pub(super) max_depth: Option<u64>,
    pub(super) parent_hash: Option<String>,
}

impl Link {
    /// Reads what a token says as the link at `position`; the root is at 0.
    pub(super) fn read(token: ParsedToken, position: usize) -> Result<Self, LinkProblem> {
        if !token.header().is_access_token() {
            return Err(LinkProblem::Type);
        }
        let header = canonical_parts(&token)?;
        let claims = token.unverified_claims();
        let text = |claim| {
            let found =
                identifier_in(claims, claim).map_err(|problem| LinkProblem::Claim { claim, problem })?;
            found.map(str::to_owned).ok_or(LinkProblem::Claim { claim, problem: ClaimProblem::Missing })
        };
        let (issuer, subject, client_id) = (text("iss")?, text("sub")?, text("client_id")?);
        text("jti")?;
        audience(claims)?;
        let issued_at = required(claims, "iat", date)?;
        let not_before = optional(claims, "nbf", date)?;
        let expires_at = required(claims, "exp", date)?;
        if expires_at <= issued_at {
            return Err(LinkProblem::Claim { claim: "exp", problem: ClaimProblem::NotAfterIssued });
        }
        let holder = Holder::read(claims.get("cnf"))?;
        // Who acts is said by the chain; a second account of it could say something else.
        if claims.contains_key("act") {
            return Err(LinkProblem::Misplaced { claim: "act" });
        }
        let depth = required(claims, "del_depth", whole)?;
        let max_depth = optional(claims, "del_max_depth", whole)?;
        let parent_hash = optional(claims, "par_hash", |value| value.as_str().map(str::to_owned))?;
        let missing = |claim| LinkProblem::Claim { claim, problem: ClaimProblem::Missing };
        match (position, &parent_hash, max_depth) {
            (0, Some(_), _) => return Err(LinkProblem::Misplaced { claim: "par_hash" }),
            (0, None, None) => return Err(missing("del_max_depth")),
            (_, _, Some(0)) => {
                return Err(LinkProblem::Claim { claim: "del_max_depth", problem: ClaimProblem::Type });
            }
            (1.., None, _) => return Err(missing("par_hash")),
            _ => {}
        }
        let details = claims.get("authorization_details").ok_or(missing("authorization_details"))?;
        let authority = Authority::read(details)?;
        Ok(Self {
            token,
            header,
            issuer,
            subject,
            client_id,
            authority,
            holder,
            issued_at,
            not_before,
            expires_at,
            depth,
            max_depth,
            parent_hash,
        })
    }

    /// What a next link commits to: SHA-256 over what the signature covers, so that it has one parent and no other.
    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.token.signing_input()).into()
    }

    /// Whether it commits to a link with this hash. Every byte is looked at, whatever the first ones are.
    pub(super) fn follows(&self, parent: [u8; 32]) -> bool {
        let own = self.parent_hash.as_ref().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        own.is_some_and(|own| {
            own.len() == parent.len() && own.iter().zip(parent).fold(0, |all, (a, b)| all | (a ^ b)) == 0
        })
    }
}

/// Checks that header and claims are written in canonical form (RFC 8785), and gives the header's members.
fn canonical_parts(token: &ParsedToken) -> Result<Map<String, Value>, LinkProblem> {
    let mut parts = token.as_str().split('.');
    let mut part = |part: &'static str| {
        let text = parts.next().unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(text);
        let bytes = bytes.map_err(|_| LinkProblem::Token(TokenProblem::Base64 { part }))?;
        let value = parse_within(&bytes, limits::JSON_DEPTH, limits::TOKEN_VALUES);
        let value =
            value.map_err(|error: JsonError| LinkProblem::Token(TokenProblem::Json { part, error }))?;
        match value {
            value if !is_canonical(&bytes, &value) => Err(LinkProblem::NotCanonical { part }),
            Value::Object(members) => Ok(members),
            _ => Err(LinkProblem::Token(TokenProblem::NotObject { part })),
        }
    };
    let header = part("header")?;
    part("claims")?;
    Ok(header)
}

/// A string or an array of one or more strings (RFC 7519 §4.1.3). Whether it is ours is looked at later.
fn audience(claims: &Map<String, Value>) -> Result<(), LinkProblem> {
    let wrong = |problem| Err(LinkProblem::Claim { claim: "aud", problem });
    match claims.get("aud") {
        None => wrong(ClaimProblem::Missing),
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(list)) if !list.is_empty() && list.iter().all(Value::is_string) => Ok(()),
        Some(_) => wrong(ClaimProblem::Type),
    }
}

fn optional<T>(
    claims: &Map<String, Value>,
    claim: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, LinkProblem> {
    let wrong = LinkProblem::Claim { claim, problem: ClaimProblem::Type };
    claims.get(claim).map(|value| read(value).ok_or(wrong)).transpose()
}

fn required<T>(
    claims: &Map<String, Value>,
    claim: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, LinkProblem> {
    let missing = LinkProblem::Claim { claim, problem: ClaimProblem::Missing };
    optional(claims, claim, read)?.ok_or(missing)
}

fn date(value: &Value) -> Option<UnixTime> {
    UnixTime::from_numeric_date(value)
}

/// A whole number that is not negative. None is beyond 2^53 - 1: that would not be canonical.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64()
}
