//! Properties, shared data, foreign functions and metrics.

use wasmtime::{Caller, Linker};

use crate::call::HostCall;
use crate::guest::{Guest, Step, run, run_bytes};
use crate::host::Host;
use crate::status::Status;
use crate::verify::{self, Refusal, VerifySignature};

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    properties(linker)?;
    shared_data(linker)?;
    foreign(linker)?;
    metrics(linker)
}

fn properties(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        HostCall::GetProperty.name(),
        |mut caller: Caller<'_, Host>, path: u32, path_size: u32, data: u32, size: u32| {
            run_bytes(&mut caller, HostCall::GetProperty, (data, size), |guest| {
                let path = guest.text(path, path_size, "the path")?;
                get_property(guest, &path)
            })
        },
    )?;
    linker
        .func_wrap(
            "env",
            HostCall::SetProperty.name(),
            |mut caller: Caller<'_, Host>, path: u32, path_size: u32, value: u32, value_size: u32| {
                run(&mut caller, HostCall::SetProperty, |guest| {
                    let path = guest.text(path, path_size, "the path")?;
                    let value = guest.read(value, value_size)?;
                    set_property(guest, path, value)
                })
            },
        )
        .map(drop)
}

fn get_property(guest: &mut Guest<'_, '_>, path: &str) -> Step<Vec<u8>> {
    // The ABI separates the segments by NUL; Envoy ignores a trailing one, which some SDKs send.
    let path = path.strip_suffix('\0').unwrap_or(path).replace('\0', ".");
    let host = guest.host();
    let stream = host.stream();
    let own =
        stream.and_then(|stream| stream.filter_state.get(&path).or_else(|| stream.attributes.get(&path)));
    let own = own.or_else(|| host.connection().and_then(|connection| connection.filter_state.get(&path)));
    if let Some(value) = own.or_else(|| host.properties.get(&path)) {
        return Ok(value.clone());
    }
    let plugin = host.plugin();
    let value = match path.as_str() {
        "plugin_name" => plugin.map(|plugin| plugin.name.as_str()),
        "plugin_root_id" => plugin.map(|plugin| plugin.root_id.as_str()),
        "plugin_vm_id" => Some(host.shared.vm_id()),
        _ => None,
    };
    Ok(value.ok_or(Status::NotFound)?.as_bytes().to_vec())
}

fn set_property(guest: &mut Guest<'_, '_>, path: String, value: Vec<u8>) -> Step {
    if path.contains('\0') {
        // Envoy takes the path as it is for the name `wasm.<path>`, which no access log can then spell.
        let what = "sets a property by a path of several segments: the filter state's name would hold a NUL";
        return guest.misuse(what);
    }
    let host = guest.host();
    if let Some(stream) = host.stream_mut() {
        stream.filter_state.insert(path, value);
    } else if let Some(connection) = host.connection_mut() {
        connection.filter_state.insert(path, value);
    } else {
        // A root context has nothing to set filter state on.
        return Err(Status::NotFound.into());
    }
    Ok(())
}

fn shared_data(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        HostCall::GetSharedData.name(),
        |mut caller: Caller<'_, Host>, key: u32, key_size: u32, data: u32, size: u32, cas: u32| {
            run_bytes(&mut caller, HostCall::GetSharedData, (data, size), |guest| {
                let key = guest.text(key, key_size, "the key")?;
                let (value, number) = guest.host().shared.get(&key).ok_or(Status::NotFound)?;
                guest.write_u32(cas, number)?;
                Ok(value)
            })
        },
    )?;
    linker
        .func_wrap(
            "env",
            HostCall::SetSharedData.name(),
            |mut caller: Caller<'_, Host>, key: u32, key_size: u32, value: u32, value_size: u32, cas: u32| {
                run(&mut caller, HostCall::SetSharedData, |guest| {
                    let key = guest.text(key, key_size, "the key")?;
                    let value = guest.read(value, value_size)?;
                    Ok(guest.host().shared.set(&key, &value, cas)?)
                })
            },
        )
        .map(drop)
}

fn foreign(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            "env",
            HostCall::CallForeignFunction.name(),
            |mut caller: Caller<'_, Host>,
             name: u32,
             name_size: u32,
             arguments: u32,
             arguments_size: u32,
             data: u32,
             size: u32| {
                let call = |guest: &mut Guest<'_, '_>| {
                    let name = guest.text(name, name_size, "the function's name")?;
                    let arguments = guest.read(arguments, arguments_size)?;
                    call_foreign(guest, &name, &arguments)
                };
                if data == 0 && size == 0 {
                    // The filter does not want the result.
                    return run(&mut caller, HostCall::CallForeignFunction, |guest| call(guest).map(drop));
                }
                run_bytes(&mut caller, HostCall::CallForeignFunction, (data, size), call)
            },
        )
        .map(drop)
}

fn call_foreign(guest: &mut Guest<'_, '_>, name: &str, arguments: &[u8]) -> Step<Vec<u8>> {
    let host = guest.host();
    if let Some(function) = host.foreign.get(name).cloned() {
        return Ok(function(arguments)?);
    }
    let mode = host.verify;
    match name {
        "verify_signature" if mode == VerifySignature::Absent => Err(Status::NotFound.into()),
        "verify_signature" => verify::call(mode, arguments).map_err(|refusal| match refusal {
            Refusal::BadArgument => Status::BadArgument.into(),
            Refusal::Beyond(what) => {
                guest.violation(format!("this host cannot verify with {what}"), Status::InternalFailure)
            }
        }),
        // The harness has no routes that could be chosen again.
        "clear_route_cache" => Ok(Vec::new()),
        "compress"
        | "uncompress"
        | "sign"
        | "set_envoy_filter_state"
        | "declare_property"
        | "expr_create"
        | "expr_evaluate"
        | "expr_delete" => {
            Err(guest.violation(format!("Envoy has `{name}`, this host does not"), Status::NotFound))
        }
        _ => Err(Status::NotFound.into()),
    }
}

fn metrics(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        HostCall::DefineMetric.name(),
        |mut caller: Caller<'_, Host>, kind: u32, name: u32, name_size: u32, id: u32| {
            run(&mut caller, HostCall::DefineMetric, |guest| {
                let name = guest.text(name, name_size, "the metric's name")?;
                let number = guest.host().metrics.define(kind, &name).map_err(|status| {
                    guest.violation(format!("`{name}` is of no kind {kind}, or of two kinds"), status)
                })?;
                guest.write_u32(id, number)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::IncrementMetric.name(),
        |mut caller: Caller<'_, Host>, id: u32, offset: i64| {
            run(&mut caller, HostCall::IncrementMetric, |guest| {
                let done = guest.host().metrics.increment(id, offset);
                done.map_err(|status| guest.violation(format!("cannot add {offset} to metric {id}"), status))
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::RecordMetric.name(),
        |mut caller: Caller<'_, Host>, id: u32, value: u64| {
            run(&mut caller, HostCall::RecordMetric, |guest| {
                let done = guest.host().metrics.record(id, value);
                done.map_err(|status| guest.violation(format!("there is no metric {id}"), status))
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::GetMetric.name(),
        |mut caller: Caller<'_, Host>, id: u32, value: u32| {
            run(&mut caller, HostCall::GetMetric, |guest| {
                let number = guest.host().metrics.get(id);
                let number = number
                    .map_err(|status| guest.violation(format!("there is no value of metric {id}"), status))?;
                guest.write_u64(value, number)
            })
        },
    )?;
    Ok(())
}
