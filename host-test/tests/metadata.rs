//! The metadata of protected resources through a real Envoy: it is answered without a token and without the upstream.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use mandate_host::client::{Request, Response, blocking};
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::time::Duration;
use support::proxy::Proxy;
use support::{claims, configuration, reason, sign};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// An Envoy with the usual routes and two resources on one host. `None`: no Envoy here.
fn proxy(change: impl FnOnce(&mut Value)) -> Option<Proxy<Upstream>> {
    let mut config = configuration();
    let resource = |url: &str| {
        json!({
            "resource": url, "authorization_servers": [support::ISSUER], "scopes_supported": ["tickets.read"],
        })
    };
    config["protected_resources"] =
        json!([resource("https://tools.example/v1"), resource("https://tools.example/other")]);
    change(&mut config);
    let upstream = Upstream::start().unwrap();
    let address = upstream.address();
    Proxy::start(upstream, address, &config, |setup| setup)
}

impl Proxy<Upstream> {
    fn send(&self, method: &str, host: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::new(method, path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        blocking::send(self.at, &request).unwrap()
    }
}

#[test]
fn what_only_looks_like_metadata_is_denied_and_reaches_nobody() {
    let Some(proxy) = proxy(|_| {}) else { return };
    for (method, host, path) in [
        ("POST", "tools.example", format!("{WELL_KNOWN}/v1")),
        ("OPTIONS", "tools.example", format!("{WELL_KNOWN}/v1")),
        ("GET", "evil.example", format!("{WELL_KNOWN}/v1")),
        ("GET", "tools.example", format!("{WELL_KNOWN}/v1x")),
        ("GET", "tools.example", format!("{WELL_KNOWN}/v1/tickets")),
        ("GET", "tools.example", format!("{WELL_KNOWN}/v1?a")),
        // Two resources have this host.
        ("GET", "tools.example", WELL_KNOWN.to_owned()),
        ("GET", "tools.example", "/.well-known/oauth-authorization-server".to_owned()),
    ] {
        let answer = proxy.send(method, host, &path, &[]);
        assert_eq!((answer.status, reason(&answer).as_deref()), (403, Some("route_unmatched")), "{path}");
    }
    assert_eq!(proxy.upstream.requests(), 0);
}

#[test]
fn a_challenge_leads_to_metadata_that_anybody_may_read_and_the_upstream_sees_nothing() {
    let Some(proxy) = proxy(|_| {}) else { return };
    let denied = proxy.send("GET", "tools.example", "/v1/tickets", &[]);
    let url = format!("https://tools.example{WELL_KNOWN}/v1");
    assert_eq!(
        denied.header("www-authenticate"),
        Some(format!("Bearer scope=\"tickets.read\", resource_metadata=\"{url}\"").as_str())
    );
    for (method, host, headers) in [
        ("GET", "tools.example", vec![]),
        ("GET", "tools.example:10000", vec![("origin", "https://app.example")]),
        ("GET", "tools.example", vec![("authorization", "Bearer x.y.z")]),
        ("HEAD", "tools.example", vec![]),
    ] {
        let answer = proxy.send(method, host, &format!("{WELL_KNOWN}/v1"), &headers);
        assert_eq!(answer.status, 200, "{method} {host}: {}", proxy.envoy.log_tail());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("max-age=3600"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let expected = json!({
            "resource": "https://tools.example/v1", "authorization_servers": [support::ISSUER],
            "scopes_supported": ["tickets.read"], "bearer_methods_supported": ["header"],
        });
        match method {
            "HEAD" => assert_eq!(answer.body, b""),
            _ => assert_eq!(answer.json().unwrap(), expected),
        }
    }
    assert_eq!(proxy.upstream.requests(), 0);
    // The very next request on the same proxy is decided as ever.
    let good = format!("Bearer {}", sign(claims(support::now())));
    let allowed = proxy.send("GET", "tools.example", "/v1/tickets", &[("authorization", &good)]);
    assert_eq!((allowed.status, proxy.upstream.requests()), (200, 1), "{}", proxy.envoy.log_tail());
    let entries = proxy.envoy.wait_for_access_log(6, Duration::from_secs(10));
    let answered = entries.iter().filter(|entry| entry["path"] == format!("{WELL_KNOWN}/v1")).count();
    assert_eq!(answered, 4, "{entries:?}");
    let log = proxy.envoy.log();
    assert_eq!(log.matches("\"result\":\"answer\"").count(), 4, "{log}");
}

#[test]
fn a_preflight_for_metadata_is_answered_here_where_preflights_pass() {
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "mcp-protocol-version"),
    ];
    let Some(proxy) = proxy(|config| config["preflight"] = json!("pass")) else { return };
    let answer = proxy.send("OPTIONS", "tools.example", &format!("{WELL_KNOWN}/v1"), &headers);
    assert_eq!(answer.status, 204, "{}", proxy.envoy.log_tail());
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("*"));
    assert_eq!(proxy.upstream.requests(), 0);
}
