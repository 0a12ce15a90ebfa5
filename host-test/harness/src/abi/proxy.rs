//! Logging, time, ticks, and the context that calls act on.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use crate::call::HostCall;
use crate::guest::{Guest, Step, run};
use crate::host::{Host, LogLevel};
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
                // Envoy disables the timer on 0.
                guest.host().tick_period = (period != 0).then(|| Duration::from_millis(period.into()));
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
        run(&mut caller, HostCall::Done, |guest| {
            // Only a context that asked for time in `proxy_on_done` may say this; none here is given any.
            Err(guest.violation("nothing waits for the context to be done", Status::NotFound))
        })
    })?;
    Ok(())
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
    // A stream may have ended while the filter waited for an answer: Envoy says so with a status, and that is no misuse.
    if context != host.root && !host.streams.contains_key(&context) {
        return Err(Status::BadArgument.into());
    }
    host.effective = context;
    Ok(())
}
