//! The one credential of a request.

use super::RequestHead;
use crate::denial::{CredentialProblem, Denial, Evidence, TokenProblem};
use crate::reason::Reason;

/// The scheme that a credential comes with (RFC 9110 §11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 6750 §2.1.
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
    /// draft-ietf-wimse-wpt-02 §2: what follows it is a proof, and the token that it is for has a header of its own.
    Wpt,
}

/// The one credential of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    scheme: Scheme,
    token: &'a [u8],
    /// Empty unless the scheme is `WPT`.
    workload_proof: &'a [u8],
}

impl RequestHead {
    /// What the one `authorization` header holds (RFC 6750 §2.1); with the scheme `WPT` what the one `workload-identity-token`
    /// header holds. The query and the body are never looked at.
    ///
    /// ```text
    /// authorization = scheme 1*SP token68      ; scheme: "Bearer", "DPoP" or "WPT", in any case
    /// ```
    ///
    /// # Errors
    /// [`Reason::TokenMissing`] without such a header or with another scheme, [`Reason::CredentialAmbiguous`] with several.
    pub fn credential(&self) -> Result<Credential<'_>, Denial> {
        let refuse = |reason, problem| Denial::new(reason, Evidence::Credential { problem });
        let value = self
            .value(self.authorization)
            .ok_or_else(|| refuse(Reason::TokenMissing, CredentialProblem::Absent))?;
        if self.ambiguous {
            return Err(refuse(Reason::CredentialAmbiguous, CredentialProblem::Several));
        }
        let space = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(space).ok_or(Reason::Internal)?;
        let scheme = match scheme {
            scheme if scheme.eq_ignore_ascii_case(b"Bearer") => Scheme::Bearer,
            scheme if scheme.eq_ignore_ascii_case(b"DPoP") => Scheme::Dpop,
            scheme if scheme.eq_ignore_ascii_case(b"WPT") => return self.workload(trim_spaces(rest)),
            _ => return Err(refuse(Reason::TokenMissing, CredentialProblem::Scheme)),
        };
        Ok(Credential { scheme, token: trim_spaces(rest), workload_proof: b"" })
    }

    /// The Workload Identity Token that a proof is for.
    fn workload<'a>(&'a self, workload_proof: &'a [u8]) -> Result<Credential<'a>, Denial> {
        let refuse = |reason, problem| Denial::new(reason, Evidence::Credential { problem });
        if self.two_workloads {
            return Err(refuse(Reason::CredentialAmbiguous, CredentialProblem::SeveralWorkloads));
        }
        let token = self
            .value(self.workload)
            .ok_or_else(|| refuse(Reason::TokenMissing, CredentialProblem::NoWorkload))?;
        Ok(Credential { scheme: Scheme::Wpt, token: trim_spaces(token), workload_proof })
    }
}

impl<'a> Credential<'a> {
    /// What it came with.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The proof that came with the scheme `WPT`.
    #[must_use]
    pub fn workload_proof(&self) -> &'a [u8] {
        self.workload_proof
    }

    /// The token, as it came: to look it up among those that are known.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.token
    }

    /// The token, which is one `token68`.
    ///
    /// # Errors
    /// [`Reason::CredentialAmbiguous`] for several, [`Reason::TokenMalformed`] for what is no token.
    pub fn token(&self) -> Result<&'a str, Denial> {
        let is_token = |b: &u8| TOKEN68.get(usize::from(*b)).is_some_and(|allowed| *allowed);
        let malformed = |problem| Denial::new(Reason::TokenMalformed, Evidence::Token { problem });
        match (std::str::from_utf8(self.token), self.token.iter().position(|b| !is_token(b))) {
            (Ok(""), _) => Err(malformed(TokenProblem::Empty)),
            (Ok(token), None) => Ok(token),
            // Some proxies join repeated headers with a comma, which no token68 contains (RFC 9110 §5.3, §11.2).
            (Ok(token), Some(_)) if token.contains(',') => {
                let problem = CredentialProblem::Several;
                Err(Denial::new(Reason::CredentialAmbiguous, Evidence::Credential { problem }))
            }
            (_, at) => Err(malformed(TokenProblem::Byte { at: at.unwrap_or_default() })),
        }
    }
}

/// For each byte whether `token68` may hold it (RFC 9110 §11.2): a look at a table, for tokens are long.
#[expect(clippy::indexing_slicing, reason = "it is evaluated when compiled, and has a place for every byte")]
const TOKEN68: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    while let [byte, others @ ..] = rest {
        table[*byte as usize] = true;
        rest = others;
    }
    table
};

fn trim_spaces(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b" ") {
        bytes = rest;
    }
    while let Some(rest) = bytes.strip_suffix(b" ") {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;

    fn credential(values: &[&str]) -> Result<String, Reason> {
        let headers: Headers = values.iter().map(|value| ("authorization", value)).collect();
        let token = RequestHead::new(headers).credential().and_then(|it| it.token().map(str::to_owned));
        token.map_err(|denial| denial.reason)
    }

    #[test]
    fn a_credential_that_is_not_exactly_one_token_is_refused() {
        for (values, reason) in [
            (vec![], Reason::TokenMissing),
            (vec!["Basic dTpw"], Reason::TokenMissing),
            (vec![""], Reason::TokenMissing),
            (vec!["Bearer a.b.c", "Bearer a.b.c"], Reason::CredentialAmbiguous),
            (vec!["Bearer a.b.c", ""], Reason::CredentialAmbiguous),
            (vec!["Bearer a.b.c,Bearer d.e.f"], Reason::CredentialAmbiguous),
            (vec!["Bearer"], Reason::TokenMalformed),
            (vec!["Bearer "], Reason::TokenMalformed),
            (vec!["Bearer a b"], Reason::TokenMalformed),
            (vec!["Bearer a\tb"], Reason::TokenMalformed),
            (vec!["Bearer\ta.b.c"], Reason::TokenMissing),
            (vec!["Bearer \u{e9}"], Reason::TokenMalformed),
            (vec!["DPoP a.b.c", "Bearer a.b.c"], Reason::CredentialAmbiguous),
            (vec!["dpop"], Reason::TokenMalformed),
        ] {
            assert_eq!(credential(&values), Err(reason), "{values:?}");
        }
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c ", "DPoP a.b.c", "dpop  a.b.c"] {
            assert_eq!(credential(&[value]), Ok("a.b.c".to_owned()), "{value}");
        }
    }
}
