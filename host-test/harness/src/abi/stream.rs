//! Letting a request go, answering it, and calling out.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use super::map::read_pairs;
use crate::call::HostCall;
use crate::connection::{TcpState, Way};
use crate::guest::{Guest, Step, run};
use crate::host::{Host, Pending, token};
use crate::http_call::HttpCall;
use crate::status::Status;
use crate::stream::{Direction, Hold, LocalReply};

/// Kinds of streams besides the messages of HTTP.
const DOWNSTREAM: u32 = 2;
const UPSTREAM: u32 = 3;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap("env", HostCall::ContinueStream.name(), |mut caller: Caller<'_, Host>, kind: u32| {
        run(&mut caller, HostCall::ContinueStream, |guest| continue_stream(guest, kind))
    })?;
    linker.func_wrap("env", HostCall::CloseStream.name(), |mut caller: Caller<'_, Host>, kind: u32| {
        run(&mut caller, HostCall::CloseStream, |guest| close_stream(guest, kind))
    })?;
    linker.func_wrap(
        "env",
        HostCall::SendLocalResponse.name(),
        |mut caller: Caller<'_, Host>,
         status: u32,
         details: u32,
         details_size: u32,
         body: u32,
         body_size: u32,
         headers: u32,
         headers_size: u32,
         grpc_status: i32| {
            run(&mut caller, HostCall::SendLocalResponse, |guest| {
                let details = guest.text(details, details_size, "the details")?;
                let body = guest.read(body, body_size)?;
                let headers = read_pairs(guest, headers, headers_size, "the response headers")?;
                // Envoy takes a number that is no gRPC status as none.
                let grpc_status = u32::try_from(grpc_status).ok().filter(|status| *status <= 16);
                reply(guest, LocalReply { status, headers, body, grpc_status, details })
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::HttpCall.name(),
        |mut caller: Caller<'_, Host>,
         cluster: u32,
         cluster_size: u32,
         headers: u32,
         headers_size: u32,
         body: u32,
         body_size: u32,
         trailers: u32,
         trailers_size: u32,
         timeout: u32,
         token: u32| {
            run(&mut caller, HostCall::HttpCall, |guest| {
                let cluster = guest.text(cluster, cluster_size, "the cluster")?;
                let headers = read_pairs(guest, headers, headers_size, "the request headers")?;
                let body = guest.read(body, body_size)?;
                let trailers = read_pairs(guest, trailers, trailers_size, "the request trailers")?;
                // Envoy waits for ever on 0, and refuses what does not fit a signed number.
                if i32::try_from(timeout).is_err() {
                    return Err(guest.violation("the timeout is negative", Status::BadArgument));
                }
                let timeout = (timeout != 0).then(|| Duration::from_millis(timeout.into()));
                // As Envoy, find out whether the token can be written before the call is made.
                guest.write_u32(token, 0)?;
                let call = HttpCall { token: 0, cluster, headers, body, trailers, timeout };
                let number = http_call(guest, call)?;
                guest.write_u32(token, number)
            })
        },
    )?;
    Ok(())
}

fn continue_stream(guest: &mut Guest<'_, '_>, kind: u32) -> Step {
    let Some(direction) = Direction::from_code(kind) else {
        return match kind {
            DOWNSTREAM => continue_downstream(guest),
            UPSTREAM => {
                Err(guest
                    .violation("Envoy cannot continue what comes from an upstream", Status::Unimplemented))
            }
            _ => Err(guest.violation(format!("continues a stream of kind {kind}"), Status::BadArgument)),
        };
    };
    let name = direction.name();
    let host = guest.host();
    let Some(stream) = host.stream() else {
        return guest.misuse("continues outside of a stream");
    };
    let half = stream.half(direction);
    if half.hold == Hold::No || half.resume {
        return guest.misuse(format!("continues a {name} that is not paused"));
    }
    if stream.is_cut(direction) {
        return guest.misuse(format!("continues a {name} that was answered"));
    }
    if let Some(stream) = host.stream_mut() {
        let half = stream.half_mut(direction);
        half.resume = true;
        // Envoy takes the maps away at once.
        half.headers_open = false;
        half.trailers_open = false;
    }
    Ok(())
}

fn continue_downstream(guest: &mut Guest<'_, '_>) -> Step {
    let host = guest.host();
    match host.connection() {
        None => guest.misuse("continues outside of a connection"),
        Some(connection) if !connection.from_downstream.paused || connection.from_downstream.resume => {
            guest.misuse("continues a connection that is not paused")
        }
        Some(connection) if connection.is_over() => guest.misuse("continues a connection that it closed"),
        Some(_) => {
            if let Some(connection) = host.connection_mut() {
                connection.lane_mut(Way::FromDownstream).resume = true;
            }
            Ok(())
        }
    }
}

fn close_stream(guest: &mut Guest<'_, '_>, kind: u32) -> Step {
    let host = guest.host();
    if Direction::from_code(kind).is_some() {
        let stream = host.stream_mut();
        return match stream.map(|stream| stream.reset = true) {
            Some(()) => Ok(()),
            None => guest.misuse("closes outside of a stream"),
        };
    }
    if !matches!(kind, DOWNSTREAM | UPSTREAM) {
        return Err(guest.violation(format!("closes a stream of kind {kind}"), Status::BadArgument));
    }
    match host.connection_mut() {
        Some(TcpState { closed, .. }) => {
            *closed = true;
            Ok(())
        }
        None => guest.misuse("closes outside of a connection"),
    }
}

fn reply(guest: &mut Guest<'_, '_>, reply: LocalReply) -> Step {
    // RFC 9110 §15; 1xx is no final answer.
    if !(200..=599).contains(&reply.status) {
        return Err(
            guest.violation(format!("{} is no status of a response", reply.status), Status::BadArgument)
        );
    }
    let host = guest.host();
    let late = matches!(host.callback, "proxy_on_log" | "proxy_on_done" | "proxy_on_delete");
    let fault = match host.stream() {
        None => Some("answers outside of a stream"),
        Some(_) if late => Some("answers a request that is over"),
        Some(stream) if stream.is_answered() => Some("answers a request that was answered"),
        Some(stream) if stream.request.resume || stream.response.resume => {
            Some("answers a request that it let pass")
        }
        Some(stream) if stream.response.is_complete() => Some("answers a request that was answered"),
        Some(_) => None,
    };
    if let Some(fault) = fault {
        return guest.misuse(fault);
    }
    if host.stream().is_some_and(|stream| stream.response.headers_sent) {
        // Envoy cannot take back what the client has, and resets the stream.
        guest.misuse("answers a request of which the client has a response")?;
    }
    if let Some(stream) = guest.host().stream_mut() {
        stream.reply = Some(reply);
    }
    Ok(())
}

fn http_call(guest: &mut Guest<'_, '_>, mut call: HttpCall) -> Step<u32> {
    let host = guest.host();
    if !host.knows_cluster(&call.cluster) {
        return Err(Status::BadArgument.into());
    }
    if [":path", ":method", ":authority"].iter().any(|name| !call.headers.contains(name)) {
        return Err(guest.violation("the call lacks `:path`, `:method` or `:authority`", Status::BadArgument));
    }
    let Some(root) = host.root() else {
        return Err(guest.violation("calls out from outside of any context", Status::InternalFailure));
    };
    call.token = host.new_token(token::HTTP_CALL);
    let token = call.token;
    host.calls.insert(token, Pending { root, what: call });
    Ok(token)
}
