//! The Canonical ABI of the contract `mandate:policy@0.1`: values between a policy's memory and ours.
//!
//! A policy is not trusted: every pointer, length, discriminant and byte of text that comes from it is checked, and what
//! breaks a rule is [`Fault::Malformed`]. The types are closed, so their layouts are written out here; the linker takes
//! no component whose types differ. Sizes and offsets follow from the Canonical ABI's `alignment` and `elem_size`.

use super::context::HeaderError;
use super::policies::Complaint;
use super::verdict::{Fault, Obligation, Verdict};
use crate::chain::Identity;
use crate::limits;
use crate::routes::MatchedRoute;
use serde_json::Value;

/// The memory of one policy during one call.
pub trait PolicyMemory {
    /// Reads from the policy's memory.
    ///
    /// # Errors
    /// [`Fault::Malformed`] beyond its end.
    fn read(&self, at: u32, into: &mut [u8]) -> Result<(), Fault>;

    /// Writes into the policy's memory.
    ///
    /// # Errors
    /// [`Fault::Malformed`] beyond its end.
    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault>;

    /// Has the policy's own `cabi_realloc` find room for a new value.
    ///
    /// # Errors
    /// How that call failed.
    fn allocate(&mut self, align: u32, size: u32) -> Result<u32, Fault>;

    /// Takes fuel for work that is done on behalf of the policy.
    ///
    /// # Errors
    /// [`Fault::Fuel`].
    fn charge(&mut self, units: u64) -> Result<(), Fault>;
}

/// Reads the answer of `check`: `variant { allow(list<obligation>), deny(denial), abstain }`.
///
/// # Errors
/// [`Fault::Malformed`], and [`Fault::Output`] if it is larger than `budget` bytes: its text, and
/// [`limits::POLICY_ELEMENT_BYTES`] for each obligation.
pub fn lift_verdict(inside: &dyn PolicyMemory, at: u32, budget: u32) -> Result<Verdict, Fault> {
    let record: [u8; 20] = record(inside, at)?;
    let budget = &mut Budget(budget);
    match record[0] {
        0 => lift_list(inside, &record, 4, budget, lift_obligation).map(Verdict::Allow),
        1 => {
            let (code, message) = lift_pair(inside, &record, 4, budget)?;
            Ok(Verdict::Deny { code, message })
        }
        2 => Ok(Verdict::Abstain),
        _ => Err(Fault::Malformed),
    }
}

/// Reads the answer of `configure`: `result<_, list<problem>>`.
///
/// # Errors
/// As [`lift_verdict`].
pub fn lift_configured(
    inside: &dyn PolicyMemory,
    at: u32,
    budget: u32,
) -> Result<Result<(), Vec<Complaint>>, Fault> {
    let record: [u8; 12] = record(inside, at)?;
    match record[0] {
        0 => Ok(Ok(())),
        1 => lift_list(inside, &record, 4, &mut Budget(budget), lift_problem).map(Err),
        _ => Err(Fault::Malformed),
    }
}

/// `string`, in UTF-8: the linker takes no other encoding.
pub(crate) fn lift_text(inside: &dyn PolicyMemory, at: u32, len: u32) -> Result<String, Fault> {
    if len > limits::POLICY_TEXT_BYTES {
        return Err(Fault::Output);
    }
    let mut bytes = vec![0; len as usize];
    inside.read(at, &mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Fault::Malformed)
}

/// What an answer may still take.
struct Budget(u32);

impl Budget {
    fn take(&mut self, bytes: u32) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(bytes).ok_or(Fault::Output)?;
        Ok(())
    }
}

/// `variant obligation { header(field), audit(field) }`.
fn lift_obligation(
    inside: &dyn PolicyMemory,
    element: &[u8; 20],
    budget: &mut Budget,
) -> Result<Obligation, Fault> {
    let (name, value) = lift_pair(inside, element, 4, budget)?;
    match element[0] {
        0 => Ok(Obligation::Header { name, value }),
        1 => Ok(Obligation::Audit { name, value }),
        _ => Err(Fault::Malformed),
    }
}

/// `record problem { pointer: string, message: string }`.
fn lift_problem(
    inside: &dyn PolicyMemory,
    element: &[u8; 16],
    budget: &mut Budget,
) -> Result<Complaint, Fault> {
    let (pointer, message) = lift_pair(inside, element, 0, budget)?;
    Ok(Complaint { pointer, message })
}

/// Two strings, one after the other.
fn lift_pair(
    inside: &dyn PolicyMemory,
    record: &[u8],
    offset: usize,
    budget: &mut Budget,
) -> Result<(String, String), Fault> {
    let mut text = |offset| {
        let (at, len) = (word(record, offset)?, word(record, offset + 4)?);
        budget.take(len)?;
        lift_text(inside, at, len)
    };
    Ok((text(offset)?, text(offset + 8)?))
}

/// `list<T>` of elements that are aligned to four bytes; its pointer and length are at `offset` of `record`. Each element
/// takes from the budget beside its text, so that a long list of nothing is bounded too.
fn lift_list<T, const SIZE: usize>(
    inside: &dyn PolicyMemory,
    record: &[u8],
    offset: usize,
    budget: &mut Budget,
    lift: fn(&dyn PolicyMemory, &[u8; SIZE], &mut Budget) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let (at, len) = (word(record, offset)?, word(record, offset + 4)?);
    aligned(at, 4)?;
    budget.take(len.checked_mul(limits::POLICY_ELEMENT_BYTES).ok_or(Fault::Output)?)?;
    let mut bytes = vec![0; len as usize * SIZE];
    inside.read(at, &mut bytes)?;
    let (elements, _) = bytes.as_chunks::<SIZE>();
    elements.iter().map(|element| lift(inside, element, budget)).collect()
}

fn record<const SIZE: usize>(inside: &dyn PolicyMemory, at: u32) -> Result<[u8; SIZE], Fault> {
    aligned(at, 4)?;
    let mut bytes = [0; SIZE];
    inside.read(at, &mut bytes)?;
    Ok(bytes)
}

fn word(record: &[u8], offset: usize) -> Result<u32, Fault> {
    let bytes = record.get(offset..).and_then(|rest| rest.first_chunk()).ok_or(Fault::Malformed)?;
    Ok(u32::from_le_bytes(*bytes))
}

fn aligned(at: u32, to: u32) -> Result<(), Fault> {
    if at.is_multiple_of(to) { Ok(()) } else { Err(Fault::Malformed) }
}

/// A record under construction, to be written at once. What a value does not take of it stays as the policy has it, as the
/// Canonical ABI stores values: a policy may see what it should not look at.
struct Record<const SIZE: usize> {
    at: u32,
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Record<SIZE> {
    /// At the place where the policy wants the result, which is checked before anything is asked of the policy.
    fn at(inside: &dyn PolicyMemory, at: u32, align: u32) -> Result<Self, Fault> {
        aligned(at, align)?;
        let mut bytes = [0; SIZE];
        inside.read(at, &mut bytes)?;
        Ok(Self { at, bytes })
    }

    fn set<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> &mut Self {
        // Offsets are constants of this file, and its tests write every one of them.
        if let Some(place) = self.bytes.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) {
            *place = bytes;
        }
        self
    }

    fn byte(&mut self, offset: usize, byte: u8) -> &mut Self {
        self.set(offset, [byte])
    }

    fn word(&mut self, offset: usize, word: u32) -> &mut Self {
        self.set(offset, word.to_le_bytes())
    }

    /// Copies `text` into the policy, and its place into the record.
    fn text(&mut self, inside: &mut dyn PolicyMemory, offset: usize, text: &str) -> Result<&mut Self, Fault> {
        let (at, len) = lower_text(inside, text)?;
        Ok(self.word(offset, at).word(offset + 4, len))
    }

    fn identity(
        &mut self,
        inside: &mut dyn PolicyMemory,
        offset: usize,
        who: &Identity,
    ) -> Result<&mut Self, Fault> {
        self.text(inside, offset, &who.issuer)?.text(inside, offset + 8, &who.subject)
    }

    /// Writes the record.
    fn put(&self, inside: &mut dyn PolicyMemory) -> Result<(), Fault> {
        inside.write(self.at, &self.bytes)
    }
}

/// Room in the policy, paid for before it is asked for.
fn allocate(inside: &mut dyn PolicyMemory, align: u32, size: u32) -> Result<u32, Fault> {
    inside.charge(limits::ALLOCATE_FUEL + u64::from(size) / limits::BYTES_PER_FUEL)?;
    let at = inside.allocate(align, size)?;
    aligned(at, align)?;
    Ok(at)
}

/// Copies text into the policy, and gives its place and length.
fn lower_text(inside: &mut dyn PolicyMemory, text: &str) -> Result<(u32, u32), Fault> {
    let len = u32::try_from(text.len()).map_err(|_| Fault::Memory)?;
    let at = allocate(inside, 1, len)?;
    inside.write(at, text.as_bytes())?;
    Ok((at, len))
}

/// `string`.
pub(crate) fn put_text(inside: &mut dyn PolicyMemory, at: u32, text: &str) -> Result<(), Fault> {
    Record::<8>::at(inside, at, 4)?.text(inside, 0, text)?.put(inside)
}

/// `list<string>`.
pub(crate) fn put_texts(inside: &mut dyn PolicyMemory, at: u32, texts: &[String]) -> Result<(), Fault> {
    let mut record = Record::<8>::at(inside, at, 4)?;
    let len = u32::try_from(texts.len()).map_err(|_| Fault::Memory)?;
    // The list before its elements: in which order memory is asked for is for a policy to see.
    let list = allocate(inside, 4, len.checked_mul(8).ok_or(Fault::Memory)?)?;
    let mut elements = Vec::with_capacity(texts.len() * 8);
    for text in texts {
        let (at, len) = lower_text(inside, text)?;
        elements.extend([at, len].map(u32::to_le_bytes).as_flattened());
    }
    inside.write(list, &elements)?;
    record.word(0, list).word(4, len).put(inside)
}

/// `record identity { issuer: string, subject: string }`.
pub(crate) fn put_identity(inside: &mut dyn PolicyMemory, at: u32, who: &Identity) -> Result<(), Fault> {
    Record::<16>::at(inside, at, 4)?.identity(inside, 0, who)?.put(inside)
}

/// `option<identity>`.
pub(crate) fn put_optional_identity(
    inside: &mut dyn PolicyMemory,
    at: u32,
    who: Option<&Identity>,
) -> Result<(), Fault> {
    let mut record = Record::<20>::at(inside, at, 4)?;
    match who {
        None => record.byte(0, 0),
        Some(who) => record.byte(0, 1).identity(inside, 4, who)?,
    };
    record.put(inside)
}

/// `result<option<string>, header-error>`.
pub(crate) fn put_header(
    inside: &mut dyn PolicyMemory,
    at: u32,
    header: Result<Option<&str>, HeaderError>,
) -> Result<(), Fault> {
    let mut record = Record::<16>::at(inside, at, 4)?;
    match header {
        Ok(None) => record.byte(0, 0).byte(4, 0),
        Ok(Some(value)) => record.byte(0, 0).byte(4, 1).text(inside, 8, value)?,
        Err(HeaderError::Repeated) => record.byte(0, 1).byte(4, 0),
        Err(HeaderError::NotText) => record.byte(0, 1).byte(4, 1),
    };
    record.put(inside)
}

/// `option<claim>`, of `variant claim { null, boolean(bool), integer(s64), float(f64), text(string), array(u32), object(u32) }`.
pub(crate) fn put_claim(inside: &mut dyn PolicyMemory, at: u32, claim: Option<&Value>) -> Result<(), Fault> {
    const CASE: usize = 8;
    const PAYLOAD: usize = 16;
    let mut record = Record::<24>::at(inside, at, 8)?;
    let Some(claim) = claim else { return record.byte(0, 0).put(inside) };
    let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    record.byte(0, 1);
    match claim {
        Value::Null => record.byte(CASE, 0),
        Value::Bool(value) => record.byte(CASE, 1).byte(PAYLOAD, u8::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => record.byte(CASE, 2).set(PAYLOAD, integer.to_le_bytes()),
            (None, Some(float)) => record.byte(CASE, 3).set(PAYLOAD, float.to_le_bytes()),
            (None, None) => return Err(Fault::Malformed),
        },
        Value::String(text) => record.byte(CASE, 4).text(inside, PAYLOAD, text)?,
        Value::Array(elements) => record.byte(CASE, 5).word(PAYLOAD, count(elements.len())),
        Value::Object(members) => record.byte(CASE, 6).word(PAYLOAD, count(members.len())),
    };
    record.put(inside)
}

/// `record route { index: u32, path-prefix: string }`.
pub(crate) fn put_route(inside: &mut dyn PolicyMemory, at: u32, route: &MatchedRoute) -> Result<(), Fault> {
    let index = u32::try_from(route.index()).unwrap_or(u32::MAX);
    let prefix = route.entry().matcher.path_prefix.as_str();
    Record::<12>::at(inside, at, 4)?.word(0, index).text(inside, 4, prefix)?.put(inside)
}
