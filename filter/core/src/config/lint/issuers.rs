//! What about an issuer is probably a mistake.

use super::super::{Issuer, Provider, same_token_type};
use super::{Config, Problem, Route, warning};
use crate::limits;

pub(super) fn warnings(config: &Config, warnings: &mut Vec<Problem>) {
    for (index, issuer) in config.issuers.iter().enumerate() {
        any_kind_of_token(index, issuer, warnings);
        if issuer.max_lifetime_s > limits::LONG_LIFETIME_S {
            warnings.push(warning(
                format!("/issuers/{index}/max_lifetime_s"),
                "accepts tokens that live for more than a day: a stolen one is good for as long".to_owned(),
                "have the issuer give tokens of at most an hour to agents",
            ));
        }
        warnings.extend(anybody(index, issuer, config));
        let odd_name = match issuer.provider {
            Provider::Auth0 | Provider::Auth0Agent if !issuer.issuer.ends_with('/') => Some((
                "has no slash at its end, as the `iss` of Auth0 has",
                format!("write `{}/`", issuer.issuer),
            )),
            Provider::Okta | Provider::OktaAgent if !issuer.issuer.contains("/oauth2/") => Some((
                "is an Okta org server, whose access tokens only Okta can verify",
                format!("use a custom authorization server, for example `{}/oauth2/default`", issuer.issuer),
            )),
            _ => None,
        };
        if let Some((message, suggestion)) = odd_name {
            warnings.push(warning(format!("/issuers/{index}/issuer"), message.to_owned(), &suggestion));
        }
    }
}

/// A type that every kind of token has, and no mark that tells them apart. The presets have what their providers document.
fn any_kind_of_token(index: usize, issuer: &Issuer, warnings: &mut Vec<Problem>) {
    if issuer.provider != Provider::Rfc9068 || !issuer.claims.require.is_empty() {
        return;
    }
    for (place, token_type) in issuer.token_types.iter().enumerate() {
        if token_type.as_ref().is_none_or(|it| same_token_type(it, "JWT")) {
            warnings.push(warning(
                format!("/issuers/{index}/token_types/{place}"),
                "accepts every JWT of this issuer, including ID tokens".to_owned(),
                "have the issuer mark access tokens as `at+jwt` (RFC 9068 §2.1), name its `provider`, or list marks of access tokens in `claims.require`",
            ));
        }
    }
}

/// These issuers give everybody a token for any audience.
fn anybody(index: usize, issuer: &Issuer, config: &Config) -> Option<Problem> {
    let (who, claims, example): (_, &[&str], _) = match issuer.provider {
        Provider::GithubActions => (
            "every workflow of every repository",
            &[
                "/repository",
                "/repository_id",
                "/repository_owner",
                "/repository_owner_id",
                "/sub",
                "/job_workflow_ref",
                "/enterprise",
            ],
            "`\"claims\": { \"require\": { \"/repository_owner\": \"my-organisation\" } }`",
        ),
        Provider::GoogleId => (
            "every Google account and every service account of every project",
            &["/email", "/sub", "/hd", "/azp"],
            "`\"claims\": { \"require\": { \"/email\": \"caller@my-project.iam.gserviceaccount.com\" } }`",
        ),
        _ => return None,
    };
    let is_narrowed = issuer.claims.require.iter().any(|(pointer, _)| claims.contains(&pointer.as_str()));
    let open = |route: &Route| !route.anonymous && route.policies.is_empty();
    (!is_narrowed && config.routes.iter().any(open)).then(|| {
        warning(
            format!("/issuers/{index}/claims"),
            format!("{who} can get a token for your audience, and no mark says whose are accepted"),
            &format!("add for example {example}, or a policy to every route"),
        )
    })
}

/// Scopes that no token can have.
pub(super) fn no_scopes(config: &Config, index: usize, route: &Route) -> Option<Problem> {
    let has_none = |issuer: &Issuer| issuer.claims.scopes.as_ref().is_some_and(Vec::is_empty);
    (!route.scopes.is_empty() && config.issuers.iter().all(has_none)).then(|| {
        warning(
            format!("/routes/{index}/scopes"),
            "every token is denied: `claims.scopes` of no issuer names a claim that could have them"
                .to_owned(),
            "remove the scopes, or name the claim in `claims.scopes`",
        )
    })
}
