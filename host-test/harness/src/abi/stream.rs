//! Letting a request go, answering it, and calling out.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use super::map::read_pairs;
use crate::call::HostCall;
use crate::guest::{Guest, Step, run};
use crate::host::{self, Host};
use crate::status::Status;
use crate::stream::{Hold, LocalReply};

const HTTP_REQUEST: u32 = 0;

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
                let call = host::HttpCall { token: 0, cluster, headers, body, trailers, timeout };
                let number = http_call(guest, call)?;
                guest.write_u32(token, number)
            })
        },
    )?;
    Ok(())
}

fn continue_stream(guest: &mut Guest<'_, '_>, kind: u32) -> Step {
    if kind != HTTP_REQUEST {
        return Err(guest.violation(format!("continues a stream of kind {kind}"), Status::BadArgument));
    }
    let host = guest.host();
    let Some(stream) = host.stream() else {
        return Err(guest.violation("continues outside of a stream", Status::Ok));
    };
    if stream.hold == Hold::No || stream.resume {
        return Err(guest.violation("continues a request that is not paused", Status::Ok));
    }
    if stream.reply.is_some() || stream.reset {
        return Err(guest.violation("continues a request that was answered", Status::Ok));
    }
    if let Some(stream) = host.stream_mut() {
        stream.resume = true;
        // Envoy takes the maps away at once.
        stream.headers_open = false;
        stream.trailers_open = false;
    }
    Ok(())
}

fn close_stream(guest: &mut Guest<'_, '_>, kind: u32) -> Step {
    if kind != HTTP_REQUEST {
        return Err(guest.violation(format!("closes a stream of kind {kind}"), Status::BadArgument));
    }
    match guest.host().stream_mut() {
        Some(stream) => {
            stream.reset = true;
            Ok(())
        }
        None => Err(guest.violation("closes outside of a stream", Status::Ok)),
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
        Some(stream) if stream.reply.is_some() || stream.reset => Some("answers a request that was answered"),
        Some(stream) if stream.resume => Some("answers a request that it let pass"),
        Some(stream) if stream.is_over() => Some("answers a request that is with the upstream"),
        Some(_) => None,
    };
    if let Some(fault) = fault {
        return Err(guest.violation(fault, Status::Ok));
    }
    if let Some(stream) = host.stream_mut() {
        stream.reply = Some(reply);
    }
    Ok(())
}

fn http_call(guest: &mut Guest<'_, '_>, mut call: host::HttpCall) -> Step<u32> {
    let host = guest.host();
    if host.clusters.as_ref().is_some_and(|clusters| !clusters.contains(&call.cluster)) {
        return Err(Status::BadArgument.into());
    }
    if [":path", ":method", ":authority"].iter().any(|name| !call.headers.contains(name)) {
        return Err(guest.violation("the call lacks `:path`, `:method` or `:authority`", Status::BadArgument));
    }
    call.token = host.next_token;
    host.next_token = host.next_token.checked_add(1).unwrap_or(1);
    let token = call.token;
    host.calls.insert(token, call);
    Ok(token)
}
