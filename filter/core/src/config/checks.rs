//! The small grammars that configured strings must follow.

use super::ResourceUrl;
use super::reader::{Node, shown};
use crate::denial::PathError;
use crate::http::{
    ExternalUri, Host, HostPattern, HostPatternError, OWN_PREFIX, PathPrefix, is_plain_method,
    may_be_passed_on,
};
use crate::json::{self, Pointer, PointerError};
use crate::{algorithm::Algorithm, limits};

/// An `iss` or `aud` value (RFC 7519 §2, StringOrURI), as strict as matching byte for byte needs.
pub(super) fn identity(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::IDENTITY_BYTES)?;
    if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return node.refuse("must not contain white space or control characters");
    }
    Some(text.to_owned())
}

/// A signature algorithm.
pub(super) fn algorithm(node: &Node<'_>) -> Option<Algorithm> {
    let name = node.string(limits::NAME_BYTES)?;
    if let Some(algorithm) = Algorithm::from_name(name) {
        return Some(algorithm);
    }
    if name.eq_ignore_ascii_case("none") {
        return node.refuse_with(
            "`none` means unsigned, and an unsigned token proves nothing",
            "name the algorithm that the issuer signs with",
        );
    }
    if name.get(..2).is_some_and(|family| family.eq_ignore_ascii_case("HS")) {
        return node.refuse_with(
            format!(
                "`{}` is an HMAC algorithm: everybody who can verify such a token can also forge one",
                shown(name)
            ),
            "have the issuer sign with an asymmetric algorithm such as `EdDSA` or `ES256`",
        );
    }
    node.refuse_word("supported signature algorithm", name, &Algorithm::ALL.map(Algorithm::name))
}

/// Signature algorithms. By name: an algorithm may have two, and whoever lists both means that a token may use either.
pub(super) fn algorithms(node: &Node<'_>) -> Option<Vec<Algorithm>> {
    let named = |node: &Node<'_>| Some((algorithm(node)?, node.value().clone()));
    let set = node.set(1..=limits::SMALL_LIST, named, |left, right| left.1 == right.1)?;
    Some(set.into_iter().map(|(algorithm, _)| algorithm).collect())
}

/// A `typ` value: a media type, its `application/` usually omitted (RFC 7515 §4.1.9).
pub(super) fn token_type(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::NAME_BYTES)?;
    let (top, sub) = text.split_once('/').unwrap_or(("application", text));
    if !is_token(top) || !is_token(sub) {
        return node.refuse_with("must be a media type", "for example `at+jwt`");
    }
    Some(text.to_owned())
}

/// The same, or `null` for a header without `typ`.
pub(super) fn token_type_or_null(node: &Node<'_>) -> Option<Option<String>> {
    if node.value().is_null() { Some(None) } else { token_type(node).map(Some) }
}

/// A JSON pointer to a claim.
pub(super) fn pointer(node: &Node<'_>) -> Option<Pointer> {
    pointer_text(node, node.string(limits::IDENTITY_BYTES)?)
}

/// The same, as the name of a member.
pub(super) fn pointer_text(node: &Node<'_>, text: &str) -> Option<Pointer> {
    match Pointer::parse(text) {
        Ok(pointer) => Some(pointer),
        Err(error @ PointerError::NoSlash) => {
            let escaped = json::pointer_push("", text);
            node.refuse_with(error.to_string(), format!("write `{}`", shown(&escaped)))
        }
        Err(error) => node.refuse(error.to_string()),
    }
}

/// A word of a claim: no white space.
pub(super) fn claim_word(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::IDENTITY_BYTES)?;
    if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return node.refuse("must be one word, without white space or control characters");
    }
    Some(text.to_owned())
}

/// The name of an Envoy cluster.
pub(super) fn cluster(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::CLUSTER_BYTES)?;
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(text.to_owned());
    }
    node.refuse("must be the name of a cluster, without white space or control characters")
}

/// A scope-token (RFC 6749 §3.3).
pub(super) fn scope(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::IDENTITY_BYTES)?;
    if text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)) {
        return Some(text.to_owned());
    }
    if text.contains(' ') {
        return node.refuse_with(
            "must be one scope, without white space",
            "list several scopes as elements of their own",
        );
    }
    node.refuse("must be a scope: printable ASCII without white space, quotes and backslashes")
}

/// An HTTP method (RFC 9110 §9.1), of the characters that a request's method may have.
pub(super) fn method(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::NAME_BYTES)?;
    if is_plain_method(text.as_bytes()) {
        return Some(text.to_owned());
    }
    if is_plain_method(text.to_ascii_uppercase().as_bytes()) {
        return node.refuse_with(
            "must be in upper case, methods are case-sensitive",
            format!("write `{}`", text.to_ascii_uppercase()),
        );
    }
    node.refuse(
        "must be an HTTP method of upper-case letters, digits, `-` and `_`: no other request is let through",
    )
}

/// The hosts of a route.
pub(super) fn host(node: &Node<'_>) -> Option<HostPattern> {
    let text = node.string(limits::HOST_BYTES + "*.".len())?;
    match HostPattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err(error @ HostPatternError::Any) => {
            node.refuse_with(error.to_string(), "leave `hosts` out for every host")
        }
        Err(error @ HostPatternError::Port) => {
            let name = text.rsplit_once(':').map_or(text, |(name, _)| name);
            node.refuse_with(error.to_string(), format!("write `{}`", shown(name)))
        }
        Err(error) => node.refuse_with(error.to_string(), "write a name outside ASCII in its `xn--` form"),
    }
}

/// A header that would be removed, and may be passed on.
pub(super) fn passed_header(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::NAME_BYTES)?;
    if text.starts_with(OWN_PREFIX) {
        return node.refuse(format!("headers that begin with `{OWN_PREFIX}` are always removed"));
    }
    if !text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return node.refuse("must be a header name of lower-case letters, digits and hyphens");
    }
    if !may_be_passed_on(text) {
        return node
            .refuse_with("is not a header that is removed by default", "leave it out: it is forwarded");
    }
    Some(text.to_owned())
}

/// The header of a chain: one that the filter reads for nothing else, and does not remove before.
pub(super) fn chain_header(node: &Node<'_>) -> Option<String> {
    const READ: [&str; 9] = [
        "authorization",
        "connection",
        "cookie",
        "dpop",
        "host",
        "origin",
        "proxy-authorization",
        "proxy-connection",
        "upgrade",
    ];
    let text = node.string(limits::NAME_BYTES)?;
    if !text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return node.refuse("must be a header name of lower-case letters, digits and hyphens");
    }
    let is_read = READ.contains(&text)
        || ["access-control-", "content-", "mcp-", "a2a-"].iter().any(|prefix| text.starts_with(prefix));
    if is_read || may_be_passed_on(text) || text.starts_with(OWN_PREFIX) {
        return node.refuse_with(
            "is a header that is read or removed for another reason",
            "write `x-delegation-chain`",
        );
    }
    Some(text.to_owned())
}

/// The name of a policy or of an entry.
pub(super) fn policy_name(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::NAME_BYTES)?;
    if text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return Some(text.to_owned());
    }
    node.refuse("must consist of lower-case letters, digits and hyphens")
}

/// A SHA-256 digest.
pub(super) fn sha256(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::NAME_BYTES)?;
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f')) {
        return Some(text.to_owned());
    }
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return node.refuse_with("must be in lower case", format!("write `{}`", text.to_ascii_lowercase()));
    }
    node.refuse("must be a SHA-256 digest: 64 hexadecimal digits in lower case")
}

/// The URL that a key set is fetched from.
pub(super) fn keys_url(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::URL_BYTES)?;
    match split_url(text) {
        Some(url) if !url.path.is_empty() => Some(text.to_owned()),
        Some(_) => node.refuse_with("must have a path", format!("perhaps `{}/`", shown(text))),
        None => node.refuse_with(
            "must be an http or https URL with a host and a path",
            "for example `https://idp.example/jwks.json`",
        ),
    }
}

/// The URL of a protected resource's metadata (RFC 9728 §3).
pub(super) fn metadata_url(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::URL_BYTES)?;
    match split_url(text) {
        Some(url) if url.scheme == "https" => Some(text.to_owned()),
        _ => node.refuse_with(
            "must be an https URL without a fragment",
            "for example `https://tools.example/.well-known/oauth-protected-resource`",
        ),
    }
}

/// The identifier of a protected resource (RFC 9728 §1.2), whose path requests can be compared with.
pub(super) fn resource_url(node: &Node<'_>) -> Option<ResourceUrl> {
    const EXAMPLE: &str = "for example `https://tools.example/mcp`";
    let text = node.string(limits::URL_BYTES)?;
    let Some((url, host)) = secure_url(text) else {
        return node.refuse_with(
            "must be an https URL with a host and without query and fragment; http is for this machine only",
            EXAMPLE,
        );
    };
    let origin = text.strip_suffix(url.path).unwrap_or(text);
    match PathPrefix::parse(if url.path.is_empty() { "/" } else { url.path }) {
        Ok(path) => Some(ResourceUrl::new(text, origin, &host, path)),
        Err(PathError::NotNormal { normal }) => node.refuse_with(
            "has a path that is not in normal form and would cover nothing",
            format!("write `{}`", shown(&format!("{origin}{normal}"))),
        ),
        Err(error) => node.refuse(error.to_string()),
    }
}

/// An address under which clients know this gateway.
pub(super) fn external_uri(node: &Node<'_>) -> Option<ExternalUri> {
    let text = node.string(limits::URL_BYTES)?;
    match split_url(text).filter(|url| !url.path.contains('?')).and_then(|_| ExternalUri::parse(text)) {
        Some(uri) => Some(uri),
        None => node.refuse_with(
            "must be an http or https URL with a host, without query and fragment, its path in normal form",
            "for example `https://tools.example`",
        ),
    }
}

/// The issuer identifier of an authorization server (RFC 8414 §2).
pub(super) fn server_url(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::URL_BYTES)?;
    match secure_url(text) {
        Some(_) => Some(text.to_owned()),
        None => node.refuse_with(
            "must be an https URL with a host and without query and fragment; http is for this machine only",
            "for example `https://idp.example`",
        ),
    }
}

/// A URL without query, over TLS unless it is of this machine.
fn secure_url(text: &str) -> Option<(Url<'_>, Host<'_>)> {
    let url = split_url(text).filter(|url| !url.path.contains('?'))?;
    let host = Host::parse(url.authority.as_bytes())?;
    let is_this_machine = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    (url.scheme == "https" || is_this_machine).then_some((url, host))
}

/// A name for people.
pub(super) fn display_name(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::IDENTITY_BYTES)?;
    if text.chars().any(char::is_control) {
        return node.refuse("must not contain control characters");
    }
    Some(text.to_owned())
}

/// The URL of a page for people.
pub(super) fn documentation_url(node: &Node<'_>) -> Option<String> {
    let text = node.string(limits::URL_BYTES)?;
    match split_url(text) {
        Some(url) if url.scheme == "https" => Some(text.to_owned()),
        _ => node.refuse_with(
            "must be an https URL without a fragment",
            "for example `https://tools.example/docs`",
        ),
    }
}

/// An absolute http or https URL, taken apart.
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    pub(super) authority: &'a str,
    /// Path and query; empty when there is neither.
    pub(super) path: &'a str,
}

/// ```text
/// url       = ( "http" / "https" ) "://" authority [ "/" *visible ]   ; no fragment, no user information
/// authority = host [ ":" port ]                                     ; port 1 to 65535
/// host      = 1*( ALPHA / DIGIT / "-" / "." / "_" ) / "[" 1*( HEXDIG / ":" / "." ) "]"
/// visible   = ASCII %x21-7E except `"` `#` `<` `>` `\` `^` `{` `|` `}` and the backtick
/// ```
pub(super) fn split_url(text: &str) -> Option<Url<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at_checked(slash)?,
        None => (rest, ""),
    };
    let (host, port) = match authority.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host_is_good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => {
            !address.is_empty()
                && address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    };
    let port_is_good = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    let path_is_good = path.bytes().all(|byte| {
        byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    });
    (host_is_good && port_is_good && path_is_good).then_some(Url { scheme, authority, path })
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, authority, path) in [
            ("https://idp.example/jwks.json", "idp.example", "/jwks.json"),
            ("http://idp:8080/a?b=c/d", "idp:8080", "/a?b=c/d"),
            ("https://[2001:db8::1]/k", "[2001:db8::1]", "/k"),
            ("https://[::1]:65535/", "[::1]:65535", "/"),
            ("https://tools.example", "tools.example", ""),
        ] {
            let url = split_url(text).unwrap();
            assert_eq!((url.authority, url.path), (authority, path), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in [
            "",
            "https",
            "https:/a/b",
            "https://",
            "https:///k",
            "ftp://a/k",
            "HTTPS://a/k",
            "https://a:0/k",
            "https://a:/k",
            "https://a:65536/k",
            "https://a:+1/k",
            "https://u@a/k",
            "https://a b/k",
            "https://a/k#f",
            "https://a/k k",
            "https://a?k",
            "https://[]/k",
            "https://[::1/k",
            "https://a/\u{e9}",
            "https://a/\"",
            "https://::1/k",
            " https://a/k",
        ] {
            assert!(split_url(text).is_none(), "{text}");
        }
    }
}
