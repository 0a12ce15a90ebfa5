//! The host functions, each in the file of its kind. A call decodes its pointers, checks that it is in season, acts on the
//! [`Host`], and writes its results back; [`guest`](crate::guest) counts and injects around it.

mod data;
mod map;
mod proxy;
mod stream;
mod wasi;

use wasmtime::{Caller, Engine, FuncType, Linker, Val, ValType};

use crate::call::HostCall;
use crate::guest::run;
use crate::host::Host;
use crate::status::Status;

/// Every host function, ready for any filter.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    proxy::link(&mut linker)?;
    map::link(&mut linker)?;
    stream::link(&mut linker)?;
    data::link(&mut linker)?;
    wasi::link(&mut linker)?;
    unexpected(&mut linker)?;
    Ok(linker)
}

/// Functions of the ABI that this project never calls, and that another module may import: they link, and end the call.
fn unexpected(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    // Every parameter and every result is an `i32`.
    const PARAMETERS: [(HostCall, usize); 12] = [
        (HostCall::GetHeaderMapSize, 2),
        (HostCall::GetBufferStatus, 3),
        (HostCall::GetStatus, 3),
        (HostCall::RegisterSharedQueue, 3),
        (HostCall::ResolveSharedQueue, 5),
        (HostCall::DequeueSharedQueue, 3),
        (HostCall::EnqueueSharedQueue, 3),
        (HostCall::GrpcCall, 12),
        (HostCall::GrpcStream, 9),
        (HostCall::GrpcSend, 4),
        (HostCall::GrpcCancel, 1),
        (HostCall::GrpcClose, 1),
    ];
    for (call, parameters) in PARAMETERS {
        let kind = FuncType::new(linker.engine(), vec![ValType::I32; parameters], [ValType::I32]);
        linker.func_new(call.module(), call.name(), kind, move |mut caller, _, results| {
            let code = refuse(&mut caller, call)?;
            if let Some(result) = results.first_mut() {
                *result = Val::I32(code.cast_signed());
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn refuse(caller: &mut Caller<'_, Host>, call: HostCall) -> wasmtime::Result<u32> {
    run(caller, call, |guest| {
        Err(guest.violation(
            "this host does not implement the call, and no filter of ours needs it",
            Status::Unimplemented,
        ))
    })
}
