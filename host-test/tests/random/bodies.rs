//! Policies whose code `wasm-smith` makes up, wrapped so that they fit the contract.
//!
//! What the code computes goes into the answer, and so does the state that it leaves behind: every byte of memory and
//! every global.

use super::dice::Dice;
use super::guests::encode;
use arbitrary::Unstructured;
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    InstructionSink, MemArg, Module, SectionId, TypeSection, ValType,
};
use wasm_smith::{Config, InstructionKind, InstructionKinds, MemoryOffsetChoices};
use wasmparser::{ExternalKind, Parser, Payload};

/// Functions of the contract that the wrapping asks, each with its core type: an index into [`TYPES`].
const IMPORTS: [(&str, u32); 5] = [
    ("[method]request.path", 0),
    ("[method]request.depth", 1),
    ("[method]request.now", 2),
    ("[method]request.claim", 3),
    ("[resource-drop]request", 4),
];
/// How many functions come before the module's own.
const COUNT: u32 = 5;
const PATH: u32 = 0;
const DEPTH: u32 = 1;
const NOW: u32 = 2;
const CLAIM: u32 = 3;
const DROP: u32 = 4;

const I: ValType = ValType::I32;
const L: ValType = ValType::I64;
const TYPES: [(&[ValType], &[ValType]); 7] = [
    (&[I, I], &[]),
    (&[I], &[I]),
    (&[I], &[L]),
    (&[I; 4], &[]),
    (&[I], &[]),
    (&[I, I], &[I]),
    (&[I; 4], &[I]),
];

/// Places in memory, which the random code may overwrite: both sides see the same then.
const POINTER: i32 = 1024;
const CLAIMED: i32 = 1040;
const ROOM: i32 = 2048;
const SPELLED: i32 = 768;
const OBLIGATION: i32 = 800;
const ANSWER: i32 = 16;

/// A random policy.
pub fn component(dice: &mut Dice) -> Vec<u8> {
    // A few modules are none that the linker takes, such as one that fills its table beyond the end.
    for _ in 0..10 {
        let size = usize::try_from(dice.within(400, 4000)).unwrap();
        let bytes = dice.bytes(size);
        let mut module = wasm_smith::Module::new(config(dice), &mut Unstructured::new(&bytes)).unwrap();
        if !dice.once_in(5) {
            module.ensure_termination(dice.pick(&[200, 1000, 5000])).unwrap();
        }
        let component = encode(wrap(&module.to_bytes(), dice));
        if mandate_link::check(&component).is_ok() {
            return component;
        }
    }
    panic!("the linker takes none of ten random modules: {:?}", dice);
}

/// What policies may be made of.
fn config(dice: &mut Dice) -> Config {
    use InstructionKind as K;
    let memory = dice.pick(&["1", "1 1", "1 3", "2 40", "1 65536"]);
    let exports = format!(
        r#"(module
            (func (export "f") (param i32 i32 i64 f64) (result i64) unreachable)
            (func (export "g"))
            (memory (export "memory") {memory}))"#
    );
    // With bulk memory there may be passive segments, which no policy may have.
    let bulk = dice.once_in(2);
    Config {
        exports: Some(wat::parse_str(exports).unwrap()),
        max_imports: 0,
        allowed_instructions: InstructionKinds::new(&[
            K::Numeric,
            K::Memory,
            K::Control,
            K::Parametric,
            K::Variable,
        ]),
        canonicalize_nans: true,
        allow_start_export: dice.once_in(3),
        // Code that may trap mostly does, and soon.
        disallow_traps: !dice.once_in(3),
        bulk_memory_enabled: bulk,
        max_data_segments: if bulk { 0 } else { 4 },
        max_memories: 0,
        memory_offset_choices: MemoryOffsetChoices(75, 15, 10),
        min_tables: u32::from(!dice.once_in(3)),
        min_element_segments: 1,
        max_table_elements: dice.pick(&[8, 64, 100]),
        max_instructions: usize::try_from(dice.within(20, 300)).unwrap(),
        max_funcs: 10,
        max_types: 10,
        max_globals: 8,
        max_type_size: 60,
        reference_types_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        tail_call_enabled: false,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        wide_arithmetic_enabled: false,
        extended_const_enabled: false,
        compact_imports_enabled: false,
        ..Config::default()
    }
}

/// Puts the contract around a module without imports.
fn wrap(module: &[u8], dice: &mut Dice) -> Vec<u8> {
    let (calls_in_configure, has_post_return) = (dice.once_in(3), dice.once_in(4));
    let mut wrapping = Wrapping { calls_in_configure, has_post_return, ..Wrapping::default() };
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::TypeSection(types) => wrapping.types = types.count(),
            Payload::FunctionSection(functions) => wrapping.functions = functions.count(),
            Payload::GlobalSection(globals) => {
                wrapping.globals =
                    globals.into_iter().map(|global| global.unwrap().ty.content_type).collect();
            }
            Payload::ExportSection(exports) => {
                for export in exports.into_iter().map(Result::unwrap) {
                    match export.name {
                        "f" => wrapping.f = export.index + COUNT,
                        "g" => wrapping.g = export.index + COUNT,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let mut wrapped = Module::new();
    wrapping.parse_core_module(&mut wrapped, Parser::new(0), module).unwrap();
    wrapped.finish()
}

/// Adds imports before the module's functions, and exports after them.
#[derive(Debug, Default)]
struct Wrapping {
    types: u32,
    functions: u32,
    globals: Vec<wasmparser::ValType>,
    /// The two functions that the module was asked for.
    f: u32,
    g: u32,
    calls_in_configure: bool,
    has_post_return: bool,
    imported: bool,
}

impl Wrapping {
    fn import(&self, imports: &mut ImportSection) {
        for (name, ty) in IMPORTS {
            imports.import("mandate:policy/request@0.1.2", name, EntityType::Function(self.types + ty));
        }
    }

    /// The exports that are added, in order, each with its type.
    fn exports(&self) -> Vec<(&'static str, u32, Function)> {
        let mut exports = vec![
            ("cabi_realloc", 6, function(&[], |code| _ = code.i32_const(ROOM))),
            ("describe", 7, function(&[], |code| _ = code.i32_const(0))),
            ("configure", 5, self.configure()),
            ("check", 1, self.check()),
        ];
        if self.has_post_return {
            exports.push(("cabi_post_check", 4, function(&[], |code| _ = code.call(self.g))));
        }
        exports
    }

    fn configure(&self) -> Function {
        function(&[], |code| {
            if self.calls_in_configure {
                code.local_get(1).i32_const(-1).i64_const(1).f64_const(0.5.into()).call(self.f).drop();
            }
            code.i32_const(ANSWER).i32_const(0).i32_store8(at(0)).i32_const(ANSWER);
        })
    }

    fn check(&self) -> Function {
        const REQUEST: u32 = 0;
        const HASH: u32 = 1;
        const AT: u32 = 2;
        function(&[(1, L), (1, I)], |code| {
            // f(length of the path, depth, now, the claim `/n` as a float)
            code.local_get(REQUEST).i32_const(0).call(PATH);
            code.i32_const(POINTER).i32_const(i32::from(u16::from_le_bytes(*b"/n"))).i32_store16(at(0));
            code.local_get(REQUEST).i32_const(POINTER).i32_const(2).i32_const(CLAIMED).call(CLAIM);
            code.i32_const(0).i32_load(at(4)).local_get(REQUEST).call(DEPTH).local_get(REQUEST).call(NOW);
            code.i32_const(CLAIMED).f64_load(at(16)).call(self.f).local_set(HASH);
            code.local_get(REQUEST).call(DROP);
            for (index, ty) in (0..).zip(&self.globals) {
                mix(code, HASH, |code| {
                    code.global_get(index);
                    match ty {
                        wasmparser::ValType::I64 => code,
                        wasmparser::ValType::F32 => code.i32_reinterpret_f32().i64_extend_i32_u(),
                        wasmparser::ValType::F64 => code.i64_reinterpret_f64(),
                        _ => code.i64_extend_i32_u(),
                    };
                });
            }
            code.loop_(BlockType::Empty);
            for word in 0..8 {
                mix(code, HASH, |code| _ = code.local_get(AT).i64_load(at(8 * word)));
            }
            code.local_get(AT).i32_const(64).i32_add().local_tee(AT);
            code.memory_size(0).i32_const(16).i32_shl().i32_lt_u().br_if(0).end();
            spell(code, HASH);
            answer(code, HASH);
        })
    }
}

/// Mixes a 64-bit number into the hash.
fn mix(code: &mut InstructionSink<'_>, hash: u32, value: impl FnOnce(&mut InstructionSink<'_>)) {
    code.local_get(hash).i64_const(7).i64_rotl().i64_const(0x1e37_79b9_7f4a_7c15).i64_mul();
    value(code);
    code.i64_add().local_set(hash);
}

/// Writes the hash down in sixteen letters, which are a code, a name and a value.
fn spell(code: &mut InstructionSink<'_>, hash: u32) {
    for letter in 0..16 {
        code.i32_const(SPELLED + letter).local_get(hash).i64_const(i64::from(letter) * 4).i64_shr_u();
        code.i32_wrap_i64().i32_const(15).i32_and().i32_const(i32::from(b'a')).i32_add().i32_store8(at(0));
    }
}

/// Once in four times `allow` with an obligation, else `deny`; either spells the hash.
fn answer(code: &mut InstructionSink<'_>, hash: u32) {
    let pair = |code: &mut InstructionSink<'_>, place: i32, first: i32, second: i32| {
        code.i32_const(place)
            .i32_const(first)
            .i32_store(at(0))
            .i32_const(place)
            .i32_const(second)
            .i32_store(at(4));
    };
    code.i32_const(OBLIGATION).i32_const(1).i32_store8(at(0));
    pair(code, OBLIGATION + 4, SPELLED, 16);
    pair(code, OBLIGATION + 12, SPELLED, 16);
    code.local_get(hash).i64_const(3).i64_and().i64_eqz().if_(BlockType::Empty);
    code.i32_const(ANSWER).i32_const(0).i32_store8(at(0));
    pair(code, ANSWER + 4, OBLIGATION, 1);
    code.else_();
    code.i32_const(ANSWER).i32_const(1).i32_store8(at(0));
    pair(code, ANSWER + 4, SPELLED, 16);
    pair(code, ANSWER + 12, SPELLED, 16);
    code.end().i32_const(ANSWER);
}

fn at(offset: u64) -> MemArg {
    MemArg { offset, align: 0, target: wasm_encoder::MemArgTarget::Memory(0), ordering: None }
}

fn function(locals: &[(u32, ValType)], code: impl FnOnce(&mut InstructionSink<'_>)) -> Function {
    let mut function = Function::new(locals.iter().copied());
    let mut sink = function.instructions();
    code(&mut sink);
    sink.end();
    function
}

impl Reencode for Wrapping {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, Error> {
        Ok(index + COUNT)
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_type_section(self, types, section)?;
        for (params, results) in TYPES.into_iter().chain([(&[][..], &[I][..])]) {
            types.ty().function(params.iter().copied(), results.iter().copied());
        }
        Ok(())
    }

    /// The module may have an import section, with nothing in it.
    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        _: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Error> {
        self.import(imports);
        self.imported = true;
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), Error> {
        if before == Some(SectionId::Function) && !self.imported {
            let mut imports = ImportSection::new();
            self.import(&mut imports);
            module.section(&imports);
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_function_section(self, functions, section)?;
        for (_, ty, _) in self.exports() {
            functions.function(self.types + ty);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Error> {
        for export in section {
            let export = export?;
            if export.kind == ExternalKind::Memory {
                exports.export(export.name, ExportKind::Memory, export.index);
            }
        }
        for (index, (name, ..)) in (COUNT + self.functions..).zip(self.exports()) {
            exports.export(name, ExportKind::Func, index);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_code_section(self, code, section)?;
        for (.., body) in self.exports() {
            code.function(&body);
        }
        Ok(())
    }
}
