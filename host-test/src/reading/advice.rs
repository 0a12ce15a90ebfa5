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
        let about = |denied: &Denied, claim: &str| {
            let name = denied.evidence.as_ref().and_then(|evidence| evidence["claim"].as_str());
            name.is_some_and(|name| name.trim_start_matches('/') == claim)
        };
        let mut advice = Vec::new();
        for denied in &problems {
            match denied.reason {
                Reason::TokenType => {
                    let typ = token.header().typ.as_ref().map_or_else(|| "null".to_owned(), |typ| format!("\"{typ}\""));
                    advice.push(format!("if this is an access token, add `{typ}` to `token_types`, with marks in `claims.require` that ID tokens do not have"));
                }
                Reason::AlgorithmNotAllowed => {
                    advice.push(format!("if the issuer signs with `{}`, add it to `algorithms`", token.header().alg));
                }
                Reason::AudienceMismatch => advice.push(format!("if the token is meant for this service, add what it says to `audiences`, which are {}", entry.audiences.join(", "))),
                Reason::LifetimeTooLong => advice.push("raise `max_lifetime_s`, or have the issuer give shorter tokens".to_owned()),
                Reason::KeyUnknown => advice.push("the key set has no key with this `kid` and algorithm: is it the set of this issuer, and is `use` right?".to_owned()),
                Reason::ClaimMissing if about(denied, "client_id") => advice.push("name the claim with the client in `claims.client` (often `/azp`, `/cid` or `/appid`), or add `null` to the list".to_owned()),
                Reason::ClaimMissing if about(denied, "jti") => advice.push("name the claim with the token's id in `claims.token_id`, or write `[]`".to_owned()),
                _ => {}
            }
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

/// The provider whose tokens have such claims, where they give it away.
fn looks_like(claims: &Map<String, Value>) -> Option<Provider> {
    let has = |name: &str| claims.contains_key(name);
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(match () {
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
        () if text("iss") == "https://accounts.google.com" => Provider::GoogleId,
        () => return None,
    })
}

/// What to write for such claims.
pub(super) fn provider(claims: &Map<String, Value>) -> Option<String> {
    let name = looks_like(claims)?.name();
    Some(format!("this looks like a token of `{name}`: write `\"provider\": \"{name}\"`"))
}
