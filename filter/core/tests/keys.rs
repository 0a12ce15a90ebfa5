//! Key sets: what an issuer publishes, read strictly.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::algorithm::Algorithm;
use mandate_core::keys::{InModule, SignatureVerifier as _};
use mandate_core::keys::{KeyError, KeySet, KeySetError, KeyUse, PublicKey};
use mandate_core::limits;
use p256::pkcs8::DecodePublicKey as _;
use proptest::prelude::*;
use rsa::BigUint;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use support::{Private, b64, unb64, vectors, with};

fn error(jwk: &Value) -> Option<KeyError> {
    PublicKey::from_jwk(jwk).err()
}

fn ed25519(number: u8) -> Value {
    Private::new(Algorithm::EdDsa, number).jwk()
}

fn p256(number: u8) -> Value {
    Private::new(Algorithm::Es256, number).jwk()
}

fn p384(number: u8) -> Value {
    Private::new(Algorithm::Es384, number).jwk()
}

fn rejected(set: &KeySet) -> Vec<(usize, KeyError)> {
    set.rejected().iter().map(|key| (key.position, key.error.clone())).collect()
}

fn set(keys: Value) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

/// An RSA key whose modulus has exactly so many bits: odd, and that is all that a verifier can see of it.
fn rsa_of_bits(bits: usize) -> Value {
    let modulus = (BigUint::from(1_u8) << (bits - 1)) + BigUint::from(1_u8);
    json!({ "kty": "RSA", "n": b64(modulus.to_bytes_be()), "e": vectors::RSA_E })
}

#[test]
fn a_jwk_that_is_not_a_public_verification_key_is_refused_with_its_reason() {
    let rsa = vectors::rfc7515_a2_jwk;
    let short = |bytes: usize| b64(vec![1; bytes]);
    let table = [
        // Shape.
        (json!(null), KeyError::Member("kty")),
        (json!("key"), KeyError::Member("kty")),
        (json!([]), KeyError::Member("kty")),
        (json!({}), KeyError::Member("kty")),
        (with(ed25519(1), json!({ "kty": 1 })), KeyError::Member("kty")),
        (with(ed25519(1), json!({ "crv": 1 })), KeyError::Member("crv")),
        (with(ed25519(1), json!({ "use": ["sig"] })), KeyError::Member("use")),
        (with(ed25519(1), json!({ "alg": 1 })), KeyError::Member("alg")),
        (with(ed25519(1), json!({ "kid": 1 })), KeyError::Member("kid")),
        (with(ed25519(1), json!({ "kid": "k".repeat(limits::KID_BYTES + 1) })), KeyError::KidTooLong),
        // Kinds of key.
        (json!({ "kty": "oct", "k": "c2VjcmV0" }), KeyError::Symmetric),
        (json!({ "kty": "oct" }), KeyError::Symmetric),
        (json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" }), KeyError::Unsupported),
        (with(ed25519(1), json!({ "kty": "okp" })), KeyError::Unsupported),
        (with(ed25519(1), json!({ "crv": "Ed448" })), KeyError::Unsupported),
        (with(ed25519(1), json!({ "crv": "X25519" })), KeyError::Unsupported),
        (json!({ "kty": "OKP", "x": b64([1; 32]) }), KeyError::Unsupported),
        (with(p256(1), json!({ "crv": "P-521" })), KeyError::Unsupported),
        (with(p256(1), json!({ "crv": "secp256k1" })), KeyError::Unsupported),
        (with(p256(1), json!({ "crv": "Ed25519" })), KeyError::Unsupported),
        // Private parts.
        (with(ed25519(1), json!({ "d": b64([1; 32]) })), KeyError::Private),
        (with(p256(1), json!({ "d": b64([1; 32]) })), KeyError::Private),
        (with(rsa(), json!({ "d": vectors::RFC7515_A2_D })), KeyError::Private),
        (with(ed25519(1), json!({ "d": null })), KeyError::Private),
        // Purpose.
        (with(ed25519(1), json!({ "use": "enc" })), KeyError::Purpose),
        (with(ed25519(1), json!({ "use": "SIG" })), KeyError::Purpose),
        (with(ed25519(1), json!({ "use": "" })), KeyError::Purpose),
        (with(ed25519(1), json!({ "key_ops": [] })), KeyError::Purpose),
        (with(ed25519(1), json!({ "key_ops": ["sign", "encrypt"] })), KeyError::Purpose),
        (with(ed25519(1), json!({ "key_ops": "verify" })), KeyError::Purpose),
        (with(ed25519(1), json!({ "use": "sig", "key_ops": ["deriveKey"] })), KeyError::Purpose),
        // Algorithm.
        (with(ed25519(1), json!({ "alg": "ES256" })), KeyError::Algorithm),
        (with(p256(1), json!({ "alg": "ES384" })), KeyError::Algorithm),
        (with(p384(1), json!({ "alg": "ES256" })), KeyError::Algorithm),
        (with(rsa(), json!({ "alg": "ES256" })), KeyError::Algorithm),
        (with(rsa(), json!({ "alg": "RSA-OAEP" })), KeyError::Algorithm),
        (with(rsa(), json!({ "alg": "none" })), KeyError::Algorithm),
        (with(rsa(), json!({ "alg": "HS256" })), KeyError::Algorithm),
        (with(p256(1), json!({ "alg": "es256" })), KeyError::Algorithm),
        // Members of the key itself.
        (json!({ "kty": "OKP", "crv": "Ed25519" }), KeyError::Member("x")),
        (with(ed25519(1), json!({ "x": 1 })), KeyError::Member("x")),
        (with(ed25519(1), json!({ "x": short(31) })), KeyError::Member("x")),
        (with(ed25519(1), json!({ "x": short(33) })), KeyError::Member("x")),
        (with(ed25519(1), json!({ "x": "AAAA====" })), KeyError::Member("x")),
        (with(ed25519(1), json!({ "x": format!("{} ", short(32)) })), KeyError::Member("x")),
        (json!({ "kty": "EC", "crv": "P-256", "x": short(32) }), KeyError::Member("y")),
        // RFC 7518 §6.2.1.2: no more than the curve's width, and a number of the curve.
        (with(p256(1), json!({ "x": "" })), KeyError::Member("x")),
        (with(p256(1), json!({ "y": short(33) })), KeyError::Member("y")),
        (with(p256(1), json!({ "x": short(31) })), KeyError::Material),
        (with(p384(1), json!({ "x": short(32) })), KeyError::Material),
        // Base64 with `+` and `/`, and padding that is none.
        (with(p256(1), json!({ "x": "+/+/" })), KeyError::Member("x")),
        (with(p256(1), json!({ "x": format!("{}==", short(32)) })), KeyError::Member("x")),
        (json!({ "kty": "RSA", "e": "AQAB" }), KeyError::Member("n")),
        (json!({ "kty": "RSA", "n": vectors::RFC7515_A2_N }), KeyError::Member("e")),
        (with(rsa(), json!({ "n": "!" })), KeyError::Member("n")),
        (with(rsa(), json!({ "e": 65537 })), KeyError::Member("e")),
        // Values that are no key.
        (with(p256(1), json!({ "x": short(32), "y": short(32) })), KeyError::Material),
        (with(p256(1), json!({ "x": b64([0; 32]), "y": b64([0; 32]) })), KeyError::Material),
        (with(p256(1), json!({ "x": b64([0xff; 32]) })), KeyError::Material),
        (with(p384(1), json!({ "y": b64([0; 48]) })), KeyError::Material),
        (rsa_of_bits(1024), KeyError::Material),
        (rsa_of_bits(limits::RSA_MIN_BITS - 1), KeyError::Material),
        (rsa_of_bits(limits::RSA_MAX_BITS + 1), KeyError::Material),
        (with(rsa(), json!({ "e": "" })), KeyError::Material),
        (with(rsa(), json!({ "e": b64([0]) })), KeyError::Material),
        (with(rsa(), json!({ "e": b64([1]) })), KeyError::Material),
        (with(rsa(), json!({ "e": b64([2]) })), KeyError::Material),
        (with(rsa(), json!({ "e": vectors::RFC7515_A2_N })), KeyError::Material),
        (with(rsa(), json!({ "n": b64([&[0x80][..], &[0; 255]].concat()) })), KeyError::Material),
    ];
    for (jwk, expected) in table {
        assert_eq!(error(&jwk), Some(expected), "{jwk}");
    }
}

/// What issuers write otherwise than RFC 7515 §2 and RFC 7518 §6.2.1.2 ask for, and means the same key.
#[test]
fn padding_and_the_leading_zeros_of_a_coordinate_make_no_other_key() {
    let point = (1_u32..).find_map(|number| {
        let mut scalar = [0; 32];
        scalar[28..].copy_from_slice(&number.to_be_bytes());
        let key = p256::ecdsa::SigningKey::from_slice(&scalar).unwrap();
        let point = key.verifying_key().to_sec1_point(false).to_bytes().to_vec();
        (point[1] == 0).then_some(point)
    });
    let point = point.unwrap();
    let (x, y) = (&point[1..33], &point[33..]);
    let jwk = |x: &str| json!({ "kty": "EC", "crv": "P-256", "x": x, "y": b64(y) });
    let spki = |jwk: &Value| PublicKey::from_jwk(jwk).map(|key| key.spki_der().to_vec());
    let exact = spki(&jwk(&b64(x))).unwrap();
    let long = [&[0], x].concat();
    for x in [b64(&x[1..]), b64(&long), format!("{}=", b64(x)), format!("{}==", b64(&x[1..]))] {
        assert_eq!(spki(&jwk(&x)).as_ref(), Ok(&exact), "{x}");
    }
    let padded = with(ed25519(1), json!({ "x": format!("{}=", ed25519(1)["x"].as_str().unwrap()) }));
    assert_eq!(spki(&padded), spki(&ed25519(1)));
    // Octets are no number: none may be missing.
    let octets = json!({ "kty": "OKP", "crv": "Ed25519", "x": b64([1; 31]) });
    assert_eq!(spki(&octets), Err(KeyError::Member("x")));
}

#[test]
fn a_key_with_any_private_part_is_refused_whatever_its_type() {
    let akp = json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" });
    for jwk in [ed25519(1), p256(1), p384(1), vectors::rfc7515_a2_jwk(), akp] {
        for part in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
            // Also one that is no number: whatever it is, it was not meant to be published.
            for value in [json!(vectors::RFC7515_A2_P), json!([]), json!(""), json!(null)] {
                let jwk = with(jwk.clone(), json!({ part: value }));
                assert_eq!(error(&jwk), Some(KeyError::Private), "{jwk}");
            }
        }
    }
    // Purpose and algorithm do not excuse it, and the good keys of its set stay.
    let leaked = with(vectors::rfc7515_a2_jwk(), json!({ "use": "enc", "q": vectors::RFC7515_A2_P }));
    let set = set(json!([leaked, ed25519(1)])).unwrap();
    assert_eq!((rejected(&set), set.keys().len()), (vec![(0, KeyError::Private)], 1));
}

#[test]
fn an_ed25519_point_of_small_order_is_no_key() {
    // The eight points of the torsion subgroup, and two encodings of them that are not canonical: under such a key
    // one signature fits many texts.
    for hex in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let bytes: Vec<u8> =
            (0..64).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(bytes) });
        assert_eq!(error(&jwk), Some(KeyError::Material), "{hex}");
    }
}

#[test]
fn a_key_is_accepted_with_the_members_that_fit_it() {
    for jwk in [
        ed25519(1),
        p256(1),
        p384(1),
        vectors::rfc7515_a2_jwk(),
        vectors::rfc7520_rsa_jwk(),
        rsa_of_bits(limits::RSA_MIN_BITS),
        rsa_of_bits(limits::RSA_MAX_BITS),
        with(ed25519(1), json!({ "alg": "EdDSA" })),
        with(ed25519(1), json!({ "alg": "Ed25519" })),
        with(
            ed25519(1),
            json!({ "use": "sig", "key_ops": ["sign", "verify"], "x5c": ["ignored"], "other": {} }),
        ),
        with(vectors::rfc7515_a2_jwk(), json!({ "crv": "P-256", "e": b64([3]) })),
        with(ed25519(1), json!({ "kid": "k".repeat(limits::KID_BYTES) })),
    ] {
        assert_eq!(error(&jwk), None, "{jwk}");
    }
}

#[test]
fn a_key_serves_the_algorithms_of_its_type_or_the_one_that_it_names() {
    let rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    for (jwk, expected) in [
        (ed25519(1), &["EdDSA"][..]),
        (p256(1), &["ES256"]),
        (p384(1), &["ES384"]),
        (vectors::rfc7515_a2_jwk(), &rsa),
        (with(vectors::rfc7515_a2_jwk(), json!({ "alg": "PS384" })), &["PS384"]),
        (with(ed25519(1), json!({ "alg": "Ed25519" })), &["EdDSA"]),
    ] {
        let key = PublicKey::from_jwk(&jwk).unwrap();
        let serves: Vec<&str> = Algorithm::ALL.iter().filter(|a| key.serves(**a)).map(|a| a.name()).collect();
        assert_eq!(serves, expected, "{jwk}");
    }
}

/// No product of primes, but as long as one.
fn rsa_of(bits: usize) -> Value {
    json!({ "kty": "RSA", "n": b64(vec![0xC1; bits / 8]), "e": b64([1, 0, 1]) })
}

#[test]
fn what_would_hold_a_worker_up_is_not_verified_in_the_module() {
    for (bits, alg, serves) in
        [(8192, "PS256", false), (8192, "PS512", false), (4096, "PS512", true), (8192, "RS512", true)]
    {
        let algorithm = Algorithm::from_name(alg).unwrap();
        let key = PublicKey::from_jwk(&rsa_of(bits)).unwrap();
        assert_eq!(key.serves(algorithm), serves, "{bits} {alg}");
        let named = with(rsa_of(bits), json!({ "alg": alg }));
        assert_eq!(error(&named), (!serves).then_some(KeyError::TooLargeForPss), "{bits} {alg}");
    }
    // A proxy may verify what the module does not.
    let cost = |bits| InModule.cost_us(&PublicKey::from_jwk(&rsa_of(bits)).unwrap(), Algorithm::Rs256);
    assert_eq!(cost(8192), None);
    assert_eq!((cost(2048), cost(4096)), (Some(1300), Some(4 * 1300)));
}

#[test]
fn the_der_form_is_the_same_key() {
    let der = |jwk: &Value| PublicKey::from_jwk(jwk).unwrap().spki_der().to_vec();

    let jwk = vectors::rfc7515_a3_jwk();
    let key = p256::PublicKey::from_public_key_der(&der(&jwk)).unwrap();
    let x = unb64(jwk["x"].as_str().unwrap());
    assert_eq!(key.to_sec1_bytes()[1..33], x);

    let jwk = p384(1);
    let key = p384::PublicKey::from_public_key_der(&der(&jwk)).unwrap();
    let y = unb64(jwk["y"].as_str().unwrap());
    // Compressed or not, the last bit of `y` is told.
    let sec1 = p384::ecdsa::VerifyingKey::from(&key).to_sec1_point(false).to_bytes();
    assert_eq!(sec1[49..], y);

    let jwk = vectors::rfc7515_a2_jwk();
    let key = rsa::RsaPublicKey::from_public_key_der(&der(&jwk)).unwrap();
    assert_eq!(key.n().to_bytes_be(), unb64(vectors::RFC7515_A2_N));
    assert_eq!(key.e().to_bytes_be(), unb64(vectors::RSA_E));

    // RFC 8410 §4 and §10.1: the key's own octets behind the algorithm's identifier 1.3.101.112.
    let jwk = vectors::rfc8037_a2_jwk();
    let mut expected = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    expected.extend(unb64(jwk["x"].as_str().unwrap()));
    assert_eq!(der(&jwk), expected);
}

#[test]
fn the_der_form_of_every_kind_is_what_a_second_library_verifies_with() {
    use jwt_simple::prelude::{ES256PublicKey, ES384PublicKey, Ed25519PublicKey, RS256PublicKey};
    let der = |jwk: &Value| PublicKey::from_jwk(jwk).unwrap().spki_der().to_vec();
    Ed25519PublicKey::from_der(&der(&ed25519(1))).unwrap();
    ES256PublicKey::from_der(&der(&p256(1))).unwrap();
    ES384PublicKey::from_der(&der(&p384(1))).unwrap();
    RS256PublicKey::from_der(&der(&vectors::rfc7515_a2_jwk())).unwrap();
}

#[test]
fn what_is_no_key_set_is_refused() {
    let good = json!({ "keys": [ed25519(1)] }).to_string();
    for (document, expected) in [
        (String::new(), KeySetError::Malformed),
        ("null".to_owned(), KeySetError::Malformed),
        ("[]".to_owned(), KeySetError::Malformed),
        ("{}".to_owned(), KeySetError::Malformed),
        (json!({ "keys": {} }).to_string(), KeySetError::Malformed),
        (json!({ "keys": null }).to_string(), KeySetError::Malformed),
        (json!({ "Keys": [ed25519(1)] }).to_string(), KeySetError::Malformed),
        (ed25519(1).to_string(), KeySetError::Malformed),
        (json!([ed25519(1)]).to_string(), KeySetError::Malformed),
        ("<html>not found</html>".to_owned(), KeySetError::Malformed),
        (format!("{good}x"), KeySetError::Malformed),
        (format!("\u{feff}{good}"), KeySetError::Malformed),
        (format!("{{\"keys\":[],{}", &good[1..]), KeySetError::Malformed),
        (format!("{{\"x\":{}{},{}", "[".repeat(40), "]".repeat(40), &good[1..]), KeySetError::Malformed),
        (json!({ "keys": [] }).to_string(), KeySetError::Empty { rejected: Vec::new() }),
        (json!({ "keys": vec![ed25519(1); limits::KEYS + 1] }).to_string(), KeySetError::TooMany),
        (format!("{good}{}", " ".repeat(limits::KEY_SET_BYTES + 1 - good.len())), KeySetError::TooLarge),
    ] {
        let shown: String = document.chars().take(60).collect();
        let error = match KeySet::parse(document.as_bytes()).err() {
            // What is wrong with the JSON is the JSON reader's to test.
            Some(KeySetError::Json(_)) => Some(KeySetError::Malformed),
            other => other,
        };
        assert_eq!(error, Some(expected), "{shown}");
    }
    assert!(KeySet::parse(b"{\"keys\":[\xff]}").is_err());
    let as_large = format!("{good}{}", " ".repeat(limits::KEY_SET_BYTES - good.len()));
    assert_eq!(KeySet::parse(as_large.as_bytes()).unwrap().keys().len(), 1);
}

#[test]
fn a_set_may_have_as_many_keys_as_the_limit_says() {
    let keys: Vec<Value> = (0..limits::KEYS)
        .map(|i| with(ed25519(u8::try_from(i).unwrap() + 1), json!({ "kid": i.to_string() })))
        .collect();
    let set = set(json!(keys)).unwrap();
    assert_eq!((set.keys().len(), set.rejected().len()), (limits::KEYS, 0));
}

#[test]
fn keys_that_cannot_be_used_are_left_out_and_the_good_ones_stay() {
    let set = set(json!([
        { "kty": "AKP", "alg": "ML-DSA-65", "kid": "new" },
        with(ed25519(1), json!({ "kid": "a" })),
        { "kty": "oct", "k": "AAAA" },
        with(p256(1), json!({ "kid": "b", "use": "enc" })),
        7,
        with(p256(2), json!({ "kid": "c" })),
        with(rsa_of_bits(1024), json!({ "kid": "d" })),
    ]))
    .unwrap();
    let kids: Vec<Option<&str>> = set.keys().iter().map(PublicKey::kid).collect();
    assert_eq!(kids, [Some("a"), Some("c")]);
    let expected = [
        (0, KeyError::Unsupported),
        (2, KeyError::Symmetric),
        (3, KeyError::Purpose),
        (4, KeyError::Member("kty")),
        (6, KeyError::Material),
    ];
    assert_eq!(rejected(&set), expected);
    for kid in ["new", "b", "d"] {
        assert!(Algorithm::ALL.iter().all(|a| set.find(Some(kid), *a).is_none()), "{kid}");
    }
    assert!(set.find(Some("a"), Algorithm::EdDsa).is_some());
}

#[test]
fn two_keys_with_one_kid_that_serve_the_same_algorithm_are_both_left_out() {
    let keys = json!([
        with(ed25519(1), json!({ "kid": "twice" })),
        with(p256(1), json!({ "kid": "once" })),
        with(ed25519(2), json!({ "kid": "twice" })),
    ]);
    let both = set(keys).unwrap();
    assert_eq!(rejected(&both), [(0, KeyError::Duplicate), (2, KeyError::Duplicate)]);
    assert!(both.find(Some("twice"), Algorithm::EdDsa).is_none());
    assert!(both.find(None, Algorithm::EdDsa).is_none());
    assert!(both.find(Some("once"), Algorithm::Es256).is_some());

    // Also when only one of the two names its algorithm. The same key twice is one key.
    let same = with(ed25519(1), json!({ "kid": "twice" }));
    let one = set(json!([same, same])).unwrap();
    assert_eq!((one.keys().len(), one.rejected().len()), (1, 0));
    let rsa = with(vectors::rfc7515_a2_jwk(), json!({ "kid": "twice" }));
    let ps = with(vectors::rfc7520_rsa_jwk(), json!({ "kid": "twice", "alg": "PS256" }));
    assert!(matches!(set(json!([rsa, ps])), Err(KeySetError::Empty { .. })));
}

#[test]
fn two_keys_with_one_kid_for_different_algorithms_are_told_apart_by_it() {
    let set = set(json!([
        with(ed25519(1), json!({ "kid": "one" })),
        with(p256(1), json!({ "kid": "one" })),
        with(vectors::rfc7515_a2_jwk(), json!({ "kid": "one", "alg": "RS256" })),
        with(vectors::rfc7515_a2_jwk(), json!({ "kid": "one", "alg": "PS256" })),
    ]))
    .unwrap();
    assert_eq!(set.rejected(), []);
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256] {
        assert!(set.find(Some("one"), algorithm).is_some_and(|k| k.serves(algorithm)), "{algorithm}");
    }
    assert!(set.find(Some("one"), Algorithm::Rs512).is_none());
}

#[test]
fn a_key_is_found_by_its_exact_kid_and_for_an_algorithm_that_it_serves() {
    let set = set(json!([with(ed25519(1), json!({ "kid": "Key" })), p256(1)])).unwrap();
    for (kid, algorithm, found) in [
        (Some("key"), Algorithm::EdDsa, false),
        (Some("Key "), Algorithm::EdDsa, false),
        (Some(""), Algorithm::EdDsa, false),
        (Some("Key"), Algorithm::Es256, false),
        (Some("Key"), Algorithm::Rs256, false),
        // A key without a `kid` is not the one that a token names.
        (Some("other"), Algorithm::Es256, false),
        (Some("Key"), Algorithm::EdDsa, true),
        (None, Algorithm::EdDsa, true),
        (None, Algorithm::Es256, true),
        (None, Algorithm::Es384, false),
    ] {
        assert_eq!(set.find(kid, algorithm).is_some(), found, "{kid:?} {algorithm}");
    }
}

#[test]
fn without_a_kid_a_token_is_not_matched_with_one_of_several_keys() {
    let two = set(json!([
        with(ed25519(1), json!({ "kid": "a" })),
        with(ed25519(2), json!({ "kid": "b" })),
        p256(1)
    ]))
    .unwrap();
    assert!(two.find(None, Algorithm::EdDsa).is_none());
    assert!(two.find(None, Algorithm::Es256).is_some());
    // Keys that have no `kid` at all do not exclude each other, but none of them is guessed.
    let nameless = set(json!([ed25519(1), ed25519(2)])).unwrap();
    assert_eq!(nameless.keys().len(), 2);
    assert!(nameless.find(None, Algorithm::EdDsa).is_none());
}

#[test]
fn an_error_names_no_value_of_the_key() {
    let marker = "bWFya2Vy";
    for member in ["kty", "crv", "alg", "use", "x", "kid"] {
        let marked = marker.repeat(if member == "kid" { 40 } else { 1 });
        let error = error(&with(ed25519(1), json!({ member: marked }))).unwrap();
        assert!(!error.to_string().contains(marker), "{member}: {error}");
    }
}

proptest! {
    #[test]
    fn random_documents_never_panic(document in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(KeySet::parse(&document).is_err());
    }

    #[test]
    fn random_members_never_panic_and_accepted_keys_have_a_der_form(
        kty in prop::sample::select(vec!["OKP", "EC", "RSA", "oct", "x"]),
        crv in prop::sample::select(vec!["Ed25519", "P-256", "P-384", "x"]),
        x in prop::collection::vec(any::<u8>(), 30..50),
        y in prop::collection::vec(any::<u8>(), 30..50),
    ) {
        let jwk = json!({ "kty": kty, "crv": crv, "x": b64(&x), "y": b64(&y), "n": b64(&x), "e": b64(&y) });
        if let Ok(key) = PublicKey::from_jwk(&jwk) {
            prop_assert!(key.spki_der().len() >= 44);
        }
    }
}

#[test]
fn a_set_without_a_usable_key_says_of_each_why() {
    let error = set(json!([{ "kty": "oct", "k": "AAAA", "kid": "a" }, null])).unwrap_err();
    let KeySetError::Empty { rejected } = &error else { panic!("{error}") };
    assert_eq!(
        rejected.iter().map(|key| &key.error).collect::<Vec<_>>(),
        [&KeyError::Symmetric, &KeyError::Member("kty")]
    );
    assert!(
        error.to_string().contains("; key 0: a symmetric key") && error.to_string().contains("; key 1: "),
        "{error}"
    );
}

#[test]
fn a_rejected_key_is_named_by_its_place_and_the_digest_of_its_kid() {
    let set = set(
        json!([ed25519(1), with(ed25519(2), json!({ "use": "enc", "kid": "key-2\n" })), { "kty": "oct" }]),
    )
    .unwrap();
    let lines: Vec<String> = set.rejected().iter().map(ToString::to_string).collect();
    // `printf 'key-2\n' | sha256sum`
    assert!(lines[0].starts_with("key 1 of the set (SHA-256 of its kid: 2622819df5e9e11b)"), "{lines:?}");
    assert!(lines[1].starts_with("key 2 of the set (SHA-256 of its kid: none)"), "{lines:?}");
    assert!(!lines[0].contains("key-2"), "a kid is hostile input");
}

#[test]
fn of_a_bundle_only_the_keys_for_jwt_svids_are_taken() {
    let bundle = |keys: Value| {
        let document = json!({ "spiffe_sequence": 7, "spiffe_refresh_hint": 60, "keys": keys });
        KeySet::parse_for(KeyUse::JwtSvid, document.to_string().as_bytes())
    };
    let svid = |jwk: Value, kid: &str| with(jwk, json!({ "use": "jwt-svid", "kid": kid }));
    let good = svid(p256(1), "a");
    for (other, error) in [
        (with(good.clone(), json!({ "use": "x509-svid", "x5c": ["MIIB"] })), KeyError::Purpose),
        (with(good.clone(), json!({ "use": "sig" })), KeyError::Purpose),
        (with(good.clone(), json!({ "use": "JWT-SVID" })), KeyError::Purpose),
        (without(good.clone(), "use"), KeyError::Purpose),
        (without(good.clone(), "kid"), KeyError::Member("kid")),
    ] {
        let set = bundle(json!([other, good])).unwrap();
        assert_eq!((rejected(&set), set.keys().len()), (vec![(0, error)], 1), "{other}");
        assert!(set.find(Some("a"), Algorithm::Es256).is_some());
    }
    let set = bundle(json!([good])).unwrap();
    assert_eq!((set.sequence(), set.refresh_hint_s()), (Some(7), Some(60)));
    // SPIFFE Trust Domain and Bundle §4.1.3: all keys are revoked.
    assert!(bundle(json!([])).unwrap().keys().is_empty());
    for odd in
        [json!({ "keys": [], "spiffe_sequence": "7" }), json!({ "keys": [], "spiffe_refresh_hint": -1 })]
    {
        let error = KeySet::parse_for(KeyUse::JwtSvid, odd.to_string().as_bytes()).unwrap_err();
        assert_eq!(error, KeySetError::Malformed, "{odd}");
        // Elsewhere they mean nothing.
        let plain = with(odd, json!({ "keys": [p256(1)] }));
        assert_eq!(KeySet::parse(plain.to_string().as_bytes()).unwrap().sequence(), None);
    }
    // And no other issuer takes a key for JWT-SVIDs.
    assert_eq!(error(&good), Some(KeyError::Purpose));
}

fn without(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

#[test]
fn one_key_under_one_kid_is_one_with_and_without_an_algorithm() {
    let key = with(p256(1), json!({ "kid": "a" }));
    let set = set(json!([key, with(key, json!({ "alg": "ES256" }))])).unwrap();
    assert_eq!(rejected(&set), []);
    assert!(set.find(Some("a"), Algorithm::Es256).is_some() && set.find(None, Algorithm::Es256).is_some());
}
