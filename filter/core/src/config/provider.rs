//! Presets: what the tokens of one kind of issuer look like. Each is a row of one table, written as the configuration would
//! write it; `docs/providers.md` has an example of each, and the corpus of the tests has tokens for each.

use crate::{json, limits};
use serde_json::{Map, Value};

/// A kind of token issuer: the defaults of the members `token_types`, `claims`, `agent`, `chain` and `max_lifetime_s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, strum::VariantArray)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Provider {
    /// Access tokens of RFC 9068, type `at+jwt`.
    #[default]
    #[cfg_attr(feature = "schema", schemars(rename = "rfc9068"))]
    Rfc9068,
    /// Keycloak.
    Keycloak,
    /// Microsoft Entra ID, tokens of version 1 and 2. The principal is `tid`/`oid`.
    Entra,
    /// Microsoft Entra Agent ID: as `entra`, and a client that is an agent identity is the agent.
    EntraAgent,
    /// Okta, a custom authorization server.
    Okta,
    /// Okta for AI Agents, with its form of chains.
    OktaAgent,
    /// Auth0, tokens of its default profile.
    Auth0,
    /// Auth0, agents as principal.
    Auth0Agent,
    /// `PingFederate`.
    Ping,
    /// Amazon Cognito user pools. The audience is the client id.
    Cognito,
    /// ZITADEL.
    Zitadel,
    /// WSO2 Identity Server and Asgardeo.
    Wso2,
    /// Duende `IdentityServer`.
    Duende,
    /// Google, ID tokens of users and of service accounts. They have no scopes.
    GoogleId,
    /// Kubernetes service account tokens. They have no scopes; the workload is the agent.
    Kubernetes,
    /// GitHub Actions, OIDC tokens of workflows. They have no scopes; the workflow is the agent.
    GithubActions,
    /// SPIFFE JWT-SVID: `issuer` is the trust domain (`spiffe://prod.example`), and the tokens are found by `sub`. They have no
    /// scopes; the workload is the agent. Keys are those of a SPIFFE bundle with `use` `jwt-svid`.
    JwtSvid,
    /// WIMSE Workload Identity Tokens, and SPIFFE WIT-SVIDs. `issuer` is the trust domain (`wimse://prod.example`, `spiffe://prod.example`),
    /// and the tokens are found by `sub`. They come in the header `workload-identity-token`, always with a Workload Proof Token
    /// (`authorization: WPT …`). They have no scopes and need no audience; the workload is the agent. Keys of a SPIFFE trust domain are those
    /// of its bundle with `use` `wit-svid`.
    Wit,
}

/// A row of the table.
pub(super) struct Preset {
    pub(super) name: &'static str,
    /// The members of the issuer's entry, as JSON.
    members: &'static str,
    /// What `audiences` are for this provider: for the message when there are none.
    pub(super) audience: &'static str,
    /// The algorithms that it signs with: for the message when there are none.
    pub(super) algorithm: &'static str,
}

impl Provider {
    /// Every provider, in the order of the documentation.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.preset().name
    }

    /// The members of an issuer's entry that are this provider's, where they are not written.
    #[must_use]
    pub fn members(self) -> Map<String, Value> {
        // INVARIANT: the rows are objects (a test reads each); an issuer without them would be refused for what it lacks.
        match json::parse(self.preset().members.as_bytes(), limits::JSON_DEPTH) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        }
    }

    /// What `audiences` are for this provider, in words.
    #[must_use]
    pub const fn audience_hint(self) -> &'static str {
        self.preset().audience
    }

    /// `iss` of its tokens, where it is one issuer for everybody.
    #[must_use]
    pub const fn usual_issuer(self) -> Option<&'static str> {
        match self {
            Self::GoogleId => Some("https://accounts.google.com"),
            Self::GithubActions => Some("https://token.actions.githubusercontent.com"),
            _ => None,
        }
    }

    /// The algorithm that it usually signs with.
    #[must_use]
    pub const fn usual_algorithm(self) -> &'static str {
        self.preset().algorithm
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    pub(super) const fn preset(self) -> Preset {
        match self {
            Self::Rfc9068 => Preset {
                name: "rfc9068",
                members: r#"{
                    "token_types": ["at+jwt"],
                    "claims": { "audience": ["/aud"], "principal": ["/sub"], "issued_at": ["/iat"], "require": {} },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "the identifier of your service, as the issuer writes it to `aud`",
                algorithm: "ES256",
            },
            // The claim `typ` (not that of the header) tells the kinds of token apart: `Bearer` and `DPoP` are access
            // tokens, `ID`, `Refresh`, `Offline` and `Logout` are not.
            // Impersonation by an administrator writes an `act` too, without `client_id`: an actor that is no agent.
            Self::Keycloak => Preset {
                name: "keycloak",
                members: r#"{
                    "token_types": ["JWT", "at+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/azp", "/client_id", null], "token_id": ["/jti"],
                        "issued_at": ["/iat"], "scopes": ["/scope"],
                        "require": { "/typ": ["Bearer", "DPoP", null], "/at_hash": null, "/c_hash": null }
                    },
                    "agent": { "from": "act", "when": { "/act/client_id": { "present": true } } },
                    "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "what an audience mapper of the client or of a client scope writes to `aud`",
                algorithm: "RS256",
            },
            // ID tokens have neither `azp` nor `appid`. `sub` differs from application to application; `tid` and `oid` do
            // not. `roles` are an application's own permissions, and beside `scp` those of the user, which the application was
            // not given. Lifetimes are 60 to 90 minutes.
            Self::Entra => Preset {
                name: "entra",
                members: r#"{
                    "token_types": ["JWT"],
                    "claims": {
                        "audience": ["/aud"], "principal": [["/tid", "/oid"]], "client": ["/azp", "/appid"],
                        "token_id": ["/uti", null], "issued_at": ["/iat"], "scopes": [["/scp", "/roles"]],
                        "require": { "/nonce": null, "/at_hash": null, "/c_hash": null }
                    },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 7200
                }"#,
                audience: "the application (client) id of your API, or its application id URI for tokens of version 1",
                algorithm: "RS256",
            },
            // Facet 11 of the actor is an agent identity. Tokens of agents that act on their own live for eight hours and more.
            Self::EntraAgent => Preset {
                name: "entra_agent",
                members: r#"{
                    "token_types": ["JWT"],
                    "claims": {
                        "audience": ["/aud"], "principal": [["/tid", "/oid"]], "client": ["/azp", "/appid"],
                        "token_id": ["/uti", null], "issued_at": ["/iat"], "scopes": [["/scp", "/roles"]],
                        "require": { "/nonce": null, "/at_hash": null, "/c_hash": null }
                    },
                    "agent": { "from": "client", "when": { "/xms_act_fct": "11" } },
                    "chain": { "form": "act", "count": null }, "max_lifetime_s": 86400
                }"#,
                audience: "the application (client) id of your API, or its application id URI for tokens of version 1",
                algorithm: "RS256",
            },
            // ID tokens have no `cid`. Tokens of agents, with hops beside `act`, are `okta_agent`'s.
            Self::Okta => Preset {
                name: "okta",
                members: r#"{
                    "token_types": [null, "JWT", "at+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/cid"], "token_id": ["/jti", null],
                        "issued_at": ["/iat"], "scopes": ["/scp"],
                        "require": {
                            "/cid": { "present": true }, "/nonce": null, "/at_hash": null, "/c_hash": null, "/idp": null,
                            "/delegated_through": null, "/origin": null
                        }
                    },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "the audience of the custom authorization server, for example `api://default`",
                algorithm: "RS256",
            },
            Self::OktaAgent => Preset {
                name: "okta_agent",
                members: r#"{
                    "token_types": [null, "JWT", "at+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/cid", "/client_id", null],
                        "token_id": ["/jti", null], "issued_at": ["/iat"], "scopes": ["/scp", "/scope"],
                        "require": { "/nonce": null, "/at_hash": null, "/c_hash": null, "/idp": null, "/amr": null }
                    },
                    "agent": { "from": "act" }, "chain": { "form": "okta", "count": ["ai_agent"] }, "max_lifetime_s": 3600
                }"#,
                audience: "the resource URL of the agent or service, as the custom authorization server writes it to `aud`",
                algorithm: "RS256",
            },
            // ID tokens have no `azp`. Lifetimes of a day are the default of an API.
            Self::Auth0 => Preset {
                name: "auth0",
                members: r#"{
                    "token_types": ["JWT", "at+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/azp", "/client_id"], "token_id": ["/jti", null],
                        "issued_at": ["/iat"], "scopes": ["/scope", "/permissions"],
                        "require": { "/nonce": null, "/at_hash": null, "/c_hash": null, "/sid": null }
                    },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 86400
                }"#,
                audience: "the identifier of the API",
                algorithm: "RS256",
            },
            // One exchange makes two hops, of which one is the application that the user sat at. `permissions`, all that the
            // user may do, are not the agent's.
            Self::Auth0Agent => Preset {
                name: "auth0_agent",
                members: r#"{
                    "token_types": ["at+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/client_id", "/azp"],
                        "token_id": ["/jti", null], "issued_at": ["/iat"], "scopes": ["/scope"], "require": {}
                    },
                    "agent": { "from": "subject", "when": { "/sub_profile": "ai_agent" } },
                    "chain": { "form": "act", "count": ["ai_agent"] }, "max_lifetime_s": 86400
                }"#,
                audience: "the identifier of the API",
                algorithm: "RS256",
            },
            Self::Ping => Preset {
                name: "ping",
                members: r#"{
                    "token_types": ["at+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/client_id"], "token_id": ["/jti", null],
                        "issued_at": ["/iat"], "scopes": ["/scope"], "require": {}
                    },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 7200
                }"#,
                audience: "the audience of the access token manager or the resource URI",
                algorithm: "RS256",
            },
            Self::Cognito => Preset {
                name: "cognito",
                members: r#"{
                    "token_types": [null, "JWT"],
                    "claims": {
                        "audience": ["/client_id"], "principal": ["/sub"], "client": ["/client_id"], "token_id": ["/jti"],
                        "issued_at": ["/iat"], "scopes": ["/scope"], "require": { "/token_use": "access" }
                    },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "the ids of the app clients whose tokens are accepted",
                algorithm: "RS256",
            },
            // ID tokens have `at_hash`, `amr` and `auth_time`. Lifetimes of twelve hours are the default.
            Self::Zitadel => Preset {
                name: "zitadel",
                members: r#"{
                    "token_types": ["JWT", "at+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/client_id", "/azp", null],
                        "token_id": ["/jti", null], "issued_at": ["/iat"], "scopes": ["/scope"],
                        "require": { "/nonce": null, "/at_hash": null, "/c_hash": null, "/amr": null, "/auth_time": null }
                    },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 43200
                }"#,
                audience: "the id of the project, or of the application",
                algorithm: "RS256",
            },
            Self::Wso2 => Preset {
                name: "wso2",
                members: r#"{
                    "token_types": ["at+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/client_id", "/azp"], "token_id": ["/jti"],
                        "issued_at": ["/iat"], "scopes": ["/scope"], "require": {}
                    },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "the client id of the application, or what it is configured to add to `aud`",
                algorithm: "RS256",
            },
            // `scope` is an array unless `EmitScopesAsSpaceDelimitedStringInJwt` is set.
            Self::Duende => Preset {
                name: "duende",
                members: r#"{
                    "token_types": ["at+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/client_id"], "token_id": ["/jti"],
                        "issued_at": ["/iat"], "scopes": ["/scope"], "require": {}
                    },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "the name of the API resource",
                algorithm: "RS256",
            },
            Self::GoogleId => Preset {
                name: "google_id",
                members: r#"{
                    "token_types": ["JWT"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": ["/azp", null], "token_id": ["/jti", null],
                        "issued_at": ["/iat"], "scopes": [], "require": {}
                    },
                    "agent": { "from": "act" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "the URL of your service that callers ask a token for, or an OAuth client id",
                algorithm: "RS256",
            },
            // Tokens of the old kind, kept in secrets, have no `kubernetes.io` object and no `exp`.
            Self::Kubernetes => Preset {
                name: "kubernetes",
                members: r#"{
                    "token_types": [null, "JWT"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": [], "token_id": ["/jti", null],
                        "issued_at": ["/iat"], "scopes": [], "require": { "/kubernetes.io": { "present": true } }
                    },
                    "agent": { "from": "subject" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "the `audience` of the projected volume or of the token request",
                algorithm: "RS256",
            },
            Self::GithubActions => Preset {
                name: "github_actions",
                members: r#"{
                    "token_types": ["JWT"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": [], "token_id": ["/jti", null],
                        "issued_at": ["/iat"], "scopes": [], "require": {}
                    },
                    "agent": { "from": "subject" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "the `audience` that the workflow asks a token for",
                algorithm: "RS256",
            },
            // JWT-SVID §2.3, §3: `typ` is `JWT`, `JOSE` or absent; `sub`, `aud` and `exp` are all that there must be.
            Self::JwtSvid => Preset {
                name: "jwt_svid",
                members: r#"{
                    "token_types": [null, "JWT", "JOSE"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": [], "token_id": ["/jti", null],
                        "issued_at": ["/iat", null], "scopes": [], "require": {}
                    },
                    "agent": { "from": "subject" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "what workloads ask the Workload API a token for",
                algorithm: "ES256",
            },
            // draft-ietf-wimse-workload-creds §5.1: `sub`, `exp` and `cnf` are all that there must be.
            Self::Wit => Preset {
                name: "wit",
                members: r#"{
                    "token_types": ["wit+jwt"],
                    "claims": {
                        "audience": ["/aud"], "principal": ["/sub"], "client": [], "token_id": ["/jti", null],
                        "issued_at": ["/iat", null], "scopes": [], "require": {}
                    },
                    "agent": { "from": "subject" }, "chain": { "form": "act", "count": null }, "max_lifetime_s": 3600
                }"#,
                audience: "none, for their proofs have it",
                algorithm: "ES256",
            },
        }
    }
}

/// Adds to every issuer of a configuration what its provider says. What is written wins; `claims`, the marks in it, `agent` with
/// its conditions, and `chain` are looked at member by member.
pub(super) fn expand(document: &mut Value) {
    let issuers = document.get_mut("issuers").and_then(Value::as_array_mut);
    for issuer in issuers.into_iter().flatten().filter_map(Value::as_object_mut) {
        let named = issuer.get("provider").and_then(Value::as_str);
        let provider = Provider::ALL.iter().find(|provider| Some(provider.name()) == named);
        // An unknown provider is reported when the document is read.
        merge(issuer, provider.copied().unwrap_or_default().members());
    }
}

fn merge(written: &mut Map<String, Value>, preset: Map<String, Value>) {
    for (name, value) in preset {
        match (written.get_mut(&name), value) {
            (None, value) => {
                written.insert(name, value);
            }
            // Another agent than the provider's has none of the provider's conditions.
            (Some(Value::Object(written)), preset)
                if name == "agent"
                    && written.get("from").is_some_and(|from| Some(from) != preset.get("from")) => {}
            (Some(Value::Object(written)), Value::Object(preset))
                if matches!(name.as_str(), "claims" | "require" | "agent" | "when" | "chain") =>
            {
                merge(written, preset);
            }
            (Some(_), _) => {}
        }
    }
}
