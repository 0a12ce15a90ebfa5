//! The metadata of protected resources (RFC 9728), by the addresses at which clients ask for it.
//!
//! Clients ask for the address in the challenge, else for that with the path of the resource behind the well-known one, else for
//! the well-known path alone (RFC 9728 §3.1).

use crate::config::{Config, ProtectedResource, WELL_KNOWN};
use crate::http::{NormalPath, RequestHead};
use crate::proof_kind::ProofKind;
use serde::Serialize;
use std::rc::Rc;

/// The metadata of one resource, as it is sent.
#[derive(Debug)]
pub struct Metadata {
    resource: String,
    body: Vec<u8>,
}

/// RFC 9728 §2.
#[derive(Serialize)]
struct Document<'a> {
    resource: &'a str,
    authorization_servers: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes_supported: &'a [String],
    bearer_methods_supported: [&'static str; 1],
    /// RFC 9449 §5.2, as RFC 9728 §2 takes it over.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    dpop_signing_alg_values_supported: &'a [&'static str],
    #[serde(skip_serializing_if = "is_false")]
    dpop_bound_access_tokens_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_client_certificate_bound_access_tokens: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<&'a str>,
}

/// Absent means that it is not so (RFC 9728 §2).
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Metadata {
    fn new(entry: &ProtectedResource, config: &Config) -> Result<Self, serde_json::Error> {
        let algorithms: Vec<&str> = match config.accepts_proof(ProofKind::Dpop) {
            true => config.proofs.dpop.algorithms.iter().map(|algorithm| algorithm.name()).collect(),
            false => Vec::new(),
        };
        let document = Document {
            resource: entry.resource.as_str(),
            authorization_servers: &entry.authorization_servers,
            scopes_supported: &entry.scopes_supported,
            // The query and the body are never looked at (RFC 6750 §2.2, §2.3).
            bearer_methods_supported: ["header"],
            dpop_signing_alg_values_supported: &algorithms,
            dpop_bound_access_tokens_required: config.requires_proof(ProofKind::Dpop),
            tls_client_certificate_bound_access_tokens: config.requires_proof(ProofKind::Mtls),
            resource_name: entry.resource_name.as_deref(),
            resource_documentation: entry.resource_documentation.as_deref(),
        };
        Ok(Self { resource: document.resource.to_owned(), body: serde_json::to_vec(&document)? })
    }

    /// The resource.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The document.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Where metadata is served.
#[derive(Debug)]
struct Address {
    host: String,
    /// Without a slash at its end.
    path: String,
    url: String,
    metadata: Rc<Metadata>,
}

/// The metadata of a configuration's resources.
#[derive(Debug, Default)]
pub struct Resources(Vec<Address>);

impl Resources {
    /// Of a configuration.
    ///
    /// # Errors
    /// The position of a resource whose metadata cannot be written down, which texts and lists of them always can.
    pub fn new(config: &Config) -> Result<Self, usize> {
        let mut addresses = Vec::new();
        let all = &config.protected_resources;
        for (index, entry) in all.iter().enumerate() {
            let metadata = Rc::new(Metadata::new(entry, config).map_err(|_| index)?);
            let of = &entry.resource;
            let path = of.metadata_path();
            let path = path.strip_suffix('/').unwrap_or(path);
            let mut add = |path: &str, url: &str| {
                let (host, metadata) = (of.host().to_owned(), Rc::clone(&metadata));
                addresses.push(Address { host, path: path.to_owned(), url: url.to_owned(), metadata });
            };
            add(path, of.metadata_url());
            // Which of several is meant, nobody could say.
            let is_alone = all.iter().filter(|other| other.resource.host() == of.host()).count() == 1;
            if is_alone && path != WELL_KNOWN {
                let origin = of.metadata_url().strip_suffix(of.metadata_path()).unwrap_or_default();
                add(WELL_KNOWN, &format!("{origin}{WELL_KNOWN}"));
            }
        }
        Ok(Self(addresses))
    }

    /// The addresses at which metadata is served, and the resource that it is of.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|address| (address.url.as_str(), address.metadata.resource()))
    }

    /// The metadata that a request for this path asks for, if its host is the resource's and usable. A query would belong to another
    /// resource (RFC 9728 §3.1).
    #[must_use]
    pub fn find(&self, head: &RequestHead, path: &NormalPath) -> Option<&Rc<Metadata>> {
        if self.0.is_empty() || !path.as_str().starts_with(WELL_KNOWN) || path.query().is_some() {
            return None;
        }
        let (host, path) = (head.host()?, path.as_str());
        let path = path.strip_suffix('/').unwrap_or(path);
        let found = self.0.iter().find(|it| it.path == path && it.host == host.as_str());
        found.map(|address| &address.metadata)
    }
}
