//! Signatures, checked by the proxy's own cryptography where it has it and does it right.
//!
//! Envoy offers `verify_signature`, which is several times faster than any code in this module. Whether a proxy has it,
//! and means what we think, is tried once for every algorithm: it must accept a signature that is right and refuse
//! one that is wrong. Where it does not, the module checks for itself.

use super::host::{Host, HostError};
use super::secret::is_alone;
use crate::algorithm::Algorithm;
use crate::http::ClientCertificate;
use crate::keys::{InModule, PublicKey, SignatureVerifier, VerifierFailed, ecdsa_der};
use crate::proof::{ConnectionFailed, PartState, SharedMemory, SharedMemoryFailed, Surroundings};
use crate::{json, limits};

/// What the proxy can do for decisions: the algorithms that it verifies, and whether its shared memory is ours alone.
#[derive(Debug, Default)]
pub(super) struct HostVerifier {
    by_host: Vec<Algorithm>,
    shares_memory: bool,
}

/// Verifies with the proxy for the algorithms that it was found to verify correctly, and in the module for the rest.
pub(super) struct With<'h> {
    by_host: &'h [Algorithm],
    shares_memory: bool,
    host: &'h dyn Host,
}

impl HostVerifier {
    /// Tries the proxy with a right and a wrong signature for every algorithm that it may have.
    pub(super) fn probe(host: &dyn Host) -> Self {
        let passes = |(algorithm, jwk, signature): &(Algorithm, &str, &str)| {
            let key = PublicKey::from_jwk(&json::parse(jwk.as_bytes(), 1).ok()?).ok()?;
            let signature = PublicKey::decode_octets(signature)?;
            let answer = |text| by_host(host, &key, *algorithm, text, &signature);
            (answer(PROBE_TEXT) == Ok(true) && answer(b"mandate prob3") == Ok(false)).then_some(*algorithm)
        };
        let by_host = PROBES.iter().filter_map(passes).collect();
        Self { by_host, shares_memory: is_alone(host) }
    }

    /// Whether what is used is remembered for all workers.
    pub(super) fn shares_memory(&self) -> bool {
        self.shares_memory
    }

    /// The algorithms that the proxy verifies.
    pub(super) fn by_host(&self) -> &[Algorithm] {
        &self.by_host
    }

    /// What verifies, during one callback.
    pub(super) fn with<'h>(&'h self, host: &'h dyn Host) -> With<'h> {
        With { by_host: &self.by_host, shares_memory: self.shares_memory, host }
    }
}

impl SignatureVerifier for With<'_> {
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<bool, VerifierFailed> {
        if self.by_host.contains(&algorithm) && key.serves(algorithm) {
            by_host(self.host, key, algorithm, signing_input, signature)
        } else {
            InModule.verify(key, algorithm, signing_input, signature)
        }
    }

    fn cost_us(&self, key: &PublicKey, algorithm: Algorithm) -> Option<u64> {
        match self.by_host.contains(&algorithm) {
            true => Some(limits::VERIFY_BY_HOST_US),
            false => InModule.cost_us(key, algorithm),
        }
    }
}

impl Surroundings for With<'_> {
    fn shared_memory(&self) -> Option<&dyn SharedMemory> {
        self.shares_memory.then_some(self as &dyn SharedMemory)
    }

    fn client_certificate(&self) -> Result<Option<ClientCertificate>, ConnectionFailed> {
        // Without TLS, and with TLS without a certificate, there are no such properties.
        let property = |name| match self.host.property(name) {
            Ok(value) => Ok(value),
            Err(HostError { status: HostError::NOT_FOUND, .. }) => Ok(Vec::new()),
            Err(_) => Err(ConnectionFailed),
        };
        let digest = property("connection\0sha256_peer_certificate_digest")?;
        if digest.is_empty() {
            return Ok(None);
        }
        let uri = property("connection\0uri_san_peer_certificate")?;
        ClientCertificate::of_connection(&digest, &uri).map(Some).ok_or(ConnectionFailed)
    }
}

impl SharedMemory for With<'_> {
    fn read(&self, part: &str) -> Result<(Vec<u8>, PartState), SharedMemoryFailed> {
        match self.host.shared_data(part) {
            Ok(Some((bytes, state))) => Ok((bytes, Some(state))),
            Ok(None) => Ok((Vec::new(), None)),
            Err(_) => Err(SharedMemoryFailed),
        }
    }

    fn replace(&self, part: &str, bytes: &[u8], state: PartState) -> Result<bool, SharedMemoryFailed> {
        self.host.set_shared_data(part, bytes, state).map_err(|_| SharedMemoryFailed)
    }
}

fn by_host(
    host: &dyn Host,
    key: &PublicKey,
    algorithm: Algorithm,
    text: &[u8],
    signature: &[u8],
) -> Result<bool, VerifierFailed> {
    use Algorithm as A;
    let (hash, der) = match algorithm {
        A::Es256 | A::Es384 => match ecdsa_der(algorithm, signature) {
            Some(der) => (if algorithm == A::Es256 { "sha256" } else { "sha384" }, Some(der)),
            // Not two numbers of the curve's order: no signature of anything.
            None => return Ok(false),
        },
        A::Rs256 => ("sha256", None),
        A::Rs384 => ("sha384", None),
        A::Rs512 => ("sha512", None),
        A::EdDsa | A::Ps256 | A::Ps384 | A::Ps512 => return Err(VerifierFailed),
    };
    let signature = der.as_deref().unwrap_or(signature);
    host.verify_signature(hash, key.spki_der(), signature, text).map_err(|_| VerifierFailed)
}

const PROBE_TEXT: &[u8] = b"mandate probe";

const RSA: &str = r#"{"kty": "RSA", "n": "mnP4IE_aXgQxqnyLCmIrsSS657EOeWTe4FXxojlAgc6tDsUu3bblqXivogeyVOcdQtmW0oNteqjMeO72X3iY56VCRBRdlHtJ3Y1GWD3DbdaAJysunhlHeyZjIgG9pqakV4OM-4Tg8ASzjWrTrO3Xp4BJB8gqTKpUOKFt5qPFZY-AIxF2h5JYTsFC7-yB1hqLQxDD56LIeYuEf4LGBkarT8Rqo75kgr5-BJB0c3Mw851r1Ix2ek--ehM68RoDoGdAsJ5Pxou7eYhLoXz2vDRNgfkEUoqKk9ZhIvVe3FeNrgXWuFokyj1Yh61_0zKhaJ45l4HYdYmeYPYPIdv-EpP5Kw", "e": "AQAB"}"#;

/// Keys and signatures over [`PROBE_TEXT`]; the keys were made for this and thrown away.
const PROBES: [(Algorithm, &str, &str); 5] = [
    (
        Algorithm::Es256,
        r#"{"kty": "EC", "crv": "P-256", "x": "lKxvXhZdk8EdnrA-vyF-TAt1wAKr6Oo8--p9xDRMAOQ", "y": "nwljR0TZHDW7ouOvcxF9HeIEbDSu_xaYKwGNqftjTPY"}"#,
        "0HTRxjPH21IdgphohCNj9m0g-qe6M1FEHQGpz1r8lVThMhipw2cZaG-_5fAOcbvrgQqOqFAju9t0wOKetHgSMw",
    ),
    (
        Algorithm::Es384,
        r#"{"kty": "EC", "crv": "P-384", "x": "h70IpYDY_totuh2i1v5q8BSEB6XL6-KUNroGPj0TToS8SS6PGWxzR8cOp0w70q9V", "y": "GQVNPBUuE9iuOwbPTpNOnjwsWWkvj3Ccz0dNLdh9eq-lMB7PGbAKC19wGawjYj-J"}"#,
        "r2orWVSiF_gwwp8Y4Ar2NjfPE5Ry9gUGNva51_9KwI2VkBfyxed0NK2zo67RVEW9YifkL6PoatsB56qKasPHH8YhEzo2ZT5bOJJbVbIwmowWTtdajT0jH_LipkVNi1OA",
    ),
    (
        Algorithm::Rs256,
        RSA,
        "ezz_p2vN7JD77sMPbSHXXt3JzXQpOG4XQ6sU_jvpCx44rOW8AKcPzKbXEisGdrnx8H2aqKl305QkUgre04mUPnEZSU2lyORZ_KJAWksXerHR9RL17swJoM8yEWLRBtdxN26ls5b0voIQymZADfOqFNT6C0aGFnl2UWndHpQJMH4kuLJeiYB9VsaKcg36klzYEV1l2k7-iuKiPRKZrkr4cK6Vdc1JhkM5UyZrqR4FQhdu69SLOxNll8mBvIC9Ssif26c06Yt56bthqcTTI5FAw3MbGa8f5cJvcVPfpBjoZyXjWiqo8cRkZZWcTSJEWdUvufFgxJOnyIwNKSQPUSviyw",
    ),
    (
        Algorithm::Rs384,
        RSA,
        "ZtkorSzV_qqouv0kLqd5tbxZ2q3rofaTAnvohxMhP_B3Heyjx8NgFWzb40n9DGPiFyS6wAgv7E1M_-8JUuopbDXEJpDqvYyUTU663RgVLNpzTogypUm-bed7afETKDU4tZ2O1c5kILn3IhDielQ91o_6l-Kwbn6VDGCb-CQfR8M3X3XWCzJpDcMbacKTY0y1gibbPI9mJSwEWNxInAgWNuXG0po8nBeCqa89w2e2b86gSR1sbSzgvP5Q0K8XeGQ0h3aM0RdRVK0QLMHr4u6FVRkn-a1Qe2gTatV1Pcjqvzs_kToxKvcvL8Z52ltc9VhG5nPfg_aoKVazWulnfYBFqA",
    ),
    (
        Algorithm::Rs512,
        RSA,
        "ATzJ9HqYxA0qonpB-bzz1K2yQ670IdicSeICDVbRTqfeVXX9BJCsyVx_h5NCmNc8u5rkA7lTS7AkmXxwqFQB5_HszMcxCiARnxomtGjBD6N69zMkbIK0lyOuTPwbmNpqO9fH5g30zddF1rn0Oc0-DN8UboO46m6tChZh4hoxB6Y4S9Dc-sU4o0efcqZRrEnpG2094MtY8SzYzNnzNTYyZydfebDRt0o2yWs9EC_9FfQqoi6-f6FGy0m1txqRGRlvdTDgJE8r3xjav520hwibn3xjCj1Kc3I4UXe0tjzE2Wdd3sBd_vNfRK7HyY5FlV01CFEAiXePzagzlIAHq87OrA",
    ),
];
