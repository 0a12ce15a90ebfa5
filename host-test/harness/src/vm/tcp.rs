//! Driving TCP connections, as Envoy's network filter does.

use crate::connection::{Connection, ConnectionId, Peer, TcpState, Way};
use crate::error::HarnessError;
use crate::instance::{self, Called};
use crate::plugin::PluginId;
use crate::vm::{Vm, len32};

/// What a callback returns to let data pass; anything else holds it.
const CONTINUE: u32 = 0;

impl Vm {
    /// A new connection of the first plugin: `proxy_on_new_connection`.
    ///
    /// # Errors
    /// [`HarnessError::Violation`] if the filter broke a rule of the strict host. A trap is no error; see
    /// [`Connection::trapped`].
    pub fn connect(&mut self) -> Result<ConnectionId, HarnessError> {
        self.connect_through(PluginId::FIRST)
    }

    /// The same of another plugin.
    ///
    /// # Errors
    /// As [`Vm::connect`], and [`HarnessError::UnknownPlugin`].
    pub fn connect_through(&mut self, plugin: PluginId) -> Result<ConnectionId, HarnessError> {
        let root = self.root_of(plugin)?;
        let host = self.store.data_mut();
        let connection = ConnectionId(host.new_context());
        host.connections.insert(connection.0, TcpState { root, ..TcpState::default() });
        let create = self.callbacks.as_ref().and_then(|callbacks| callbacks.context_create.clone());
        if let Some(create) = create {
            self.on_connection(connection, &create, "proxy_on_context_create", (connection.0, root))?;
        }
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.new_connection.clone());
        if let Some(callback) = callback {
            let action =
                self.on_connection(connection, &callback, "proxy_on_new_connection", connection.0)?;
            self.tcp(connection)?.from_downstream.paused = action.is_some_and(|action| action != CONTINUE);
            self.settle()?;
        }
        Ok(connection)
    }

    /// Data of the client; `end` if it sends nothing more. While the filter holds data, it is shown all that is held.
    ///
    /// # Errors
    /// [`HarnessError::UnknownConnection`], [`HarnessError::ConnectionEnded`] after the end, and
    /// [`HarnessError::Violation`].
    pub fn downstream_data(
        &mut self,
        connection: ConnectionId,
        bytes: impl Into<Vec<u8>>,
        end: bool,
    ) -> Result<Connection, HarnessError> {
        self.data(connection, Way::FromDownstream, bytes.into(), end)
    }

    /// Data of the upstream; `end` if it sends nothing more, upon which Envoy calls `proxy_on_upstream_connection_close`.
    ///
    /// # Errors
    /// As [`Vm::downstream_data`].
    pub fn upstream_data(
        &mut self,
        connection: ConnectionId,
        bytes: impl Into<Vec<u8>>,
        end: bool,
    ) -> Result<Connection, HarnessError> {
        self.data(connection, Way::FromUpstream, bytes.into(), end)?;
        if end {
            return self.close_upstream(connection, Peer::Unknown);
        }
        self.connection(connection)
    }

    fn data(
        &mut self,
        connection: ConnectionId,
        way: Way,
        bytes: Vec<u8>,
        end: bool,
    ) -> Result<Connection, HarnessError> {
        let dead = self.dead.clone();
        let state = self.tcp(connection)?;
        if state.lane(way).ended || state.closed {
            return Err(HarnessError::ConnectionEnded(connection));
        }
        if state.trapped.is_none() && dead.is_some() {
            state.trapped = dead;
        }
        let over = state.is_over();
        let lane = state.lane_mut(way);
        lane.ended = end;
        if over {
            return self.connection(connection);
        }
        lane.pending.extend(bytes);
        lane.open = true;
        let size = len32(lane.pending.len());
        let callback = self.callbacks.as_ref().and_then(|callbacks| match way {
            Way::FromDownstream => callbacks.downstream_data.clone(),
            Way::FromUpstream => callbacks.upstream_data.clone(),
        });
        let name = match way {
            Way::FromDownstream => "proxy_on_downstream_data",
            Way::FromUpstream => "proxy_on_upstream_data",
        };
        let action = match callback {
            Some(callback) => {
                let parameters = (connection.0, size, u32::from(end));
                self.on_connection(connection, &callback, name, parameters)?
            }
            None => Some(CONTINUE),
        };
        let state = self.tcp(connection)?;
        match action {
            Some(CONTINUE) if !state.is_over() => state.lane_mut(way).release(),
            Some(_) => state.lane_mut(way).paused = true,
            None => {}
        }
        self.settle()?;
        self.connection(connection)
    }

    /// Closes the client's end: `proxy_on_downstream_connection_close`, then, in Envoy's order, `proxy_on_done`,
    /// `proxy_on_log` and `proxy_on_delete`. Gives how the connection came out.
    ///
    /// # Errors
    /// [`HarnessError::UnknownConnection`] and [`HarnessError::Violation`].
    pub fn close_downstream(
        &mut self,
        connection: ConnectionId,
        by: Peer,
    ) -> Result<Connection, HarnessError> {
        self.tcp(connection)?;
        let callbacks = self.callbacks.as_ref();
        let close = callbacks.and_then(|callbacks| callbacks.downstream_close.clone());
        let (done, log, delete) = (
            callbacks.and_then(|callbacks| callbacks.done.clone()),
            callbacks.and_then(|callbacks| callbacks.log.clone()),
            callbacks.and_then(|callbacks| callbacks.delete.clone()),
        );
        if let Some(close) = close {
            let parameters = (connection.0, by as u32);
            self.on_connection(connection, &close, "proxy_on_downstream_connection_close", parameters)?;
        }
        if let Some(done) = done {
            self.on_connection(connection, &done, "proxy_on_done", connection.0)?;
        }
        if let Some(log) = log {
            self.on_connection(connection, &log, "proxy_on_log", connection.0)?;
        }
        let last = self.connection(connection)?;
        if let Some(delete) = delete {
            self.on_connection(connection, &delete, "proxy_on_delete", connection.0)?;
        }
        self.store.data_mut().connections.remove(&connection.0);
        self.settle()?;
        Ok(last)
    }

    /// Closes the upstream's end: `proxy_on_upstream_connection_close`. The connection lives on until the client's end is
    /// closed.
    ///
    /// # Errors
    /// As [`Vm::close_downstream`].
    pub fn close_upstream(&mut self, connection: ConnectionId, by: Peer) -> Result<Connection, HarnessError> {
        self.tcp(connection)?;
        let close = self.callbacks.as_ref().and_then(|callbacks| callbacks.upstream_close.clone());
        if let Some(close) = close {
            let parameters = (connection.0, by as u32);
            self.on_connection(connection, &close, "proxy_on_upstream_connection_close", parameters)?;
            self.settle()?;
        }
        self.connection(connection)
    }

    /// Where a connection stands.
    ///
    /// # Errors
    /// [`HarnessError::UnknownConnection`].
    pub fn connection(&self, connection: ConnectionId) -> Result<Connection, HarnessError> {
        let state = self.store.data().connections.get(&connection.0);
        state.map(|state| state.snapshot(connection)).ok_or(HarnessError::UnknownConnection(connection))
    }

    /// The connections that were not closed, oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.store.data().connections.keys().copied().map(ConnectionId).collect()
    }

    fn tcp(&mut self, connection: ConnectionId) -> Result<&mut TcpState, HarnessError> {
        let state = self.store.data_mut().connections.get_mut(&connection.0);
        state.ok_or(HarnessError::UnknownConnection(connection))
    }

    /// Calls back; `None` if the virtual machine is dead, or is now.
    fn on_connection<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        connection: ConnectionId,
        function: &wasmtime::TypedFunc<P, R>,
        name: &'static str,
        parameters: P,
    ) -> Result<Option<R>, HarnessError> {
        if self.dead.is_some() {
            let dead = self.dead.clone();
            let state = self.tcp(connection)?;
            state.trapped = state.trapped.take().or(dead);
            return Ok(None);
        }
        let (message, result) =
            match instance::call(&mut self.store, function, (name, connection.0), parameters) {
                Ok(Called::Returned(value)) => return Ok(Some(value)),
                Ok(Called::Trapped(message)) => (message, Ok(None)),
                Err(error) => (error.to_string(), Err(error)),
            };
        self.dead = Some(message.clone());
        self.tcp(connection)?.trapped = Some(message);
        result
    }
}
