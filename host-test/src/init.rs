//! A first configuration for one issuer, and the manifest around it: for `mandate init`.
//!
//! The manifests are those that `envoy/` ships, with the issuer, its keys and the routes replaced, so that both say the same
//! about everything else.

use hyper::Uri;
use mandate_core::config::Provider;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The name of the issuer's cluster in Envoy.
const CLUSTER: &str = "idp";

/// What a configuration is made from.
#[derive(Debug, Clone)]
pub struct Start {
    /// What the issuer's tokens look like.
    pub provider: Provider,
    /// `iss` of its tokens.
    pub issuer: String,
    /// What its tokens are for.
    pub audiences: Vec<String>,
    /// What it signs with.
    pub algorithms: Vec<String>,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Scopes that every request needs; none: every valid token is enough.
    pub scopes: Vec<String>,
    /// Further marks: JSON pointer and value.
    pub require: Vec<(String, Value)>,
    /// Whether only agents may send requests.
    pub agents_only: bool,
    /// The path below which requests are accepted.
    pub path_prefix: String,
    /// Addresses under which clients know the gateway, for proofs of possession.
    pub external_uris: Vec<String>,
}

// Structs, and not a map, for the order in which people read the members.
#[derive(Serialize)]
struct Configuration<'a> {
    issuers: [Issuer<'a>; 1],
    routes: [Route<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    proofs: Option<Proofs<'a>>,
}

#[derive(Serialize)]
struct Proofs<'a> {
    external_uris: &'a [String],
}

#[derive(Serialize)]
struct Issuer<'a> {
    issuer: &'a str,
    provider: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    audiences: &'a [String],
    algorithms: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Claims>,
    keys: Keys<'a>,
}

#[derive(Serialize)]
struct Claims {
    require: Map<String, Value>,
}

#[derive(Serialize)]
struct Keys<'a> {
    remote: Remote<'a>,
}

#[derive(Serialize)]
struct Remote<'a> {
    cluster: String,
    uri: &'a str,
}

#[derive(Serialize)]
struct Route<'a> {
    #[serde(rename = "match")]
    matcher: Match<'a>,
    scopes: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    delegation_required: bool,
}

#[derive(Serialize)]
struct Match<'a> {
    path_prefix: &'a str,
}

/// What runs the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Envoy by itself.
    Envoy,
    /// Istio before 1.30: a `WasmPlugin`.
    IstioWasmPlugin,
    /// Istio 1.30 and later: a `TrafficExtension`.
    IstioTrafficExtension,
    /// Envoy Gateway: an `EnvoyExtensionPolicy`.
    EnvoyGateway,
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The address of the key set is no HTTP URL.
    #[error("`{0}` is no URL of a key set: write `https://HOST/PATH`")]
    Uri(String),
    /// The configuration could not be written as YAML.
    #[error("could not write the configuration: {0}")]
    Yaml(#[from] serde_norway::Error),
    /// A manifest that is shipped has changed, and the place for the configuration is no longer found.
    #[error("the manifest of this tool has no place for {0}")]
    Template(&'static str),
}

/// Where a provider publishes the keys of an issuer, as it documents; `None` if that cannot be told from its name.
#[must_use]
pub fn usual_jwks_uri(provider: Provider, issuer: &str) -> Option<String> {
    let base = issuer.trim_end_matches('/');
    let at = |path: &str| Some(format!("{base}/{path}"));
    match provider {
        Provider::Rfc9068 | Provider::Auth0 | Provider::Auth0Agent | Provider::Cognito => {
            at(".well-known/jwks.json")
        }
        Provider::Keycloak => at("protocol/openid-connect/certs"),
        Provider::Entra | Provider::EntraAgent => Some(match base.strip_prefix("https://sts.windows.net/") {
            Some(tenant) => format!("https://login.microsoftonline.com/{tenant}/discovery/keys"),
            None => format!("{}/discovery/v2.0/keys", base.strip_suffix("/v2.0").unwrap_or(base)),
        }),
        Provider::Okta | Provider::OktaAgent => at("v1/keys"),
        Provider::Ping => at("pf/JWKS"),
        Provider::Zitadel => at("oauth/v2/keys"),
        Provider::Wso2 => Some(format!("{}/jwks", base.strip_suffix("/token").unwrap_or(base))),
        Provider::Duende => at(".well-known/openid-configuration/jwks"),
        Provider::GoogleId => Some("https://www.googleapis.com/oauth2/v3/certs".to_owned()),
        Provider::Kubernetes => at("openid/v1/jwks"),
        Provider::GithubActions => at(".well-known/jwks"),
        Provider::JwtSvid | Provider::Wit => None,
    }
}

/// Whether [`usual_jwks_uri`] is a guess for this provider: each installation has another.
#[must_use]
pub fn jwks_uri_is_a_guess(provider: Provider) -> bool {
    matches!(provider, Provider::Rfc9068 | Provider::Ping | Provider::Kubernetes)
}

/// The claim that must be narrowed, for providers that give everybody a token for any audience, with an example.
#[must_use]
pub fn must_require(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::GithubActions => Some("/repository_owner=my-organisation"),
        Provider::GoogleId => Some("/email=caller@my-project.iam.gserviceaccount.com"),
        _ => None,
    }
}

impl Target {
    /// The name of the manifest's file.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Envoy => "envoy.yaml",
            Self::IstioWasmPlugin => "wasm-plugin.yaml",
            Self::IstioTrafficExtension => "traffic-extension.yaml",
            Self::EnvoyGateway => "extension-policy.yaml",
        }
    }
}

impl Start {
    /// The plugin configuration, as JSON.
    ///
    /// # Errors
    /// [`InitError::Uri`].
    pub fn configuration(&self, target: Target) -> Result<String, InitError> {
        Ok(serde_json::to_string_pretty(&self.members(target)?).unwrap_or_default())
    }

    fn members(&self, target: Target) -> Result<Configuration<'_>, InitError> {
        let url = Url::parse(&self.jwks_uri)?;
        let cluster = match target {
            Target::Envoy => CLUSTER.to_owned(),
            Target::IstioWasmPlugin | Target::IstioTrafficExtension => {
                format!("outbound|{}||{}", url.port, url.host)
            }
            Target::EnvoyGateway => "httproute/gateways/idp/rule/0".to_owned(),
        };
        let require: Map<String, Value> = self.require.iter().cloned().collect();
        Ok(Configuration {
            issuers: [Issuer {
                issuer: &self.issuer,
                provider: self.provider.name(),
                audiences: &self.audiences,
                algorithms: &self.algorithms,
                claims: (!require.is_empty()).then_some(Claims { require }),
                keys: Keys { remote: Remote { cluster, uri: &self.jwks_uri } },
            }],
            routes: [Route {
                matcher: Match { path_prefix: &self.path_prefix },
                scopes: &self.scopes,
                delegation_required: self.agents_only,
            }],
            proofs: (!self.external_uris.is_empty()).then_some(Proofs { external_uris: &self.external_uris }),
        })
    }

    /// The manifest with that configuration. `module` is where Envoy finds the module: a path for Envoy by itself, else the name
    /// of an image in a registry. `upstream` (`HOST:PORT`) and `listen` are for Envoy by itself.
    ///
    /// # Errors
    /// [`InitError`].
    pub fn manifest(
        &self,
        target: Target,
        module: &str,
        upstream: &str,
        listen: u16,
    ) -> Result<String, InitError> {
        let config = self.members(target)?;
        match target {
            Target::Envoy => self.envoy(&self.configuration(target)?, module, upstream, listen),
            Target::IstioWasmPlugin => {
                let text = kubernetes(
                    include_str!("../../envoy/istio/wasm-plugin.yaml"),
                    "  pluginConfig:",
                    &config,
                    module,
                )?;
                Ok(text + &self.service_entry()?)
            }
            Target::IstioTrafficExtension => {
                let text = kubernetes(
                    include_str!("../../envoy/istio/traffic-extension.yaml"),
                    "    pluginConfig:",
                    &config,
                    module,
                )?;
                Ok(text + &self.service_entry()?)
            }
            Target::EnvoyGateway => {
                let text = include_str!("../../envoy/envoy-gateway/extension-policy.yaml");
                let text = kubernetes(text, "    config:", &config, module)?;
                let url = Url::parse(&self.jwks_uri)?;
                let note = format!(
                    "# The cluster of the keys is that of rule 0 of an HTTPRoute `idp` in this namespace, whose backend is {}:{}.\n",
                    url.host, url.port
                );
                Ok(note + &text)
            }
        }
    }

    fn envoy(&self, config: &str, module: &str, upstream: &str, listen: u16) -> Result<String, InitError> {
        let template = include_str!("../../envoy/envoy.yaml");
        let admin = template.find("admin:\n").ok_or(InitError::Template("the admin interface"))?;
        let body = template.get(admin..).unwrap_or_default();
        let body = between(
            body,
            "                  value: |\n",
            "\n          - name: envoy.filters.http.router",
            "the configuration",
            |_| indented(config, 20),
        )?;
        let cluster = body
            .find("  # Where the issuer's keys are fetched from.")
            .ok_or(InitError::Template("the issuer's cluster"))?;
        let mut text = body.get(..cluster).unwrap_or_default().to_owned();
        for (from, to) in [
            ("target/mandate/mandate.wasm".to_owned(), module.to_owned()),
            ("port_value: 10000".to_owned(), format!("port_value: {listen}")),
            ("address: 127.0.0.1, port_value: 8081".to_owned(), {
                let (host, port) = upstream.rsplit_once(':').unwrap_or((upstream, "80"));
                format!("address: {host}, port_value: {port}")
            }),
        ] {
            if !text.contains(&from) {
                return Err(InitError::Template("the module, the port or the upstream"));
            }
            text = text.replace(&from, &to);
        }
        let (upstream_host, _) = upstream.rsplit_once(':').unwrap_or((upstream, ""));
        if upstream_host.parse::<std::net::IpAddr>().is_err() {
            text = text.replace(
                "  - name: upstream\n    type: STATIC\n",
                "  - name: upstream\n    type: STRICT_DNS\n",
            );
        }
        text.push_str("  # Where the issuer's keys are fetched from.\n");
        text.push_str(&Url::parse(&self.jwks_uri)?.cluster());
        let head = format!(
            "# Envoy with Mandate in front of {upstream}, for tokens of {issuer}.\n#\n\
             #   envoy -c {file}          # in the folder in which it was made; listens on port {listen}, admin interface on 9901\n#\n\
             # `mandate check mandate.json --token TOKEN` tells how a token is read, and what denies it. After a change of\n\
             # mandate.json, copy it to `configuration` below.\n\n",
            issuer = self.issuer,
            file = Target::Envoy.file(),
        );
        Ok(head + &text)
    }

    /// What makes Istio know the issuer's host, and speak TLS to it.
    fn service_entry(&self) -> Result<String, InitError> {
        let url = Url::parse(&self.jwks_uri)?;
        let (host, port) = (url.host, url.port);
        let (name, protocol) = if url.tls { ("https", "HTTPS") } else { ("http", "HTTP") };
        let mut text = format!(
            "---\n# The issuer's host, which makes the cluster above.\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata:\n  name: mandate-idp\n  namespace: istio-ingress\nspec:\n  hosts: [{host}]\n  location: MESH_EXTERNAL\n  resolution: DNS\n  ports:\n  - {{ number: {port}, name: {name}, protocol: {protocol} }}\n"
        );
        if url.tls {
            write!(
                text,
                "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: mandate-idp\n  namespace: istio-ingress\nspec:\n  host: {host}\n  trafficPolicy:\n    # TLS to the issuer; without `credentialName` and `caCertificates` Istio verifies with the system's certificates.\n    tls: {{ mode: SIMPLE, sni: {host} }}\n"
            )
            .ok();
        }
        Ok(text)
    }
}

/// A manifest of Kubernetes with another configuration and module; the configuration is its end.
fn kubernetes(
    template: &str,
    member: &'static str,
    config: &Configuration<'_>,
    module: &str,
) -> Result<String, InitError> {
    let line = format!("{member}\n");
    let at = template.find(&line).ok_or(InitError::Template("the configuration"))?;
    let head = template.get(..at).unwrap_or_default();
    let indent = member.len().saturating_sub(member.trim_start().len()).saturating_add(2);
    let yaml = indented(&serde_norway::to_string(config)?, indent);
    Ok(format!("{}{line}{yaml}", head.replace("registry.example/mandate:0.1.0", module)))
}

/// The text with what stands between two marks replaced.
fn between(
    text: &str,
    start: &str,
    end: &str,
    what: &'static str,
    new: impl FnOnce(&str) -> String,
) -> Result<String, InitError> {
    let missing = || InitError::Template(what);
    let (head, rest) = text.split_once(start).ok_or_else(missing)?;
    let (old, tail) = rest.split_once(end).ok_or_else(missing)?;
    Ok(format!("{head}{start}{}{end}{tail}", new(old)))
}

fn indented(text: &str, spaces: usize) -> String {
    let margin = " ".repeat(spaces);
    text.lines().map(|line| format!("{margin}{line}\n")).collect()
}

/// The parts of the key set's address that a proxy needs.
struct Url {
    tls: bool,
    host: String,
    port: u16,
}

impl Url {
    fn parse(text: &str) -> Result<Self, InitError> {
        let no_url = || InitError::Uri(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| no_url())?;
        let (tls, usual_port) = match uri.scheme_str() {
            Some("https") => (true, 443),
            Some("http") => (false, 80),
            _ => return Err(no_url()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(no_url)?.to_owned();
        Ok(Self { tls, host, port: uri.port_u16().unwrap_or(usual_port) })
    }

    /// A cluster of Envoy.
    fn cluster(&self) -> String {
        let Self { tls, host, port } = self;
        let host = host.trim_matches(['[', ']']);
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let kind = if is_address { "STATIC" } else { "STRICT_DNS" };
        let mut text = format!(
            "  - name: {CLUSTER}\n    type: {kind}\n    connect_timeout: 1s\n    load_assignment:\n      cluster_name: {CLUSTER}\n      endpoints:\n      - lb_endpoints:\n        - endpoint: {{ address: {{ socket_address: {{ address: \"{host}\", port_value: {port} }} }} }}\n"
        );
        if *tls {
            let (sni, san_type) = match is_address {
                true => (String::new(), "IP_ADDRESS"),
                false => (format!("        sni: {host}\n"), "DNS"),
            };
            write!(
                text,
                "    transport_socket:\n      name: envoy.transport_sockets.tls\n      typed_config:\n        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n{sni}        common_tls_context:\n          validation_context:\n            trusted_ca: {{ filename: /etc/ssl/certs/ca-certificates.crt }}\n            match_typed_subject_alt_names:\n            - {{ san_type: {san_type}, matcher: {{ exact: \"{host}\" }} }}\n"
            )
            .ok();
        }
        text
    }
}
