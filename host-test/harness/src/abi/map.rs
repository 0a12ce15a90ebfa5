//! Header maps and buffers, and when a filter may touch them.

use wasmtime::{Caller, Linker};

use crate::call::HostCall;
use crate::connection::Way;
use crate::guest::{Guest, Step, run, run_bytes};
use crate::header::{Headers, decode_pairs, encode_pairs, fault_of_field};
use crate::host::{Arrival, Host};
use crate::status::Status;
use crate::stream::Direction;

/// A header map, as the ABI numbers them.
#[derive(Clone, Copy)]
enum Map {
    Headers(Direction),
    Trailers(Direction),
    GrpcInitialMetadata,
    GrpcTrailingMetadata,
    CallHeaders,
    CallTrailers,
}

impl Map {
    const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Headers(Direction::Request),
            1 => Self::Trailers(Direction::Request),
            2 => Self::Headers(Direction::Response),
            3 => Self::Trailers(Direction::Response),
            4 => Self::GrpcInitialMetadata,
            5 => Self::GrpcTrailingMetadata,
            6 => Self::CallHeaders,
            7 => Self::CallTrailers,
            _ => return None,
        })
    }
}

/// A buffer, as the ABI numbers them.
#[derive(Clone, Copy)]
enum Buffer {
    Body(Direction),
    Tcp(Way),
    CallBody,
    GrpcMessage,
    VmConfiguration,
    PluginConfiguration,
    ForeignArguments,
}

impl Buffer {
    const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Body(Direction::Request),
            1 => Self::Body(Direction::Response),
            2 => Self::Tcp(Way::FromDownstream),
            3 => Self::Tcp(Way::FromUpstream),
            4 => Self::CallBody,
            5 => Self::GrpcMessage,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            8 => Self::ForeignArguments,
            _ => return None,
        })
    }
}

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
                let headers = writable(guest, map)?;
                if !name.starts_with(':') {
                    headers.remove(&name);
                    return Ok(());
                }
                // Envoy removes it, and fails at what needs it.
                guest.misuse(format!("`{name}` cannot be missing"))?;
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
        HostCall::GetHeaderMapSize.name(),
        |mut caller: Caller<'_, Host>, map: u32, size: u32| {
            run(&mut caller, HostCall::GetHeaderMapSize, |guest| {
                let bytes = writable(guest, map)?.byte_size();
                guest.write_u32(size, u32::try_from(bytes).unwrap_or(u32::MAX))
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::GetBufferStatus.name(),
        |mut caller: Caller<'_, Host>, buffer: u32, size: u32, flags: u32| {
            run(&mut caller, HostCall::GetBufferStatus, |guest| {
                let bytes = readable_buffer(guest, buffer)?.len();
                guest.write_u32(size, u32::try_from(bytes).unwrap_or(u32::MAX))?;
                guest.write_u32(flags, 0)
            })
        },
    )?;
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

fn map_of(guest: &mut Guest<'_, '_>, code: u32) -> Step<Map> {
    Map::from_code(code)
        .ok_or_else(|| guest.violation(format!("there is no header map {code}"), Status::BadArgument))
}

/// Why a map may not be read now, if so.
fn fault_of_reading(host: &Host, map: Map) -> Option<&'static str> {
    // The access log sees the headers again, and the trailers of the response.
    let logging = host.callback == "proxy_on_log";
    match map {
        Map::Headers(direction) => match host.stream() {
            Some(stream) if stream.half(direction).headers_open || logging => None,
            Some(_) => Some("headers out of their phase, or after they were let pass"),
            None => Some("headers of a message outside of a stream"),
        },
        Map::Trailers(direction) => match host.stream() {
            Some(stream) if stream.half(direction).trailers_open || logging => None,
            _ => Some("trailers out of their phase"),
        },
        Map::GrpcInitialMetadata => match host.arrival() {
            Arrival::GrpcInitialMetadata(_) => None,
            _ => Some("the initial metadata of a gRPC stream outside of its callback"),
        },
        Map::GrpcTrailingMetadata => match host.arrival() {
            Arrival::GrpcTrailingMetadata(_) => None,
            _ => Some("the trailing metadata of a gRPC stream outside of its callback"),
        },
        Map::CallHeaders | Map::CallTrailers => match host.arrival() {
            Arrival::Response(_) | Arrival::FailedCall => None,
            _ => Some("the answer to a call outside of its callback"),
        },
    }
}

/// The map as it is; `None` if there is none.
fn current(host: &Host, map: Map) -> Option<&Headers> {
    match map {
        Map::Headers(direction) => host
            .stream()
            .map(|stream| stream.half(direction))
            .filter(|half| half.started)
            .map(|half| &half.headers),
        // The access log of Envoy has no trailers of the request.
        Map::Trailers(Direction::Request) if host.callback == "proxy_on_log" => None,
        Map::Trailers(direction) => host.stream().and_then(|stream| stream.half(direction).trailers.as_ref()),
        Map::GrpcInitialMetadata | Map::GrpcTrailingMetadata | Map::CallHeaders | Map::CallTrailers => {
            match (map, host.arrival()) {
                (Map::GrpcInitialMetadata, Arrival::GrpcInitialMetadata(metadata))
                | (Map::GrpcTrailingMetadata, Arrival::GrpcTrailingMetadata(metadata)) => Some(metadata),
                (Map::CallHeaders, Arrival::Response(response)) => Some(&response.headers),
                (Map::CallTrailers, Arrival::Response(response)) => response.trailers.as_ref(),
                _ => None,
            }
        }
    }
}

fn get_pairs(guest: &mut Guest<'_, '_>, code: u32) -> Step<Vec<u8>> {
    let map = map_of(guest, code)?;
    if let Some(fault) = fault_of_reading(guest.host(), map) {
        // Envoy takes a map that is not there for one without fields.
        guest.misuse(format!("reads {fault} (map {code})"))?;
        return Ok(Vec::new());
    }
    // Envoy serialises a map without fields, and one that does not exist, as nothing at all.
    let headers = current(guest.host(), map).filter(|headers| !headers.is_empty());
    Ok(headers.map(encode_pairs).unwrap_or_default())
}

fn get_value(guest: &mut Guest<'_, '_>, code: u32, name: &str) -> Step<Vec<u8>> {
    let map = map_of(guest, code)?;
    if let Some(fault) = fault_of_reading(guest.host(), map) {
        return Err(guest.violation(format!("reads {fault} (map {code})"), Status::BadArgument));
    }
    let host = guest.host();
    let Some(headers) = current(host, map) else {
        // Envoy has no map of a call that failed, and says `BadArgument` rather than `NotFound`; not so in the access log.
        let logging = host.callback == "proxy_on_log";
        return Err(if logging { Status::NotFound } else { Status::BadArgument }.into());
    };
    Ok(headers.get(name).ok_or(Status::NotFound)?.to_vec())
}

/// The map if it may be changed now.
fn writable<'a>(guest: &'a mut Guest<'_, '_>, code: u32) -> Step<&'a mut Headers> {
    let map = map_of(guest, code)?;
    let open = guest.host().stream().is_some_and(|stream| match map {
        Map::Headers(direction) => stream.half(direction).headers_open,
        Map::Trailers(direction) => {
            let half = stream.half(direction);
            half.trailers_open || (half.trailers_can_be_added && half.trailers.is_none())
        }
        _ => false,
    });
    if !open {
        return Err(guest.violation(
            format!("changes map {code}, which is not open to changes now"),
            Status::BadArgument,
        ));
    }
    let headers = guest.host().stream_mut().and_then(|stream| match map {
        Map::Headers(direction) => Some(&mut stream.half_mut(direction).headers),
        Map::Trailers(direction) => stream.half_mut(direction).trailers_mut(),
        _ => None,
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
        // Envoy takes them for no fields at all.
        guest.misuse(format!("{what} are not serialised as pairs"))?;
        return Ok(Headers::default());
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
        guest.misuse(format!("`{lost}` cannot be missing"))?;
    }
    *writable(guest, map)? = fields;
    Ok(())
}

fn buffer_of(guest: &mut Guest<'_, '_>, code: u32) -> Step<Buffer> {
    Buffer::from_code(code)
        .ok_or_else(|| guest.violation(format!("there is no buffer {code}"), Status::BadArgument))
}

/// The buffer's bytes, if the filter may look at them now. A call that failed has none, which is no misuse.
fn bytes_of(host: &Host, buffer: Buffer) -> Option<Option<&[u8]>> {
    match buffer {
        Buffer::Body(direction) => host.stream()?.half(direction).body().map(Some),
        Buffer::Tcp(way) => {
            let lane = host.connection()?.lane(way);
            lane.open.then_some(Some(&lane.pending))
        }
        Buffer::VmConfiguration => Some(Some(&host.vm_configuration)),
        Buffer::PluginConfiguration if host.callback == "proxy_on_configure" => {
            host.plugin().map(|plugin| Some(plugin.configuration.as_slice()))
        }
        Buffer::PluginConfiguration => None,
        Buffer::CallBody | Buffer::GrpcMessage | Buffer::ForeignArguments => match (buffer, host.arrival()) {
            (Buffer::CallBody, Arrival::Response(response)) => Some(Some(&response.body)),
            (Buffer::CallBody, Arrival::FailedCall) => Some(None),
            (Buffer::GrpcMessage, Arrival::GrpcMessage(message)) => Some(Some(message)),
            (Buffer::ForeignArguments, Arrival::ForeignArguments(arguments)) => Some(Some(arguments)),
            _ => None,
        },
    }
}

/// The buffer's bytes. When there is nothing to read, Envoy has no such buffer of calls and plugins, and takes the others for empty ones.
fn readable_buffer<'a>(guest: &'a mut Guest<'_, '_>, code: u32) -> Step<&'a [u8]> {
    let buffer = buffer_of(guest, code)?;
    if bytes_of(guest.host(), buffer).is_none() {
        let what = format!("buffer {code} cannot be read now");
        return match buffer {
            Buffer::CallBody | Buffer::PluginConfiguration => Err(guest.violation(what, Status::NotFound)),
            _ => guest.misuse(what).map(|()| [].as_slice()),
        };
    }
    bytes_of(guest.host(), buffer).flatten().ok_or_else(|| Status::NotFound.into())
}

fn get_buffer(guest: &mut Guest<'_, '_>, code: u32, start: u32, most: u32) -> Step<Vec<u8>> {
    let bytes = readable_buffer(guest, code)?;
    let (start, most) = (start as usize, most as usize);
    let Some(tail) = bytes.get(start..) else {
        guest.misuse(format!("byte {start} is past the end of buffer {code}"))?;
        return Ok(Vec::new());
    };
    Ok(tail.get(..most).unwrap_or(tail).to_vec())
}

fn set_buffer(guest: &mut Guest<'_, '_>, code: u32, start: u32, size: u32, bytes: &[u8]) -> Step {
    let buffer = buffer_of(guest, code)?;
    let host = guest.host();
    let target = match buffer {
        Buffer::Body(direction) => host.stream_mut().and_then(|stream| stream.half_mut(direction).body_mut()),
        Buffer::Tcp(way) => host.connection_mut().and_then(|connection| {
            let lane = connection.lane_mut(way);
            lane.open.then_some(&mut lane.pending)
        }),
        _ => None,
    };
    let (start, size) = (start as usize, size as usize);
    let Some(target) = target else {
        return Err(guest.violation(format!("buffer {code} cannot be changed now"), Status::BadArgument));
    };
    // Envoy replaces a beginning (of no bytes, or of all of them), or appends; it does not splice.
    if start == 0 {
        target.splice(..size.min(target.len()), bytes.iter().copied());
    } else if start >= target.len() {
        target.extend_from_slice(bytes);
    } else {
        return Err(guest.violation("a part behind the beginning cannot be replaced", Status::BadArgument));
    }
    Ok(())
}
