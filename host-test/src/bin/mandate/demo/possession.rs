//! Tokens that are bound to a key: whoever stole one cannot use it.

use super::{AUDIENCE, Row, Stage};
use crate::output;
use anyhow::Result;
use mandate_core::algorithm::Algorithm;
use mandate_host::client::Request;
use mandate_host::tokens::{DpopProof, SigningKey};

impl Stage {
    pub(super) fn possession(&self) -> Result<Vec<Row>> {
        let own = SigningKey::generate(Algorithm::Es256, "client")?;
        let thief = SigningKey::generate(Algorithm::Es256, "client")?;
        let token = self.sign(self.claims().bound_to(&own)?)?;
        // Not of when the demo began: a proof is good for a minute.
        let now = i64::try_from(output::now()?)?;
        let request = |key: &SigningKey| -> Result<Request> {
            let proof = DpopProof::new("GET", &format!("{AUDIENCE}/v1/tickets"), now).of_token(&token);
            let request = Request::get("/v1/tickets").header("authorization", format!("DPoP {token}"));
            Ok(request.header("dpop", proof.sign(key)?))
        };
        let proven = request(&own)?;
        let stolen = Request::get("/v1/tickets").bearer(&token);
        Ok(vec![
            self.compare("DPoP: a token that is bound to a key, with a proof of it", &proven, None)?,
            self.compare("DPoP: the same proof again", &proven, Some("proof_replayed"))?,
            self.compare("DPoP: the token stolen, without its key", &stolen, Some("proof_required"))?,
            self.compare(
                "DPoP: the token stolen, with a proof of another key",
                &request(&thief)?,
                Some("proof_invalid"),
            )?,
        ])
    }
}
