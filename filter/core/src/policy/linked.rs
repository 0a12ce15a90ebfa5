//! Running the policies that are linked into this module, each in a sandbox of its own.
//!
//! A [`Seam`] gives the few primitive operations that the linker provides; everything else is here, so it is the same
//! in the proxy and at the desk. Every call starts from the state that `configure` left, to the byte: memory, globals
//! and size. (Tables never change; the linker takes no policy that changes one.)

use super::call::PolicyCall;
use super::canonical_abi::{PolicyMemory, lift_configured, lift_verdict};
use super::context::RequestContext;
use super::policies::{CheckResult, Complaint, LinkedPolicy, Policies};
use super::verdict::{Fault, Verdict};
use crate::config::PolicyEntry;
use crate::{json, limits};
use mandate_seam::passed::{ARGUMENTS, NO_IMAGE, REQUEST_HANDLE};
use mandate_seam::{HostFunction, PolicyFunction, list};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The primitive operations on linked policies, by position. One policy runs at a time.
pub trait Seam {
    /// The policies that are linked, as JSON: see `seam::list`.
    fn linked(&self) -> Vec<u8>;

    /// Puts a policy into its initial state, and gives the bytes of its memory. Nothing of it has run.
    fn initialise(&mut self, policy: u32) -> u32;

    /// Sets what the next calls may use: fuel, and bytes of memory.
    fn allow(&mut self, fuel: u64, memory_bytes: u32);

    /// The fuel that is left.
    fn fuel(&self) -> u64;

    /// Takes fuel.
    ///
    /// # Errors
    /// [`Fault::Fuel`] if that is more than there is.
    fn charge(&mut self, units: u64) -> Result<(), Fault>;

    /// Calls into a policy, which may ask `call`; without one it may ask nothing.
    ///
    /// # Errors
    /// How it failed.
    fn call(
        &mut self,
        policy: u32,
        function: PolicyFunction,
        args: [u32; ARGUMENTS],
        call: Option<&PolicyCall<'_>>,
    ) -> Result<u32, Fault>;

    /// The bytes of the memory that a policy has now.
    fn size(&self) -> u32;

    /// Reads from a policy's memory.
    ///
    /// # Errors
    /// [`Fault::Malformed`] beyond its end.
    fn read(&self, policy: u32, at: u32, into: &mut [u8]) -> Result<(), Fault>;

    /// Writes into a policy's memory.
    ///
    /// # Errors
    /// [`Fault::Malformed`] beyond its end.
    fn write(&mut self, policy: u32, at: u32, bytes: &[u8]) -> Result<(), Fault>;

    /// Copies a policy's mutable globals, eight bytes each, and gives how many there are.
    fn save_globals(&self, policy: u32, into: &mut [u64; limits::POLICY_GLOBALS]) -> usize;

    /// Puts a policy back: its memory to `memory` and nothing beyond, its globals to `globals`. Where the policy's memory was
    /// last put back to the `image` of this number, only what was touched since need be copied; not for [`NO_IMAGE`].
    fn restore(&mut self, policy: u32, memory: &[u8], globals: &[u64], image: u32);
}

/// The state of a policy after `configure`.
#[derive(Debug)]
struct Image {
    policy: u32,
    obligation_cases: u8,
    number: u32,
    memory: Vec<u8>,
    globals: Vec<u64>,
}

/// The policies that are linked into this module.
#[derive(Debug)]
pub struct LinkedPolicies<S> {
    seam: S,
    linked: Vec<LinkedPolicy>,
    /// How many cases of `obligation` each of them has.
    obligation_cases: Vec<u8>,
    /// By the name of the entry: two entries may use one policy.
    images: BTreeMap<String, Image>,
}

/// A number for an image that no other has in this virtual machine, of whichever configuration; none once they ran out.
fn image_number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let next = |last: u32| last.checked_add(1);
    LAST.fetch_update(Relaxed, Relaxed, next).ok().and_then(next).unwrap_or(NO_IMAGE)
}

/// The memory of the policy that is being called.
struct Inside<'s, S> {
    seam: &'s mut S,
    policy: u32,
}

impl<S: Seam> LinkedPolicies<S> {
    /// What is linked into the module of `seam`.
    ///
    /// # Errors
    /// A sentence, if the module's own list cannot be read.
    pub fn new(seam: S) -> Result<Self, String> {
        let list = json::parse(&seam.linked(), limits::JSON_DEPTH)
            .map_err(|error| format!("the module's list of policies cannot be read: {error}"))?;
        let text = |policy: &Value, member: &str| Some(policy.get(member)?.as_str()?.to_owned());
        let one = |policy: &Value| {
            let linked =
                LinkedPolicy { name: text(policy, list::NAME)?, sha256: text(policy, list::SHA256)? };
            let cases = policy.get(list::OBLIGATION_CASES)?.as_u64()?;
            Some((linked, u8::try_from(cases).ok()?))
        };
        let listed: Option<Vec<_>> = list.as_array().and_then(|list| list.iter().map(one).collect());
        let listed = listed.ok_or("the module's list of policies has another form than this filter reads")?;
        let (linked, obligation_cases) = listed.into_iter().unzip();
        Ok(Self { seam, linked, obligation_cases, images: BTreeMap::new() })
    }

    /// Runs what a component runs on instantiation, then `configure`.
    fn prepare(&mut self, policy: u32, entry: &PolicyEntry) -> Result<Result<(), Vec<Complaint>>, Fault> {
        let seam = &mut self.seam;
        let memory_bytes = u32::try_from(entry.limits.memory_bytes).unwrap_or(u32::MAX);
        let needed = seam.initialise(policy);
        if needed > memory_bytes {
            let message = format!(
                "the policy needs {needed} bytes of memory, and its `limits.memory_bytes` is {memory_bytes}"
            );
            return Ok(Err(vec![Complaint::whole(message)]));
        }
        seam.allow(limits::POLICY_CONFIGURE_FUEL, memory_bytes);
        // While a module is instantiated its imports are not all there yet, so nothing may be asked.
        seam.call(policy, PolicyFunction::Start, [0; ARGUMENTS], None)?;
        let call = PolicyCall::default();
        seam.call(policy, PolicyFunction::Initialise, [0; ARGUMENTS], Some(&call))?;
        let settings = entry.settings.to_string();
        let len = u32::try_from(settings.len()).map_err(|_| Fault::Memory)?;
        let mut inside = Inside { seam, policy };
        let at = inside.allocate(1, len)?;
        inside.write(at, settings.as_bytes())?;
        let result = inside.seam.call(policy, PolicyFunction::Configure, [at, len, 0, 0], Some(&call))?;
        let configured = lift_configured(&inside, result, limits::POLICY_CONFIGURE_OUTPUT_BYTES)?;
        inside.seam.call(policy, PolicyFunction::PostConfigure, [result, 0, 0, 0], None)?;
        Ok(configured)
    }

    /// Keeps the state that every call will start from.
    fn keep(&mut self, policy: u32, entry: &PolicyEntry) -> Result<(), Fault> {
        let kept: usize = self.images.values().map(|image| image.memory.len()).sum();
        if kept.saturating_add(self.seam.size() as usize) > limits::POLICY_IMAGE_BYTES {
            return Err(Fault::Memory);
        }
        let mut memory = vec![0; self.seam.size() as usize];
        self.seam.read(policy, 0, &mut memory)?;
        let mut globals = [0; limits::POLICY_GLOBALS];
        let count = self.seam.save_globals(policy, &mut globals);
        let globals = globals.get(..count).ok_or(Fault::Malformed)?.to_vec();
        let number = image_number();
        let cases = usize::try_from(policy).ok().and_then(|policy| self.obligation_cases.get(policy));
        let obligation_cases = *cases.ok_or(Fault::Missing)?;
        let image = Image { policy, obligation_cases, number, memory, globals };
        self.images.insert(entry.name.clone(), image);
        Ok(())
    }

    fn ask(
        seam: &mut S,
        image: &Image,
        entry: &PolicyEntry,
        call: &PolicyCall<'_>,
    ) -> Result<Verdict, Fault> {
        let policy = image.policy;
        let output_bytes = u32::try_from(entry.limits.output_bytes).unwrap_or(u32::MAX);
        let result = seam.call(policy, PolicyFunction::Check, [REQUEST_HANDLE, 0, 0, 0], Some(call))?;
        call.end()?;
        let cases = image.obligation_cases;
        let verdict = lift_verdict(&Inside { seam, policy }, result, output_bytes, cases)?;
        seam.call(policy, PolicyFunction::PostCheck, [result, 0, 0, 0], None)?;
        Ok(verdict)
    }
}

impl<S: Seam> Policies for LinkedPolicies<S> {
    fn linked(&self) -> &[LinkedPolicy] {
        &self.linked
    }

    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        let position = self.linked.iter().position(|l| l.name == entry.policy);
        let Some(policy) = position.and_then(|p| u32::try_from(p).ok()) else {
            return Err(vec![Complaint::whole(format!(
                "no policy `{}` is linked into this module",
                entry.policy
            ))]);
        };
        let failed = |fault: Fault| vec![Complaint::whole(format!("the policy failed: {fault}"))];
        self.prepare(policy, entry).map_err(failed)?.map_err(|mut complaints| {
            complaints.truncate(limits::POLICY_PROBLEMS);
            if complaints.is_empty() {
                complaints.push(Complaint::whole("the policy refuses its settings and does not say why"));
            }
            complaints
        })?;
        self.keep(policy, entry).map_err(failed)
    }

    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult {
        let Self { seam, images, .. } = self;
        let Some(image) = images.get(&entry.name) else {
            return Err(Fault::Missing).into();
        };
        seam.restore(image.policy, &image.memory, &image.globals, image.number);
        seam.allow(entry.limits.fuel, u32::try_from(entry.limits.memory_bytes).unwrap_or(u32::MAX));
        let call = PolicyCall::with_request(request);
        let verdict = Self::ask(seam, image, entry, &call);
        let fuel = Some(entry.limits.fuel.saturating_sub(seam.fuel()));
        CheckResult { verdict, fuel, log: call.into_log() }
    }
}

impl<S: Seam> PolicyMemory for Inside<'_, S> {
    fn read(&self, at: u32, into: &mut [u8]) -> Result<(), Fault> {
        self.seam.read(self.policy, at, into)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.seam.write(self.policy, at, bytes)
    }

    fn allocate(&mut self, align: u32, size: u32) -> Result<u32, Fault> {
        self.seam.call(self.policy, PolicyFunction::Realloc, [0, 0, align, size], None)
    }

    fn charge(&mut self, units: u64) -> Result<(), Fault> {
        self.seam.charge(units)
    }
}

/// Answers a question of `policy` during a call: for a [`Seam`] whose policy came back with it.
///
/// # Errors
/// What ends the call.
pub fn host_call<S: Seam>(
    seam: &mut S,
    policy: u32,
    call: &PolicyCall<'_>,
    function: u32,
    args: [u32; ARGUMENTS],
) -> Result<u64, Fault> {
    let function = HostFunction::from_number(function).ok_or(Fault::Malformed)?;
    call.answer(&mut Inside { seam, policy }, function, args)
}
