//! `protected_resources`: what clients are told about getting a token (RFC 9728).

#[cfg(feature = "schema")]
use super::schema;
use crate::http::{Host, NormalPath, PathPrefix};
#[cfg(feature = "schema")]
use crate::limits;

/// The path at which metadata is served, before the path of the resource (RFC 9728 §3).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// A protected resource (RFC 9728): what a client needs to know to get a token for it.
///
/// The filter answers `GET` and `HEAD` of the metadata's address itself, without a token and before any route: for
/// `https://tools.example/mcp` that is `https://tools.example/.well-known/oauth-protected-resource/mcp`, and
/// `https://tools.example/.well-known/oauth-protected-resource` too if it is the only resource of its host. Challenges for requests at or
/// below the resource name the first of these. The metadata says, besides what is written here, that tokens come in the header
/// (`"bearer_methods_supported": ["header"]`), and what `proof` of the issuers asks for: `dpop_signing_alg_values_supported`,
/// `dpop_bound_access_tokens_required` and `tls_client_certificate_bound_access_tokens`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct ProtectedResource {
    /// Identifier of the resource: the `https` URL that clients are given, without query and fragment, its path in normal form.
    /// `http` is accepted for `localhost`, `127.0.0.1` and `[::1]`. It covers the requests for this host (compared without port)
    /// whose path lies at or below its path, by whole segments; of several resources the one with the longest path applies. No two
    /// elements may have the same host and path.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::ResourceUrl", extend("examples" = ["https://tools.example/mcp"]))
    )]
    pub resource: ResourceUrl,
    /// Issuer identifiers of the authorization servers that give tokens for the resource, as clients look them up (RFC 8414).
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::ServerUrl, 1, { limits::SMALL_LIST }>",
            extend("examples" = [["https://idp.example"]])
        )
    )]
    pub authorization_servers: Vec<String>,
    /// Scopes that a client may ask for. If empty, the metadata does not name any, and clients ask for those in the challenge.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::Scope, 0, { limits::SCOPES }>",
            default,
            extend("default" = []),
            extend("examples" = [["tickets.read", "tickets.write"]])
        )
    )]
    pub scopes_supported: Vec<String>,
    /// Name of the resource, for people.
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = limits::IDENTITY_BYTES), extend("examples" = ["Tickets"]))
    )]
    pub resource_name: Option<String>,
    /// URL of a page for developers who use the resource, an `https` URL without fragment.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = limits::URL_BYTES),
            regex(pattern = schema::HTTPS_URL),
            extend("examples" = ["https://tools.example/docs"])
        )
    )]
    pub resource_documentation: Option<String>,
}

/// The identifier of a protected resource (RFC 9728 §1.2), and where its metadata is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceUrl {
    text: String,
    host: String,
    path: PathPrefix,
    metadata_url: String,
    metadata_path: String,
}

impl ResourceUrl {
    /// From its parts; the path is `/` where the URL has none.
    pub(super) fn new(text: &str, origin: &str, host: &Host<'_>, path: PathPrefix) -> Self {
        // A slash that is the whole path is left out before the two are joined (RFC 9728 §3.1).
        let below = if path.as_str() == "/" { "" } else { path.as_str() };
        let metadata_path = format!("{WELL_KNOWN}{below}");
        let metadata_url = format!("{origin}{metadata_path}");
        Self { text: text.to_owned(), host: host.as_str().to_owned(), path, metadata_url, metadata_path }
    }

    /// The URL, as it was written: clients compare it byte for byte (RFC 9728 §3.3).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host, as a request's host is compared.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &PathPrefix {
        &self.path
    }

    /// Whether it is of another kind than those on the network: `http`, at this machine.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        self.text.starts_with("http://")
    }

    /// Where its metadata is, with the well-known path before its own (RFC 9728 §3.1).
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// The path of that.
    #[must_use]
    pub fn metadata_path(&self) -> &str {
        &self.metadata_path
    }

    /// Whether a request can be told from one for another resource: hosts are compared without port, and a slash that ends a path
    /// has no meaning.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        self.host == other.host && self.path.covers(&other.path) && other.path.covers(&self.path)
    }

    /// Whether a request for this host and path is one for the resource.
    #[must_use]
    pub fn covers(&self, host: &Host<'_>, path: &NormalPath) -> bool {
        self.host == host.as_str() && self.path.matches(path)
    }
}
