//! One function.

use super::cards::CARD_LOG2;
use super::facts::{Facts, Operand};
use super::memory::{Access, access};
use super::{
    FRAME_BYTES, LARGEST_FRAME_BYTES, LOCALS_PER_FUEL, MOST_CARRIED, MOST_TARGETS, Places, STACK_BYTES, fuel,
};
use crate::guest::{Guest, is_number};
use crate::lower::fault_number;
use crate::refusal::Refusal;
use mandate_seam::Fault;
use std::collections::BTreeMap;
use wasm_encoder::reencode::Reencode;
use wasm_encoder::{self as we, BlockType, Encode, Function, Instruction as I};
use wasmparser::{BlockType as ParsedBlock, Operator as O, ValType};

/// Rewrites one function of a policy. `several_results` finds the index of a type `() -> (…)`.
pub(crate) fn rewrite(
    guest: &Guest<'_>,
    places: &Places,
    index: usize,
    several_results: &mut dyn FnMut(&[ValType]) -> u32,
) -> Result<Function, Refusal> {
    let function = guest.functions.get(index).ok_or_else(|| broken("a function is missing"))?;
    let number = u32::try_from(guest.imports.len() + index).map_err(|_| broken("too many functions"))?;
    let ty = guest.signature(number).ok_or_else(|| broken("a type is missing"))?;
    let at = |what: &str| Refusal::Module(format!("function {number}: {what}"));
    let operators: Vec<O<'_>> =
        function.body.get_operators_reader()?.into_iter().collect::<Result<_, _>>()?;
    let mut locals = Vec::new();
    let mut count = u32::try_from(ty.params().len()).map_err(|_| at("too many parameters"))?;
    for local in function.body.get_locals_reader()? {
        let (more, ty) = local?;
        if !is_number(&ty) {
            return Err(at("a local is a reference"));
        }
        count = count.checked_add(more).ok_or_else(|| at("too many locals"))?;
        locals.push((more, value_type(ty)));
    }
    let highest = function.heights.iter().map(|(_, after)| *after).max().unwrap_or(0);
    // What an engine keeps in a frame beside locals and operands are results that it may use again after a call: at
    // most one for each operator that computes, and the place of a store's mark.
    let computed: usize = operators.iter().map(computed).sum();
    let values = count.saturating_add(highest).saturating_add(u32::try_from(computed).unwrap_or(u32::MAX));
    let frame = values.saturating_mul(8).saturating_add(FRAME_BYTES);
    if frame > LARGEST_FRAME_BYTES {
        return Err(at(
            "its frame may be larger than 64 KiB: it computes too much at once, or has too many locals",
        ));
    }
    if ty.results().len() > MOST_CARRIED {
        return Err(at("it has more than 16 results"));
    }
    let calls =
        places.contained && operators.iter().any(|o| matches!(o, O::Call { .. } | O::CallIndirect { .. }));
    let mut body = Body {
        guest,
        places,
        code: Vec::new(),
        faults: Vec::new(),
        first_extra: count,
        extra: Vec::new(),
        scratch: BTreeMap::new(),
        open: 0,
        facts: Facts::default(),
        reencoder: Shift(places),
    };
    let entered = calls.then(|| body.enter(frame));
    let mut costs = fuel::costs(&operators);
    // The one on entry is there for every function.
    if let Some(entry) = costs.get_mut(&0) {
        *entry += i64::from(count / LOCALS_PER_FUEL);
    }
    body.operators(&operators, &function.heights, &costs, entered.is_some()).map_err(
        |problem| match problem {
            Refusal::Module(what) => at(&what),
            other => other,
        },
    )?;
    let result = match ty.results() {
        [] => BlockType::Empty,
        [one] => BlockType::Result(value_type(*one)),
        several => BlockType::FunctionType(several_results(several)),
    };
    locals.extend(body.extra.iter().map(|ty| (1, value_type(*ty))));
    Ok(assemble(locals, result, &body, entered))
}

fn assemble(
    locals: Vec<(u32, we::ValType)>,
    result: BlockType,
    body: &Body<'_>,
    entered: Option<u32>,
) -> Function {
    let mut function = Function::new(locals);
    for _ in &body.faults {
        function.instruction(&I::Block(BlockType::Empty));
    }
    function.instruction(&I::Block(result));
    function.raw(body.code.iter().copied());
    function.instruction(&I::End);
    if let Some(before) = entered {
        function.instruction(&I::LocalGet(before)).instruction(&I::GlobalSet(body.places.stack));
    }
    if !body.faults.is_empty() {
        function.instruction(&I::Return);
    }
    for fault in &body.faults {
        function.instruction(&I::End);
        function.instruction(&I::I32Const(fault_number(*fault))).instruction(&I::Throw(body.places.tag));
    }
    function.instruction(&I::End);
    function
}

fn broken(what: &str) -> Refusal {
    Refusal::Module(what.to_owned())
}

fn value_type(ty: ValType) -> we::ValType {
    match ty {
        ValType::I64 => we::ValType::I64,
        ValType::F32 => we::ValType::F32,
        ValType::F64 => we::ValType::F64,
        // Others were refused.
        _ => we::ValType::I32,
    }
}

/// Moves a policy's indices to where its things are in the bundle.
struct Shift<'p>(&'p Places);

impl Reencode for Shift<'_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, we::reencode::Error<Self::Error>> {
        Ok(index + self.0.functions)
    }

    fn type_index(&mut self, index: u32) -> Result<u32, we::reencode::Error<Self::Error>> {
        Ok(index + self.0.types)
    }

    fn global_index(&mut self, index: u32) -> Result<u32, we::reencode::Error<Self::Error>> {
        Ok(index + self.0.globals)
    }

    fn memory_index(&mut self, _: u32) -> Result<u32, we::reencode::Error<Self::Error>> {
        Ok(self.0.memory)
    }

    fn table_index(&mut self, _: u32) -> Result<u32, we::reencode::Error<Self::Error>> {
        Ok(self.0.table)
    }
}

/// What a scratch local is for: those of one use never live across another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Left,
    Right,
    Fuel,
    Stack,
    StackBefore,
}

/// A function under construction.
struct Body<'b> {
    guest: &'b Guest<'b>,
    places: &'b Places,
    code: Vec<u8>,
    /// The faults that are branched to, the innermost block first.
    faults: Vec<Fault>,
    first_extra: u32,
    extra: Vec<ValType>,
    scratch: BTreeMap<(u8, Use), u32>,
    /// How many blocks of the policy's own are open.
    open: u32,
    facts: Facts,
    reencoder: Shift<'b>,
}

impl Body<'_> {
    fn emit(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            instruction.encode(&mut self.code);
        }
    }

    fn local(&mut self, ty: ValType, used: Use) -> u32 {
        let class = match ty {
            ValType::I64 => 1,
            ValType::F32 => 2,
            ValType::F64 => 3,
            _ => 0,
        };
        let next = self.first_extra.saturating_add(u32::try_from(self.extra.len()).unwrap_or(u32::MAX));
        let extra = &mut self.extra;
        *self.scratch.entry((class, used)).or_insert_with(|| {
            extra.push(ty);
            next
        })
    }

    /// Branches to the fault if the operand on top is not zero.
    fn fault_if(&mut self, fault: Fault) {
        let found = self.faults.iter().position(|known| *known == fault);
        let position = found.unwrap_or_else(|| {
            self.faults.push(fault);
            self.faults.len() - 1
        });
        // One more for the block around the body.
        let label = self.open + 1 + u32::try_from(position).unwrap_or(u32::MAX);
        self.emit(&[I::BrIf(label)]);
    }

    /// Takes of the stack budget, and gives the local that holds what was in use before.
    fn enter(&mut self, frame: u32) -> u32 {
        let before = self.local(ValType::I32, Use::StackBefore);
        let used = self.local(ValType::I32, Use::Stack);
        let stack = self.places.stack;
        self.emit(&[
            I::GlobalGet(stack),
            I::LocalTee(before),
            I::I32Const(frame.cast_signed()),
            I::I32Add,
            I::LocalTee(used),
            I::GlobalSet(stack),
            I::LocalGet(used),
            I::I32Const(STACK_BYTES),
            I::I32GtU,
        ]);
        self.fault_if(Fault::Stack);
        before
    }

    fn take_fuel(&mut self, units: i64) {
        let left = self.local(ValType::I64, Use::Fuel);
        let fuel = self.places.fuel;
        self.emit(&[
            I::GlobalGet(fuel),
            I::I64Const(units),
            I::I64Sub,
            I::LocalTee(left),
            I::GlobalSet(fuel),
            I::LocalGet(left),
            I::I64Const(0),
            I::I64LtS,
        ]);
        self.fault_if(Fault::Fuel);
    }

    fn operators(
        &mut self,
        operators: &[O<'_>],
        heights: &[(u32, u32)],
        costs: &BTreeMap<usize, i64>,
        has_frame: bool,
    ) -> Result<(), Refusal> {
        // How many blocks are open that began in code which cannot be reached, itself included. Such code is left out: its
        // operands have no types that the checks could be made for.
        let mut dead = 0_u32;
        // The last operator ends the function.
        let Some((_, operators)) = operators.split_last() else { return Err(broken("it is empty")) };
        if let Some(units) = costs.get(&0).filter(|_| operators.is_empty() && self.places.contained) {
            self.take_fuel(*units);
        }
        for (position, (operator, (before, after))) in operators.iter().zip(heights).enumerate() {
            if dead > 0 {
                match operator {
                    O::Block { .. } | O::Loop { .. } | O::If { .. } => dead += 1,
                    O::End => dead -= 1,
                    O::Else if dead == 1 => dead = 0,
                    _ => {}
                }
                if dead > 0 || !matches!(operator, O::End | O::Else) {
                    continue;
                }
            }
            if let Some(units) = costs.get(&position).filter(|_| self.places.contained) {
                self.take_fuel(*units);
            }
            self.operator(operator, *before, has_frame)?;
            if matches!(operator, O::Br { .. } | O::BrTable { .. } | O::Return | O::Unreachable) {
                self.facts.clear();
                dead = 1;
            } else {
                self.facts.step(operator, *before, *after);
            }
        }
        Ok(())
    }

    fn operator(&mut self, operator: &O<'_>, height: u32, has_frame: bool) -> Result<(), Refusal> {
        let is_virtual = matches!(operator, O::MemorySize { .. } | O::MemoryGrow { .. });
        if !self.places.contained
            && !is_virtual
            && !matches!(operator, O::Block { .. } | O::Loop { .. } | O::If { .. } | O::End)
        {
            return self.copy(operator);
        }
        if let Some(access) = access(operator) {
            return self.access(operator, access, height);
        }
        match operator {
            O::Block { blockty } | O::Loop { blockty } | O::If { blockty } => {
                self.check_block(*blockty)?;
                self.copy(operator)?;
                self.open += 1;
            }
            O::End => {
                self.copy(operator)?;
                self.open = self.open.saturating_sub(1);
            }
            O::Unreachable => self.emit(&[I::I32Const(fault_number(Fault::Trap)), I::Throw(self.places.tag)]),
            // The stack budget is restored on the way out.
            O::Return if has_frame => self.emit(&[I::Br(self.open)]),
            O::I32DivS => self.divide(ValType::I32, true, &I::I32DivS),
            O::I32DivU => self.divide(ValType::I32, false, &I::I32DivU),
            O::I32RemS => self.divide(ValType::I32, false, &I::I32RemS),
            O::I32RemU => self.divide(ValType::I32, false, &I::I32RemU),
            O::I64DivS => self.divide(ValType::I64, true, &I::I64DivS),
            O::I64DivU => self.divide(ValType::I64, false, &I::I64DivU),
            O::I64RemS => self.divide(ValType::I64, false, &I::I64RemS),
            O::I64RemU => self.divide(ValType::I64, false, &I::I64RemU),
            O::I32TruncF32S => self.truncate_f32(-2_147_483_648.0, true, 2_147_483_648.0, &I::I32TruncF32S),
            O::I32TruncF32U => self.truncate_f32(-1.0, false, 4_294_967_296.0, &I::I32TruncF32U),
            O::I32TruncF64S => self.truncate_f64(-2_147_483_649.0, false, 2_147_483_648.0, &I::I32TruncF64S),
            O::I32TruncF64U => self.truncate_f64(-1.0, false, 4_294_967_296.0, &I::I32TruncF64U),
            O::I64TruncF32S => self.truncate_f32(
                -9_223_372_036_854_775_808.0,
                true,
                9_223_372_036_854_775_808.0,
                &I::I64TruncF32S,
            ),
            O::I64TruncF32U => self.truncate_f32(-1.0, false, 18_446_744_073_709_551_616.0, &I::I64TruncF32U),
            O::I64TruncF64S => self.truncate_f64(
                -9_223_372_036_854_775_808.0,
                true,
                9_223_372_036_854_775_808.0,
                &I::I64TruncF64S,
            ),
            O::I64TruncF64U => self.truncate_f64(-1.0, false, 18_446_744_073_709_551_616.0, &I::I64TruncF64U),
            O::MemorySize { .. } => self.emit(&[I::GlobalGet(self.places.size), I::I32Const(16), I::I32ShrU]),
            O::MemoryGrow { .. } => self.emit(&[I::Call(self.places.grow)]),
            O::MemoryCopy { .. } => self.emit(&[I::Call(self.places.copy)]),
            O::MemoryFill { .. } => self.emit(&[I::Call(self.places.fill)]),
            O::BrTable { targets } if targets.len() > MOST_TARGETS => {
                return Err(broken("a `br_table` has more targets than engines take"));
            }
            O::CallIndirect { type_index, .. } => {
                self.check_callee(*type_index)?;
                self.copy(operator)?;
            }
            _ if is_plain(operator) => self.copy(operator)?,
            other => return Err(Refusal::Module(format!("it uses `{}`", name(other)))),
        }
        Ok(())
    }

    fn check_block(&self, block: ParsedBlock) -> Result<(), Refusal> {
        match block {
            ParsedBlock::Empty => Ok(()),
            ParsedBlock::Type(ty) if is_number(&ty) => Ok(()),
            ParsedBlock::Type(_) => Err(broken("a block gives a reference")),
            ParsedBlock::FuncType(index) => {
                let ty = usize::try_from(index).ok().and_then(|index| self.guest.types.get(index));
                match ty {
                    Some(ty) if ty.params().len().max(ty.results().len()) <= MOST_CARRIED => Ok(()),
                    _ => Err(broken("a block has more than 16 parameters or results")),
                }
            }
        }
    }

    fn copy(&mut self, operator: &O<'_>) -> Result<(), Refusal> {
        let instruction = self.reencoder.instruction(operator.clone());
        let instruction = instruction.map_err(|error| Refusal::Module(error.to_string()))?;
        instruction.encode(&mut self.code);
        Ok(())
    }

    /// A load or a store, whose address is tested unless it is known to be good; a store leaves a mark.
    fn access(&mut self, operator: &O<'_>, access: Access, height: u32) -> Result<(), Refusal> {
        let Access { bytes, offset, stored } = access;
        let base = self.facts.operand(height, u32::from(stored.is_some()));
        match (base, stored) {
            (Operand::Constant(at), _) if u64::from(at) + bytes <= self.guest.least_bytes() => {
                if stored.is_some() {
                    let card = (u64::from(at) + offset) >> CARD_LOG2;
                    self.emit(&[I::I32Const(i32::try_from(card).unwrap_or(i32::MAX)), I::I32Const(1)]);
                    self.emit(&[I::I32Store8(self.places.cards.at(0))]);
                }
            }
            (Operand::Local(local), _) => {
                if !self.facts.is_checked(local, bytes) {
                    self.test_address(local, bytes);
                    self.facts.check(local, bytes);
                }
                if stored.is_some() && !self.facts.is_marked(local, offset) {
                    self.mark(local, offset);
                    self.facts.mark(local, offset);
                }
            }
            (_, None) => {
                let address = self.local(ValType::I32, Use::Left);
                self.emit(&[I::LocalTee(address)]);
                self.test_address(address, bytes);
            }
            (_, Some(ty)) => {
                let (address, value) = (self.local(ValType::I32, Use::Left), self.local(ty, Use::Right));
                self.emit(&[I::LocalSet(value), I::LocalSet(address)]);
                self.test_address(address, bytes);
                self.mark(address, offset);
                self.emit(&[I::LocalGet(address), I::LocalGet(value)]);
            }
        }
        self.copy(operator)
    }

    /// Marks the card of a store that begins so far from an address (a local) that was tested.
    fn mark(&mut self, address: u32, offset: u64) {
        self.emit(&[I::LocalGet(address)]);
        if offset > 0 {
            // The sum is within memory, so it does not wrap.
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            self.emit(&[I::I32Const(offset.cast_signed()), I::I32Add]);
        }
        let cards = self.places.cards;
        self.emit(&[I::I32Const(CARD_LOG2), I::I32ShrU, I::I32Const(1), I::I32Store8(cards.at(0))]);
    }

    fn test_address(&mut self, address: u32, bytes: u64) {
        let size = self.places.size;
        match i32::try_from(bytes) {
            // The size never falls below the least, so the subtraction does not wrap.
            Ok(bytes) if u64::from(bytes.cast_unsigned()) <= self.guest.least_bytes() => self.emit(&[
                I::LocalGet(address),
                I::GlobalGet(size),
                I::I32Const(bytes),
                I::I32Sub,
                I::I32GtU,
            ]),
            _ => self.emit(&[
                I::LocalGet(address),
                I::I64ExtendI32U,
                I::I64Const(bytes.cast_signed()),
                I::I64Add,
                I::GlobalGet(size),
                I::I64ExtendI32U,
                I::I64GtU,
            ]),
        }
        self.fault_if(Fault::Trap);
    }

    /// Integer division: by zero it faults, and where `overflows` the smallest number by minus one.
    fn divide(&mut self, ty: ValType, overflows: bool, instruction: &I<'static>) {
        let divisor = self.local(ty, Use::Right);
        let wide = ty == ValType::I64;
        let is_zero = if wide { I::I64Eqz } else { I::I32Eqz };
        if overflows {
            let dividend = self.local(ty, Use::Left);
            let (least, minus_one, equal) = if wide {
                (I::I64Const(i64::MIN), I::I64Const(-1), I::I64Eq)
            } else {
                (I::I32Const(i32::MIN), I::I32Const(-1), I::I32Eq)
            };
            self.emit(&[I::LocalSet(divisor), I::LocalTee(dividend), least, equal.clone()]);
            self.emit(&[I::LocalGet(divisor), minus_one, equal, I::I32And]);
            self.emit(&[I::LocalGet(divisor), is_zero, I::I32Or]);
            self.fault_if(Fault::Trap);
            self.emit(&[I::LocalGet(dividend)]);
        } else {
            self.emit(&[I::LocalTee(divisor), is_zero]);
            self.fault_if(Fault::Trap);
        }
        self.emit(&[I::LocalGet(divisor), instruction.clone()]);
    }

    /// A float becomes an integer: it must be more than `low` (or equal, if `including`) and less than `high`, which no
    /// NaN is. The bounds are exact in their type.
    fn truncate_f32(&mut self, low: f32, including: bool, high: f32, instruction: &I<'static>) {
        let value = self.local(ValType::F32, Use::Left);
        let above = if including { I::F32Ge } else { I::F32Gt };
        self.emit(&[I::LocalTee(value), I::F32Const(low.into()), above]);
        self.emit(&[I::LocalGet(value), I::F32Const(high.into()), I::F32Lt, I::I32And, I::I32Eqz]);
        self.fault_if(Fault::Trap);
        self.emit(&[I::LocalGet(value), instruction.clone()]);
    }

    /// See [`truncate_f32`](Self::truncate_f32).
    fn truncate_f64(&mut self, low: f64, including: bool, high: f64, instruction: &I<'static>) {
        let value = self.local(ValType::F64, Use::Left);
        let above = if including { I::F64Ge } else { I::F64Gt };
        self.emit(&[I::LocalTee(value), I::F64Const(low.into()), above]);
        self.emit(&[I::LocalGet(value), I::F64Const(high.into()), I::F64Lt, I::I32And, I::I32Eqz]);
        self.fault_if(Fault::Trap);
        self.emit(&[I::LocalGet(value), instruction.clone()]);
    }

    /// The callee's index is on top: it must be within the table, and what is there of the right type.
    fn check_callee(&mut self, ty: u32) -> Result<(), Refusal> {
        let callee = self.local(ValType::I32, Use::Left);
        let Some(table) = &self.guest.table else {
            return Err(broken("it calls through a table and has none"));
        };
        let wanted = usize::try_from(ty).ok().and_then(|ty| self.guest.types.get(ty));
        let size = i32::try_from(table.len()).map_err(|_| broken("its table is too large"))?;
        self.emit(&[I::LocalTee(callee), I::I32Const(size), I::I32GeU]);
        self.fault_if(Fault::Trap);
        if table.len() <= 64 {
            // The table never changes, so which of its entries fit is a number.
            let fits =
                |entry: &Option<u32>| entry.is_some_and(|function| self.guest.signature(function) == wanted);
            let mask = table.iter().rev().fold(0_u64, |mask, entry| mask << 1 | u64::from(fits(entry)));
            self.emit(&[I::I64Const(mask.cast_signed()), I::LocalGet(callee), I::I64ExtendI32U, I::I64ShrU]);
            self.emit(&[I::I32WrapI64, I::I32Const(1), I::I32And, I::I32Eqz]);
        } else {
            let ty = we::HeapType::Concrete(self.places.types + ty);
            self.emit(&[
                I::LocalGet(callee),
                I::TableGet(self.places.table),
                I::RefTestNonNull(ty),
                I::I32Eqz,
            ]);
        }
        self.fault_if(Fault::Trap);
        self.emit(&[I::LocalGet(callee)]);
        Ok(())
    }
}

/// How many values of others an operator computes, which an engine may keep for later instead of computing them again. What
/// is read from memory or a global may have changed after a call, and constants are not kept.
fn computed(operator: &O<'_>) -> usize {
    macro_rules! any_of { ($($name:ident)*) => { matches!(operator, $(O::$name { .. })|*) } }
    let computes = is_plain(operator)
        && !any_of! {
            Nop Else Br BrIf BrTable Return Call Drop LocalGet LocalSet LocalTee GlobalGet GlobalSet
            I32Const I64Const F32Const F64Const
        }
        || any_of! {
            I32DivS I32DivU I32RemS I32RemU I64DivS I64DivU I64RemS I64RemU
            I32TruncF32S I32TruncF32U I32TruncF64S I32TruncF64U I64TruncF32S I64TruncF32U I64TruncF64S I64TruncF64U
        };
    // The address of a store, and the number of its card.
    let marks = access(operator).is_some_and(|access| access.stored.is_some());
    usize::from(computes) + 2 * usize::from(marks)
}

/// The name of an operator, without its operands.
fn name(operator: &O<'_>) -> String {
    let debug = format!("{operator:?}");
    debug.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// Operators that neither trap nor touch anything but operands, locals, and the policy's own globals. A list of what is
/// good, so that an operator that nobody thought of is refused.
fn is_plain(operator: &O<'_>) -> bool {
    macro_rules! any_of { ($($name:ident)*) => { matches!(operator, $(O::$name { .. })|*) } }
    if let O::TypedSelect { ty } = operator {
        return is_number(ty);
    }
    any_of! {
        Nop Else Br BrIf BrTable Return Call Drop Select LocalGet LocalSet LocalTee GlobalGet GlobalSet
        I32Const I64Const F32Const F64Const
        I32Eqz I32Eq I32Ne I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU
        I64Eqz I64Eq I64Ne I64LtS I64LtU I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU
        F32Eq F32Ne F32Lt F32Gt F32Le F32Ge F64Eq F64Ne F64Lt F64Gt F64Le F64Ge
        I32Clz I32Ctz I32Popcnt I32Add I32Sub I32Mul I32And I32Or I32Xor I32Shl I32ShrS I32ShrU I32Rotl I32Rotr
        I64Clz I64Ctz I64Popcnt I64Add I64Sub I64Mul I64And I64Or I64Xor I64Shl I64ShrS I64ShrU I64Rotl I64Rotr
        F32Abs F32Neg F32Ceil F32Floor F32Trunc F32Nearest F32Sqrt F32Add F32Sub F32Mul F32Div F32Min F32Max F32Copysign
        F64Abs F64Neg F64Ceil F64Floor F64Trunc F64Nearest F64Sqrt F64Add F64Sub F64Mul F64Div F64Min F64Max F64Copysign
        I32WrapI64 I64ExtendI32S I64ExtendI32U
        F32ConvertI32S F32ConvertI32U F32ConvertI64S F32ConvertI64U F32DemoteF64
        F64ConvertI32S F64ConvertI32U F64ConvertI64S F64ConvertI64U F64PromoteF32
        I32ReinterpretF32 I64ReinterpretF64 F32ReinterpretI32 F64ReinterpretI64
        I32Extend8S I32Extend16S I64Extend8S I64Extend16S I64Extend32S
        I32TruncSatF32S I32TruncSatF32U I32TruncSatF64S I32TruncSatF64U
        I64TruncSatF32S I64TruncSatF32U I64TruncSatF64S I64TruncSatF64U
    }
}
