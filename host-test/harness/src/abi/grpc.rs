//! gRPC calls and streams.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use super::map::read_pairs;
use crate::call::HostCall;
use crate::grpc::{GrpcCall, GrpcStream, Upstream, upstream};
use crate::guest::{Guest, Step, run};
use crate::header::Headers;
use crate::host::{Host, Pending, token};
use crate::status::Status;

/// What both kinds of calls begin with.
struct Target {
    root: u32,
    cluster: String,
    service: String,
    method: String,
    metadata: Headers,
}

/// Pointers and sizes of upstream, service, method and initial metadata.
type TargetAt = [(u32, u32); 4];

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        HostCall::GrpcCall.name(),
        |mut caller: Caller<'_, Host>,
         upstream: u32,
         upstream_size: u32,
         service: u32,
         service_size: u32,
         method: u32,
         method_size: u32,
         metadata: u32,
         metadata_size: u32,
         message: u32,
         message_size: u32,
         timeout: u32,
         token: u32| {
            run(&mut caller, HostCall::GrpcCall, |guest| {
                let target = [
                    (upstream, upstream_size),
                    (service, service_size),
                    (method, method_size),
                    (metadata, metadata_size),
                ];
                let target = read_target(guest, target)?;
                let message = guest.read(message, message_size)?;
                let number = call(guest, target, message, Duration::from_millis(timeout.into()));
                guest.write_u32(token, number)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::GrpcStream.name(),
        |mut caller: Caller<'_, Host>,
         upstream: u32,
         upstream_size: u32,
         service: u32,
         service_size: u32,
         method: u32,
         method_size: u32,
         metadata: u32,
         metadata_size: u32,
         token: u32| {
            run(&mut caller, HostCall::GrpcStream, |guest| {
                let target = [
                    (upstream, upstream_size),
                    (service, service_size),
                    (method, method_size),
                    (metadata, metadata_size),
                ];
                let target = read_target(guest, target)?;
                let number = open(guest, target);
                guest.write_u32(token, number)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::GrpcSend.name(),
        |mut caller: Caller<'_, Host>, token: u32, message: u32, size: u32, end: u32| {
            run(&mut caller, HostCall::GrpcSend, |guest| {
                let message = guest.read(message, size)?;
                send(guest, token, message, end != 0)
            })
        },
    )?;
    linker.func_wrap("env", HostCall::GrpcCancel.name(), |mut caller: Caller<'_, Host>, token: u32| {
        run(&mut caller, HostCall::GrpcCancel, |guest| cancel(guest, token))
    })?;
    linker.func_wrap("env", HostCall::GrpcClose.name(), |mut caller: Caller<'_, Host>, token: u32| {
        run(&mut caller, HostCall::GrpcClose, |guest| close(guest, token))
    })?;
    Ok(())
}

fn read_target(guest: &mut Guest<'_, '_>, at: TargetAt) -> Step<Target> {
    let [(name, name_size), (service, service_size), (method, method_size), (metadata, metadata_size)] = at;
    let name = guest.read(name, name_size)?;
    let service = guest.text(service, service_size, "the service's name")?;
    let method = guest.text(method, method_size, "the method's name")?;
    let metadata = read_pairs(guest, metadata, metadata_size, "the initial metadata")?;
    let host = guest.host();
    let cluster = match upstream(&name) {
        Upstream::Cluster(name) if host.knows_cluster(&name) => name,
        Upstream::Cluster(_) => return Err(Status::ParseFailure.into()),
        Upstream::Service(name) if host.knows_cluster(&name) => name,
        Upstream::Service(_) => return Err(Status::InternalFailure.into()),
        Upstream::Unusable => return Err(Status::BadArgument.into()),
    };
    let Some(root) = host.root() else {
        return Err(guest.violation("calls out from outside of any context", Status::InternalFailure));
    };
    Ok(Target { root, cluster, service, method, metadata })
}

fn call(guest: &mut Guest<'_, '_>, target: Target, message: Vec<u8>, timeout: Duration) -> u32 {
    let host = guest.host();
    let token = host.new_token(token::GRPC_CALL);
    let Target { root, cluster, service, method, metadata } = target;
    let what = GrpcCall { token, cluster, service, method, metadata, message, timeout };
    host.grpc_calls.insert(token, Pending { root, what });
    token
}

fn open(guest: &mut Guest<'_, '_>, target: Target) -> u32 {
    let host = guest.host();
    let token = host.new_token(token::GRPC_STREAM);
    let Target { root, cluster, service, method, metadata } = target;
    let what = GrpcStream {
        token,
        cluster,
        service,
        method,
        metadata,
        messages: Vec::new(),
        closed_by_filter: false,
        closed_by_service: false,
    };
    host.grpc_streams.insert(token, Pending { root, what });
    token
}

fn send(guest: &mut Guest<'_, '_>, token: u32, message: Vec<u8>, end: bool) -> Step {
    if token & token::KIND_MASK != token::GRPC_STREAM {
        return Err(guest.violation(format!("{token} is no gRPC stream"), Status::BadArgument));
    }
    let stream = guest.host().grpc_streams.get_mut(&token).ok_or(Status::NotFound)?;
    let GrpcStream { closed_by_filter, closed_by_service, .. } = stream.what;
    if closed_by_filter || closed_by_service {
        return guest.misuse(format!("sends on the gRPC stream {token}, which is closed"));
    }
    stream.what.messages.push(message);
    stream.what.closed_by_filter = end;
    Ok(())
}

fn cancel(guest: &mut Guest<'_, '_>, token: u32) -> Step {
    let host = guest.host();
    match token & token::KIND_MASK {
        token::GRPC_CALL => host.grpc_calls.remove(&token).map(drop).ok_or_else(|| Status::NotFound.into()),
        token::GRPC_STREAM => {
            host.grpc_streams.remove(&token).map(drop).ok_or_else(|| Status::NotFound.into())
        }
        _ => Err(guest.violation(format!("{token} is no gRPC call or stream"), Status::BadArgument)),
    }
}

/// Ends a stream on the filter's side; there is no such thing for a unary call, which is cancelled.
fn close(guest: &mut Guest<'_, '_>, token: u32) -> Step {
    if token & token::KIND_MASK != token::GRPC_STREAM {
        return cancel(guest, token);
    }
    let host = guest.host();
    let stream = host.grpc_streams.get_mut(&token).ok_or(Status::NotFound)?;
    if stream.what.closed_by_service {
        host.grpc_streams.remove(&token);
    } else {
        stream.what.closed_by_filter = true;
    }
    Ok(())
}
