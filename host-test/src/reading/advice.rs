//! What to change, where that can be told from a token.

use super::{Denied, Reading, short};
use mandate_core::config::{Issuer, Provider};
use mandate_core::denial::Denial;
use mandate_core::limits;
use mandate_core::reason::Reason;
use mandate_core::token::ParsedToken;
use serde_json::{Map, Value};

impl Reading {
    pub(super) fn opaque(&mut self, token: &str, denial: &Denial) {
        if denial.reason == Reason::TokenTooLarge {
            self.advice
                .push(format!("raise `token_bytes` of the issuer, at most {}", limits::MAX_TOKEN_BYTES));
        } else if token.split('.').count() == 5 {
            self.advice.push(
                "this is an encrypted token (JWE, five parts): have the issuer sign it only".to_owned(),
            );
        } else if !token.contains('.') {
            self.advice.push(
                "this is an opaque token, which only its issuer can read: have it issue JWTs for this API or client".to_owned(),
            );
        }
    }

    pub(super) fn advise(&mut self, token: &ParsedToken, entry: &Issuer) {
        let claims = token.unverified_claims();
        let problems: Vec<Denied> = self.rows.iter().filter_map(|row| row.problem.clone()).collect();
        let is_other_kind = problems.iter().any(|denied| kind(denied) == Some("mark"));
        let mut advice: Vec<String> = Vec::new();
        if is_other_kind {
            advice.push(format!(
                "is this an access token? By its marks it is another kind of token: see the marks of `{}` with `mandate check --expand`",
                entry.provider.name()
            ));
        }
        for denied in &problems {
            advice.extend(self::denied(denied, token, entry, is_other_kind));
        }
        let lacks_scope = self
            .routes
            .iter()
            .any(|route| route.denied.as_ref().is_some_and(|it| it.reason == Reason::ScopeInsufficient));
        if lacks_scope {
            for name in ["scope", "scp", "roles", "permissions"] {
                let mapped = entry.claims.scopes.as_ref().map_or(name == "scope", |list| {
                    list.iter().flatten().any(|pointer| pointer.name() == name)
                });
                if let Some(value) = claims.get(name).filter(|_| !mapped) {
                    advice.push(format!(
                        "the token has `{name}` ({}), which `claims.scopes` does not name",
                        short(value)
                    ));
                }
            }
            // Keycloak.
            if let Some(roles) = claims.get("realm_access").and_then(|realm| realm.get("roles")) {
                advice.push(format!("the token has roles ({}): to take them as scopes, add `/realm_access/roles` to `claims.scopes`", short(roles)));
            }
        }
        let by_route = self.routes.iter().filter_map(|route| route.denied.as_ref());
        if by_route.clone().any(|denied| denied.reason == Reason::DelegationRequired) {
            advice.push(match claims.contains_key("act") {
                true => "the token has an `act`, which is no agent by `agent.when` and `chain.count` of the issuer, or is the principal itself".to_owned(),
                false => "no agent acts: the token has no `act`. If its client, or its principal, is the agent, say so in `agent.from`".to_owned(),
            });
        }
        if by_route.clone().any(|denied| denied.reason == Reason::ProofRequired) {
            advice.push("the token is bound to no key, and `proof` is `required`: have the issuer give the client tokens that are bound (`cnf`)".to_owned());
        }
        if self.routes.iter().any(|route| route.needs_proof) {
            let how = match claims.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some()) {
                true => {
                    ": `mandate token proof` makes one, and `mandate decide` decides on a request with it"
                }
                false => "",
            };
            advice.push(format!("each request needs a proof of the key that the token is bound to{how}"));
        }
        let something_is_wrong = !problems.is_empty() || lacks_scope;
        if something_is_wrong && entry.provider == Provider::Rfc9068 {
            advice.splice(0..0, provider(claims));
        }
        for text in advice {
            if !self.advice.contains(&text) {
                self.advice.push(text);
            }
        }
    }
}

fn kind(denied: &Denied) -> Option<&str> {
    denied.evidence.as_ref()?.get("kind")?.as_str()
}

/// What to change about one denial.
fn denied(denied: &Denied, token: &ParsedToken, entry: &Issuer, is_other_kind: bool) -> Option<String> {
    let evidence = denied.evidence.as_ref();
    let claim = evidence.and_then(|evidence| evidence["claim"].as_str());
    let about = |name: &str| claim.is_some_and(|claim| claim.trim_start_matches('/') == name);
    Some(match denied.reason {
        Reason::TokenType => {
            let typ = token.header().typ.as_ref().map_or_else(|| "null".to_owned(), |typ| format!("\"{typ}\""));
            format!("if this is an access token, add `{typ}` to `token_types`, with marks in `claims.require` that ID tokens do not have")
        }
        Reason::AlgorithmNotAllowed => {
            format!("if the issuer signs with `{}`, add it to `algorithms`", token.header().alg)
        }
        // What another kind of token is for is no audience of a service.
        Reason::AudienceMismatch if is_other_kind => return None,
        Reason::AudienceMismatch if entry.provider == Provider::Keycloak && only_account(token) => {
            "`account` is what Keycloak writes without an audience mapper: add a mapper for this service to the client or to a client scope, do not accept `account`".to_owned()
        }
        Reason::AudienceMismatch => format!(
            "if the token is meant for this service, add what it says to `audiences`, which are {}",
            entry.audiences.join(", ")
        ),
        Reason::LifetimeTooLong => format!(
            "raise `max_lifetime_s`, which is {} (at most {}), or have the issuer give shorter tokens",
            entry.max_lifetime_s,
            limits::MAX_MAX_LIFETIME_S
        ),
        Reason::TokenTooLarge => format!(
            "raise `token_bytes` of the issuer, which is {} (at most {})",
            entry.token_bytes,
            limits::MAX_TOKEN_BYTES
        ),
        Reason::TokenExpired => "obtain a new token; to read this one as of another time, use `--now`".to_owned(),
        Reason::TokenNotYetValid => "compare the clocks of issuer and proxy; `clock_skew_s` allows for a difference".to_owned(),
        Reason::SignatureInvalid => {
            "the key set has another key under this `kid`, or the token was altered: is it the set of this issuer?".to_owned()
        }
        Reason::ClaimInvalid if about("cnf") => {
            "the token is bound to a key (DPoP or mutual TLS): set `proof` of the issuer to `if_bound`, so that its proof is verified, or have the issuer give the client tokens that are not bound".to_owned()
        }
        Reason::ClaimMissing if about("client_id") => {
            "name the claim with the client in `claims.client` (often `/azp`, `/cid` or `/appid`), or add `null` to the list".to_owned()
        }
        Reason::ClaimMissing if about("jti") => {
            "name the claim with the token's id in `claims.token_id`, or write `[]`".to_owned()
        }
        Reason::ClaimMissing if about("iat") => {
            "name the claim with the time of issue in `claims.issued_at`, or add `null` to the list".to_owned()
        }
        _ => return None,
    })
}

fn only_account(token: &ParsedToken) -> bool {
    match token.unverified_claims().get("aud") {
        Some(Value::String(aud)) => aud == "account",
        Some(Value::Array(list)) => list.iter().all(|aud| aud == "account"),
        _ => false,
    }
}

/// The provider whose tokens have such claims, where they give it away.
fn looks_like(claims: &Map<String, Value>) -> Option<Provider> {
    let has = |name: &str| claims.contains_key(name);
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(match () {
        () if text("sub").contains("://")
            && claims.get("cnf").is_some_and(|cnf| cnf.get("jwk").is_some()) =>
        {
            Provider::Wit
        }
        () if text("sub").starts_with("spiffe://") => Provider::JwtSvid,
        () if has("kubernetes.io") => Provider::Kubernetes,
        () if has("repository_owner") && has("job_workflow_ref") => Provider::GithubActions,
        () if has("token_use") => Provider::Cognito,
        () if has("xms_act_fct") => Provider::EntraAgent,
        () if has("tid") && has("oid") => Provider::Entra,
        () if has("delegated_through") => Provider::OktaAgent,
        () if has("cid") && has("ver") => Provider::Okta,
        () if has("realm_access") || has("resource_access") => Provider::Keycloak,
        () if text("iss").contains("zitadel") => Provider::Zitadel,
        () if has("client_profile") => Provider::Auth0Agent,
        () if text("iss").contains("auth0.com") || has("gty") => Provider::Auth0,
        () if Some(text("iss")) == Provider::GoogleId.usual_issuer() => Provider::GoogleId,
        () => return None,
    })
}

/// What to write for such claims.
pub(super) fn provider(claims: &Map<String, Value>) -> Option<String> {
    let name = looks_like(claims)?.name();
    Some(format!("this looks like a token of `{name}`: write `\"provider\": \"{name}\"`"))
}
