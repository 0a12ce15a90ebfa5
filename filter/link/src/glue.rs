//! The code between filter and policies: what the stubs of the seam do, and what a policy's imports do.
//!
//! Everything here is about moving bytes and catching faults. What the bytes mean is for the filter, in safe Rust
//! (`mandate-core`).

use crate::contain::Places;
use crate::contain::cards::{self, CARD_LOG2, SLACK};
use crate::filter::count;
use crate::guest::Guest;
use crate::lower::{fault_number, function_type};
use mandate_seam::limits::{self, MEMORY_BYTES, PAGE_BYTES};
use mandate_seam::{Fault, HostFunction, PolicyFunction, Stub, passed};
use wasm_encoder::{BlockType, Catch, Function, InstructionSink, MemArg, MemArgTarget, ValType};
use wasmparser::ValType as Parsed;

/// The globals that all policies share, for one runs at a time, and where the filter answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared {
    /// See [`Places`].
    pub fuel: u32,
    /// See [`Places`].
    pub stack: u32,
    /// See [`Places`].
    pub size: u32,
    /// `i32`: the bytes of memory that the policy may have.
    pub limit: u32,
    /// `i32`: whether memory was refused in this call.
    pub refused: u32,
    pub tag: u32,
    /// The memory of the cards.
    pub cards: u32,
    pub answer: u32,
}

/// One policy in the bundle: its module, where it went, and the functions that the glue adds.
pub(crate) struct Placed<'g> {
    pub guest: &'g Guest<'g>,
    pub places: Places,
    /// The first of its data segments in the bundle.
    pub data: u32,
    /// `i32`: the bytes of its memory that are not surely zero.
    pub dirty: u32,
    /// `i32`: the number of the image that its memory was last put back to; 0 for none.
    pub image: u32,
    pub initialise: u32,
    pub restore: u32,
    pub save: u32,
    pub call: u32,
}

/// A fresh policy was given this many units of fuel for each page that it takes: zeroing it afterwards takes as long.
const FUEL_PER_PAGE: i64 = 1024;
/// See [`limits::BYTES_PER_FUEL`].
const BYTES_PER_FUEL_LOG2: i32 = limits::BYTES_PER_FUEL_LOG2.cast_signed();
/// See [`limits::PAGE_BYTES`].
const PAGE_LOG2: i32 = limits::PAGE_LOG2.cast_signed();
/// See [`passed`].
const VALUE_BITS: i64 = passed::VALUE_BITS as i64;
/// See [`passed`].
const RESULT_BITS: i64 = passed::RESULT_BITS as i64;
/// See [`passed`].
const NO_FAULT: i32 = passed::NO_FAULT.cast_signed();
/// See [`passed`].
const NO_IMAGE: i32 = passed::NO_IMAGE.cast_signed();

fn function(locals: &[ValType], code: impl FnOnce(&mut InstructionSink<'_>)) -> Function {
    let mut function = Function::new_with_locals_types(locals.iter().copied());
    let mut sink = function.instructions();
    code(&mut sink);
    sink.end();
    function
}

/// An import of a policy: asks the filter, and throws what it says.
pub(crate) fn import(policy: i32, imported: HostFunction, shared: &Shared) -> Function {
    let ty = function_type(imported.signature());
    // Parameters come first.
    let answer = count(ty.params().len());
    function(&[ValType::I64], |code| {
        code.i32_const(policy).i32_const(imported.number().cast_signed());
        for index in 0..count(passed::ARGUMENTS) {
            if index < answer {
                code.local_get(index);
            } else {
                code.i32_const(0);
            }
        }
        code.call(shared.answer).local_tee(answer).i64_const(VALUE_BITS).i64_shr_u().i64_eqz().i32_eqz();
        code.if_(BlockType::Empty);
        code.local_get(answer).i64_const(VALUE_BITS).i64_shr_u().i32_wrap_i64().throw(shared.tag);
        code.end();
        match ty.results() {
            [Parsed::I64] => code.local_get(answer),
            [_] => code.local_get(answer).i32_wrap_i64(),
            _ => code,
        };
    })
}

/// `memory.grow`, within the budget. A page costs fuel.
pub(crate) fn grow(guest: &Guest<'_>, places: &Places, shared: &Shared, dirty: u32) -> Function {
    const DELTA: u32 = 0;
    const OLD: u32 = 1;
    const NEW: u32 = 2;
    let memory = places.memory;
    function(&[ValType::I32, ValType::I64], |code| {
        code.global_get(shared.size).i32_const(PAGE_LOG2).i32_shr_u().local_tee(OLD);
        code.i64_extend_i32_u().local_get(DELTA).i64_extend_i32_u().i64_add().local_set(NEW);
        code.local_get(NEW)
            .i64_const(PAGE_LOG2.into())
            .i64_shl()
            .global_get(shared.limit)
            .i64_extend_i32_u()
            .i64_gt_u();
        code.if_(BlockType::Empty);
        code.i32_const(1).global_set(shared.refused).i32_const(-1).return_();
        code.end();
        // A module that bounds itself below the budget is told so, and that is not the budget's doing.
        code.local_get(NEW).i64_const(guest.memory.maximum.cast_signed()).i64_gt_u();
        code.if_(BlockType::Empty).i32_const(-1).return_().end();
        burn(code, shared, |code| {
            code.local_get(DELTA).i64_extend_i32_u().i64_const(FUEL_PER_PAGE).i64_mul();
        });
        // The engine's memory never shrinks, so it may be there from an earlier call.
        code.local_get(NEW).i32_wrap_i64().memory_size(memory).i32_gt_u();
        code.if_(BlockType::Empty);
        code.local_get(NEW)
            .i32_wrap_i64()
            .memory_size(memory)
            .i32_sub()
            .memory_grow(memory)
            .i32_const(-1)
            .i32_eq();
        code.if_(BlockType::Empty);
        code.i32_const(1).global_set(shared.refused).i32_const(-1).return_();
        code.end().end();
        code.local_get(NEW).i32_wrap_i64().i32_const(PAGE_LOG2).i32_shl().global_set(shared.size);
        code.global_get(shared.size).global_set(dirty);
        code.local_get(OLD);
    })
}

/// `memory.copy`, within the policy's memory; its length costs fuel.
pub(crate) fn copy(places: &Places, shared: &Shared) -> Function {
    function(&[], |code| {
        within(code, shared, 0, 2, |code| throw(code, shared, Fault::Trap));
        within(code, shared, 1, 2, |code| throw(code, shared, Fault::Trap));
        burn(code, shared, |code| {
            code.local_get(2).i32_const(BYTES_PER_FUEL_LOG2).i32_shr_u().i64_extend_i32_u();
        });
        mark(code, places, 0, 2);
        code.local_get(0).local_get(1).local_get(2).memory_copy(places.memory, places.memory);
    })
}

/// `memory.fill`, likewise.
pub(crate) fn fill(places: &Places, shared: &Shared) -> Function {
    function(&[], |code| {
        within(code, shared, 0, 2, |code| throw(code, shared, Fault::Trap));
        burn(code, shared, |code| {
            code.local_get(2).i32_const(BYTES_PER_FUEL_LOG2).i32_shr_u().i64_extend_i32_u();
        });
        mark(code, places, 0, 2);
        code.local_get(0).local_get(1).local_get(2).memory_fill(places.memory);
    })
}

/// Marks what is about to be written: a local's address, and a local's length.
fn mark(code: &mut InstructionSink<'_>, places: &Places, at: u32, len: u32) {
    code.local_get(len);
    code.if_(BlockType::Empty);
    places.cards.mark_range(code, at, len);
    code.end();
}

/// `initialise`: memory, globals and size as they are before anything ran.
pub(crate) fn initialise(placed: &Placed<'_>, shared: &Shared) -> Function {
    let Placed { guest, places, .. } = placed;
    let least = i32_of(guest.least_bytes());
    function(&[], |code| {
        code.i32_const(0)
            .i32_const(0)
            .memory_size(places.memory)
            .i32_const(PAGE_LOG2)
            .i32_shl()
            .memory_fill(places.memory);
        code.i32_const(i32_of(places.cards.first)).i32_const(0);
        code.i32_const(i32_of(cards::PAGES * PAGE_BYTES)).memory_fill(places.cards.memory);
        for (index, segment) in (placed.data..).zip(&guest.segments) {
            let len = i32_of(segment.bytes.len() as u64);
            code.i32_const(segment.at.cast_signed()).i32_const(0).i32_const(len);
            code.memory_init(places.memory, index);
        }
        for (index, global) in (places.globals..).zip(&guest.globals).filter(|(_, global)| global.mutable) {
            match global.kind {
                Parsed::I64 => code.i64_const(global.bits.cast_signed()),
                Parsed::F32 => code.i32_const(low_word(global.bits)).f32_reinterpret_i32(),
                Parsed::F64 => code.i64_const(global.bits.cast_signed()).f64_reinterpret_i64(),
                _ => code.i32_const(low_word(global.bits)),
            };
            code.global_set(index);
        }
        code.i32_const(NO_IMAGE).global_set(placed.image);
        code.i32_const(least).global_set(placed.dirty);
        code.i32_const(least).global_set(shared.size);
        code.i32_const(least);
    })
}

/// `save_globals`: `(into) -> count`.
pub(crate) fn save(placed: &Placed<'_>) -> Function {
    let mutable = mutable_globals(placed);
    function(&[], |code| {
        for (slot, (index, kind)) in (0_u64..).zip(&mutable) {
            code.local_get(0).global_get(*index);
            match kind {
                Parsed::I64 => &mut *code,
                Parsed::F32 => code.i32_reinterpret_f32().i64_extend_i32_u(),
                Parsed::F64 => code.i64_reinterpret_f64(),
                _ => code.i64_extend_i32_u(),
            };
            code.i64_store(slot_of(slot));
        }
        code.i32_const(i32_of(mutable.len() as u64));
    })
}

/// `restore`: `(memory, length, globals, image)`. What is beyond the image is zero already, or is made so.
///
/// If the memory was last put back to the image of this number, it differs from it by what was touched since: only that is
/// put back. Otherwise, for no image, and for code that leaves no marks, all of it is. The number is kept beside the
/// memory and not with the filter, of which one virtual machine may hold several that share the policies.
pub(crate) fn restore(placed: &Placed<'_>, shared: &Shared) -> Function {
    const MEMORY: u32 = 0;
    const LEN: u32 = 1;
    const GLOBALS: u32 = 2;
    const IMAGE: u32 = 3;
    let Places { memory, cards, contained, .. } = placed.places;
    function(&[ValType::I32; 4], |code| {
        if contained {
            code.local_get(IMAGE).global_get(placed.image).i32_eq();
            code.local_get(IMAGE).i32_const(NO_IMAGE).i32_ne().i32_and();
            code.if_(BlockType::Empty);
            restore_touched(code, placed);
            code.else_();
            code.i32_const(i32_of(cards.first)).i32_const(0);
            code.global_get(placed.dirty).i32_const(CARD_LOG2).i32_shr_u().memory_fill(cards.memory);
        }
        code.i32_const(0).local_get(MEMORY).local_get(LEN).memory_copy(memory, 0);
        code.global_get(placed.dirty).local_get(LEN).i32_gt_u();
        code.if_(BlockType::Empty);
        code.local_get(LEN)
            .i32_const(0)
            .global_get(placed.dirty)
            .local_get(LEN)
            .i32_sub()
            .memory_fill(memory);
        code.end();
        if contained {
            code.end();
        }
        code.local_get(IMAGE).global_set(placed.image);
        code.local_get(LEN).global_set(placed.dirty);
        code.local_get(LEN).global_set(shared.size);
        for (slot, (index, kind)) in (0_u64..).zip(mutable_globals(placed)) {
            code.local_get(GLOBALS).i64_load(slot_of(slot));
            match kind {
                Parsed::I64 => &mut *code,
                Parsed::F32 => code.i32_wrap_i64().f32_reinterpret_i32(),
                Parsed::F64 => code.f64_reinterpret_i64(),
                _ => code.i32_wrap_i64(),
            };
            code.global_set(index);
        }
    })
}

/// Puts back what the marked cards stand for, and takes the marks away. Pages are a whole number of words of cards.
fn restore_touched(code: &mut InstructionSink<'_>, placed: &Placed<'_>) {
    const MEMORY: u32 = 0;
    const LEN: u32 = 1;
    const CARD: u32 = 4;
    const FROM: u32 = 5;
    const TO: u32 = 6;
    const CUT: u32 = 7;
    let Places { memory, cards, .. } = placed.places;
    let min = |code: &mut InstructionSink<'_>, local: u32, most: &dyn Fn(&mut InstructionSink<'_>)| {
        code.local_get(local);
        most(code);
        code.local_get(local);
        most(code);
        code.i32_lt_u().select();
    };
    code.i32_const(0).local_set(CARD);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    // Until all cards of the memory that there ever was were seen.
    code.local_get(CARD).global_get(placed.dirty).i32_const(CARD_LOG2).i32_shr_u().i32_ge_u().br_if(1);
    // Eight cards at once, most of which nobody touched. Only from a whole word on: the last word ends where the memory of the
    // cards may end too.
    code.local_get(CARD).i32_const(7).i32_and().i32_eqz();
    code.if_(BlockType::Empty);
    code.local_get(CARD).i64_load(cards.at(0)).i64_eqz();
    code.if_(BlockType::Empty).local_get(CARD).i32_const(8).i32_add().local_set(CARD).br(2).end();
    code.end();
    code.local_get(CARD).i32_load8_u(cards.at(0));
    code.if_(BlockType::Empty);
    // A run of marked cards; it may go on beyond the word.
    code.local_get(CARD).i32_const(CARD_LOG2).i32_shl().local_set(FROM);
    code.loop_(BlockType::Empty);
    code.local_get(CARD).i32_const(0).i32_store8(cards.at(0));
    code.local_get(CARD).i32_const(1).i32_add().local_tee(CARD);
    code.global_get(placed.dirty).i32_const(CARD_LOG2).i32_shr_u().i32_lt_u();
    code.if_(BlockType::Result(ValType::I32)).local_get(CARD).i32_load8_u(cards.at(0));
    code.else_().i32_const(0).end().br_if(0);
    code.end();
    // From the slack before it to the slack behind it.
    code.local_get(FROM).i32_const(SLACK).i32_sub().i32_const(0).local_get(FROM).select().local_set(FROM);
    code.local_get(CARD).i32_const(CARD_LOG2).i32_shl().i32_const(SLACK).i32_add().local_set(TO);
    min(code, TO, &|code| {
        code.global_get(placed.dirty);
    });
    code.local_set(TO);
    // Up to the end of the image it is copied, beyond it is zero.
    min(code, TO, &|code| {
        code.local_get(LEN);
    });
    code.local_set(CUT);
    code.local_get(FROM).local_get(CUT).i32_lt_u();
    code.if_(BlockType::Empty);
    code.local_get(FROM).local_get(MEMORY).local_get(FROM).i32_add();
    code.local_get(CUT).local_get(FROM).i32_sub().memory_copy(memory, 0);
    code.local_get(CUT).local_set(FROM).end();
    code.local_get(FROM).local_get(TO).i32_lt_u();
    code.if_(BlockType::Empty);
    code.local_get(FROM).i32_const(0).local_get(TO).local_get(FROM).i32_sub().memory_fill(memory).end();
    code.br(1);
    code.end();
    code.local_get(CARD).i32_const(1).i32_add().local_set(CARD).br(0);
    code.end().end();
}

/// `call`: `(function, a, b, c, d) -> fault and result`.
pub(crate) fn call(placed: &Placed<'_>, shared: &Shared) -> Function {
    const FIRST_ARGUMENT: u32 = 1;
    // Behind the parameters; a fault is put there too.
    let result = FIRST_ARGUMENT + count(passed::ARGUMENTS);
    function(&[ValType::I32], |code| {
        code.block(BlockType::Result(ValType::I32));
        code.try_table(BlockType::Empty, [Catch::One { tag: shared.tag, label: 0 }]);
        switch(code, &PolicyFunction::ALL, |code, function| {
            let signature = function.signature();
            for index in placed.guest.called.by(*function) {
                for (argument, _) in (FIRST_ARGUMENT..).zip(signature.params) {
                    code.local_get(argument);
                }
                code.call(placed.places.functions + index);
                if !signature.results.is_empty() {
                    code.local_set(result);
                }
            }
        });
        code.local_get(result).i64_extend_i32_u().return_();
        code.end().unreachable().end();
        // A trap after memory was refused is most often an allocator's way to say so.
        code.local_tee(result)
            .i32_const(fault_number(Fault::Trap))
            .i32_eq()
            .global_get(shared.refused)
            .i32_and();
        code.if_(BlockType::Empty).i32_const(fault_number(Fault::Memory)).local_set(result).end();
        code.local_get(result).i64_extend_i32_u().i64_const(RESULT_BITS).i64_shl();
    })
}

/// `linked`: `(into, room) -> length`.
pub(crate) fn linked(data: u32, len: usize) -> Function {
    const INTO: u32 = 0;
    const ROOM: u32 = 1;
    let len = i32_of(len as u64);
    function(&[], |code| {
        code.local_get(INTO).i32_const(0);
        code.local_get(ROOM).i32_const(len).local_get(ROOM).i32_const(len).i32_lt_u().select();
        code.memory_init(0, data);
        code.i32_const(len);
    })
}

/// `allow`: `(fuel, memory bytes) -> 0`.
pub(crate) fn allow(shared: &Shared) -> Function {
    const FUEL: u32 = 0;
    const MEMORY_BYTES: u32 = 1;
    function(&[], |code| {
        code.local_get(FUEL).global_set(shared.fuel).local_get(MEMORY_BYTES).global_set(shared.limit);
        code.i32_const(0).global_set(shared.stack).i32_const(0).global_set(shared.refused);
        code.i32_const(0);
    })
}

/// `fuel`: what is left, which may have been overdrawn.
pub(crate) fn fuel(shared: &Shared) -> Function {
    function(&[], |code| {
        code.global_get(shared.fuel).i64_const(0);
        code.global_get(shared.fuel).i64_const(0).i64_gt_s().select();
    })
}

/// `charge`: `(units) -> fault`.
pub(crate) fn charge(shared: &Shared) -> Function {
    const UNITS: u32 = 0;
    function(&[], |code| {
        code.global_get(shared.fuel).local_get(UNITS).i64_sub().global_set(shared.fuel);
        code.i32_const(fault_number(Fault::Fuel)).i32_const(NO_FAULT);
        code.global_get(shared.fuel).i64_const(0).i64_lt_s().select();
    })
}

/// `size`: the bytes of memory of the policy that ran last.
pub(crate) fn size(shared: &Shared) -> Function {
    function(&[], |code| {
        code.global_get(shared.size);
    })
}

/// `read` and `write`: `(policy, at, ours, length) -> fault`.
pub(crate) fn transfer(placed: &[Placed<'_>], shared: &Shared, into_policy: bool) -> Function {
    const AT: u32 = 1;
    const OURS: u32 = 2;
    const LEN: u32 = 3;
    function(&[], |code| {
        within(code, shared, AT, LEN, |code| {
            code.i32_const(fault_number(Fault::Malformed)).return_();
        });
        switch(code, placed, |code, Placed { places, .. }| {
            if into_policy {
                mark(code, places, AT, LEN);
                code.local_get(AT).local_get(OURS).local_get(LEN).memory_copy(places.memory, 0);
            } else {
                code.local_get(OURS).local_get(AT).local_get(LEN).memory_copy(0, places.memory);
            }
        });
        code.i32_const(NO_FAULT);
    })
}

/// A stub that passes the rest of its parameters on to the policy that the first one names. The filter names only those
/// that are linked.
pub(crate) fn dispatch(
    placed: &[Placed<'_>],
    stub: Stub,
    has_result: bool,
    to: fn(&Placed<'_>) -> u32,
) -> Function {
    let params = count(stub.function().signature.params.len());
    function(&[], |code| {
        switch(code, placed, |code, placed| {
            for index in 1..params {
                code.local_get(index);
            }
            code.call(to(placed));
            if !has_result {
                code.i32_const(0);
            }
            code.return_();
        });
        code.unreachable();
    })
}

/// Does one of several things, by its position in the first parameter; anything else does the last.
fn switch<T>(
    code: &mut InstructionSink<'_>,
    cases: &[T],
    mut case: impl FnMut(&mut InstructionSink<'_>, &T),
) {
    let last = count(cases.len()).saturating_sub(1);
    for _ in 0..=cases.len() {
        code.block(BlockType::Empty);
    }
    code.local_get(0).br_table((0..last).collect::<Vec<u32>>(), last).end();
    for (one, out) in cases.iter().zip((0..=last).rev()) {
        case(code, one);
        // Out of the outermost block.
        code.br(out).end();
    }
}

/// Does `otherwise` unless so many bytes (a local) at an address (a local) are within the policy's memory.
fn within(
    code: &mut InstructionSink<'_>,
    shared: &Shared,
    at: u32,
    len: u32,
    otherwise: impl FnOnce(&mut InstructionSink<'_>),
) {
    code.local_get(at).i64_extend_i32_u().local_get(len).i64_extend_i32_u().i64_add();
    code.global_get(shared.size).i64_extend_i32_u().i64_gt_u();
    code.if_(BlockType::Empty);
    otherwise(code);
    code.end();
}

fn burn(code: &mut InstructionSink<'_>, shared: &Shared, units: impl FnOnce(&mut InstructionSink<'_>)) {
    code.global_get(shared.fuel);
    units(code);
    code.i64_sub().global_set(shared.fuel).global_get(shared.fuel).i64_const(0).i64_lt_s();
    code.if_(BlockType::Empty);
    throw(code, shared, Fault::Fuel);
    code.end();
}

fn throw(code: &mut InstructionSink<'_>, shared: &Shared, fault: Fault) {
    code.i32_const(fault_number(fault)).throw(shared.tag);
}

fn mutable_globals(placed: &Placed<'_>) -> Vec<(u32, Parsed)> {
    let all = (placed.places.globals..).zip(&placed.guest.globals);
    all.filter(|(_, global)| global.mutable).map(|(index, global)| (index, global.kind)).collect()
}

/// A slot in the filter's memory.
fn slot_of(slot: u64) -> MemArg {
    MemArg {
        offset: slot * passed::SLOT_BYTES as u64,
        align: 3,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

/// A number that was bounded when the policy was read.
fn i32_of(number: u64) -> i32 {
    debug_assert!(number <= MEMORY_BYTES);
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn low_word(bits: u64) -> i32 {
    let [a, b, c, d, ..] = bits.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}
