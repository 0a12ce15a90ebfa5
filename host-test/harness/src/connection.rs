//! One TCP connection: what the filter holds, and what went to either end.

use std::collections::BTreeMap;
use std::fmt;

use crate::header::Bytes;

/// Identity of a TCP connection within its [`Vm`](crate::Vm): the id of its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u32);

impl ConnectionId {
    /// The context id that the filter knows the connection by.
    #[must_use]
    pub const fn context(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who closed a connection, as the ABI numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Not known. Envoy says so of every upstream.
    Unknown = 0,
    /// The proxy.
    Local = 1,
    /// The other end.
    Remote = 2,
}

/// Where a TCP connection stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// The connection.
    pub id: ConnectionId,
    /// The bytes that the filter let pass to the upstream.
    pub to_upstream: Vec<u8>,
    /// The bytes that the filter let pass to the client.
    pub to_downstream: Vec<u8>,
    /// Whether the filter holds what comes from the client.
    pub downstream_paused: bool,
    /// Whether the filter holds what comes from the upstream.
    pub upstream_paused: bool,
    /// Whether the filter closed the connection.
    pub closed: bool,
    /// The failure of the virtual machine that closed the connection, if one did.
    pub trapped: Option<String>,
    /// The filter state that the filter set, by path.
    pub properties: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: BTreeMap<_, _> =
            self.properties.iter().map(|(path, value)| (path, Bytes(value))).collect();
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("to_upstream", &Bytes(&self.to_upstream))
            .field("to_downstream", &Bytes(&self.to_downstream))
            .field("downstream_paused", &self.downstream_paused)
            .field("upstream_paused", &self.upstream_paused)
            .field("closed", &self.closed)
            .field("trapped", &self.trapped)
            .field("properties", &properties)
            .finish()
    }
}

/// Which way data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to the upstream.
    FromDownstream,
    /// From the upstream to the client.
    FromUpstream,
}

/// One way of a connection.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// What the filter has seen and not let pass.
    pub(crate) pending: Vec<u8>,
    /// Whether the filter may look at what is pending.
    pub(crate) open: bool,
    pub(crate) paused: bool,
    pub(crate) ended: bool,
    pub(crate) passed: Vec<u8>,
    /// Asked for during a callback, done after it.
    pub(crate) resume: bool,
}

impl Lane {
    /// Lets everything pass that the filter has seen.
    pub(crate) fn release(&mut self) {
        self.passed.append(&mut self.pending);
        self.open = false;
        self.paused = false;
        self.resume = false;
    }

    fn drop_pending(&mut self) {
        self.pending.clear();
        self.open = false;
        self.resume = false;
    }
}

#[derive(Debug, Default)]
pub(crate) struct TcpState {
    pub(crate) root: u32,
    pub(crate) from_downstream: Lane,
    pub(crate) from_upstream: Lane,
    pub(crate) closed: bool,
    pub(crate) trapped: Option<String>,
    pub(crate) filter_state: BTreeMap<String, Vec<u8>>,
}

impl TcpState {
    pub(crate) const fn lane(&self, way: Way) -> &Lane {
        match way {
            Way::FromDownstream => &self.from_downstream,
            Way::FromUpstream => &self.from_upstream,
        }
    }

    pub(crate) const fn lane_mut(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::FromDownstream => &mut self.from_downstream,
            Way::FromUpstream => &mut self.from_upstream,
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.closed || self.trapped.is_some()
    }

    /// Does what a callback asked for.
    pub(crate) fn settle(&mut self) {
        for way in [Way::FromDownstream, Way::FromUpstream] {
            let over = self.is_over();
            let lane = self.lane_mut(way);
            if over {
                lane.drop_pending();
            } else if lane.resume {
                lane.release();
            }
        }
    }

    pub(crate) fn snapshot(&self, id: ConnectionId) -> Connection {
        Connection {
            id,
            to_upstream: self.from_downstream.passed.clone(),
            to_downstream: self.from_upstream.passed.clone(),
            downstream_paused: self.from_downstream.paused,
            upstream_paused: self.from_upstream.paused,
            closed: self.closed,
            trapped: self.trapped.clone(),
            properties: self.filter_state.clone(),
        }
    }
}
