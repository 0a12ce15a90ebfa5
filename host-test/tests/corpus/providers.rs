//! Tokens as providers really issue them: `providers.json`, whose claims are written anew from what each documents.
//!
//! An entry is an issuer of the configuration without its keys, a route of its own, and tokens: accepted ones with the headers
//! that the upstream must get, and near misses beside them, which change one of the others a little. `"@now+N"` in a claim is a
//! time, `"@groups N"` a list of so many groups, `"@workload"` the key with which the proof of a workload's token is signed; a row with
//! `"sent": "bearer"` is sent without that proof.

use crate::cases::{Case, Expected, Group};
use crate::support::key;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mandate_host::decide::RequestFile;
use mandate_host::tokens::{Algorithm, jwks, sign_raw};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// Where clients find the gateway.
pub const GATEWAY: &str = "https://tools.example";
/// What workloads sign their proofs with.
const WORKLOAD: Algorithm = Algorithm::Es384;

/// The entries.
pub fn entries() -> Vec<Value> {
    serde_json::from_str(include_str!("providers.json")).unwrap()
}

/// One configuration with all issuers, and every token.
pub fn group(now: u64) -> Group {
    let entries = entries();
    let path = |index: usize| format!("/p{index}");
    let issuers: Vec<Value> = entries.iter().map(|entry| with_keys(entry["issuer"].clone())).collect();
    let routes: Vec<Value> = (entries.iter().enumerate())
        .map(|(index, entry)| {
            let mut route = entry["route"].clone();
            route["match"] = json!({ "path_prefix": path(index) });
            route
        })
        .collect();
    let cases = entries.iter().enumerate().flat_map(|(index, entry)| {
        let tokens = entry["tokens"].as_array().unwrap();
        tokens.iter().map(move |row| case(entry, row, &path(index), now)).collect::<Vec<_>>()
    });
    Group {
        config: json!({
            "issuers": issuers, "routes": routes, "audit": { "log": "all" }, "proofs": { "external_uris": [GATEWAY] },
        }),
        cases: cases.collect(),
    }
}

/// A key set as they are in the wild: keys without `alg`, one for encryption under the same `kid`, the same key twice, and
/// kinds that nobody here can use.
pub fn with_keys(mut issuer: Value) -> Value {
    let algorithm = Algorithm::from_name(issuer["algorithms"][0].as_str().unwrap()).unwrap();
    let mut signing = jwks(&[key(algorithm)])["keys"][0].clone();
    signing.as_object_mut().unwrap().remove("alg");
    match issuer["provider"].as_str() {
        Some("jwt_svid") => signing["use"] = json!("jwt-svid"),
        Some("wit") if issuer["issuer"].as_str().unwrap().starts_with("spiffe:") => {
            signing["use"] = json!("wit-svid");
        }
        _ => {}
    }
    let mut other = signing.clone();
    other["use"] = json!("enc");
    let neighbours = [
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA" }),
        json!({ "kty": "EC", "crv": "P-521", "kid": "long", "x": "AAAA", "y": "AAAA" }),
        json!({ "kty": "OKP", "crv": "X25519", "kid": "exchange", "x": "AAAA" }),
    ];
    let keys: Vec<Value> = [other, signing.clone(), signing].into_iter().chain(neighbours).collect();
    issuer["keys"] = json!({ "inline": { "keys": keys } });
    issuer
}

fn case(entry: &Value, row: &Value, path: &str, now: u64) -> Case {
    let name = format!("{}: {}", entry["name"].as_str().unwrap(), row["name"].as_str().unwrap());
    let request = RequestFile {
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: credential(entry, row, path, now),
        ..RequestFile::default()
    };
    let expected = match row.get("denied") {
        Some(reason) => Expected::Deny { reason: leaked(reason).unwrap(), challenge: None },
        None => {
            let headers = row["upstream"].as_object().unwrap().iter();
            let headers = headers.map(|(name, value)| (&*name.clone().leak(), leaked(value)));
            Expected::Allow { path: path.to_owned(), headers: headers.collect() }
        }
    };
    Case { name, request, expected }
}

/// The headers with which a row's token is sent to a path.
pub fn credential(entry: &Value, row: &Value, path: &str, now: u64) -> Vec<(String, String)> {
    let token = token(entry, row, now);
    if entry["issuer"]["provider"] != "wit" || row.get("sent") == Some(&json!("bearer")) {
        return vec![("authorization".to_owned(), format!("Bearer {token}"))];
    }
    let claims = json!({
        "aud": format!("{GATEWAY}{path}"), "exp": now + 60, "jti": format!("{path} {}", row["name"].as_str().unwrap()),
        "wth": URL_SAFE_NO_PAD.encode(Sha256::digest(&token)),
    });
    let header = json!({ "alg": WORKLOAD.name(), "typ": "wpt+jwt" });
    let proof = sign_raw(key(WORKLOAD), &header, claims.to_string().as_bytes()).unwrap();
    vec![("authorization".to_owned(), format!("WPT {proof}")), ("workload-identity-token".to_owned(), token)]
}

/// The token of a row, signed with its issuer's key.
pub fn token(entry: &Value, row: &Value, now: u64) -> String {
    if let Some(raw) = row.get("raw") {
        return raw.as_str().unwrap().to_owned();
    }
    let like = row.get("like").map(|like| {
        let tokens = entry["tokens"].as_array().unwrap();
        tokens.iter().find(|other| other["name"] == *like).unwrap_or_else(|| panic!("no token {like}"))
    });
    let part = |name: &str, taken: &str| {
        let members = |row: &Value| row.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut all: Map<String, Value> = like.map(members).unwrap_or_default();
        all.extend(members(row));
        let taken = row.get(taken).and_then(Value::as_array).cloned().unwrap_or_default();
        all.retain(|name, _| !taken.contains(&json!(name)));
        Value::Object(all)
    };
    let mut header = part("header", "without_header");
    let algorithm = Algorithm::from_name(header["alg"].as_str().unwrap()).unwrap();
    header["kid"] = json!(key(algorithm).kid());
    let mut claims = part("claims", "without");
    in_time(&mut claims, now);
    sign_raw(key(algorithm), &header, claims.to_string().as_bytes()).unwrap()
}

fn in_time(value: &mut Value, now: u64) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| in_time(member, now)),
        Value::String(text) => {
            if let Some(offset) = text.strip_prefix("@now") {
                let now = i64::try_from(now).unwrap();
                *value = json!(now + offset.parse::<i64>().unwrap());
            } else if text == "@workload" {
                let mut jwk = key(WORKLOAD).public_jwk();
                jwk["alg"] = json!(WORKLOAD.name());
                *value = jwk;
            } else if let Some(count) = text.strip_prefix("@groups ") {
                let count: u32 = count.parse().unwrap();
                let group = |index| format!("00000000-0000-4000-8000-{index:012}");
                *value = (0..count).map(group).collect();
            }
        }
        _ => {}
    }
}

fn leaked(value: &Value) -> Option<&'static str> {
    value.as_str().map(|text| &*text.to_owned().leak())
}
