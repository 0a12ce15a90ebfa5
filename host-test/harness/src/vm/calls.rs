//! Answering the calls that the filter makes.

use crate::error::HarnessError;
use crate::grpc::{GrpcCall, GrpcStream};
use crate::header::Headers;
use crate::host::{Arrival, Host, Pending};
use crate::http_call::HttpCall;
use crate::instance::GrpcEvent;
use crate::response::Response;
use crate::status::Status;
use crate::vm::{Vm, len32};

impl Vm {
    /// The HTTP calls that wait for an answer, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<HttpCall> {
        self.store.data().calls.values().map(|call| call.what.clone()).collect()
    }

    /// Answers a call. Streams that this releases, or that are answered, say so in [`Vm::outcome`].
    ///
    /// # Errors
    /// [`HarnessError::UnknownCall`] if no such call is pending, [`HarnessError::Violation`] if the filter broke a rule. A
    /// trap is no error; see [`Vm::dead`].
    pub fn answer_call(&mut self, token: u32, response: Response) -> Result<(), HarnessError> {
        let sizes = (
            len32(response.headers.len()),
            len32(response.body.len()),
            response.trailers.as_ref().map_or(0, |trailers| len32(trailers.len())),
        );
        self.end_call(token, Arrival::Response(response), sizes)
    }

    /// Lets a call fail: a reset, a timeout, no healthy host. Envoy reports no headers and no body then.
    ///
    /// # Errors
    /// As [`Vm::answer_call`].
    pub fn fail_call(&mut self, token: u32) -> Result<(), HarnessError> {
        let host = self.store.data_mut();
        let root = host.calls.get(&token).map(|call| call.root).and_then(|root| host.roots.get_mut(&root));
        if let Some(root) = root {
            root.status = (Status::BrokenConnection.code(), "reset".to_owned());
        }
        self.end_call(token, Arrival::FailedCall, (0, 0, 0))
    }

    fn end_call(
        &mut self,
        token: u32,
        arrival: Arrival,
        (headers, body, trailers): (u32, u32, u32),
    ) -> Result<(), HarnessError> {
        let call = self.store.data_mut().calls.remove(&token);
        let Pending { root, .. } = call.ok_or(HarnessError::UnknownCall(token))?;
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.http_call_response.clone());
        let Some(callback) = callback else { return Ok(()) };
        self.deliver(root, arrival, |vm| {
            let parameters = (root, token, headers, body, trailers);
            vm.on_root(root, &callback, "proxy_on_http_call_response", parameters).map(drop)
        })
    }

    /// The unary gRPC calls that wait for an answer, oldest first.
    #[must_use]
    pub fn grpc_calls(&self) -> Vec<GrpcCall> {
        self.store.data().grpc_calls.values().map(|call| call.what.clone()).collect()
    }

    /// Answers a unary gRPC call with a message, which is all that Envoy says of a call that went well.
    ///
    /// # Errors
    /// As [`Vm::answer_call`].
    pub fn answer_grpc_call(&mut self, token: u32, message: impl Into<Vec<u8>>) -> Result<(), HarnessError> {
        let call = self.store.data_mut().grpc_calls.remove(&token);
        let Pending { root, .. } = call.ok_or(HarnessError::UnknownCall(token))?;
        self.grpc_message(root, token, message.into())
    }

    /// Lets a unary gRPC call fail, with a gRPC status and a message for humans.
    ///
    /// # Errors
    /// As [`Vm::answer_call`].
    pub fn fail_grpc_call(&mut self, token: u32, status: u32, message: &str) -> Result<(), HarnessError> {
        let call = self.store.data_mut().grpc_calls.remove(&token);
        let Pending { root, .. } = call.ok_or(HarnessError::UnknownCall(token))?;
        self.grpc_close(root, token, status, message)
    }

    /// The gRPC streams that are open on one side at least, oldest first.
    #[must_use]
    pub fn grpc_streams(&self) -> Vec<GrpcStream> {
        self.store.data().grpc_streams.values().map(|stream| stream.what.clone()).collect()
    }

    /// Sends the initial metadata of the service on a gRPC stream.
    ///
    /// # Errors
    /// As [`Vm::answer_call`]; a stream that the service closed is unknown as well.
    pub fn send_grpc_initial_metadata(&mut self, token: u32, metadata: Headers) -> Result<(), HarnessError> {
        let root = self.open_grpc_stream(token)?;
        let count = len32(metadata.len());
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.grpc_initial_metadata.clone());
        let at = "proxy_on_grpc_receive_initial_metadata";
        self.grpc_event(root, callback, at, Arrival::GrpcInitialMetadata(metadata), (token, count))
    }

    /// Sends a message of the service on a gRPC stream.
    ///
    /// # Errors
    /// As [`Vm::send_grpc_initial_metadata`].
    pub fn send_grpc_message(&mut self, token: u32, message: impl Into<Vec<u8>>) -> Result<(), HarnessError> {
        let root = self.open_grpc_stream(token)?;
        self.grpc_message(root, token, message.into())
    }

    /// Sends the trailing metadata of the service on a gRPC stream.
    ///
    /// # Errors
    /// As [`Vm::send_grpc_initial_metadata`].
    pub fn send_grpc_trailing_metadata(&mut self, token: u32, metadata: Headers) -> Result<(), HarnessError> {
        let root = self.open_grpc_stream(token)?;
        let count = len32(metadata.len());
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.grpc_trailing_metadata.clone());
        let at = "proxy_on_grpc_receive_trailing_metadata";
        self.grpc_event(root, callback, at, Arrival::GrpcTrailingMetadata(metadata), (token, count))
    }

    /// Closes the service's side of a gRPC stream, with a gRPC status and a message for humans. The stream is gone once the
    /// filter closed its side, too.
    ///
    /// # Errors
    /// As [`Vm::send_grpc_initial_metadata`].
    pub fn close_grpc_stream(&mut self, token: u32, status: u32, message: &str) -> Result<(), HarnessError> {
        let root = self.open_grpc_stream(token)?;
        if let Some(stream) = self.store.data_mut().grpc_streams.get_mut(&token) {
            stream.what.closed_by_service = true;
        }
        let result = self.grpc_close(root, token, status, message);
        let host: &mut Host = self.store.data_mut();
        if host.grpc_streams.get(&token).is_some_and(|stream| stream.what.closed_by_filter) {
            host.grpc_streams.remove(&token);
        }
        result
    }

    fn open_grpc_stream(&self, token: u32) -> Result<u32, HarnessError> {
        let stream = self.store.data().grpc_streams.get(&token);
        let stream = stream.filter(|stream| !stream.what.closed_by_service);
        stream.map(|stream| stream.root).ok_or(HarnessError::UnknownCall(token))
    }

    fn grpc_message(&mut self, root: u32, token: u32, message: Vec<u8>) -> Result<(), HarnessError> {
        let size = len32(message.len());
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.grpc_receive.clone());
        self.grpc_event(root, callback, "proxy_on_grpc_receive", Arrival::GrpcMessage(message), (token, size))
    }

    fn grpc_close(&mut self, root: u32, token: u32, status: u32, message: &str) -> Result<(), HarnessError> {
        if let Some(root) = self.store.data_mut().roots.get_mut(&root) {
            root.status = (status, message.to_owned());
        }
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.grpc_close.clone());
        self.grpc_event(root, callback, "proxy_on_grpc_close", Arrival::GrpcClose, (token, status))
    }

    fn grpc_event(
        &mut self,
        root: u32,
        callback: Option<GrpcEvent>,
        at: &'static str,
        arrival: Arrival,
        (token, number): (u32, u32),
    ) -> Result<(), HarnessError> {
        let Some(callback) = callback else { return Ok(()) };
        self.deliver(root, arrival, |vm| vm.on_root(root, &callback, at, (root, token, number)).map(drop))
    }
}
