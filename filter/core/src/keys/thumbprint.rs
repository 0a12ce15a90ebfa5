//! Thumbprints of keys (RFC 7638).

use super::key::{Material, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256};

impl PublicKey {
    /// SHA-256 over the members that make up the key, in the one order and spelling of RFC 7638 §3.2 and RFC 8037 §2: whatever the JWK
    /// was that it was read from, with padding or without leading zeros, the thumbprint is the key's.
    #[must_use]
    pub fn thumbprint(&self) -> [u8; 32] {
        let text = match self.material() {
            Material::Ed25519(key) => okp(key.as_bytes()),
            Material::P256(key) => {
                let point = key.to_sec1_point(false);
                ec("P-256", point.x().map(AsRef::as_ref), point.y().map(AsRef::as_ref))
            }
            Material::P384(key) => {
                let point = key.to_sec1_point(false);
                ec("P-384", point.x().map(AsRef::as_ref), point.y().map(AsRef::as_ref))
            }
            Material::Rsa(key) => {
                let (e, n) = (key.e().to_bytes_be(), key.n().to_bytes_be());
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(&e), encode(&n))
            }
        };
        Sha256::digest(text).into()
    }
}

fn okp(x: &[u8]) -> String {
    format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x))
}

/// Both coordinates are there in a point that is not compressed.
fn ec(curve: &str, x: Option<&[u8]>, y: Option<&[u8]>) -> String {
    let [x, y] = [x, y].map(|coordinate| encode(coordinate.unwrap_or_default()));
    format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#)
}

fn encode(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    fn thumbprint(jwk: &serde_json::Value) -> String {
        encode(&PublicKey::from_jwk(jwk).unwrap().thumbprint())
    }

    #[test]
    fn the_published_thumbprints_come_out() {
        // RFC 7638 §3.1.
        let rsa = json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        assert_eq!(thumbprint(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 8037 appendix A.3.
        let okp =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        assert_eq!(thumbprint(&okp), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        // RFC 9449 §6.1: the key of the proof in §4.1, and what the token is bound to.
        let ec = json!({
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        });
        assert_eq!(thumbprint(&ec), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }
}
