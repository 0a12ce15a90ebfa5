//! Header maps and buffers, and when a filter may touch them.

use wasmtime::{Caller, Linker};

use crate::call::HostCall;
use crate::guest::{Guest, Step, run, run_bytes};
use crate::header::{Headers, decode_pairs, encode_pairs, fault_of_field};
use crate::host::{CallAnswer, Host};
use crate::status::Status;

const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const CALL_HEADERS: u32 = 6;
const CALL_TRAILERS: u32 = 7;

const REQUEST_BODY: u32 = 0;
const CALL_BODY: u32 = 4;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        HostCall::GetHeaderMapPairs.name(),
        |mut caller: Caller<'_, Host>, map: u32, data: u32, size: u32| {
            run_bytes(&mut caller, HostCall::GetHeaderMapPairs, (data, size), |guest| get_pairs(guest, map))
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::GetHeaderMapValue.name(),
        |mut caller: Caller<'_, Host>, map: u32, key: u32, key_size: u32, data: u32, size: u32| {
            run_bytes(&mut caller, HostCall::GetHeaderMapValue, (data, size), |guest| {
                let name = guest.text(key, key_size, "the field name")?;
                get_value(guest, map, &name)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::SetHeaderMapPairs.name(),
        |mut caller: Caller<'_, Host>, map: u32, data: u32, size: u32| {
            run(&mut caller, HostCall::SetHeaderMapPairs, |guest| set_pairs(guest, map, data, size))
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::RemoveHeaderMapValue.name(),
        |mut caller: Caller<'_, Host>, map: u32, key: u32, key_size: u32| {
            run(&mut caller, HostCall::RemoveHeaderMapValue, |guest| {
                let name = guest.text(key, key_size, "the field name")?;
                if name.starts_with(':') {
                    return Err(guest.violation(format!("`{name}` cannot be missing"), Status::BadArgument));
                }
                writable(guest, map)?.remove(&name);
                Ok(())
            })
        },
    )?;
    for call in [HostCall::AddHeaderMapValue, HostCall::ReplaceHeaderMapValue] {
        linker.func_wrap(
            "env",
            call.name(),
            move |mut caller: Caller<'_, Host>,
                  map: u32,
                  key: u32,
                  key_size: u32,
                  value: u32,
                  value_size: u32| {
                run(&mut caller, call, |guest| {
                    let name = guest.text(key, key_size, "the field name")?;
                    let value = guest.read(value, value_size)?;
                    check_field(guest, &name, &value)?;
                    let headers = writable(guest, map)?;
                    if call == HostCall::AddHeaderMapValue {
                        headers.add(&name, value);
                    } else {
                        headers.replace(&name, value);
                    }
                    Ok(())
                })
            },
        )?;
    }
    linker.func_wrap(
        "env",
        HostCall::GetBufferBytes.name(),
        |mut caller: Caller<'_, Host>, buffer: u32, start: u32, most: u32, data: u32, size: u32| {
            run_bytes(&mut caller, HostCall::GetBufferBytes, (data, size), |guest| {
                get_buffer(guest, buffer, start, most)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::SetBufferBytes.name(),
        |mut caller: Caller<'_, Host>, buffer: u32, start: u32, size: u32, data: u32, data_size: u32| {
            run(&mut caller, HostCall::SetBufferBytes, |guest| {
                let bytes = guest.read(data, data_size)?;
                set_buffer(guest, buffer, start, size, &bytes)
            })
        },
    )?;
    Ok(())
}

fn get_pairs(guest: &mut Guest<'_, '_>, map: u32) -> Step<Option<Vec<u8>>> {
    // Envoy serialises a map without fields, and one that does not exist, as nothing at all.
    let pairs = readable(guest, map)?.filter(|headers| !headers.is_empty()).map(encode_pairs);
    Ok(Some(pairs.unwrap_or_default()))
}

/// The map if it may be read now; `None` if Envoy has none, which is no misuse.
fn readable<'a>(guest: &'a mut Guest<'_, '_>, map: u32) -> Step<Option<&'a Headers>> {
    let host = guest.host();
    let out_of_season = match map {
        REQUEST_HEADERS => match host.stream() {
            // The access log sees the headers again.
            Some(stream) if stream.headers_open || host.callback == "proxy_on_log" => None,
            Some(_) => Some("request headers after they were let pass"),
            None => Some("request headers outside of a stream"),
        },
        REQUEST_TRAILERS => match host.stream() {
            Some(stream) if stream.trailers_open => None,
            _ => Some("request trailers outside of their phase"),
        },
        CALL_HEADERS | CALL_TRAILERS => match &host.answer {
            CallAnswer::None => Some("the answer to a call outside of its callback"),
            CallAnswer::Failed | CallAnswer::Response(_) => None,
        },
        _ => Some("a header map that no request filter has"),
    };
    if let Some(what) = out_of_season {
        return Err(guest.violation(format!("reads {what} (map {map})"), Status::BadArgument));
    }
    let host = guest.host();
    let headers = match (map, &host.answer) {
        (REQUEST_HEADERS, _) => host.stream().map(|stream| &stream.headers),
        (REQUEST_TRAILERS, _) => host.stream().and_then(|stream| stream.trailers.as_ref()),
        (CALL_HEADERS, CallAnswer::Response(response)) => Some(&response.headers),
        (CALL_TRAILERS, CallAnswer::Response(response)) => response.trailers.as_ref(),
        _ => None,
    };
    Ok(headers)
}

fn get_value(guest: &mut Guest<'_, '_>, map: u32, name: &str) -> Step<Option<Vec<u8>>> {
    // Envoy has no map of a call that failed, and says `BadArgument` rather than `NotFound`.
    let headers = readable(guest, map)?.ok_or(Status::BadArgument)?;
    let value = headers.get(name).ok_or(Status::NotFound)?;
    Ok(Some(value.to_vec()))
}

/// The map if it may be changed now.
fn writable<'a>(guest: &'a mut Guest<'_, '_>, map: u32) -> Step<&'a mut Headers> {
    let host = guest.host();
    let open = host.stream().is_some_and(|stream| match map {
        REQUEST_HEADERS => stream.headers_open,
        REQUEST_TRAILERS => stream.trailers_open,
        _ => false,
    });
    if !open {
        return Err(guest
            .violation(format!("changes map {map}, which is not open to changes now"), Status::BadArgument));
    }
    let headers = guest.host().stream_mut().and_then(|stream| match map {
        REQUEST_HEADERS => Some(&mut stream.headers),
        _ => stream.trailers.as_mut(),
    });
    headers.ok_or_else(|| Status::BadArgument.into())
}

pub(super) fn check_field(guest: &mut Guest<'_, '_>, name: &str, value: &[u8]) -> Step {
    match fault_of_field(name, value) {
        Some(fault) => Err(guest.violation(fault, Status::BadArgument)),
        None => Ok(()),
    }
}

/// Serialised fields from the guest, each of them checked.
pub(super) fn read_pairs(guest: &mut Guest<'_, '_>, data: u32, size: u32, what: &str) -> Step<Headers> {
    let bytes = guest.read(data, size)?;
    let Some(pairs) = decode_pairs(&bytes) else {
        return Err(guest.violation(format!("{what} are not serialised as pairs"), Status::BadArgument));
    };
    for (name, value) in &pairs {
        check_field(guest, name, value)?;
    }
    Ok(pairs.into_iter().collect())
}

fn set_pairs(guest: &mut Guest<'_, '_>, map: u32, data: u32, size: u32) -> Step {
    let fields = read_pairs(guest, data, size, "the fields")?;
    let headers = writable(guest, map)?;
    let lost =
        headers.iter().map(|(name, _)| name).find(|name| name.starts_with(':') && !fields.contains(name));
    if let Some(lost) = lost.map(str::to_owned) {
        return Err(guest.violation(format!("`{lost}` cannot be missing"), Status::BadArgument));
    }
    *headers = fields;
    Ok(())
}

/// The buffer's bytes, if it may be read now.
fn buffer<'a>(guest: &'a mut Guest<'_, '_>, buffer: u32) -> Step<&'a [u8]> {
    let host = guest.host();
    let in_season = match buffer {
        REQUEST_BODY => host.stream().is_some_and(|stream| stream.body().is_some()),
        // An answer that never came has no body, but asking for it is no misuse.
        CALL_BODY => !matches!(host.answer, CallAnswer::None),
        VM_CONFIGURATION => true,
        PLUGIN_CONFIGURATION => matches!(host.callback, "proxy_on_vm_start" | "proxy_on_configure"),
        _ => false,
    };
    if !in_season {
        return Err(guest.violation(format!("buffer {buffer} cannot be read now"), Status::NotFound));
    }
    let host = guest.host();
    let bytes = match (buffer, &host.answer) {
        (REQUEST_BODY, _) => host.stream().and_then(|stream| stream.body()),
        (CALL_BODY, CallAnswer::Response(response)) => Some(response.body.as_slice()),
        (VM_CONFIGURATION, _) => Some(host.vm_configuration.as_slice()),
        (PLUGIN_CONFIGURATION, _) => Some(host.configuration.as_slice()),
        _ => None,
    };
    bytes.ok_or_else(|| Status::NotFound.into())
}

fn get_buffer(guest: &mut Guest<'_, '_>, kind: u32, start: u32, most: u32) -> Step<Option<Vec<u8>>> {
    let bytes = buffer(guest, kind)?;
    let (start, most) = (start as usize, most as usize);
    let Some(tail) = bytes.get(start..) else {
        let what = format!("byte {start} is past the end of buffer {kind}");
        return Err(guest.violation(what, Status::BadArgument));
    };
    let slice = tail.get(..most).unwrap_or(tail).to_vec();
    // Envoy writes no pointer where there is nothing to point at.
    Ok((!slice.is_empty()).then_some(slice))
}

fn set_buffer(guest: &mut Guest<'_, '_>, kind: u32, start: u32, size: u32, bytes: &[u8]) -> Step {
    if kind != REQUEST_BODY || guest.host().callback != "proxy_on_request_body" {
        return Err(guest.violation(format!("buffer {kind} cannot be changed now"), Status::BadArgument));
    }
    let (start, size) = (start as usize, size as usize);
    let body = guest.host().stream_mut().and_then(|stream| stream.body_mut()).ok_or(Status::NotFound)?;
    // Envoy prepends, replaces everything or appends; it does not splice.
    if start == 0 && size == 0 {
        body.splice(..0, bytes.iter().copied());
    } else if start == 0 && size >= body.len() {
        *body = bytes.to_vec();
    } else if start >= body.len() {
        body.extend_from_slice(bytes);
    } else {
        return Err(guest.violation("a part of a body cannot be replaced", Status::BadArgument));
    }
    Ok(())
}
