//! Signatures: good ones verify and every forgery is refused, for all nine algorithms, by published vectors, and in
//! agreement with `jwt-simple`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use jwt_simple::prelude::{
    Claims, Duration, ECDSAP256KeyPairLike as _, ECDSAP256PublicKeyLike as _, ECDSAP384KeyPairLike as _,
    ECDSAP384PublicKeyLike as _, ES256KeyPair, ES384KeyPair, Ed25519KeyPair, EdDSAKeyPairLike as _,
    EdDSAPublicKeyLike as _, NoCustomClaims, PS256KeyPair, PS384KeyPair, PS512KeyPair, RS256KeyPair,
    RS384KeyPair, RS512KeyPair, RSAKeyPairLike as _, RSAPublicKeyLike as _,
};
use mandate_core::algorithm::Algorithm;
use mandate_core::keys::PublicKey;
use mandate_core::keys::{InModule, SignatureVerifier as _, ecdsa_der};
use mandate_core::token::ParsedToken;
use rsa::pkcs8::EncodePrivateKey as _;
use serde_json::{Value, json};
use support::{Private, b64, rsa_private, unb64, vectors};

const TEXT: &[u8] = b"header.claims";

fn verifies(key: &PublicKey, algorithm: Algorithm, text: &[u8], signature: &[u8]) -> bool {
    InModule.verify(key, algorithm, text, signature).unwrap()
}

/// A key of the same type that did not sign.
fn other_key(algorithm: Algorithm) -> PublicKey {
    match algorithm {
        Algorithm::EdDsa | Algorithm::Es256 | Algorithm::Es384 => Private::new(algorithm, 2).public(),
        _ => PublicKey::from_jwk(&vectors::rfc7520_rsa_jwk()).unwrap(),
    }
}

/// The signatures that an attacker could try in place of `good`.
fn forgeries(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let flip = |at: usize, bit: u8| {
        let mut bytes = good.to_vec();
        bytes[at] ^= bit;
        bytes
    };
    let half = good.len() / 2;
    vec![
        ("empty", Vec::new()),
        ("first bit flipped", flip(0, 0x80)),
        ("middle bit flipped", flip(half, 0x01)),
        ("last bit flipped", flip(good.len() - 1, 0x01)),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("first byte missing", good[1..].to_vec()),
        ("half of it", good[..half].to_vec()),
        ("extended", [good, &[0]].concat()),
        ("zero in front", [&[0], good].concat()),
        ("twice", [good, good].concat()),
        ("all zero", vec![0; good.len()]),
        ("all ones", vec![0xff; good.len()]),
        ("first half zero", [vec![0; half], good[half..].to_vec()].concat()),
        ("second half zero", [good[..half].to_vec(), vec![0; good.len() - half]].concat()),
        ("halves swapped", [&good[half..], &good[..half]].concat()),
    ]
}

#[test]
fn a_forged_signature_is_refused_and_the_good_one_verifies_for_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let private = Private::new(algorithm, 1);
        let key = private.public();
        let good = private.sign(algorithm, TEXT);
        for (what, forged) in forgeries(&good) {
            assert!(!verifies(&key, algorithm, TEXT, &forged), "{algorithm}: {what}");
        }
        for (what, text) in [
            ("a changed text", &b"header.clains"[..]),
            ("a longer text", b"header.claims."),
            ("a shorter text", b"header.claim"),
            ("no text", b""),
        ] {
            assert!(!verifies(&key, algorithm, text, &good), "{algorithm}: {what}");
        }
        assert!(!verifies(&other_key(algorithm), algorithm, TEXT, &good), "{algorithm}: another key");
        assert!(verifies(&key, algorithm, TEXT, &good), "{algorithm}");
    }
}

#[test]
fn a_signature_verifies_under_its_own_algorithm_only() {
    for signed in Algorithm::ALL {
        let private = Private::new(signed, 1);
        let signature = private.sign(signed, TEXT);
        for asked in Algorithm::ALL {
            let same = signed == asked;
            assert_eq!(
                verifies(&private.public(), asked, TEXT, &signature),
                same,
                "signed as {signed}, verified as {asked}"
            );
        }
    }
}

#[test]
fn a_key_that_names_another_algorithm_of_its_family_does_not_verify() {
    let private = Private::new(Algorithm::Rs256, 1);
    let signature = private.sign(Algorithm::Rs256, TEXT);
    let key = PublicKey::from_jwk(&support::with(private.jwk(), json!({ "alg": "PS256" }))).unwrap();
    assert!(!verifies(&key, Algorithm::Rs256, TEXT, &signature));
}

#[test]
fn an_ecdsa_signature_in_der_is_refused() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384] {
        let private = Private::new(algorithm, 1);
        let raw = private.sign(algorithm, TEXT);
        let der = ecdsa_der(algorithm, &raw).unwrap();
        assert!(!verifies(&private.public(), algorithm, TEXT, &der), "{algorithm}");
    }
}

#[test]
fn an_ecdsa_signature_whose_r_or_s_is_zero_or_the_order_is_refused() {
    // SEC 2 §2.4.2 and §2.5.1: the orders of the two curves' groups.
    let order_256 = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
    let order_384 = concat!(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF",
        "581A0DB248B0A77AECEC196ACCC52973"
    );
    for (algorithm, order) in [(Algorithm::Es256, order_256), (Algorithm::Es384, order_384)] {
        let private = Private::new(algorithm, 1);
        let good = private.sign(algorithm, TEXT);
        let (r, s) = good.split_at(good.len() / 2);
        let zero = vec![0; r.len()];
        let order: Vec<u8> =
            (0..order.len()).step_by(2).map(|i| u8::from_str_radix(&order[i..i + 2], 16).unwrap()).collect();
        for (what, signature) in [
            ("r = 0", [&zero, s].concat()),
            ("s = 0", [r, &zero].concat()),
            ("both 0", [zero.as_slice(), &zero].concat()),
            ("r = n", [&order, s].concat()),
            ("s = n", [r, &order].concat()),
            ("both n", [order.as_slice(), &order].concat()),
        ] {
            assert!(!verifies(&private.public(), algorithm, TEXT, &signature), "{algorithm}: {what}");
            assert_eq!(ecdsa_der(algorithm, &signature), None, "{algorithm}: {what}");
        }
    }
}

#[test]
fn an_ed25519_signature_whose_point_is_of_small_order_is_refused_though_its_equation_holds() {
    use ed25519_dalek::Verifier as _;
    // R is the neutral element and S the challenge times the private scalar of the seed 01…01, so that SB = R + kA.
    let scalar = "1e4262db0235f7a627e813651b5a93805171358fd40335b1c1c2022e8c45220c";
    let mut signature = [0; 64];
    signature[0] = 1;
    for (i, byte) in signature[32..].iter_mut().enumerate() {
        *byte = u8::from_str_radix(&scalar[2 * i..2 * i + 2], 16).unwrap();
    }
    let Private::Ed25519(private) = Private::new(Algorithm::EdDsa, 1) else { panic!("an Ed25519 key") };
    assert!(!verifies(&Private::Ed25519(private.clone()).public(), Algorithm::EdDsa, TEXT, &signature));
    let lenient = private.verifying_key().verify(TEXT, &ed25519_dalek::Signature::from_bytes(&signature));
    assert!(lenient.is_ok(), "a lenient verifier takes it, or this test would prove nothing");
}

#[test]
fn an_rsa_signature_without_its_leading_zero_is_refused() {
    // RFC 8017 §8.1.2 and §8.2.2 step 1: as long as the modulus. Under the key of RFC 7515 §A.2 these two texts
    // happen to get signatures that begin with a zero.
    for (algorithm, text) in [(Algorithm::Rs256, "leading zero 125"), (Algorithm::Ps256, "leading zero 8")] {
        let private = Private::new(algorithm, 1);
        let signature = private.sign(algorithm, text.as_bytes());
        assert_eq!(signature[0], 0, "{algorithm}: a text whose signature begins with a zero");
        assert!(!verifies(&private.public(), algorithm, text.as_bytes(), &signature[1..]), "{algorithm}");
        assert!(verifies(&private.public(), algorithm, text.as_bytes(), &signature), "{algorithm}");
    }
}

#[test]
fn an_rsa_signature_plus_the_modulus_is_refused() {
    // RFC 8017 §5.2.2 step 1: the representative is below the modulus; above it, one signature would have two forms.
    use rsa::BigUint;
    use rsa::traits::PublicKeyParts as _;
    let mut tried = 0;
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let private = Private::new(algorithm, 1);
        for n in 0_u8..8 {
            let text = [b'0' + n];
            let signature = private.sign(algorithm, &text);
            let shifted = (BigUint::from_bytes_be(&signature) + rsa_private().n()).to_bytes_be();
            if shifted.len() == signature.len() {
                assert!(!verifies(&private.public(), algorithm, &text, &shifted), "{algorithm}");
                tried += 1;
            }
        }
    }
    assert!(tried > 0, "no signature was small enough to be shifted");
}

#[test]
fn ecdsa_der_says_the_same_signature_and_nothing_else() {
    for (algorithm, length) in [(Algorithm::Es256, 64), (Algorithm::Es384, 96)] {
        for wrong in [0, 1, length - 1, length + 1, 2 * length] {
            assert_eq!(ecdsa_der(algorithm, &vec![1; wrong]), None, "{algorithm}: {wrong} bytes");
        }
        let raw = Private::new(algorithm, 3).sign(algorithm, TEXT);
        let der = ecdsa_der(algorithm, &raw).unwrap();
        let back = match algorithm {
            Algorithm::Es256 => p256::ecdsa::Signature::from_der(&der).unwrap().to_bytes().to_vec(),
            _ => p384::ecdsa::Signature::from_der(&der).unwrap().to_bytes().to_vec(),
        };
        assert_eq!(back, raw, "{algorithm}");
    }
    for algorithm in [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps512] {
        assert_eq!(ecdsa_der(algorithm, &[1; 64]), None, "{algorithm}");
    }
}

/// Takes a published JWS apart; some payloads are no JSON, so the token parser would not have them.
fn published(jws: &str) -> (Vec<u8>, Vec<u8>) {
    let (input, signature) = jws.rsplit_once('.').unwrap();
    (input.as_bytes().to_vec(), unb64(signature))
}

#[test]
fn the_published_signatures_of_the_rfcs_verify_and_none_of_them_under_anothers_key() {
    let vectors = [
        ("RFC 7515 §A.2", Algorithm::Rs256, vectors::rfc7515_a2_jwk(), vectors::RFC7515_A2_JWS.to_owned()),
        ("RFC 7515 §A.3", Algorithm::Es256, vectors::rfc7515_a3_jwk(), vectors::RFC7515_A3_JWS.to_owned()),
        ("RFC 8037 §A.4", Algorithm::EdDsa, vectors::rfc8037_a2_jwk(), vectors::RFC8037_A4_JWS.to_owned()),
        ("RFC 7520 §4.1", Algorithm::Rs256, vectors::rfc7520_rsa_jwk(), vectors::rfc7520_4_1_jws()),
        ("RFC 7520 §4.2", Algorithm::Ps384, vectors::rfc7520_rsa_jwk(), vectors::rfc7520_4_2_jws()),
    ];
    for (section, algorithm, jwk, jws) in &vectors {
        let key = PublicKey::from_jwk(jwk).unwrap();
        let (input, signature) = published(jws);
        for (other_section, _, other_jwk, other_jws) in vectors.iter().filter(|(other, ..)| other != section)
        {
            let other_input = published(other_jws).0;
            assert!(
                !verifies(&key, *algorithm, &other_input, &signature),
                "{section}, text of {other_section}"
            );
            if other_jwk != jwk {
                let other_key = PublicKey::from_jwk(other_jwk).unwrap();
                assert!(
                    !verifies(&other_key, *algorithm, &input, &signature),
                    "{section}, key of {other_section}"
                );
            }
        }
        assert!(verifies(&key, *algorithm, &input, &signature), "{section}");
    }
}

mod agreement {
    //! `jwt-simple` mints and judges; its verdict on the signature must be ours.
    use super::*;

    struct Peer {
        algorithm: Algorithm,
        key: PublicKey,
        token: String,
        verify: Box<dyn Fn(&str) -> bool>,
    }

    macro_rules! peer {
        ($algorithm:expr, $pair:expr, $jwk:expr) => {{
            let pair = $pair;
            let claims =
                Claims::create(Duration::from_mins(5)).with_issuer(support::ISSUER).with_subject("alice");
            let token = pair.sign(claims).unwrap();
            let public = pair.public_key();
            Peer {
                algorithm: $algorithm,
                key: PublicKey::from_jwk(&$jwk).unwrap(),
                token,
                verify: Box::new(move |token| public.verify_token::<NoCustomClaims>(token, None).is_ok()),
            }
        }};
    }

    fn peers() -> Vec<Peer> {
        use Algorithm as A;
        let der = rsa_private().to_pkcs8_der().unwrap();
        let der = der.as_bytes();
        let rsa_jwk = vectors::rfc7515_a2_jwk();
        let jwk = |algorithm| Private::new(algorithm, 1).jwk();
        let Private::Ed25519(ed25519) = Private::new(A::EdDsa, 1) else { panic!("an Ed25519 key") };
        vec![
            peer!(A::EdDsa, Ed25519KeyPair::from_bytes(&ed25519.to_keypair_bytes()).unwrap(), jwk(A::EdDsa)),
            peer!(A::Es256, ES256KeyPair::from_bytes(&[1; 32]).unwrap(), jwk(A::Es256)),
            peer!(A::Es384, ES384KeyPair::from_bytes(&[1; 48]).unwrap(), jwk(A::Es384)),
            peer!(A::Rs256, RS256KeyPair::from_der(der).unwrap(), rsa_jwk),
            peer!(A::Rs384, RS384KeyPair::from_der(der).unwrap(), rsa_jwk),
            peer!(A::Rs512, RS512KeyPair::from_der(der).unwrap(), rsa_jwk),
            peer!(A::Ps256, PS256KeyPair::from_der(der).unwrap(), rsa_jwk),
            peer!(A::Ps384, PS384KeyPair::from_der(der).unwrap(), rsa_jwk),
            peer!(A::Ps512, PS512KeyPair::from_der(der).unwrap(), rsa_jwk),
        ]
    }

    fn ours(peer: &Peer, token: &str) -> bool {
        let token = ParsedToken::parse(token).unwrap();
        token.header().algorithm == Some(peer.algorithm)
            && verifies(&peer.key, peer.algorithm, token.signing_input(), token.signature())
    }

    #[test]
    fn what_jwt_simple_refuses_or_verifies_so_do_we() {
        let peers = peers();
        let names: Vec<Algorithm> = peers.iter().map(|p| p.algorithm).collect();
        assert_eq!(names, Algorithm::ALL, "every algorithm has its peer");
        for peer in &peers {
            let (input, signature) = peer.token.rsplit_once('.').unwrap();
            for (what, forged) in forgeries(&unb64(signature)) {
                let token = format!("{input}.{}", b64(forged));
                assert!(!ours(peer, &token), "{}: ours, {what}", peer.algorithm);
                assert!(!(peer.verify)(&token), "{}: theirs, {what}", peer.algorithm);
            }
            let (header, claims) = input.split_once('.').unwrap();
            let claims = String::from_utf8(unb64(claims)).unwrap().replace("alice", "mallory");
            let token = format!("{header}.{}.{signature}", b64(claims));
            assert!(!ours(peer, &token), "{}: ours, another subject", peer.algorithm);
            assert!(!(peer.verify)(&token), "{}: theirs, another subject", peer.algorithm);

            assert!(ours(peer, &peer.token), "{}: ours", peer.algorithm);
            assert!((peer.verify)(&peer.token), "{}: theirs", peer.algorithm);
        }
    }
}

mod wycheproof_vectors {
    //! Wycheproof: hostile signatures. "Acceptable" ones may go either way; every other must come out as it says.
    use super::*;
    use serde_json::Value;
    use wycheproof::TestResult;
    use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

    /// Counts what was checked, so that a set that came to nothing is noticed.
    #[derive(Default, Debug)]
    struct Tally {
        valid: usize,
        invalid: usize,
    }

    impl Tally {
        fn check(
            &mut self,
            key: &PublicKey,
            algorithm: Algorithm,
            id: usize,
            expected: TestResult,
            msg: &[u8],
            sig: &[u8],
        ) {
            let ours = verifies(key, algorithm, msg, sig);
            match expected {
                TestResult::Valid => {
                    self.valid += 1;
                    assert!(ours, "{algorithm}: case {id} is valid");
                }
                TestResult::Invalid => {
                    self.invalid += 1;
                    assert!(!ours, "{algorithm}: case {id} is invalid");
                }
                TestResult::Acceptable => {}
            }
        }

        fn assert_both(&self) {
            assert!(self.valid > 5 && self.invalid > 5, "{self:?}");
        }
    }

    fn key(jwk: &Value) -> PublicKey {
        PublicKey::from_jwk(jwk).unwrap_or_else(|error| panic!("{error}: {jwk}"))
    }

    fn rsa_key(n: &[u8], e: &[u8]) -> PublicKey {
        key(&json!({ "kty": "RSA", "n": b64(n), "e": b64(e) }))
    }

    fn ec_key(crv: &str, sec1: &[u8]) -> PublicKey {
        let (x, y) = sec1[1..].split_at(sec1.len() / 2);
        key(&json!({ "kty": "EC", "crv": crv, "x": b64(x), "y": b64(y) }))
    }

    #[test]
    fn ecdsa_signatures_as_a_jws_writes_them() {
        for (name, algorithm, crv) in [
            (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, Algorithm::Es256, "P-256"),
            (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, Algorithm::Es384, "P-384"),
        ] {
            let mut tally = Tally::default();
            for group in ecdsa::TestSet::load(name).unwrap().test_groups {
                let key = ec_key(crv, &group.key.key);
                for test in group.tests {
                    tally.check(&key, algorithm, test.tc_id, test.result, &test.msg, &test.sig);
                }
            }
            tally.assert_both();
        }
    }

    #[test]
    fn ecdsa_signatures_in_der_are_what_ecdsa_der_makes_of_the_raw_ones() {
        let mut seen = 0;
        for group in ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap().test_groups {
            let key = ec_key("P-256", &group.key.key);
            for test in group.tests.iter().filter(|t| t.result == TestResult::Valid) {
                let raw = p256::ecdsa::Signature::from_der(&test.sig).unwrap().to_bytes();
                assert_eq!(
                    ecdsa_der(Algorithm::Es256, &raw).as_deref(),
                    Some(test.sig.as_slice()),
                    "{}",
                    test.tc_id
                );
                assert!(!verifies(&key, Algorithm::Es256, &test.msg, &test.sig), "DER, case {}", test.tc_id);
                seen += 1;
            }
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn ed25519_signatures() {
        let mut tally = Tally::default();
        for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
            let key = key(&json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(&*group.key.pk) }));
            for test in group.tests {
                tally.check(&key, Algorithm::EdDsa, test.tc_id, test.result, &test.msg, &test.sig);
            }
        }
        tally.assert_both();
    }

    #[test]
    fn rsa_signatures_with_pkcs1_padding() {
        for (name, algorithm) in [
            (pkcs1::TestName::Rsa2048Sha256, Algorithm::Rs256),
            (pkcs1::TestName::Rsa2048Sha384, Algorithm::Rs384),
            (pkcs1::TestName::Rsa2048Sha512, Algorithm::Rs512),
        ] {
            let mut tally = Tally::default();
            for group in pkcs1::TestSet::load(name).unwrap().test_groups {
                let key = rsa_key(&group.key.n, &group.key.e);
                for test in group.tests {
                    tally.check(&key, algorithm, test.tc_id, test.result, &test.msg, &test.sig);
                }
            }
            tally.assert_both();
        }
    }

    #[test]
    fn rsa_signatures_with_pss_padding() {
        for (name, algorithm) in [
            (pss::TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
            (pss::TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
            (pss::TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
        ] {
            let mut tally = Tally::default();
            for group in pss::TestSet::load(name).unwrap().test_groups {
                let key = rsa_key(&group.key.n, &group.key.e);
                for test in group.tests {
                    tally.check(&key, algorithm, test.tc_id, test.result, &test.msg, &test.sig);
                }
            }
            tally.assert_both();
        }
    }

    #[test]
    fn a_salt_that_is_not_as_long_as_the_digest_is_refused_where_pss_itself_would_allow_it() {
        // RFC 7518 §3.5: the salt is as long as the output of the hash.
        for (name, algorithm) in [
            (pss::TestName::RsaPss2048Sha256Mgf1SaltLen0, Algorithm::Ps256),
            (pss::TestName::RsaPss4096Sha512Mgf1SaltLen32, Algorithm::Ps512),
        ] {
            let mut seen = 0;
            for group in pss::TestSet::load(name).unwrap().test_groups {
                let key = rsa_key(&group.key.n, &group.key.e);
                for test in group.tests.iter().filter(|t| t.result == TestResult::Valid) {
                    assert!(
                        !verifies(&key, algorithm, &test.msg, &test.sig),
                        "{algorithm}: case {}",
                        test.tc_id
                    );
                    seen += 1;
                }
            }
            assert!(seen > 10, "{seen}");
        }
    }
}

#[test]
fn the_published_proofs_of_dpop_and_wimse_verify_with_their_keys_and_only_with_them() {
    let (dpop, wimse) = (vectors::rfc9449(), vectors::wimse());
    let mut workload = wimse["workload_key"]["value"].clone();
    workload.as_object_mut().unwrap().remove("d");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut signed: Vec<(Value, String)> = dpop["proofs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|proof| (dpop["jwk"]["value"].clone(), text(&proof["proof"])))
        .collect();
    signed.push((wimse["issuer_key"]["value"].clone(), text(&wimse["wit"]["token"])));
    signed.push((workload, text(&wimse["wpt_01"]["proof"])));
    for (jwk, token) in signed {
        let token = ParsedToken::parse(&token).unwrap();
        let algorithm = token.header().algorithm.unwrap();
        let key = PublicKey::from_jwk(&jwk).unwrap();
        assert!(verifies(&key, algorithm, token.signing_input(), token.signature()), "{jwk}");
        assert!(!verifies(&other_key(algorithm), algorithm, token.signing_input(), token.signature()));
    }
}
