//! The few functions of WASI preview 1 that Rust's standard library needs, answered as Envoy answers them.

use wasmtime::{Caller, Linker, format_err};

use crate::call::HostCall;
use crate::guest::{Guest, Step, Stop, run};
use crate::host::Host;
use crate::log::LogLevel;
use crate::status::errno;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    arguments(linker)?;
    environment(linker)?;
    files(linker)?;
    absent_files(linker)?;
    const MODULE: &str = HostCall::RandomGet.module();
    linker.func_wrap(
        MODULE,
        HostCall::RandomGet.name(),
        |mut caller: Caller<'_, Host>, buffer: u32, size: u32| {
            run(&mut caller, HostCall::RandomGet, |guest| random_get(guest, buffer, size))
        },
    )?;
    linker.func_wrap(
        MODULE,
        HostCall::ClockTimeGet.name(),
        |mut caller: Caller<'_, Host>, clock: u32, _precision: u64, time: u32| {
            run(&mut caller, HostCall::ClockTimeGet, |guest| {
                let now = match clock {
                    0 => guest.host().now,
                    1 => guest.host().monotonic,
                    _ => return Err(Stop::Code(errno::NOTSUP)),
                };
                guest.write_u64(time, now)
            })
        },
    )?;
    linker.func_wrap(MODULE, HostCall::SchedYield.name(), |mut caller: Caller<'_, Host>| {
        run(&mut caller, HostCall::SchedYield, |_| Ok(()))
    })?;
    linker.func_wrap(MODULE, HostCall::ProcExit.name(), |mut caller: Caller<'_, Host>, code: u32| {
        // It cannot return, so the errno of an injection has nowhere to go.
        let exit =
            |_: &mut Guest<'_, '_>| Err(Stop::Fatal(format_err!("the filter exited with code {code}")));
        match run(&mut caller, HostCall::ProcExit, exit) {
            Ok(code) => Err(format_err!("injected exit with code {code}")),
            Err(error) => Err::<(), _>(error),
        }
    })?;
    Ok(())
}

/// A filter has no arguments.
fn arguments(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    const MODULE: &str = HostCall::ArgsGet.module();
    linker.func_wrap(
        MODULE,
        HostCall::ArgsSizesGet.name(),
        |mut caller: Caller<'_, Host>, count: u32, size: u32| {
            run(&mut caller, HostCall::ArgsSizesGet, |guest| {
                guest.write_u32(count, 0)?;
                guest.write_u32(size, 0)
            })
        },
    )?;
    linker.func_wrap(
        MODULE,
        HostCall::ArgsGet.name(),
        |mut caller: Caller<'_, Host>, _list: u32, _buffer: u32| {
            run(&mut caller, HostCall::ArgsGet, |_| Ok(()))
        },
    )?;
    Ok(())
}

fn environment(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    const MODULE: &str = HostCall::EnvironGet.module();
    linker.func_wrap(
        MODULE,
        HostCall::EnvironSizesGet.name(),
        |mut caller: Caller<'_, Host>, count: u32, size: u32| {
            run(&mut caller, HostCall::EnvironSizesGet, |guest| {
                let variables = variables(guest);
                guest.write_u32(count, u32::try_from(variables.len()).unwrap_or(u32::MAX))?;
                let bytes = variables.iter().map(Vec::len).sum::<usize>();
                guest.write_u32(size, u32::try_from(bytes).unwrap_or(u32::MAX))
            })
        },
    )?;
    linker.func_wrap(
        MODULE,
        HostCall::EnvironGet.name(),
        |mut caller: Caller<'_, Host>, mut list: u32, mut buffer: u32| {
            run(&mut caller, HostCall::EnvironGet, |guest| {
                for variable in variables(guest) {
                    guest.write_u32(list, buffer)?;
                    guest.write(buffer, &variable)?;
                    list = list.saturating_add(4);
                    buffer = buffer.saturating_add(u32::try_from(variable.len()).unwrap_or(u32::MAX));
                }
                Ok(())
            })
        },
    )?;
    Ok(())
}

/// Each as `name=value` and a NUL.
fn variables(guest: &mut Guest<'_, '_>) -> Vec<Vec<u8>> {
    let variables = guest.host().environment.iter();
    variables.map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

/// What runtime libraries of other languages ask before they find that there are no files, sockets or timers.
fn absent_files(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    const MODULE: &str = HostCall::PathOpen.module();
    linker.func_wrap(
        MODULE,
        HostCall::FdRead.name(),
        |mut caller: Caller<'_, Host>, _fd: u32, _vectors: u32, _count: u32, _read: u32| {
            run(&mut caller, HostCall::FdRead, |_| Err(Stop::Code(errno::NOSYS)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        HostCall::FdPrestatGet.name(),
        |mut caller: Caller<'_, Host>, _fd: u32, _buffer: u32| {
            run(&mut caller, HostCall::FdPrestatGet, |_| Err(Stop::Code(errno::BADF)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        HostCall::FdPrestatDirName.name(),
        |mut caller: Caller<'_, Host>, _fd: u32, _path: u32, _size: u32| {
            run(&mut caller, HostCall::FdPrestatDirName, |_| Err(Stop::Code(errno::NOSYS)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        HostCall::FdFdstatSetFlags.name(),
        |mut caller: Caller<'_, Host>, _fd: u32, _flags: u32| {
            run(&mut caller, HostCall::FdFdstatSetFlags, |_| Err(Stop::Code(errno::NOSYS)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        HostCall::PathOpen.name(),
        |mut caller: Caller<'_, Host>,
         _fd: u32,
         _lookup: u32,
         _path: u32,
         _size: u32,
         _open: u32,
         _rights: u64,
         _inherited: u64,
         _flags: u32,
         _opened: u32| { run(&mut caller, HostCall::PathOpen, |_| Err(Stop::Code(errno::NOENT))) },
    )?;
    linker.func_wrap(
        MODULE,
        HostCall::PollOneoff.name(),
        |mut caller: Caller<'_, Host>, _subscriptions: u32, _events: u32, _count: u32, ready: u32| {
            run(&mut caller, HostCall::PollOneoff, |guest| guest.write_u32(ready, 0))
        },
    )?;
    Ok(())
}

fn files(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    const MODULE: &str = HostCall::FdWrite.module();
    linker.func_wrap(
        MODULE,
        HostCall::FdWrite.name(),
        |mut caller: Caller<'_, Host>, fd: u32, vectors: u32, count: u32, written: u32| {
            run(&mut caller, HostCall::FdWrite, |guest| fd_write(guest, fd, vectors, count, written))
        },
    )?;
    linker.func_wrap(MODULE, HostCall::FdClose.name(), |mut caller: Caller<'_, Host>, _fd: u32| {
        run(&mut caller, HostCall::FdClose, |_| Ok(()))
    })?;
    linker.func_wrap(
        MODULE,
        HostCall::FdSeek.name(),
        |mut caller: Caller<'_, Host>, _fd: u32, _offset: i64, _whence: u32, _position: u32| {
            // Envoy says that it worked and leaves the position alone.
            run(&mut caller, HostCall::FdSeek, |_| Ok(()))
        },
    )?;
    linker.func_wrap(
        MODULE,
        HostCall::FdFdstatGet.name(),
        |mut caller: Caller<'_, Host>, fd: u32, status: u32| {
            run(&mut caller, HostCall::FdFdstatGet, |guest| {
                standard_stream(fd)?;
                let mut record = [0_u8; 24];
                // `fs_rights_base`, at offset 8, says that it may be written to.
                if let Some(rights) = record.get_mut(8) {
                    *rights = 64;
                }
                guest.write(status, &record)
            })
        },
    )?;
    Ok(())
}

fn standard_stream(fd: u32) -> Step<LogLevel> {
    match fd {
        1 => Ok(LogLevel::Info),
        2 => Ok(LogLevel::Error),
        _ => Err(Stop::Code(errno::BADF)),
    }
}

fn fd_write(guest: &mut Guest<'_, '_>, fd: u32, vectors: u32, count: u32, written: u32) -> Step {
    let level = standard_stream(fd)?;
    let mut text = Vec::new();
    for index in 0..count {
        let at = index.checked_mul(8).and_then(|offset| vectors.checked_add(offset));
        let at = at.ok_or(Stop::Code(errno::FAULT))?;
        let (pointer, size) = (read_u32(guest, at)?, read_u32(guest, at.saturating_add(4))?);
        text.extend(guest.read(pointer, size)?);
    }
    let len = u32::try_from(text.len()).map_err(|_| Stop::Code(errno::FAULT))?;
    if len > 0 {
        let message = String::from_utf8_lossy(&text);
        let message = message.strip_suffix('\n').unwrap_or(&message).to_owned();
        guest.host().log(level, message);
    }
    guest.write_u32(written, len)
}

fn read_u32(guest: &mut Guest<'_, '_>, pointer: u32) -> Step<u32> {
    let bytes = guest.read(pointer, 4)?;
    bytes.try_into().map(u32::from_le_bytes).map_err(|_| Stop::Code(errno::FAULT))
}

/// What Envoy gives at once, at most.
const MOST_RANDOM: u32 = 64 * 1024;

fn random_get(guest: &mut Guest<'_, '_>, buffer: u32, size: u32) -> Step {
    if size > MOST_RANDOM {
        return Err(Stop::Code(errno::INVAL));
    }
    // Found out before anything is allocated for it.
    guest.read(buffer, size)?;
    let mut bytes = Vec::new();
    while bytes.len() < size as usize {
        bytes.extend(guest.host().next_random());
    }
    bytes.truncate(size as usize);
    guest.write(buffer, &bytes)
}
