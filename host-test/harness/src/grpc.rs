//! gRPC calls and streams that a filter opens.

use std::time::Duration;

use prost::Message;

use crate::header::Headers;

/// A unary gRPC call that the filter made and that the test has yet to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcCall {
    /// What the filter and [`Vm::answer_grpc_call`](crate::Vm::answer_grpc_call) know the call by.
    pub token: u32,
    /// The cluster that is called.
    pub cluster: String,
    /// The full name of the gRPC service, such as `helloworld.Greeter`.
    pub service: String,
    /// The method of the service.
    pub method: String,
    /// The initial metadata.
    pub metadata: Headers,
    /// The message, serialised.
    pub message: Vec<u8>,
    /// How long Envoy would wait. The harness never lets a call time out by itself.
    pub timeout: Duration,
}

/// A gRPC stream that the filter opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcStream {
    /// What the filter and the methods of [`Vm`](crate::Vm) know the stream by.
    pub token: u32,
    /// The cluster that is called.
    pub cluster: String,
    /// The full name of the gRPC service.
    pub service: String,
    /// The method of the service.
    pub method: String,
    /// The initial metadata.
    pub metadata: Headers,
    /// The messages that the filter sent so far, serialised, oldest first.
    pub messages: Vec<Vec<u8>>,
    /// Whether the filter sends nothing more: it marked a message as the last one, or closed the stream.
    pub closed_by_filter: bool,
    /// Whether the test closed the stream ([`Vm::close_grpc_stream`](crate::Vm::close_grpc_stream)).
    pub closed_by_service: bool,
}

/// What a filter may name as the upstream of a gRPC call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// A cluster by its name.
    Cluster(String),
    /// A serialised `envoy.config.core.v3.GrpcService` with the name of a cluster in it.
    Service(String),
    /// A serialised service that names no cluster of Envoy's own client.
    Unusable,
}

/// As Envoy does: what parses as the message is one, anything else is the name of a cluster.
pub(crate) fn upstream(bytes: &[u8]) -> Upstream {
    match GrpcService::decode(bytes) {
        Ok(GrpcService { envoy_grpc: Some(EnvoyGrpc { cluster_name }) }) if !cluster_name.is_empty() => {
            Upstream::Service(cluster_name)
        }
        Ok(_) => Upstream::Unusable,
        Err(_) => Upstream::Cluster(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// `envoy.config.core.v3.GrpcService`, as far as the harness reads it.
#[derive(Clone, PartialEq, prost::Message)]
struct GrpcService {
    #[prost(message, optional, tag = "1")]
    envoy_grpc: Option<EnvoyGrpc>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EnvoyGrpc {
    #[prost(string, tag = "1")]
    cluster_name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_name_or_a_service_message() {
        assert_eq!(upstream(b"authz"), Upstream::Cluster("authz".to_owned()));
        let service = GrpcService { envoy_grpc: Some(EnvoyGrpc { cluster_name: "authz".to_owned() }) };
        assert_eq!(upstream(&service.encode_to_vec()), Upstream::Service("authz".to_owned()));
        assert_eq!(upstream(b""), Upstream::Unusable);
    }
}
