//! Where the secret comes from that sessions are bound with and nonces are made with.

use super::host::{Host, HostError};
use crate::limits;

/// The variable of the environment that has it, for all proxies that one client may reach.
const VARIABLE: &str = "MANDATE_SESSION_SECRET";
/// What the workers of one proxy share it under.
const SHARED: &str = "mandate.session_secret";
/// What an operator is told if workers cannot share a secret.
pub(super) const LONELY_SECRET: &str = "sessions of MCP are bound, and nonces of DPoP made, with a secret of this worker alone: what another worker gave \
                               out is not accepted (session_unknown, proof_nonce_required). Set the environment variable MANDATE_SESSION_SECRET of the \
                               VM, or give the plugin a `vm_id` of its own";

/// What an operator is told if workers cannot share what was used.
pub(super) const LONELY_MEMORY: &str = "each worker remembers for itself which proofs of possession and approvals were used: one can be used once with each worker of \
                               this proxy while it is valid. Give the plugin a `vm_id` of its own";

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

/// Whether what is shared under the `vm_id` of this machine can be written by nobody else: under an empty one every plugin of the proxy
/// reads and writes the same.
pub(super) fn is_alone(host: &dyn Host) -> bool {
    !host.property("plugin_vm_id").unwrap_or_default().is_empty()
}

/// The secret that workers share: from the environment, or else one that the first worker made. `None`: they cannot share one.
pub(super) fn secret(host: &dyn Host) -> Result<Option<Vec<u8>>, SecretError> {
    if let Some(secret) = host.environment(VARIABLE) {
        return match secret.len() {
            bytes if bytes < limits::SESSION_SECRET_BYTES => Err(SecretError::Short { bytes }),
            _ => Ok(Some(secret.into_bytes())),
        };
    }
    if !is_alone(host) {
        return Ok(None);
    }
    let secret = match host.shared_data(SHARED)? {
        Some(secret) => Some(secret),
        None => {
            host.set_shared_data(SHARED, &[host.random()?, host.random()?].concat(), None)?;
            // Another worker may have been faster.
            host.shared_data(SHARED)?
        }
    };
    Ok(secret.map(|(secret, _)| secret).filter(|secret| secret.len() >= limits::SESSION_SECRET_BYTES))
}
