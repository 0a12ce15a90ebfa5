//! From JSON to [`Config`]: the structure of the document and what its parts demand of each other.

use serde_json::Value;

use super::{
    Audit, AuditLog, Config, Delegation, Issuer, KeySource, Mode, PolicyEntry, PolicyLimits, Preflight,
    Problem, RemoteKeys, Route, RouteMatch, Upstream, checks, defaults,
    reader::{Node, Object, Problems, shown},
    same_token_type,
};
use crate::{
    denial::PathError,
    http::PathPrefix,
    json::{self, JsonError},
    limits,
};

pub(super) fn parse(bytes: &[u8]) -> Result<Config, Vec<Problem>> {
    let document = document(bytes).map_err(|problem| vec![problem])?;
    let problems = Problems::default();
    let config = config(&Node::root(&document, &problems));
    let mut list = problems.into_list();
    match config {
        Some(config) if list.is_empty() => Ok(config),
        _ => {
            if list.is_empty() {
                // INVARIANT: a reader that returns `None` has reported; this keeps the list's promise all the same.
                list.push(whole("could not be read".to_owned()));
            }
            Err(list)
        }
    }
}

const fn whole(message: String) -> Problem {
    Problem { pointer: String::new(), message, suggestion: None }
}

fn document(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(whole("is empty, it must be a JSON object".to_owned()));
    }
    if bytes.len() > limits::CONFIG_BYTES {
        let (most, found) = (limits::CONFIG_BYTES, bytes.len());
        return Err(whole(format!("must not be longer than {most} bytes, but has {found}")));
    }
    json::parse(bytes, limits::JSON_DEPTH).map_err(|error| match error {
        _ if is_protobuf(bytes) => Problem {
            suggestion: Some(
                "give it as `\"@type\": type.googleapis.com/google.protobuf.StringValue`, with the JSON text as `value`"
                    .to_owned(),
            ),
            ..whole("is a protobuf message (a `google.protobuf.Struct`?) and not JSON text".to_owned())
        },
        JsonError::DuplicateMember { pointer } => Problem {
            pointer: shown(&pointer),
            message: "is given twice".to_owned(),
            suggestion: Some("keep one".to_owned()),
        },
        other => whole(other.to_string()),
    })
}

/// Whether these are the bytes of a message whose fields all have a length (field 1 or 2): a `google.protobuf.Struct`, or an
/// `xds.type.v3.TypedStruct`. Envoy hands over as they are what is neither a `StringValue` nor a `BytesValue`.
fn is_protobuf(mut bytes: &[u8]) -> bool {
    while let Some((tag, mut rest)) = bytes.split_first() {
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let Some((byte, after)) = rest.split_first() else { return false };
            rest = after;
            length |= usize::from(byte & 0x7f).checked_shl(shift).unwrap_or(usize::MAX);
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        match rest.split_at_checked(length) {
            Some((_, after)) if matches!(tag, 0x0a | 0x12) => bytes = after,
            _ => return false,
        }
    }
    true
}

fn config(root: &Node<'_>) -> Option<Config> {
    let mut object = root.object()?;
    let issuers = object.required("issuers", issuers);
    let delegation = object.defaulted("delegation", Delegation::default, delegation);
    let policies = object.defaulted("policies", Vec::new, policies);
    let named =
        Named { max_depth: delegation.as_ref().map(|it| it.max_depth), entries: entry_names(root.value()) };
    let routes = object.required("routes", |node| node.list(1..=limits::ROUTES, |node| route(node, &named)));
    let preflight = object.defaulted("preflight", Preflight::default, |node| {
        word(node, "preflight", &[("deny", Preflight::Deny), ("pass", Preflight::Pass)])
    });
    let upstream = object.defaulted("upstream", Upstream::default, upstream);
    let audit = object.defaulted("audit", Audit::default, audit);
    let resource_metadata = object.optional("resource_metadata", checks::metadata_url);
    object.finish();
    Some(Config {
        issuers: issuers?,
        delegation: delegation?,
        routes: routes?,
        preflight: preflight?,
        policies: policies?,
        upstream: upstream?,
        audit: audit?,
        resource_metadata: resource_metadata?,
    })
}

fn issuers(node: &Node<'_>) -> Option<Vec<Issuer>> {
    let issuers = node.list(1..=limits::ISSUERS, issuer);
    node.refuse_repeated("issuer", limits::ISSUERS);
    issuers
}

fn issuer(node: &Node<'_>) -> Option<Issuer> {
    let mut object = node.object()?;
    let issuer = object.required("issuer", checks::identity);
    let audiences =
        object.required("audiences", |node| node.set(1..=limits::AUDIENCES, checks::identity, PartialEq::eq));
    // By name: an algorithm may have two, and whoever lists both means that a token may use either.
    let algorithms = object.required("algorithms", |node| {
        let named = |node: &Node<'_>| Some((checks::algorithm(node)?, node.value().clone()));
        let set = node.set(1..=limits::SMALL_LIST, named, |left, right| left.1 == right.1)?;
        Some(set.into_iter().map(|(algorithm, _)| algorithm).collect())
    });
    let token_types = object.defaulted("token_types", defaults::token_types, |node| {
        node.set(1..=limits::SMALL_LIST, checks::token_type, |left, right| same_token_type(left, right))
    });
    let keys = object.required("keys", key_source);
    let clock_skew_s = object.defaulted("clock_skew_s", defaults::clock_skew_s, |node| {
        node.integer(&(0..=limits::MAX_CLOCK_SKEW_S))
    });
    let max_lifetime_s = object.defaulted("max_lifetime_s", defaults::max_lifetime_s, |node| {
        node.integer(&(1..=limits::MAX_MAX_LIFETIME_S))
    });
    object.finish();
    Some(Issuer {
        issuer: issuer?,
        audiences: audiences?,
        algorithms: algorithms?,
        token_types: token_types?,
        keys: keys?,
        clock_skew_s: clock_skew_s?,
        max_lifetime_s: max_lifetime_s?,
    })
}

fn key_source(node: &Node<'_>) -> Option<KeySource> {
    let mut object = node.object()?;
    let inline = object.optional("inline", inline_keys);
    let remote = object.optional("remote", remote_keys);
    object.finish();
    match (inline?, remote?) {
        (Some(set), None) => Some(KeySource::Inline(set)),
        (None, Some(remote)) => Some(KeySource::Remote(remote)),
        (None, None) => node.refuse("must hold `inline` or `remote`"),
        (Some(_), Some(_)) => node.refuse_with("must not hold both `inline` and `remote`", "keep one"),
    }
}

/// The keys themselves are read by the key parser, which ignores what RFC 7517 §5 tells it to ignore.
fn inline_keys(node: &Node<'_>) -> Option<Value> {
    let mut object = node.object()?;
    object.required("keys", |node| node.elements(0..=limits::KEYS))?;
    Some(node.value().clone())
}

fn remote_keys(node: &Node<'_>) -> Option<RemoteKeys> {
    let mut object = node.object()?;
    let cluster = object.required("cluster", checks::cluster);
    let uri = object.required("uri", checks::keys_url);
    let timeout_ms =
        object.defaulted("timeout_ms", defaults::timeout_ms, |node| node.integer(&limits::KEYS_TIMEOUT_MS));
    let refresh_s =
        object.defaulted("refresh_s", defaults::refresh_s, |node| node.integer(&limits::KEYS_REFRESH_S));
    let stale_s = object.defaulted("stale_s", defaults::stale_s, |node| node.integer(&limits::KEYS_STALE_S));
    if let (Some(refresh), Some(stale)) = (refresh_s, stale_s)
        && stale < refresh
    {
        refuse_stale(&mut object, refresh, stale);
    }
    object.finish();
    Some(RemoteKeys {
        cluster: cluster?,
        uri: uri?,
        timeout_ms: timeout_ms?,
        refresh_s: refresh_s?,
        stale_s: stale_s?,
    })
}

fn refuse_stale(object: &mut Object<'_>, refresh: u64, stale: u64) {
    if let Some(node) = object.member("stale_s") {
        node.refuse_with::<()>(
            format!("must not be less than `refresh_s`, which is {refresh}"),
            "keys would be dropped before they are fetched again",
        );
    } else if let Some(node) = object.member("refresh_s") {
        node.refuse_with::<()>(
            format!("must not be more than `stale_s`, which is {stale} when absent"),
            format!("give a `stale_s` of at least {refresh}"),
        );
    }
}

fn delegation(node: &Node<'_>) -> Option<Delegation> {
    let absent = Delegation::default();
    let mut object = node.object()?;
    let max_depth = object.defaulted("max_depth", || absent.max_depth, depth);
    let required = object.defaulted("required", || absent.required, Node::boolean);
    let actor_issuers = object
        .optional("actor_issuers", |node| node.set(1..=limits::SMALL_LIST, checks::identity, PartialEq::eq));
    let allow_cycles = object.defaulted("allow_cycles", || absent.allow_cycles, Node::boolean);
    object.finish();
    Some(Delegation {
        max_depth: max_depth?,
        required: required?,
        actor_issuers: actor_issuers?,
        allow_cycles: allow_cycles?,
    })
}

fn depth(node: &Node<'_>) -> Option<u8> {
    u8::try_from(node.integer(&(0..=u64::from(limits::MAX_MAX_DEPTH)))?).ok()
}

/// What routes refer to; `None` where the referred part is itself in doubt.
struct Named<'a> {
    max_depth: Option<u8>,
    entries: Option<Vec<&'a str>>,
}

/// The names of all policy entries, also of those with problems.
fn entry_names(document: &Value) -> Option<Vec<&str>> {
    match document.get("policies") {
        None => Some(Vec::new()),
        Some(Value::Array(entries)) if entries.len() <= limits::POLICIES => {
            Some(entries.iter().filter_map(|entry| entry.get("name")?.as_str()).collect())
        }
        Some(_) => None,
    }
}

fn route(node: &Node<'_>, named: &Named<'_>) -> Option<Route> {
    let mut object = node.object()?;
    let matcher = object.required("match", route_match);
    let anonymous = object.defaulted("anonymous", || false, Node::boolean);
    let scopes = object
        .defaulted("scopes", Vec::new, |node| node.set(0..=limits::SCOPES, checks::scope, PartialEq::eq));
    let max_depth = object.optional("max_depth", |node| match (depth(node)?, named.max_depth) {
        (depth, Some(most)) if depth > most => {
            node.refuse(format!("must not be more than `delegation.max_depth`, which is {most}"))
        }
        (depth, _) => Some(depth),
    });
    let policies = object.defaulted("policies", Vec::new, |node| {
        node.set(0..=limits::POLICIES, |node| entry_reference(node, named), PartialEq::eq)
    });
    if anonymous == Some(true) {
        for name in ["scopes", "max_depth", "policies"] {
            if let Some(node) = object.member(name) {
                node.refuse_with::<()>(
                    "has no meaning on an anonymous route, which never looks at a token",
                    "remove it, or remove `anonymous`",
                );
            }
        }
    }
    object.finish();
    Some(Route {
        matcher: matcher?,
        anonymous: anonymous?,
        scopes: scopes?,
        max_depth: max_depth?,
        policies: policies?,
    })
}

fn entry_reference(node: &Node<'_>, named: &Named<'_>) -> Option<String> {
    let name = node.string(limits::NAME_BYTES)?;
    match &named.entries {
        Some(entries) if !entries.contains(&name) => node.refuse_word("entry of `policies`", name, entries),
        _ => Some(name.to_owned()),
    }
}

fn route_match(node: &Node<'_>) -> Option<RouteMatch> {
    let mut object = node.object()?;
    let hosts =
        object.optional("hosts", |node| node.set(1..=limits::SMALL_LIST, checks::host, PartialEq::eq));
    let path_prefix = object.required("path_prefix", path_prefix);
    let methods =
        object.optional("methods", |node| node.set(1..=limits::SMALL_LIST, checks::method, PartialEq::eq));
    object.finish();
    Some(RouteMatch { hosts: hosts?, path_prefix: path_prefix?, methods: methods? })
}

fn path_prefix(node: &Node<'_>) -> Option<PathPrefix> {
    let text = node.string(limits::PATH_BYTES)?;
    match PathPrefix::parse(text) {
        Ok(prefix) => Some(prefix),
        Err(PathError::NotAbsolute) => {
            node.refuse_with("must begin with `/`", format!("perhaps `/{}`", shown(text)))
        }
        Err(PathError::NotNormal { normal }) => node.refuse_with(
            "is not in normal form and would match nothing",
            format!("write `{}`", shown(&normal)),
        ),
        Err(error) => node.refuse(error.to_string()),
    }
}

fn policies(node: &Node<'_>) -> Option<Vec<PolicyEntry>> {
    let entries = node.list(0..=limits::POLICIES, policy_entry);
    node.refuse_repeated("name", limits::POLICIES);
    entries
}

fn policy_entry(node: &Node<'_>) -> Option<PolicyEntry> {
    let mut object = node.object()?;
    let name = object.required("name", checks::policy_name);
    let policy = object.optional("policy", checks::policy_name);
    let sha256 = object.optional("sha256", checks::sha256);
    let settings = object.defaulted(
        "settings",
        || Value::Object(serde_json::Map::new()),
        |node| node.object().map(|_| node.value().clone()),
    );
    let mode = object.defaulted("mode", Mode::default, |node| {
        word(node, "mode", &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)])
    });
    let limits = object.defaulted("limits", PolicyLimits::default, policy_limits);
    object.finish();
    let name = name?;
    Some(PolicyEntry {
        policy: policy?.unwrap_or_else(|| name.clone()),
        name,
        sha256: sha256?,
        settings: settings?,
        mode: mode?,
        limits: limits?,
    })
}

fn policy_limits(node: &Node<'_>) -> Option<PolicyLimits> {
    let absent = PolicyLimits::default();
    let mut object = node.object()?;
    let fuel = object.defaulted("fuel", || absent.fuel, |node| node.integer(&limits::POLICY_FUEL));
    let memory_bytes = object.defaulted(
        "memory_bytes",
        || absent.memory_bytes,
        |node| node.integer(&limits::POLICY_MEMORY_BYTES),
    );
    let output_bytes = object.defaulted(
        "output_bytes",
        || absent.output_bytes,
        |node| node.integer(&limits::POLICY_OUTPUT_BYTES),
    );
    object.finish();
    Some(PolicyLimits { fuel: fuel?, memory_bytes: memory_bytes?, output_bytes: output_bytes? })
}

fn upstream(node: &Node<'_>) -> Option<Upstream> {
    let absent = Upstream::default();
    let mut object = node.object()?;
    let forward_token = object.defaulted("forward_token", || absent.forward_token, Node::boolean);
    let identity_headers = object.defaulted("identity_headers", || absent.identity_headers, Node::boolean);
    let case_sensitive_paths =
        object.defaulted("case_sensitive_paths", || absent.case_sensitive_paths, Node::boolean);
    let pass_headers = object.defaulted("pass_headers", Vec::new, |node| {
        node.set(0..=limits::SMALL_LIST, checks::passed_header, PartialEq::eq)
    });
    object.finish();
    Some(Upstream {
        forward_token: forward_token?,
        identity_headers: identity_headers?,
        case_sensitive_paths: case_sensitive_paths?,
        pass_headers: pass_headers?,
    })
}

fn audit(node: &Node<'_>) -> Option<Audit> {
    let mut object = node.object()?;
    let log = object.defaulted("log", AuditLog::default, |node| {
        word(
            node,
            "audit log",
            &[("all", AuditLog::All), ("denied", AuditLog::Denied), ("none", AuditLog::None)],
        )
    });
    object.finish();
    Some(Audit { log: log? })
}

/// One of a closed set of words.
fn word<T: Copy>(node: &Node<'_>, what: &str, words: &[(&'static str, T)]) -> Option<T> {
    let text = node.string(limits::NAME_BYTES)?;
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Some(*value),
        None => node.refuse_word(what, text, &words.iter().map(|(word, _)| *word).collect::<Vec<_>>()),
    }
}
