//! Logging, time, ticks, and the context that calls act on.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use crate::call::HostCall;
use crate::guest::{Guest, Step, run, run_bytes};
use crate::host::{Arrival, Host, VM_CONTEXT};
use crate::log::LogLevel;
use crate::plugin::Closing;
use crate::status::Status;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        HostCall::Log.name(),
        |mut caller: Caller<'_, Host>, level: u32, message: u32, size: u32| {
            run(&mut caller, HostCall::Log, |guest| log(guest, level, message, size))
        },
    )?;
    linker.func_wrap("env", HostCall::GetLogLevel.name(), |mut caller: Caller<'_, Host>, level: u32| {
        run(&mut caller, HostCall::GetLogLevel, |guest| {
            let value = guest.host().log_level as u32;
            guest.write_u32(level, value)
        })
    })?;
    linker.func_wrap(
        "env",
        HostCall::GetCurrentTimeNanoseconds.name(),
        |mut caller: Caller<'_, Host>, time: u32| {
            run(&mut caller, HostCall::GetCurrentTimeNanoseconds, |guest| {
                let now = guest.host().now;
                guest.write_u64(time, now)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::SetTickPeriodMilliseconds.name(),
        |mut caller: Caller<'_, Host>, period: u32| {
            run(&mut caller, HostCall::SetTickPeriodMilliseconds, |guest| {
                let host = guest.host();
                let root = host.root();
                if let Some(root) = root.and_then(|root| host.roots.get_mut(&root)) {
                    // Envoy disables the timer on 0.
                    root.tick_period = (period != 0).then(|| Duration::from_millis(period.into()));
                }
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::SetEffectiveContext.name(),
        |mut caller: Caller<'_, Host>, context: u32| {
            run(&mut caller, HostCall::SetEffectiveContext, |guest| set_effective_context(guest, context))
        },
    )?;
    linker.func_wrap("env", HostCall::Done.name(), |mut caller: Caller<'_, Host>| {
        run(&mut caller, HostCall::Done, done)
    })?;
    linker.func_wrap(
        "env",
        HostCall::GetStatus.name(),
        |mut caller: Caller<'_, Host>, code: u32, message: u32, size: u32| {
            run_bytes(&mut caller, HostCall::GetStatus, (message, size), |guest| get_status(guest, code))
        },
    )?;
    linker.func_wrap(
        "env",
        HostCall::NotifyMemoryGrowth.name(),
        |mut caller: Caller<'_, Host>, _memory: u32| {
            run(&mut caller, HostCall::NotifyMemoryGrowth, |_| Ok(())).map(drop)
        },
    )?;
    Ok(())
}

/// Only a context of a plugin that asked for time in `proxy_on_done` may say this.
fn done(guest: &mut Guest<'_, '_>) -> Step {
    let host = guest.host();
    let root = host.root();
    match root.and_then(|root| Some((root, host.roots.get_mut(&root)?))) {
        Some((id, root)) if root.closing == Closing::Waiting => {
            root.closing = Closing::Finished;
            host.touched.insert(id);
            Ok(())
        }
        _ => Err(guest.violation("nothing waits for the context to be done", Status::NotFound)),
    }
}

fn get_status(guest: &mut Guest<'_, '_>, code: u32) -> Step<Vec<u8>> {
    if matches!(guest.host().arrival(), Arrival::Nothing | Arrival::ForeignArguments(_)) {
        guest.misuse("reads the status of a call outside of the call's callbacks")?;
    }
    let host = guest.host();
    let root = host.root().and_then(|root| host.roots.get(&root));
    let (number, message) =
        root.map_or((0, Vec::new()), |root| (root.status.0, root.status.1.clone().into_bytes()));
    guest.write_u32(code, number)?;
    Ok(message)
}

fn log(guest: &mut Guest<'_, '_>, level: u32, message: u32, size: u32) -> Step {
    let Some(level) = LogLevel::from_code(level) else {
        return Err(guest.violation(format!("there is no log level {level}"), Status::BadArgument));
    };
    let message = guest.text(message, size, "the message")?;
    guest.host().log(level, message);
    Ok(())
}

fn set_effective_context(guest: &mut Guest<'_, '_>, context: u32) -> Step {
    let host = guest.host();
    if context != VM_CONTEXT && !host.has_context(context) {
        // A stream may have ended while the filter waited for an answer: Envoy says so with a status, and that is no misuse.
        if context < host.next_context {
            return Err(Status::BadArgument.into());
        }
        return Err(guest.violation(format!("there never was a context {context}"), Status::BadArgument));
    }
    host.effective = context;
    Ok(())
}
