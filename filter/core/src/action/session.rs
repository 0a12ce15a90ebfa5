//! Sessions of MCP (revisions 2025-03-26 to 2025-11-25) that belong to whoever opened them.
//!
//! The upstream is given no token, so to its SDK a session belongs to whoever knows its id. Here an id that leaves the proxy is
//! made to say for whom it is, and no state is kept of it:
//!
//! ```text
//! bound = id "." base64url(HMAC-SHA256(key, principal, agent, hosts and path prefix of the route, id))
//! ```

use super::headers::single;
use crate::chain::{Identity, VerifiedChain};
use crate::denial::{Denial, Evidence, SessionProblem};
use crate::http::RequestHead;
use crate::limits;
use crate::reason::Reason;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::common::Key;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The header that has the id, in requests and in answers.
pub const SESSION: &str = "mcp-session-id";

/// What session ids are bound with. It is the same for all workers, or for all proxies, that one client may reach.
#[derive(Clone)]
pub struct SessionKey(Hmac<Sha256>);

impl SessionKey {
    /// From a secret of any length.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        // As HMAC itself does with a secret that is longer than its block (RFC 2104 §3).
        let mut key = Key::<Hmac<Sha256>>::default();
        key.iter_mut().zip(Sha256::digest(secret)).for_each(|(place, byte)| *place = byte);
        Self(Hmac::new(&key))
    }

    fn mac(&self, chain: &VerifiedChain, id: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let parties = std::iter::once(chain.principal()).chain(chain.agent());
        let parts = parties.flat_map(|Identity { issuer, subject }| [issuer.as_str(), subject.as_str()]);
        // What one upstream calls a session is another's at the next one: their ids are no secrets to each other.
        for part in parts.chain([chain.route().place(), id]) {
            // With its length, so that no two lists of parts are the same bytes.
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    /// The id that a client is given. `None`: it is none that a header could carry (MCP 2025-03-26, session management: visible ASCII).
    #[must_use]
    pub fn bind(&self, chain: &VerifiedChain, id: &[u8]) -> Option<String> {
        let is_id = (1..=limits::IDENTITY_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
        let id = std::str::from_utf8(id).ok().filter(|_| is_id)?;
        let mac = self.mac(chain, id).finalize().into_bytes();
        Some(format!("{id}.{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// The id that the upstream knows, of the session that a request names. `None`: it names none.
    ///
    /// # Errors
    /// [`Reason::SessionUnknown`] if that session was not opened by the principal and the agent of this chain, on this route, through a
    /// proxy with this key; [`Reason::ProtocolMismatch`] if several are named.
    pub fn session(&self, head: &RequestHead, chain: &VerifiedChain) -> Result<Option<String>, Denial> {
        let Some(bound) = single(head, SESSION)? else { return Ok(None) };
        let unknown = |problem| Denial::new(Reason::SessionUnknown, Evidence::Session { problem });
        let (id, mac) = bound.rsplit_once('.').ok_or_else(|| unknown(SessionProblem::Unbound))?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| unknown(SessionProblem::Unbound))?;
        match self.mac(chain, id).verify_slice(&mac) {
            Ok(()) => Ok(Some(id.to_owned())),
            Err(_) => Err(unknown(SessionProblem::Foreign)),
        }
    }
}

/// Without the secret.
impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionKey").finish_non_exhaustive()
    }
}
