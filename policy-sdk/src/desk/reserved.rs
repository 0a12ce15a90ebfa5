//! Headers that the filter removes from every request, so that no policy sees them: a copy of the filter's list, because this
//! crate must not depend on the filter. A test of `mandate-host` compares the two.

/// In lower case, with a dash for every character that is no letter and no digit. One that ends in `*` is a prefix.
pub const RESERVED: &[&str] = &[
    // What a client claims about itself, or says for us.
    "x-mandate-*",
    // The path, or where the application is mounted in it.
    "script-name",
    "path-info",
    "x-script-name",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-base",
    "x-original-*",
    "x-rewrite-url",
    "x-replaced-path",
    "x-envoy-original-*",
    "raw-request-uri",
    "x-matched-path",
    "x-invoke-*",
    "x-now-route-matches",
    "x-middleware-*",
    "spring-cloud-function-*",
    // The method.
    "x-http-method*",
    "x-method-override",
    "x-forwarded-method",
    // The host, or where the request goes.
    "x-host",
    "x-http-host-override",
    "x-forwarded-server",
    "x-forwarded-port",
    "dapr-app-id",
    "l5d-*",
    "-ws*",
    // The address of the client.
    "x-real-ip",
    "x-client-ip",
    "client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "x-cluster-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "do-connecting-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-nf-client-connection-ip",
    "x-vercel-forwarded-for",
    "cloudfront-viewer-address",
    "x-forwarded",
    "x-forwarded-by",
    "forwarded-for",
    "proxy-client-ip",
    "x-proxyuser-ip",
    "remote-addr",
    "remote-address",
    "remote-host",
    "http-client-ip",
    "http-forwarded",
    "http-forwarded-for",
    "http-x-forwarded",
    "http-x-forwarded-for",
    "http-x-cluster-client-ip",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    // The user, the groups, or a credential of theirs.
    "remote-user",
    "remote-email",
    "remote-name",
    "remote-groups",
    "x-remote-*",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-access-token",
    "x-forwarded-mail",
    "x-forwarded-displayname",
    "x-forwarded-tls-client-cert*",
    "x-auth-request-*",
    "x-auth-user",
    "gap-auth",
    "gap-signature",
    "x-webauth-*",
    "x-consumer-*",
    "x-credential-*",
    "x-anonymous-consumer",
    "x-authenticated-*",
    "x-userinfo",
    "x-ms-client-principal*",
    "x-ms-token-*",
    "ms-aspnetcore-*",
    "x-iisnode-*",
    "x-arr-clientcert",
    "x-amzn-oidc-*",
    "x-amzn-mtls-clientcert*",
    "x-goog-authenticated-user-*",
    "x-goog-iap-jwt-assertion",
    "x-endpoint-api-userinfo",
    "x-apigateway-api-userinfo",
    "x-appengine-*",
    "x-serverless-authorization",
    "cf-access-authenticated-user-*",
    "cf-access-jwt-assertion",
    "x-pomerium-*",
    "tailscale-*",
    "teleport-jwt-assertion",
    "x-vouch-*",
    "x-authentik-*",
    "sm-user*",
    "sm-universalid",
    "sm-serversession*",
    "oam-*",
    "oidc-*",
    "shib-*",
    "iv-user*",
    "iv-groups",
    "iv-creds",
    "osso-*",
    "eppn",
    "persistent-id",
    "ssl-client-*",
    "x-ssl-client-*",
    "x-client-cert*",
    "x-client-verify",
    "x-client-dn",
    "client-cert",
    "client-cert-chain",
    "proxy-auth-cert",
    "wl-proxy-*",
    "impersonate-*",
    "x-proxy-user",
    "x-proxy-roles",
    "x-proxy-ext-*",
    "es-security-runas-user",
    "grpc-metadata-x-mandate-*",
    "grpc-metadata-authorization",
    // Something else that changes what is done.
    "x-forwarded-ssl",
    "x-forwarded-scheme",
    "x-forwarded-protocol",
    "x-forwarded-https",
    "x-forwarded-trusted-proxy",
    "x-url-scheme",
    "x-scheme",
    "front-end-https",
    "x-proxied-https",
    "x-arr-ssl",
    "proxy-ssl-id",
    "ssl-cipher*",
    "ssl-session-id",
    "ssl-secure-protocol",
    "x-accel-mapping",
    "x-sendfile-type",
    "proxy",
];

/// Whether the filter removes a header of this name. Case does not count, and every character that is no letter and no digit
/// counts as a dash: CGI and the interfaces derived from it show a program `x_mandate_agent` and `x-mandate-agent` under one name (RFC 3875
/// §4.1.18).
pub(super) fn is_reserved(name: &str) -> bool {
    let name: String = name.chars().map(plain).collect();
    RESERVED.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *known,
    })
}

fn plain(character: char) -> char {
    if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_only_looks_different_is_reserved_too() {
        for name in [
            "x-mandate-principal",
            "X-Mandate-Chain",
            "x_mandate_principal",
            "x-mandate-",
            "x.mandate!chain",
            "SCRIPT_NAME",
            "script-name",
            "X-HTTP-Method-Override",
            "x-http-method",
            "x_original_url",
            "Remote_User",
            "$WSRU",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "",
            "x-mandate",
            "x-mandates-a",
            "y-mandate-principal",
            "scriptname",
            "my-script-name",
            "script-names",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-request-id",
            "wsru",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn every_entry_can_match_and_stands_there_once() {
        for (position, entry) in RESERVED.iter().enumerate() {
            let name = entry.trim_end_matches('*');
            assert!(!name.is_empty() && name.chars().all(|c| plain(c) == c), "{entry}");
            assert!(is_reserved(name), "{entry}");
            assert!(!RESERVED.iter().skip(position + 1).any(|other| other == entry), "{entry}");
        }
    }
}
