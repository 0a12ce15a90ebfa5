//! Tokens as providers really issue them: `providers.json`, whose claims are written anew from what each documents.
//!
//! An entry is an issuer of the configuration without its keys, a route of its own, and tokens: accepted ones with the headers
//! that the upstream must get, and near misses beside them, which change one of the others a little. `"@now+N"` in a claim is a
//! time, `"@groups N"` a list of so many groups.

use crate::cases::{Case, Expected, Group};
use crate::support::key;
use mandate_host::decide::RequestFile;
use mandate_host::tokens::{Algorithm, jwks, sign_raw};
use serde_json::{Map, Value, json};

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
        config: json!({ "issuers": issuers, "routes": routes, "audit": { "log": "all" } }),
        cases: cases.collect(),
    }
}

/// A key set as they are in the wild: keys without `alg`, one for encryption under the same `kid`, the same key twice, and
/// kinds that nobody here can use.
pub fn with_keys(mut issuer: Value) -> Value {
    let algorithm = Algorithm::from_name(issuer["algorithms"][0].as_str().unwrap()).unwrap();
    let mut signing = jwks(&[key(algorithm)])["keys"][0].clone();
    signing.as_object_mut().unwrap().remove("alg");
    if issuer["provider"] == "jwt_svid" {
        signing["use"] = json!("jwt-svid");
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
    let authorization = format!("Bearer {}", token(entry, row, now));
    let request = RequestFile {
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: vec![("authorization".to_owned(), authorization)],
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
