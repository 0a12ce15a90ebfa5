//! Every instruction that can trap, at the edges of what it takes: linked as unlinked.

use super::agreement::{Tally, keep};
use super::dialogue::{FIELDS, SPELLED};
use super::guests::Guest;
use super::requests;
use super::sides::Sides;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The time picks the case.
const START: u64 = 1_700_000_000;
/// Bytes of one page, where a memory of one page ends.
const PAGE: i64 = 65_536;
/// Where a policy has its cases: operands and function, in three times eight bytes.
const CASES: usize = 1024;

/// A policy that runs one of its cases: a function, and two operands that the compiler does not know.
#[derive(Default)]
struct Table {
    name: String,
    /// Bodies of functions with `$a` and `$b` (`i64`) and `$x` and `$y` (`i32`), `$x` being `$a`, that leave an `i64`.
    functions: Vec<String>,
    cases: Vec<(usize, i64, i64)>,
    /// Further fields of the module.
    fields: String,
    /// Entries of the function table beyond the functions.
    room: usize,
}

impl Table {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Adds a function, and a case for each pair of operands.
    fn add(&mut self, function: String, operands: impl IntoIterator<Item = (i64, i64)>) {
        let index = self.functions.len();
        self.functions.push(function);
        self.cases.extend(operands.into_iter().map(|(a, b)| (index, a, b)));
    }

    fn component(&self) -> Vec<u8> {
        let Self { functions, cases, fields, room, .. } = self;
        let mut text = fields.clone();
        for (index, body) in functions.iter().enumerate() {
            let locals = "(local $x i32) (local $y i32) (local.set $x (i32.wrap_i64 (local.get $a)))";
            writeln!(
                text,
                "(func $f{index} (type $case) (param $a i64) (param $b i64) (result i64) {locals} {body})"
            )
            .unwrap();
        }
        let names: String = (0..functions.len()).map(|index| format!("$f{index} ")).collect();
        let cases = cases.iter().flat_map(|(function, a, b)| [*a, *b, i64::try_from(*function).unwrap()]);
        let cases: String = cases.flat_map(i64::to_le_bytes).map(|byte| format!("\\{byte:02x}")).collect();
        let fields = format!(
            r#"(type $case (func (param i64 i64) (result i64)))
            (table {} funcref) (elem (i32.const 0) {names})
            (data (i32.const 0) "\f1\e2\d3\c4\b5\a6\97\88")
            (data (i32.const 65520) "\81\92\a3\b4\c5\d6\e7\f8\89\9a\ab\bc\cd\de\ef\f0")
            (data (i32.const {CASES}) "{cases}")
            (func $run (param $case i32) (result i64)
                (call_indirect (type $case)
                    (i64.load (local.get $case)) (i64.load offset=8 (local.get $case)) (i32.load offset=16 (local.get $case))))
            {text} {FIELDS}"#,
            functions.len() + room
        );
        let check = format!(
            "(global.set $hash (call $run (i32.add (i32.const {CASES}) (i32.mul (i32.const 24) (i32.rem_u
                (i32.wrap_i64 (i64.sub (call $now (local.get $request)) (i64.const {START})))
                (i32.const {}))))))
            (call $spell) (call $deny {SPELLED} {SPELLED})",
            self.cases.len()
        );
        Guest { fields: &fields, check: &check, ..Guest::default() }.component()
    }
}

#[test]
fn every_instruction_does_linked_what_it_does_unlinked() {
    let mut tables: Vec<Table> = LOADS.iter().map(loads).collect();
    tables.extend(STORES.iter().map(stores));
    tables.extend(["i32", "i64"].into_iter().flat_map(divisions));
    tables.extend(["f32", "f64"].into_iter().flat_map(truncations));
    tables.extend([copies(), fills(), growth(), indirect_calls(8), indirect_calls(80)]);
    let components: Vec<Vec<u8>> = tables.iter().map(Table::component).collect();
    let sides = Sides::new(&components);
    let entry =
        |index| json!({ "name": format!("e{index}"), "policy": format!("p{index}"), "mode": "shadow" });
    let entries: Vec<Value> = (0..tables.len()).map(entry).collect();
    let mut session = sides.start(&entries);
    let mut tally = Tally::default();
    let most = tables.iter().map(|table| table.cases.len()).max().unwrap();
    for case in 0..most {
        let question = requests::plain(START + case as u64, START);
        let said = session.ask(&question);
        for (((linked, unlinked), table), component) in said.iter().zip(&tables).zip(&components) {
            if let Some((function, a, b)) = table.cases.get(case) {
                let what = || {
                    let (name, body) = (&table.name, &table.functions[*function]);
                    format!(
                        "{}\n{name} of {a:#x}, {b:#x}: {body}",
                        keep("instruction", case as u64, name, component)
                    )
                };
                tally.compare(linked, unlinked, what);
            }
        }
    }
    println!("{tally:#?}");
    tally.settle("cargo test -p mandate-host --test random every_instruction");
    tally.saw(&["deny", "fault trap", "fault memory"]);
}

/// Instruction, bytes, and how the result becomes an `i64`.
const LOADS: [(&str, i64, &str); 14] = [
    ("i32.load8_s", 1, "i64.extend_i32_u"),
    ("i32.load8_u", 1, "i64.extend_i32_u"),
    ("i32.load16_s", 2, "i64.extend_i32_u"),
    ("i32.load16_u", 2, "i64.extend_i32_u"),
    ("i32.load", 4, "i64.extend_i32_u"),
    ("i64.load8_s", 1, ""),
    ("i64.load8_u", 1, ""),
    ("i64.load16_s", 2, ""),
    ("i64.load16_u", 2, ""),
    ("i64.load32_s", 4, ""),
    ("i64.load32_u", 4, ""),
    ("i64.load", 8, ""),
    ("f32.load", 4, "i64.extend_i32_u (i32.reinterpret_f32"),
    ("f64.load", 8, "i64.reinterpret_f64"),
];

/// Instruction, bytes, and what is stored.
const STORES: [(&str, i64, &str); 9] = [
    ("i32.store8", 1, "(i32.const 0x11223344)"),
    ("i32.store16", 2, "(i32.const 0x11223344)"),
    ("i32.store", 4, "(i32.const 0x11223344)"),
    ("i64.store8", 1, "(i64.const 0x1122334455667788)"),
    ("i64.store16", 2, "(i64.const 0x1122334455667788)"),
    ("i64.store32", 4, "(i64.const 0x1122334455667788)"),
    ("i64.store", 8, "(i64.const 0x1122334455667788)"),
    ("f32.store", 4, "(f32.const nan:0x2abcde)"),
    ("f64.store", 8, "(f64.const -nan:0x1122334455667)"),
];

/// Addresses at which an access of so many bytes ends at the end of memory, or one byte beyond, or lies beyond, given the
/// static offset.
fn around(end: i64, offset: i64, bytes: i64) -> Vec<(i64, i64)> {
    [end - bytes, end - bytes + 1, end].map(|at| ((at - offset).rem_euclid(1 << 32), 0)).into()
}

/// All ways in which an address can come to an access.
fn accesses(name: &str, bytes: i64, access: impl Fn(&str, &str) -> String) -> Table {
    let mut table = Table::new(name);
    let far = [0, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff].map(|at| (at, 0));
    for offset in [0, 5, PAGE - 1, 0xffff_ffff] {
        let of = format!("offset={offset}");
        let known = access(&of, "(local.get $x)");
        let near = || around(PAGE, offset, bytes);
        table.add(known.clone(), near().into_iter().chain(far));
        for (at, _) in near() {
            table.add(access(&of, &format!("(i32.const {at})")), [(0, 0)]);
        }
        let grow = "(drop (memory.grow (i32.const 1)))";
        table.add(format!("{grow} {known}"), around(2 * PAGE, offset, bytes));
        if offset > 5 {
            continue;
        }
        table.add(access(&of, "(i32.add (local.get $x) (local.get $y))"), near());
        table.add(access(&of, "(local.tee $y (local.get $x))"), near());
        // A smaller access at the same place was seen to be good; or one at another place; or not on every way.
        table.add(format!("(drop (i32.load8_u (local.get $x))) {known}"), near());
        table.add(
            format!(
                "(local.set $y (local.get $x)) (local.set $x (i32.const 8)) (drop (i64.load (local.get $x)))
            (local.set $x (local.get $y)) {known}"
            ),
            near(),
        );
        table.add(format!("(block (br_if 0 (i32.ge_u (local.get $x) (i32.const 100))) (drop (i64.load (local.get $x)))) {known}"), near());
        table.add(format!("(if (i32.lt_u (local.get $x) (i32.const 100)) (then (drop (i64.load (local.get $x))))) {known}"), near());
        table.add(format!("(loop (drop (i32.load8_u (local.get $x))) (local.set $x (i32.add (local.get $x) (i32.const 1)))
            (br_if 0 (i32.and (local.get $x) (i32.const 1)))) {known}"), near());
    }
    for (at, _) in around(2 * PAGE, 0, bytes) {
        let constant = access("", &format!("(i32.const {at})"));
        table.add(format!("(drop (memory.grow (i32.const 1))) {constant}"), [(0, 0)]);
    }
    table
}

fn loads((load, bytes, convert): &(&str, i64, &str)) -> Table {
    let close = ")".repeat(usize::from(!convert.is_empty()) + usize::from(convert.contains('(')));
    let open = if convert.is_empty() { String::new() } else { format!("({convert} ") };
    accesses(load, *bytes, |offset, at| format!("{open}({load} {offset} {at}){close}"))
}

fn stores((store, bytes, value): &(&str, i64, &str)) -> Table {
    let seen = "(i64.add (i64.load (i32.const 0)) (i64.rotl (i64.add
        (i64.load (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8)))
        (i64.load (i32.const 65520))) (i64.const 5)))";
    accesses(store, *bytes, |offset, at| format!("({store} {offset} {at} {value}) {seen}"))
}

/// Every pair of these.
fn pairs(edges: &[i64]) -> impl Iterator<Item = (i64, i64)> {
    edges.iter().flat_map(|a| edges.iter().map(|b| (*a, *b)))
}

fn divisions(ty: &'static str) -> impl Iterator<Item = Table> {
    ["div_s", "div_u", "rem_s", "rem_u"].into_iter().map(move |operator| {
        let mut table = Table::new(&format!("{ty}.{operator}"));
        if ty == "i32" {
            let operands = "(local.get $x) (i32.wrap_i64 (local.get $b))";
            let edges = [i32::MIN, i32::MIN + 1, -2, -1, 0, 1, 7, i32::MAX].map(i64::from);
            table.add(format!("(i64.extend_i32_u (i32.{operator} {operands}))"), pairs(&edges));
        } else {
            let edges = [i64::MIN, i64::MIN + 1, -2, -1, 0, 1, 7, i64::MAX];
            table.add(format!("(i64.{operator} (local.get $a) (local.get $b))"), pairs(&edges));
        }
        table
    })
}

/// Floats around every bound of an integer type, as bits.
fn floats(from: &str) -> Vec<(i64, i64)> {
    let bounds = [0.0, 1.0, 2_147_483_648.0, 2_147_483_649.0, 4_294_967_296.0, 9_223_372_036_854_775_808.0];
    let bounds = bounds.into_iter().chain([18_446_744_073_709_551_616.0, f64::INFINITY, f64::NAN]);
    let mut values = Vec::new();
    for bound in bounds.flat_map(|bound: f64| [bound, -bound]) {
        if from == "f32" {
            #[allow(clippy::cast_possible_truncation, reason = "the nearest float is meant")]
            let single = bound as f32;
            values.extend(
                [single, single.next_up(), single.next_down()].map(|value| (i64::from(value.to_bits()), 0)),
            );
        } else {
            let near = [bound, bound.next_up(), bound.next_down()];
            values.extend(near.map(|value| (value.to_bits().cast_signed(), 0)));
        }
    }
    values
}

fn truncations(from: &'static str) -> impl Iterator<Item = Table> {
    ["i32", "i64"].into_iter().map(move |to| {
        let operand = if from == "f32" {
            "(f32.reinterpret_i32 (local.get $x))"
        } else {
            "(f64.reinterpret_i64 (local.get $a))"
        };
        let mut table = Table::new(&format!("{to}.trunc_{from}"));
        for operator in ["trunc", "trunc_sat"] {
            for sign in ["s", "u"] {
                let truncated = format!("({to}.{operator}_{from}_{sign} {operand})");
                let wide = if to == "i32" { format!("(i64.extend_i32_u {truncated})") } else { truncated };
                table.add(wide, floats(from));
            }
        }
        table
    })
}

/// What moving bytes may have changed.
const MOVED: &str =
    "(i64.add (i64.load (i32.const 0)) (i64.rotl (i64.load (i32.const 65528)) (i64.const 5)))";

fn copies() -> Table {
    let mut table = Table::new("memory.copy");
    for len in [0, 1, 8, PAGE, 0xffff_ffff] {
        let copy = format!("(memory.copy (local.get $x) (i32.wrap_i64 (local.get $b)) (i32.const {len}))");
        table.add(format!("{copy} {MOVED}"), pairs(&[0, 3, PAGE - 1, PAGE, PAGE + 1, 0xffff_ffff]));
    }
    table
}

fn fills() -> Table {
    let mut table = Table::new("memory.fill");
    // Only the low byte counts.
    let fill = "(memory.fill (local.get $x) (i32.const 0x1a5) (i32.wrap_i64 (local.get $b)))";
    table.add(
        format!("{fill} {MOVED}"),
        pairs(&[0, 1, 65_528, PAGE - 1, PAGE, PAGE + 1, 0x8000_0000, 0xffff_ffff]),
    );
    table
}

/// Growing once and again, up to what the budget of 16 pages allows and beyond; the new end is touched, or what is beyond it.
fn growth() -> Table {
    let grow = "(local.set $x (memory.grow (local.get $x))) (local.set $y (memory.grow (i32.wrap_i64 (local.get $b))))
        (i32.store8 (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1)) (i32.const 7))";
    let told = "(i64.or (i64.shl (i64.extend_i32_s (local.get $x)) (i64.const 32))
        (i64.add (i64.extend_i32_u (local.get $y)) (i64.extend_i32_u (memory.size))))";
    let deltas = [0, 1, 14, 15, 16, 1023, 1024, 65_536, 0xffff_ffff];
    let mut table = Table::new("memory.grow");
    table.add(format!("{grow} {told}"), pairs(&deltas));
    table.add(format!("{grow} (i64.load8_u (i32.shl (memory.size) (i32.const 16)))"), pairs(&deltas));
    table
}

/// Calls through the table: what is there, what has another type, what is not there. With more than 64 entries the linker
/// tests types in another way.
fn indirect_calls(room: usize) -> Table {
    let types = [
        ("$case", "(i64.const 1) (i64.const 2)", ""),
        // The same type under another name.
        ("$same", "(i64.const 3) (i64.const 4)", ""),
        ("$void", "", "(i64.const 5)"),
        ("$one", "(i32.const 3)", ""),
        ("$two", "(i32.const 4) (i64.const 3)", ""),
    ];
    let mut table = Table { room, ..Table::new("call_indirect") };
    let count = types.len() as i64;
    for (ty, arguments, result) in types {
        let places =
            (count..count + 9).chain([0x7fff_ffff, 0x8000_0000, 0xffff_ffff]).map(|place| (place, 0));
        table.add(format!("(call_indirect (type {ty}) {arguments} (local.get $x)) {result}"), places);
    }
    table.fields = format!(
        "(type $same (func (param i64 i64) (result i64))) (type $void (func))
        (type $one (func (param i32) (result i64))) (type $two (func (param i32 i64) (result i64)))
        (func $void (type $void)) (func $one (type $one) (i64.extend_i32_u (local.get 0)))
        (func $two (type $two) (i64.add (local.get 1) (i64.extend_i32_u (local.get 0))))
        (func $same (type $same) (i64.mul (local.get 0) (local.get 1)))
        (elem (i32.const {count}) $void $one $two $same) (elem (i32.const {}) $one)",
        count + 5
    );
    table
}
