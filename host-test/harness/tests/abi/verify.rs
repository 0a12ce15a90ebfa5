//! The foreign function `verify_signature`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mandate_harness::{Filter, HarnessError, Request, Status, VerifySignature, VmBuilder};
use serde_json::Value;

use crate::support::{filter, on_headers};

/// Passes the plugin configuration to the function and keeps its status and result.
fn caller(name: &str) -> Filter {
    let configure = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 8) (i32.const 12)))
        (i32.const 1))"#;
    let call = format!(
        r#"(call $note (call $foreign $"{name}" (i32.load (i32.const 8)) (i32.load (i32.const 12))
             (i32.const 16) (i32.const 20)))
           (call $keep $"result")"#
    );
    filter(&format!("{configure}{}", on_headers(&call, 0)))
}

/// The status, and field 1 of the result if there is a result.
fn call(vm: VmBuilder, arguments: &[u8]) -> (u32, Option<bool>) {
    let exchange = vm.configuration(arguments).start().unwrap().send(Request::get("/")).unwrap();
    let result = &exchange.properties["result"];
    let verified = (!result.is_empty()).then(|| result.starts_with(&[0x08, 1]));
    (exchange.property("status").unwrap().parse().unwrap(), verified)
}

fn arguments(hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, bytes) in [(1_u8, hash.as_bytes()), (2, key), (3, signature), (4, text)] {
        out.push(number << 3 | 2);
        out.extend([
            u8::try_from(bytes.len() % 128).unwrap() | 0x80,
            u8::try_from(bytes.len() / 128).unwrap(),
        ]);
        out.extend(bytes);
    }
    out
}

struct Vector {
    name: String,
    hash: String,
    key: Vec<u8>,
    signature: Vec<u8>,
    text: Vec<u8>,
}

impl Vector {
    fn arguments(&self) -> Vec<u8> {
        arguments(&self.hash, &self.key, &self.signature, &self.text)
    }
}

fn vectors(kind: &str) -> Vec<Vector> {
    let all: Value = serde_json::from_str(include_str!("../fixtures/verify_signature.json")).unwrap();
    let text = |vector: &Value, name: &str| vector[name].as_str().unwrap().to_owned();
    let bytes = |vector: &Value, name: &str| STANDARD.decode(text(vector, name)).unwrap();
    all[kind]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| Vector {
            name: text(vector, "name"),
            hash: text(vector, "hash"),
            key: bytes(vector, "key"),
            signature: bytes(vector, "signature"),
            text: bytes(vector, "text"),
        })
        .collect()
}

#[test]
fn a_signature_of_anything_else_does_not_verify() {
    let filter = caller("verify_signature");
    for mut vector in vectors("valid") {
        let hash = if vector.hash == "sha256" { "sha384" } else { "sha256" };
        let other = arguments(hash, &vector.key, &vector.signature, &vector.text);
        assert_eq!(call(filter.vm(), &other), (0, Some(false)), "{} with {hash}", vector.name);
        vector.text.push(b'.');
        assert_eq!(
            call(filter.vm(), &vector.arguments()),
            (0, Some(false)),
            "{} of another text",
            vector.name
        );
        vector.text.pop();
        *vector.signature.last_mut().unwrap() ^= 1;
        assert_eq!(call(filter.vm(), &vector.arguments()), (0, Some(false)), "{} changed", vector.name);
        vector.signature.clear();
        assert_eq!(
            call(filter.vm(), &vector.arguments()),
            (0, Some(false)),
            "{} without signature",
            vector.name
        );
    }
}

#[test]
fn what_envoy_refuses_does_not_verify() {
    let filter = caller("verify_signature");
    for vector in vectors("invalid") {
        assert_eq!(call(filter.vm(), &vector.arguments()), (0, Some(false)), "{}", vector.name);
    }
}

#[test]
fn arguments_that_make_no_sense_are_a_bad_argument() {
    let filter = caller("verify_signature");
    let bad = Status::BadArgument.code();
    for malformed in [&b""[..], b"\x0a", b"\x0a\x09sha", b"\xff", &arguments("sha256", b"", b"s", b"t")] {
        assert_eq!(call(filter.vm(), malformed), (bad, None), "{malformed:?}");
    }
}

#[test]
fn an_algorithm_that_this_host_lacks_is_a_violation_and_no_wrong_answer() {
    for vector in vectors("beyond") {
        let mut vm = caller("verify_signature").vm().configuration(vector.arguments()).start().unwrap();
        assert!(matches!(vm.send(Request::get("/")), Err(HarnessError::Violation(_))), "{}", vector.name);
    }
}

#[test]
fn good_signatures_of_every_algorithm_verify() {
    let filter = caller("verify_signature");
    let valid = vectors("valid");
    for name in ["ES256", "ES384", "RS256", "RS384", "RS512"] {
        assert!(valid.iter().any(|vector| vector.name == name), "{name}");
    }
    for vector in valid {
        assert_eq!(call(filter.vm(), &vector.arguments()), (0, Some(true)), "{}", vector.name);
        let shouted = arguments(&vector.hash.to_uppercase(), &vector.key, &vector.signature, &vector.text);
        assert_eq!(call(filter.vm(), &shouted), (0, Some(true)), "{} in capitals", vector.name);
    }
}

#[test]
fn the_function_can_be_absent_or_lie() {
    let filter = caller("verify_signature");
    let (good, mut bad) = (vectors("valid").remove(0), vectors("valid").remove(0));
    bad.signature.clear();
    let absent = filter.vm().verify_signature(VerifySignature::Absent);
    assert_eq!(call(absent, &good.arguments()), (Status::NotFound.code(), None));
    let refuses = filter.vm().verify_signature(VerifySignature::AlwaysFalse);
    assert_eq!(call(refuses, &good.arguments()), (0, Some(false)));
    let accepts = filter.vm().verify_signature(VerifySignature::AlwaysTrue);
    assert_eq!(call(accepts, &bad.arguments()), (0, Some(true)));
}

#[test]
fn other_functions_are_missing_unless_the_test_brings_them() {
    let filter = caller("double");
    assert_eq!(call(filter.vm(), b"ab"), (Status::NotFound.code(), None));
    let doubles = filter.vm().foreign("double", |bytes| Ok([bytes, bytes].concat()));
    assert_eq!(call(doubles, b"\x08\x01"), (0, Some(true)));
    let fails = filter.vm().foreign("double", |_| Err(Status::InternalFailure));
    assert_eq!(call(fails, b"ab"), (Status::InternalFailure.code(), None));
}
