//! Attenuated chains: tokens that come in two headers.

use super::{Gate, Stop};
use crate::chain::{Attenuated, SignedToken};
use crate::denial::{CredentialProblem, Denial, Evidence, LinkProblem};
use crate::http::{Credential, RequestHead};
use crate::keys::{SignatureVerifier, TrustedIssuer};
use crate::token::ParsedToken;
use crate::{reason::Reason, time::UnixTime};
use std::rc::Rc;

/// The links of a chain before the access token, as they came.
#[derive(Debug, Clone, Copy)]
pub(in crate::flow) struct EarlierLinks<'a> {
    /// The name of the header.
    name: &'a [u8],
    /// Its value.
    value: &'a [u8],
}

impl EarlierLinks<'_> {
    /// Whether they came in the header that has the links of this issuer's chains.
    fn is_of(&self, issuer: &TrustedIssuer) -> bool {
        issuer.entry().chain.header.as_ref().is_some_and(|header| header.as_bytes() == self.name)
    }
}

impl Gate {
    /// The headers in which links of chains come, each once for each issuer that has it.
    #[must_use]
    pub fn chain_headers(&self) -> &[String] {
        &self.chain_headers
    }

    /// The one header with links of a chain, if any came. Where no issuer has chains in a header, nobody looks for one.
    pub(in crate::flow) fn earlier_links<'h>(
        &self,
        head: &'h RequestHead,
    ) -> Result<Option<EarlierLinks<'h>>, Denial> {
        if self.chain_headers.is_empty() {
            return Ok(None);
        }
        let is_chain = |name: &[u8]| self.chain_headers.iter().any(|header| header.as_bytes() == name);
        let mut found = head.headers().iter().filter(|(name, _)| is_chain(name));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((name, value)), None) => Ok(Some(EarlierLinks { name, value })),
            (Some(_), Some(_)) => {
                let problem = CredentialProblem::Chains;
                Err(Denial::new(Reason::CredentialAmbiguous, Evidence::Credential { problem }))
            }
        }
    }

    /// The token that a request carries with links of a chain before it: known together with them, or verified now.
    pub(in crate::flow) fn chained_token(
        &mut self,
        credential: Credential<'_>,
        earlier: EarlierLinks<'_>,
        verifier: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> Result<Rc<SignedToken>, Stop> {
        let bytes = together(credential.bytes(), earlier.value);
        let issuers = &self.issuers;
        let generation = |issuer: usize| issuers.get(issuer).and_then(|(_, store)| store.generation(now));
        let known = self.chains.get(&bytes, now, generation);
        if let Some(token) = known.filter(|token| earlier.is_of(token.issuer())) {
            self.cache_hits = self.cache_hits.saturating_add(1);
            return Ok(token);
        }
        self.cache_misses = self.cache_misses.saturating_add(1);
        let last = ParsedToken::parse_within(credential.token()?, self.token_bytes)?;
        let chain = Attenuated::read(Some(earlier.value), last)?;
        let cost_us = chain.cost_us(verifier);
        let key = self.key_for(chain.root(), verifier, now)?;
        if !earlier.is_of(key.issuer) {
            let evidence =
                Evidence::Link { link: 0, unverified_client_id: None, problem: LinkProblem::Unexpected };
            return Err(Denial::new(Reason::DelegationMalformed, evidence).into());
        }
        let generation = key.generation;
        let verified = SignedToken::verify_chain(chain, &key, verifier);
        self.spent_us = self.spent_us.saturating_add(cost_us);
        let verified = Rc::new(verified?);
        // Its last link expires first.
        if now < verified.expires_at() {
            self.chains.insert(&bytes, Rc::clone(&verified), generation);
        }
        Ok(verified)
    }
}

/// Token and links in one text, which no other pair has: the length of the first says where it ends.
fn together(token: &[u8], links: &[u8]) -> Vec<u8> {
    [&token.len().to_le_bytes(), token, links].concat()
}
