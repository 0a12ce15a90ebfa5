//! What a policy may ask during one call, and how it is answered.

use super::canonical_abi::{
    PolicyMemory, lift_text as lift, put_action, put_argument, put_claim, put_header, put_header_values,
    put_identity, put_optional_identity, put_optional_text, put_route, put_text, put_texts,
};
use super::context::RequestContext;
use super::log::PolicyLog;
use super::verdict::Fault;
use crate::http::Host;
use crate::limits;
use crate::log_level::LogLevel;
use mandate_seam::HostFunction;
use mandate_seam::layout::level;
use mandate_seam::passed::{ARGUMENTS, REQUEST_HANDLE};
use std::cell::{Cell, RefCell};

/// One call into a policy, seen from the host: what it may ask, and what it logged.
#[derive(Debug, Default)]
pub struct PolicyCall<'a> {
    request: Option<&'a RequestContext<'a>>,
    lent: Cell<bool>,
    log: RefCell<PolicyLog>,
}

impl<'a> PolicyCall<'a> {
    /// A call that lends the request.
    #[must_use]
    pub fn with_request(request: &'a RequestContext<'a>) -> Self {
        Self { request: Some(request), lent: Cell::new(true), log: RefCell::default() }
    }

    /// What was logged.
    #[must_use]
    pub fn into_log(self) -> PolicyLog {
        self.log.into_inner()
    }

    /// A lent handle must be given back before the call returns (Canonical ABI, `exit_call`).
    ///
    /// # Errors
    /// [`Fault::Malformed`] if the policy kept it.
    pub fn end(&self) -> Result<(), Fault> {
        if self.lent.get() { Err(Fault::Malformed) } else { Ok(()) }
    }

    /// Answers one question of the policy. `args` are the core arguments, in order, the rest zero.
    ///
    /// # Errors
    /// What ends the call.
    pub fn answer(
        &self,
        inside: &mut dyn PolicyMemory,
        function: HostFunction,
        args: [u32; ARGUMENTS],
    ) -> Result<u64, Fault> {
        use HostFunction as F;
        inside.charge(limits::HOST_CALL_FUEL)?;
        let [first, a, b, c] = args;
        match function {
            F::Log => return self.log(inside, first, a, b).map(|()| 0),
            F::Drop => {
                self.request(first)?;
                self.lent.set(false);
                return Ok(0);
            }
            _ => {}
        }
        let request = self.request(first)?;
        match function {
            F::Method => put_text(inside, a, request.method())?,
            F::Path => put_text(inside, a, request.path())?,
            F::Header => {
                let name = Self::text(inside, a, b)?;
                put_header(inside, c, request.header(&name))?;
            }
            F::Principal => put_identity(inside, a, request.chain().principal())?,
            F::Agent => put_optional_identity(inside, a, request.chain().agent())?,
            F::HeaderValues => {
                let name = Self::text(inside, a, b)?;
                put_header_values(inside, c, request.header_values(&name))?;
            }
            F::HeaderNames => put_texts(inside, a, &request.header_names())?,
            F::Authority => {
                let host = request.authority();
                put_optional_text(inside, a, host.as_ref().map(Host::as_str))?;
            }
            F::Query => put_optional_text(inside, a, request.query())?,
            F::Action => put_action(inside, a, request.action())?,
            F::Argument => {
                let pointer = Self::text(inside, a, b)?;
                let mut looked_at = 0;
                let argument = request.argument(&pointer, &mut looked_at);
                // Who is sent many members pays for the time that it takes to compare their names.
                inside.charge(u64::try_from(looked_at).unwrap_or(u64::MAX))?;
                put_argument(inside, c, argument)?;
            }
            F::Arguments => put_text(inside, a, request.arguments())?,
            F::ClaimJson => {
                let pointer = Self::text(inside, a, b)?;
                put_optional_text(inside, c, request.claim_json(&pointer).as_deref())?;
            }
            F::HopKind => {
                let kind = usize::try_from(a).ok().and_then(|index| request.hop_kind(index));
                put_optional_text(inside, b, kind)?;
            }
            F::Hop => {
                let hop = usize::try_from(a).ok().and_then(|index| request.chain().hops().get(index));
                put_optional_identity(inside, b, hop.map(|hop| &hop.identity))?;
            }
            F::Scopes => put_texts(inside, a, request.chain().token().scopes())?,
            F::Claim => {
                let pointer = Self::text(inside, a, b)?;
                put_claim(inside, c, request.claim(&pointer))?;
            }
            F::Route => put_route(inside, a, request.route())?,
            // All of them, counted or not: `hop(depth - 1)` is the current actor.
            F::Depth => {
                return Ok(u64::from(u32::try_from(request.chain().hops().len()).unwrap_or(u32::MAX)));
            }
            F::HasScope => {
                let wanted = Self::text(inside, a, b)?;
                return Ok(u64::from(request.chain().token().grants(&wanted)));
            }
            F::Now => return Ok(request.now().as_secs()),
            F::Drop | F::Log => {}
        }
        Ok(0)
    }

    fn request(&self, handle: u32) -> Result<&'a RequestContext<'a>, Fault> {
        match self.request {
            Some(request) if handle == REQUEST_HANDLE && self.lent.get() => Ok(request),
            _ => Err(Fault::Malformed),
        }
    }

    /// Text of a question; its length is paid for before it is looked at, as far as it could be taken at all.
    fn text(inside: &mut dyn PolicyMemory, at: u32, len: u32) -> Result<String, Fault> {
        inside.charge(u64::from(len.min(limits::POLICY_TEXT_BYTES)) / limits::BYTES_PER_FUEL)?;
        lift(inside, at, len)
    }

    fn log(&self, inside: &mut dyn PolicyMemory, level: u32, at: u32, len: u32) -> Result<(), Fault> {
        let level = match u8::try_from(level) {
            Ok(level::DEBUG) => LogLevel::Debug,
            Ok(level::INFO) => LogLevel::Info,
            Ok(level::WARN) => LogLevel::Warn,
            _ => return Err(Fault::Malformed),
        };
        let message = Self::text(inside, at, len)?;
        self.log.borrow_mut().push(level, &message);
        Ok(())
    }
}
