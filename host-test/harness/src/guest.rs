//! A host call in progress: access to the guest's memory, and the ways a call can end.

use wasmtime::{Caller, Extern, Memory, format_err};

use crate::call::{Effect, HostCall};
use crate::error::Violation;
use crate::host::Host;
use crate::status::{Status, errno};

/// How a host call ends other than with success.
pub(crate) enum Stop {
    /// The guest is told a status or an errno.
    Code(u32),
    /// The guest is not told anything any more.
    Fatal(wasmtime::Error),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Code(status.code())
    }
}

pub(crate) type Step<T = ()> = Result<T, Stop>;

/// The guest on whose behalf the host acts.
pub(crate) struct Guest<'a, 'c> {
    caller: &'a mut Caller<'c, Host>,
    call: HostCall,
}

/// Runs a host call: counts it, lets an injection take its place, and turns its end into what the guest sees.
pub(crate) fn run(
    caller: &mut Caller<'_, Host>,
    call: HostCall,
    f: impl FnOnce(&mut Guest<'_, '_>) -> Step,
) -> wasmtime::Result<u32> {
    let effect = caller.data_mut().begin(call);
    let mut guest = Guest { caller, call };
    let end = match effect {
        None => guest.check_phase().and_then(|()| f(&mut guest)),
        Some(effect) => injected(call, &effect),
    };
    finish(end)
}

/// The same for a call that hands bytes to the guest.
pub(crate) fn run_bytes(
    caller: &mut Caller<'_, Host>,
    call: HostCall,
    (pointer, size): (u32, u32),
    f: impl FnOnce(&mut Guest<'_, '_>) -> Step<Vec<u8>>,
) -> wasmtime::Result<u32> {
    let effect = caller.data_mut().begin(call);
    let mut guest = Guest { caller, call };
    let end = match effect {
        None => {
            let bytes = guest.check_phase().and_then(|()| f(&mut guest));
            bytes.and_then(|bytes| guest.give(pointer, size, &bytes))
        }
        Some(Effect::Bytes(bytes)) => guest.give(pointer, size, &bytes),
        Some(effect) => injected(call, &effect),
    };
    finish(end)
}

fn injected(call: HostCall, effect: &Effect) -> Step {
    match effect {
        Effect::Status(code) => Err(Stop::Code(*code)),
        Effect::Trap => Err(Stop::Fatal(format_err!("injected trap in `{call}`"))),
        // Refused by `Vm::inject` for calls that return no bytes.
        Effect::Bytes(_) => Ok(()),
    }
}

fn finish(end: Step) -> wasmtime::Result<u32> {
    match end {
        Ok(()) => Ok(Status::Ok.code()),
        Err(Stop::Code(code)) => Ok(code),
        Err(Stop::Fatal(error)) => Err(error),
    }
}

impl Guest<'_, '_> {
    pub(crate) fn host(&mut self) -> &mut Host {
        self.caller.data_mut()
    }

    /// Records a violation: the end of the call in a strict host, the status that Envoy would give in a lenient one.
    pub(crate) fn violation(&mut self, what: impl Into<String>, lenient: Status) -> Stop {
        self.violation_code(what, lenient.code())
    }

    /// The same where Envoy does something in spite of it: a lenient host goes on.
    pub(crate) fn misuse(&mut self, what: impl Into<String>) -> Step {
        match self.violation(what, Status::Ok) {
            Stop::Code(_) => Ok(()),
            fatal @ Stop::Fatal(_) => Err(fatal),
        }
    }

    /// Whether the call may be made at all at this time.
    fn check_phase(&mut self) -> Step {
        let call = self.call;
        if call.is_allowed_at_start() || !self.host().initialises() {
            return Ok(());
        }
        match self.violation("the module has no context yet", Status::InternalFailure) {
            // Envoy lets the module trap.
            Stop::Code(_) => {
                Err(Stop::Fatal(format_err!("`{call}` is restricted while the module initialises")))
            }
            fatal @ Stop::Fatal(_) => Err(fatal),
        }
    }

    fn violation_code(&mut self, what: impl Into<String>, answer: u32) -> Stop {
        let call = self.call;
        let host = self.host();
        let (callback, context) = (host.callback, host.context());
        let violation = Violation { call, callback, context, what: what.into(), answer };
        host.violations.push(violation.clone());
        if !host.strict {
            return Stop::Code(answer);
        }
        host.fatal = Some(violation.clone());
        Stop::Fatal(format_err!("{violation}"))
    }

    fn out_of_range(&mut self, pointer: u32, size: usize) -> Stop {
        let code = if self.call.is_wasi() { errno::FAULT } else { Status::InvalidMemoryAccess.code() };
        self.violation_code(format!("{size} bytes at {pointer:#x} are outside of the guest's memory"), code)
    }

    fn memory(&mut self) -> Step<Memory> {
        // Nothing is cached yet while a start function runs.
        let cached = self.host().memory;
        cached
            .or_else(|| self.caller.get_export("memory").and_then(Extern::into_memory))
            .ok_or_else(|| Stop::Fatal(format_err!("the module exports no `memory`")))
    }

    pub(crate) fn read(&mut self, pointer: u32, size: u32) -> Step<Vec<u8>> {
        let memory = self.memory()?;
        let (start, len) = (pointer as usize, size as usize);
        let bytes =
            memory.data(&*self.caller).get(start..).and_then(|tail| tail.get(..len)).map(<[u8]>::to_vec);
        bytes.ok_or_else(|| self.out_of_range(pointer, len))
    }

    /// Bytes that must be UTF-8.
    pub(crate) fn text(&mut self, pointer: u32, size: u32, what: &str) -> Step<String> {
        let bytes = self.read(pointer, size)?;
        String::from_utf8(bytes)
            .map_err(|_| self.violation(format!("{what} is no UTF-8"), Status::BadArgument))
    }

    pub(crate) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Step {
        let memory = self.memory()?;
        let start = pointer as usize;
        let target =
            memory.data_mut(&mut *self.caller).get_mut(start..).and_then(|tail| tail.get_mut(..bytes.len()));
        match target {
            Some(target) => {
                target.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(self.out_of_range(pointer, bytes.len())),
        }
    }

    pub(crate) fn write_u32(&mut self, pointer: u32, value: u32) -> Step {
        self.write(pointer, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, pointer: u32, value: u64) -> Step {
        self.write(pointer, &value.to_le_bytes())
    }

    /// Copies bytes into memory that the guest allocates, and tells it where they are. Nothing is a null pointer.
    fn give(&mut self, pointer: u32, size: u32, bytes: &[u8]) -> Step {
        let len = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        let address = if len == 0 { 0 } else { self.allocate(len)? };
        if len != 0 {
            self.write(address, bytes)?;
        }
        self.write_u32(pointer, address)?;
        self.write_u32(size, len)
    }

    fn allocate(&mut self, len: u32) -> Step<u32> {
        let Some(allocate) = self.host().allocate.clone() else {
            return Err(Stop::Fatal(format_err!("the module exports no allocator")));
        };
        match allocate.call(&mut *self.caller, len) {
            // Envoy gives up on the call, not on the virtual machine.
            Ok(0) => Err(Status::InvalidMemoryAccess.into()),
            Ok(address) => Ok(address),
            Err(error) => Err(Stop::Fatal(error)),
        }
    }
}
