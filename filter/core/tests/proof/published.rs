//! The examples of RFC 9449.

use super::*;
use mandate_core::keys::{InModule, PublicKey, SignatureVerifier as _};
use mandate_core::token::ParsedToken;

/// §7.1: the proof of a request to a protected resource.
const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj\
oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z\
WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF\
c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E\
OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
/// §7.1: the token that came with it, which is opaque.
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// §6.1: what that token is bound to.
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

#[test]
fn the_published_proof_is_what_its_text_says() {
    let (proof, jwk) = ParsedToken::parse_proof(PROOF).unwrap();
    let claims = proof.unverified_claims();
    assert!(proof.is_of_type("dpop+jwt"));
    assert_eq!(claims["ath"], b64(Sha256::digest(TOKEN)));
    let key = PublicKey::from_jwk(&jwk.unwrap()).unwrap();
    assert_eq!(b64(key.thumbprint()), THUMBPRINT);
    let verified = |text: &[u8]| InModule.verify(&key, Algorithm::Es256, text, proof.signature()).unwrap();
    assert!(verified(proof.signing_input()));
    assert!(!verified(&[proof.signing_input(), b"x"].concat()));
}
