//! A case as the filter meets it: a configuration, a token, a request.

use super::CaseError;
use super::table::{Actor, Case, CaseAction};
use crate::decide::RequestFile;
use crate::tokens::{Claims, Hop, SigningKey, TokenBuilder, jwks};
use mandate_core::config::PolicyLimits;
use mandate_core::http::{NormalPath, PathPrefix};
use mandate_core::limits::MAX_MAX_DEPTH;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The audience of every token here.
const AUDIENCE: &str = "https://tools.example";
/// How long a token is valid, in seconds.
const LIFETIME_S: i64 = 300;

/// The policy that a table tests.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name in the bundle, or in the oracle.
    pub policy: String,
    /// The digest that it must have, if that matters.
    pub sha256: Option<String>,
    /// What one call may use.
    pub limits: PolicyLimits,
}

impl Subject {
    /// A policy with the limits that hold when a configuration names none.
    #[must_use]
    pub fn new(policy: impl Into<String>) -> Self {
        Self { policy: policy.into(), sha256: None, limits: PolicyLimits::default() }
    }
}

impl Case {
    /// The plugin configuration under which the filter puts this case to the policy: one issuer, one route, one entry,
    /// and no other reason to deny.
    #[must_use]
    pub fn configuration(&self, subject: &Subject, key: &SigningKey) -> Value {
        let PolicyLimits { fuel, memory_bytes, output_bytes } = &subject.limits;
        let mut entry = json!({
            "name": subject.policy,
            "settings": self.settings,
            "limits": { "fuel": fuel, "memory_bytes": memory_bytes, "output_bytes": output_bytes },
        });
        let mut delegation = json!({ "max_depth": MAX_MAX_DEPTH, "allow_cycles": true });
        let actors: BTreeSet<&str> = self.chain.iter().map(|actor| self.issuer_of(actor)).collect();
        if let (Some(members), false) = (delegation.as_object_mut(), actors.is_empty()) {
            members.insert("actor_issuers".to_owned(), json!(actors));
        }
        if let (Some(members), Some(sha256)) = (entry.as_object_mut(), &subject.sha256) {
            members.insert("sha256".to_owned(), json!(sha256));
        }
        let mut route = json!({ "match": { "path_prefix": self.route }, "policies": [subject.policy] });
        if let (Some(members), Some(action)) = (route.as_object_mut(), &self.action) {
            members.insert("mcp".to_owned(), action.rules());
        }
        json!({
            "issuers": [{
                "issuer": self.principal.iss,
                "audiences": [AUDIENCE],
                "algorithms": [key.algorithm().name()],
                "keys": { "inline": jwks(&[key]) },
            }],
            "delegation": delegation,
            "routes": [route],
            "policies": [entry],
            "audit": { "log": "all" },
        })
    }

    /// A token that says what the case says, valid at its time. Every claim is fixed, so that the case replays.
    ///
    /// # Errors
    /// [`CaseError::Claim`] if `claims` says who acts for whom, [`CaseError::Time`], and [`CaseError::Token`].
    pub fn token(&self, key: &SigningKey) -> Result<String, CaseError> {
        if let Some(name) = ["iss", "sub", "act"].into_iter().find(|name| self.claims.contains_key(*name)) {
            return Err(CaseError::Claim(name));
        }
        let now = i64::try_from(self.now).map_err(|_| CaseError::Time(self.now))?;
        let mut claims = Claims::new()
            .issuer(&self.principal.iss)
            .subject(&self.principal.sub)
            .audience(AUDIENCE)
            .issued_at(now)
            .expires_at(now.saturating_add(LIFETIME_S))
            .client_id("client-1")
            .id("token-1")
            .delegation(self.chain.iter().cloned().map(|Actor { iss, sub, sub_profile }| Hop {
                iss,
                sub,
                sub_profile,
            }));
        if !self.scopes.is_empty() {
            claims = claims.scope(&self.scopes.join(" "));
        }
        let claims =
            self.claims.iter().fold(claims, |claims, (name, value)| claims.claim(name, value.clone()));
        Ok(TokenBuilder::new(claims).sign(key)?)
    }

    /// The request with its token.
    ///
    /// # Errors
    /// As [`token`](Self::token); [`CaseError::Path`] and [`CaseError::Route`] if the request would not reach the policy;
    /// [`CaseError::Action`] if no request does what the case says.
    pub fn request(&self, key: &SigningKey) -> Result<RequestFile, CaseError> {
        let unusable = |text: &str| {
            let path = text.to_owned();
            |source| CaseError::Path { path, source }
        };
        let path = NormalPath::normalise(&self.request.path).map_err(unusable(&self.request.path))?;
        let route = PathPrefix::parse(&self.route).map_err(unusable(&self.route))?;
        if !route.matches(&path) {
            return Err(CaseError::Route { path: self.request.path.clone(), route: self.route.clone() });
        }
        let body = self.action.as_ref().map(CaseAction::message).transpose()?.flatten();
        let mut headers = self.request.headers.clone();
        headers.extend(self.request.authority.iter().map(|host| (":authority".to_owned(), host.clone())));
        headers.push(("authorization".to_owned(), format!("Bearer {}", self.token(key)?)));
        Ok(RequestFile {
            method: self.method()?.to_owned(),
            path: self.request.path.clone(),
            headers,
            body,
            ..RequestFile::default()
        })
    }

    fn issuer_of<'a>(&'a self, actor: &'a Actor) -> &'a str {
        actor.iss.as_deref().unwrap_or(&self.principal.iss)
    }
}
