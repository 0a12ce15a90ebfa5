//! Where the secret comes from that sessions are bound with.

use super::host::{Host, HostError};
use crate::action::SessionKey;
use crate::limits;

/// The variable of the environment that has it, for all proxies that one client may reach.
const VARIABLE: &str = "MANDATE_SESSION_SECRET";
/// What the workers of one proxy share it under.
const SHARED: &str = "mandate.session_secret";
/// What an operator is told of sessions that other workers cannot tell whose they are.
pub(super) const LONELY_SESSIONS: &str = "sessions of MCP are bound with a secret of this worker alone: a session that another worker opened is denied \
                               (session_unknown). Set the environment variable MANDATE_SESSION_SECRET of the VM, or give the plugin a `vm_id` of its own";

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    /// The one that was given could be guessed.
    #[error(
        "the environment variable {VARIABLE} has {bytes} bytes, at least {min} random ones are needed: `openssl rand -base64 48` makes some",
        min = limits::SESSION_SECRET_BYTES
    )]
    Short {
        /// How long it is.
        bytes: usize,
    },
    /// The proxy failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// The key that workers share: from the environment, or else one that the first worker made. `None`: they cannot share one, for what is
/// shared under an empty `vm_id` every plugin of the proxy can read and write.
pub(super) fn session_key(host: &dyn Host) -> Result<Option<SessionKey>, SecretError> {
    if let Some(secret) = host.environment(VARIABLE) {
        return match secret.len() {
            bytes if bytes < limits::SESSION_SECRET_BYTES => Err(SecretError::Short { bytes }),
            _ => Ok(Some(SessionKey::new(secret.as_bytes()))),
        };
    }
    if host.property("plugin_vm_id").unwrap_or_default().is_empty() {
        return Ok(None);
    }
    let secret = match host.shared_data(SHARED)? {
        Some(secret) => Some(secret),
        None => {
            host.add_shared_data(SHARED, &[host.random()?, host.random()?].concat())?;
            // Another worker may have been faster.
            host.shared_data(SHARED)?
        }
    };
    let secret = secret.filter(|secret| secret.len() >= limits::SESSION_SECRET_BYTES);
    Ok(secret.map(|secret| SessionKey::new(&secret)))
}
