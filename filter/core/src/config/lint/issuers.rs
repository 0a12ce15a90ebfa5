//! What about an issuer is probably a mistake.

use super::super::{AgentFrom, Issuer, KeySource, Mark, Provider, same_token_type};
use super::{Config, Problem, Route, warning};
use crate::json::Pointer;
use crate::limits;
use serde_json::Value;

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
        warnings.extend(odd_name(index, issuer));
        warnings.extend(nobody_to_act(index, issuer));
        of_provider(index, issuer, warnings);
        warnings.extend(shared_bundle(index, issuer, config));
    }
}

/// Kinds of tokens that cannot be told apart any more: by their type, by a mark of the provider, or by the client.
fn any_kind_of_token(index: usize, issuer: &Issuer, warnings: &mut Vec<Problem>) {
    let preset = issuer.provider.members();
    let is_of_preset = |it: &Option<String>| {
        let types = preset.get("token_types").and_then(Value::as_array).into_iter().flatten();
        types.into_iter().any(|known| known.as_str() == it.as_deref())
    };
    for (place, token_type) in issuer.token_types.iter().enumerate() {
        let is_generic = token_type.as_ref().is_none_or(|it| same_token_type(it, "JWT"));
        if is_generic && issuer.claims.require.is_empty() && !is_of_preset(token_type) {
            warnings.push(warning(
                format!("/issuers/{index}/token_types/{place}"),
                "accepts every JWT of this issuer, including ID tokens".to_owned(),
                "have the issuer mark access tokens as `at+jwt` (RFC 9068 §2.1), name its `provider`, or list marks of access tokens in `claims.require`",
            ));
        }
    }
    let marks = preset.get("claims").and_then(|claims| claims.get("require")).and_then(Value::as_object);
    for (pointer, mark) in marks.into_iter().flatten() {
        let own = issuer.claims.require.iter().find(|(own, _)| own.as_str() == pointer);
        if own.is_some_and(|(_, own)| is_looser(own, mark)) {
            warnings.push(warning(
                format!("/issuers/{index}/claims/require"),
                format!("the mark `{pointer}` admits more than that of `{}`, by which its access tokens are told from others", issuer.provider.name()),
                "leave it out: the provider's mark is in force then",
            ));
        }
    }
    // These providers write the client to access tokens only.
    let by_client =
        matches!(issuer.provider, Provider::Entra | Provider::EntraAgent | Provider::Okta | Provider::Auth0);
    if by_client && issuer.claims.client.as_ref().is_none_or(|client| client.may_be_absent) {
        warnings.push(warning(
            format!("/issuers/{index}/claims/client"),
            format!("accepts tokens of `{}` without a client, which ID tokens are", issuer.provider.name()),
            "leave the member out, or name a claim that only access tokens have, without `null`",
        ));
    }
}

/// Whether a mark admits a value that the preset's does not.
fn is_looser(own: &Mark, preset: &Value) -> bool {
    let admits = |value: &Value| match preset {
        Value::Array(list) => list.contains(value),
        Value::Object(_) => !value.is_null(),
        one => one == value,
    };
    match own {
        Mark::Present => !preset.is_object(),
        Mark::OneOf { values, or_absent } => {
            values.iter().any(|value| !admits(value)) || (*or_absent && !admits(&Value::Null))
        }
    }
}

/// These issuers give everybody a token for any audience.
fn anybody(index: usize, issuer: &Issuer, config: &Config) -> Option<Problem> {
    let is = |provider: Provider| {
        issuer.provider == provider || Some(issuer.issuer.as_str()) == provider.usual_issuer()
    };
    let (who, claims, example): (_, &[&str], _) = if is(Provider::GithubActions) {
        (
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
        )
    } else if is(Provider::GoogleId) {
        (
            "every Google account and every service account of every project",
            &["/email", "/sub", "/hd", "/azp"],
            "`\"claims\": { \"require\": { \"/email\": \"caller@my-project.iam.gserviceaccount.com\", \"/email_verified\": true } }`",
        )
    } else {
        return None;
    };
    let narrows =
        |mark: &Mark| matches!(mark, Mark::OneOf { values, or_absent: false } if !values.is_empty());
    let is_narrowed = issuer
        .claims
        .require
        .iter()
        .any(|(pointer, mark)| claims.contains(&pointer.as_str()) && narrows(mark));
    let open = |route: &Route| !route.anonymous && route.policies.is_empty();
    (!is_narrowed && config.routes.iter().any(open)).then(|| {
        warning(
            format!("/issuers/{index}/claims"),
            format!("{who} can get a token for your audience, and no mark says whose are accepted"),
            &format!("add for example {example}, or a policy to every route"),
        )
    })
}

fn odd_name(index: usize, issuer: &Issuer) -> Option<Problem> {
    let name = &issuer.issuer;
    let (message, suggestion) = match issuer.provider {
        Provider::Auth0 | Provider::Auth0Agent if !name.ends_with('/') => {
            ("has no slash at its end, as the `iss` of Auth0 has", format!("write `{name}/`"))
        }
        Provider::Entra | Provider::EntraAgent | Provider::Okta | Provider::Cognito | Provider::Keycloak
            if !name.contains("://") =>
        {
            ("has no scheme, as the `iss` of this provider has", format!("write `https://{name}`"))
        }
        Provider::Okta | Provider::OktaAgent if !name.contains("/oauth2/") => (
            "is an Okta org server, whose access tokens only Okta can verify",
            format!(
                "use a custom authorization server, for example `{}/oauth2/default`",
                name.trim_end_matches('/')
            ),
        ),
        _ => return None,
    };
    Some(warning(format!("/issuers/{index}/issuer"), message.to_owned(), &suggestion))
}

/// What is known about a provider, and was written over.
fn of_provider(index: usize, issuer: &Issuer, warnings: &mut Vec<Problem>) {
    let claims = &issuer.claims;
    let provider = issuer.provider.name();
    let mut warn = |member: &str, message: String, suggestion: &str| {
        warnings.push(warning(format!("/issuers/{index}/{member}"), message, suggestion));
    };
    match issuer.provider {
        Provider::Keycloak => {
            // With `act` the provider's `when` is in force, and cannot be taken away.
            let is_told_apart = issuer.agent.from == AgentFrom::Act
                || claims.require.iter().any(|(pointer, _)| pointer.as_str().starts_with("/act"));
            if !is_told_apart {
                warn(
                    "agent",
                    "an administrator who impersonates a user counts as an agent: such tokens have an `act` too, without `client_id`".to_owned(),
                    "refuse tokens with `act`: `\"claims\": { \"require\": { \"/act\": null } }`",
                );
            }
            if issuer.audiences.iter().any(|audience| audience == "account") {
                warn(
                    "audiences",
                    "`account` is the audience of nearly every token of Keycloak, whatever service it is for"
                        .to_owned(),
                    "add an audience mapper for your service in Keycloak, and name that audience",
                );
            }
        }
        Provider::Entra | Provider::EntraAgent => {
            let is_joined =
                |joined: &Vec<Pointer>| joined.len() > 1 || joined.iter().any(|it| it.as_str() == "/sub");
            if !claims.principal.iter().all(is_joined) {
                warn(
                    "claims/principal",
                    format!(
                        "only one claim is the principal, where `{provider}` joins the tenant and the object: write the two in a list of their own"
                    ),
                    "leave the member out, or write `[[\"/tid\", \"/oid\"]]`",
                );
            }
            let has_roles_alone = claims
                .scopes
                .iter()
                .flatten()
                .any(|place| place.first().is_some_and(|it| it.as_str() == "/roles"));
            let is_of_app = claims.require.iter().any(|(pointer, _)| pointer.as_str() == "/scp");
            if has_roles_alone && !is_of_app {
                warn(
                    "claims/scopes",
                    "in a token with `scp`, `roles` are those of the user, which the application was not given".to_owned(),
                    "leave the member out: `roles` are scopes where there is no `scp` then; or add `\"/scp\": null` to `claims.require`",
                );
            }
        }
        _ => {}
    }
}

/// The client is the agent, and nothing says who the client is.
fn nobody_to_act(index: usize, issuer: &Issuer) -> Option<Problem> {
    let nowhere = issuer.claims.client.as_ref().is_some_and(|client| client.pointers.is_empty());
    (issuer.agent.from == AgentFrom::Client && nowhere).then(|| {
        warning(
            format!("/issuers/{index}/claims/client"),
            "every token without `act` is denied: the client is the agent, and no claim has it".to_owned(),
            "name the claim with the client",
        )
    })
}

/// Either of two trust domains with the same bundle can sign for the other.
fn shared_bundle(index: usize, issuer: &Issuer, config: &Config) -> Option<Problem> {
    let bundle = |issuer: &Issuer| match &issuer.keys {
        KeySource::Remote(remote) => Some((remote.cluster.clone(), remote.uri.clone())),
        KeySource::Inline(_) => None,
    };
    let same = |other: &&Issuer| {
        // A trust domain has one bundle for the two kinds of its tokens.
        other.is_trust_domain()
            && other.issuer != issuer.issuer
            && bundle(other).is_some()
            && bundle(other) == bundle(issuer)
    };
    let earlier = config.issuers.iter().take(index).find(same).filter(|_| issuer.is_trust_domain())?;
    Some(warning(
        format!("/issuers/{index}/keys/remote/uri"),
        format!(
            "is also the bundle of `{}`: each of the two trust domains can sign for the other",
            earlier.issuer
        ),
        "give the bundle of this trust domain",
    ))
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
