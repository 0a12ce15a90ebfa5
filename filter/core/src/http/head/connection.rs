//! The `connection` header, by which a client tells the next proxy what to drop.

use super::RequestHead;
use crate::denial::{Denial, Evidence};
use crate::reason::Reason;

/// What becomes of `connection`, by which a client tells the next proxy what to drop (RFC 9110 §7.6.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connection {
    /// There is none, or it says what an upgrade needs and no more.
    #[default]
    Stays,
    /// It is removed, as is `proxy-connection`, which some servers take for the same.
    Removed,
    /// It says more than the upgrade needs: it is set to `upgrade`, and `proxy-connection` is removed.
    UpgradeOnly,
}

impl RequestHead {
    /// What becomes of `connection`. `is_kept` says of a header name whether it must not be dropped on the way.
    ///
    /// # Errors
    /// [`Reason::ConnectionInvalid`] if it names such a header.
    pub fn connection(&self, is_kept: impl Fn(&[u8]) -> bool) -> Result<Connection, Denial> {
        if !self.drops {
            return Ok(Connection::Stays);
        }
        let names =
            |name| self.values(name).flat_map(|value| value.split(|b| *b == b',')).map(<[u8]>::trim_ascii);
        if let Some(name) = names(b"connection").chain(names(b"proxy-connection")).find(|name| is_kept(name))
        {
            let names = String::from_utf8_lossy(name).as_ref().into();
            return Err(Denial::new(Reason::ConnectionInvalid, Evidence::Connection { names }));
        }
        let is_upgrade = |name: &[u8]| name.eq_ignore_ascii_case(b"upgrade");
        Ok(match self.upgrade && names(b"connection").any(is_upgrade) {
            true if self.values(b"connection").eq([b"upgrade".as_slice()])
                && self.values(b"proxy-connection").next().is_none() =>
            {
                Connection::Stays
            }
            true => Connection::UpgradeOnly,
            false => Connection::Removed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_be_dropped_on_the_way_may_not_be_named() {
        let ruled = |headers: &[(&str, &str)]| {
            let head = RequestHead::new(headers.to_vec());
            head.connection(|name| name.eq_ignore_ascii_case(b"x-kept")).map_err(|denial| denial.reason)
        };
        let upgrade = ("upgrade", "websocket");
        for names in ["x-kept", "upgrade, X-Kept", "close,,x-kept ", "\tx-kept"] {
            for header in ["connection", "proxy-connection"] {
                assert_eq!(
                    ruled(&[upgrade, (header, names)]),
                    Err(Reason::ConnectionInvalid),
                    "{header} {names}"
                );
            }
        }
        let twice = [upgrade, ("connection", "upgrade"), ("connection", "x-kept")];
        assert_eq!(ruled(&twice), Err(Reason::ConnectionInvalid));
        for (headers, becomes) in [
            (vec![], Connection::Stays),
            (vec![upgrade, ("connection", "upgrade")], Connection::Stays),
            (vec![upgrade, ("connection", "keep-alive, Upgrade")], Connection::UpgradeOnly),
            (vec![upgrade, ("connection", "upgrade, x-other")], Connection::UpgradeOnly),
            (vec![upgrade, ("connection", "upgrade"), ("connection", "x-other")], Connection::UpgradeOnly),
            (vec![("connection", "upgrade")], Connection::Removed),
            (vec![upgrade, ("connection", "close")], Connection::Removed),
            (vec![("connection", "x-other")], Connection::Removed),
            (vec![("proxy-connection", "keep-alive")], Connection::Removed),
        ] {
            assert_eq!(ruled(&headers), Ok(becomes), "{headers:?}");
        }
    }
}
