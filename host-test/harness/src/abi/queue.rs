//! Shared queues.

use wasmtime::{Caller, Linker};

use crate::call::HostCall;
use crate::guest::{Guest, Step, run, run_bytes};
use crate::host::Host;
use crate::shared::Listener;
use crate::status::Status;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        HostCall::RegisterSharedQueue.name(),
        |mut caller: Caller<'_, Host>, name: u32, name_size: u32, token: u32| {
            run(&mut caller, HostCall::RegisterSharedQueue, |guest| {
                let name = guest.text(name, name_size, "the queue's name")?;
                let number = register(guest, &name)?;
                guest.write_u32(token, number)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::ResolveSharedQueue.name(),
        |mut caller: Caller<'_, Host>, vm_id: u32, vm_id_size: u32, name: u32, name_size: u32, token: u32| {
            run(&mut caller, HostCall::ResolveSharedQueue, |guest| {
                let vm_id = guest.text(vm_id, vm_id_size, "the virtual machine's id")?;
                let name = guest.text(name, name_size, "the queue's name")?;
                let shared = &guest.host().shared;
                let vm_id = if vm_id.is_empty() { shared.vm_id() } else { &vm_id };
                let number = shared.resolve(vm_id, &name).ok_or(Status::NotFound)?;
                guest.write_u32(token, number)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::EnqueueSharedQueue.name(),
        |mut caller: Caller<'_, Host>, token: u32, data: u32, size: u32| {
            run(&mut caller, HostCall::EnqueueSharedQueue, |guest| {
                let item = guest.read(data, size)?;
                Ok(guest.host().shared.push(token, item)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::DequeueSharedQueue.name(),
        |mut caller: Caller<'_, Host>, token: u32, data: u32, size: u32| {
            run_bytes(&mut caller, HostCall::DequeueSharedQueue, (data, size), |guest| {
                Ok(guest.host().shared.pop(token)?)
            })
        },
    )?;
    Ok(())
}

/// The root context is told of what comes, whichever context of it registers.
fn register(guest: &mut Guest<'_, '_>, name: &str) -> Step<u32> {
    let host = guest.host();
    let Some(root) = host.root() else {
        return Err(guest.violation("registers a queue outside of any context", Status::InternalFailure));
    };
    let listener = Listener { worker: host.worker, root };
    Ok(host.shared.register(name, listener))
}
