//! The host functions, each in the file of its kind. A call decodes its pointers, checks that it may be made now, acts on the
//! [`Host`], and writes its results back; [`guest`](crate::guest) counts and injects around it.

mod data;
mod grpc;
mod map;
mod proxy;
mod queue;
mod stream;
mod wasi;

use wasmtime::{Engine, Linker};

use crate::call::HostCall;
use crate::host::Host;

/// Every host function, ready for any filter.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    proxy::link(&mut linker)?;
    map::link(&mut linker)?;
    stream::link(&mut linker)?;
    data::link(&mut linker)?;
    queue::link(&mut linker)?;
    grpc::link(&mut linker)?;
    wasi::link(&mut linker)?;
    // As old toolchains call it.
    linker.alias_module(HostCall::FdWrite.module(), "wasi_unstable")?;
    Ok(linker)
}
