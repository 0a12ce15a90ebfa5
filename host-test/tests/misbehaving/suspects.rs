//! Everything that policies do wrong, and what looks like it.

use super::suspect::Outcome::{self, Fault, Fine};
use super::suspect::Suspect;
use std::fmt::Write as _;

pub const TRAP: Outcome = Fault("trap");
pub const FUEL: Outcome = Fault("fuel");
pub const STACK: Outcome = Fault("stack");
pub const MEMORY: Outcome = Fault("memory");
pub const MALFORMED: Outcome = Fault("malformed");
pub const OUTPUT: Outcome = Fault("output");

/// Code that never ends by itself.
pub const FOREVER: &str = "(loop (br 0))";
/// A function that calls itself.
pub const RECURSION: &str = "(func $down (param i32) (result i32)
    (i32.add (local.get 0) (call $down (i32.add (local.get 0) (i32.const 1)))))";
/// Gives up when it gets no memory, as allocators do.
pub const GREED: &str = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";

pub fn all() -> Vec<Suspect> {
    let mut all =
        vec![arithmetic(), loads_and_stores(), addresses(), bulk(), loops(), recursions(), memory()];
    all.extend([4, 64, 65].map(indirect_calls));
    all.extend([answers(), texts(), lists(), handles(), questions(), allocators(), after_words(), logs()]);
    all
}

fn arithmetic() -> Suspect {
    let mut suspect = Suspect::new("arithmetic").does(TRAP, "unreachable", "(unreachable)");
    for ty in ["i32", "i64"] {
        let least = if ty == "i32" { i64::from(i32::MIN) } else { i64::MIN };
        for op in ["div_s", "div_u", "rem_s", "rem_u"] {
            let by = |n: i64, d: i64| format!("({ty}.{op} ({ty}.const {n}) ({ty}.const {d}))");
            suspect = suspect.does(TRAP, format!("{ty}.{op} by zero"), format!("(drop {})", by(7, 0)));
            let least_by_minus_one = by(least, -1);
            let name = format!("{ty}.{op} of the least by minus one");
            let is =
                |result: i64| format!("(call $must ({ty}.eq {least_by_minus_one} ({ty}.const {result})))");
            suspect = match op {
                "div_s" => suspect.does(TRAP, name, format!("(drop {least_by_minus_one})")),
                "rem_u" => suspect.does(Fine, name, is(least)),
                _ => suspect.does(Fine, name, is(0)),
            };
        }
    }
    for (op, float, inside, outside) in CONVERSIONS {
        for value in ["nan", "-nan:0x1", "inf", "-inf"].into_iter().chain(outside) {
            let code = format!("(drop ({op} ({float}.const {value})))");
            suspect = suspect.does(TRAP, format!("{op} of {value}"), code);
        }
        for (value, result) in inside {
            let (ty, _) = op.split_once('.').unwrap();
            let code = format!("(call $must ({ty}.eq ({op} ({float}.const {value})) ({ty}.const {result})))");
            suspect = suspect.does(Fine, format!("{op} of {value}"), code);
        }
    }
    suspect.does(
        Fine,
        "a saturating conversion",
        "(call $must (i32.eqz (i32.trunc_sat_f32_s (f32.const nan))))
         (call $must (i64.eq (i64.trunc_sat_f64_u (f64.const inf)) (i64.const -1)))",
    )
}

/// The conversion, the type of its operand, the outermost operands that are within its bounds and what they become, and the
/// innermost that are not: neighbours in the operand's type.
type Conversion = (&'static str, &'static str, [(&'static str, &'static str); 2], [&'static str; 2]);

const CONVERSIONS: [Conversion; 8] = [
    (
        "i32.trunc_f32_s",
        "f32",
        [("-2147483648", "-2147483648"), ("2147483520", "2147483520")],
        ["-2147483904", "2147483648"],
    ),
    ("i32.trunc_f32_u", "f32", [("-0.99999994", "0"), ("4294967040", "4294967040")], ["-1", "4294967296"]),
    (
        "i32.trunc_f64_s",
        "f64",
        [("-2147483648.9999995", "-2147483648"), ("2147483647.9999998", "2147483647")],
        ["-2147483649", "2147483648"],
    ),
    (
        "i32.trunc_f64_u",
        "f64",
        [("-0.9999999999999999", "0"), ("4294967295.9999995", "4294967295")],
        ["-1", "4294967296"],
    ),
    (
        "i64.trunc_f32_s",
        "f32",
        [("-9223372036854775808", "-9223372036854775808"), ("9223371487098961920", "9223371487098961920")],
        ["-9223373136366403584", "9223372036854775808"],
    ),
    (
        "i64.trunc_f32_u",
        "f32",
        [("-0.99999994", "0"), ("18446742974197923840", "18446742974197923840")],
        ["-1", "18446744073709551616"],
    ),
    (
        "i64.trunc_f64_s",
        "f64",
        [("-9223372036854775808", "-9223372036854775808"), ("9223372036854774784", "9223372036854774784")],
        ["-9223372036854777856", "9223372036854775808"],
    ),
    (
        "i64.trunc_f64_u",
        "f64",
        [("-0.9999999999999999", "0"), ("18446744073709549568", "18446744073709549568")],
        ["-1", "18446744073709551616"],
    ),
];

/// Instructions that touch memory, and how many bytes of it.
const ACCESSES: [(&str, u32); 23] = [
    ("i32.load8_s", 1),
    ("i32.load8_u", 1),
    ("i32.load16_s", 2),
    ("i32.load16_u", 2),
    ("i32.load", 4),
    ("i64.load8_s", 1),
    ("i64.load8_u", 1),
    ("i64.load16_s", 2),
    ("i64.load16_u", 2),
    ("i64.load32_s", 4),
    ("i64.load32_u", 4),
    ("i64.load", 8),
    ("f32.load", 4),
    ("f64.load", 8),
    ("i32.store8", 1),
    ("i32.store16", 2),
    ("i32.store", 4),
    ("i64.store8", 1),
    ("i64.store16", 2),
    ("i64.store32", 4),
    ("i64.store", 8),
    ("f32.store", 4),
    ("f64.store", 8),
];

/// One page, which is what a policy of these has.
const END: u32 = 65536;

/// The linker looks at where an address comes from, so every access is tried with each.
const ORIGINS: [&str; 3] = ["(i32.const A)", "(local.get $i)", "(i32.add (local.get $i) (i32.const 0))"];

fn access(op: &str, origin: &str, at: u32, offset: u32) -> String {
    let address = origin.replace('A', &at.to_string());
    let set = format!("(local.set $i (i32.const {at}))");
    if op.contains("store") {
        let (ty, _) = op.split_once('.').unwrap();
        format!("{set} ({op} offset={offset} {address} ({ty}.const 1))")
    } else {
        format!("{set} (drop ({op} offset={offset} {address}))")
    }
}

fn loads_and_stores() -> Suspect {
    let mut suspect = Suspect::new("loads-and-stores");
    for (op, width) in ACCESSES {
        let last = END - width;
        for origin in ORIGINS {
            let name = format!("{op} half beyond the end, at {origin}");
            suspect = suspect.does(TRAP, name, access(op, origin, last + 1, 0));
        }
        let beyond = [
            ("at the very top", u32::MAX, 0),
            ("whose offset leads around", width.wrapping_neg(), width),
            ("whose address leads around", 1, u32::MAX),
            ("whose offset is beyond the end", 0, END),
            ("whose offset is half beyond the end", 0, last + 1),
        ];
        for (how, at, offset) in beyond {
            suspect = suspect.does(TRAP, format!("{op} {how}"), access(op, ORIGINS[1], at, offset));
        }
        let fine: String = ORIGINS.iter().map(|origin| access(op, origin, last, 0)).collect();
        suspect =
            suspect.does(Fine, format!("{op} of the last bytes"), fine + &access(op, ORIGINS[1], 0, last));
    }
    suspect
}

/// The linker does not test what it tested before; these are the ways to be wrong about that. `$i` is within memory at
/// first, `$j` never.
fn addresses() -> Suspect {
    let start = "(local.set $i (i32.const 1024)) (local.set $j (i32.const 65536))";
    let good = "(drop (i32.load8_u (local.get $i)))";
    let suspect = Suspect::new("addresses").with(
        "(func $same (param i32) (result i32) (local.get 0))
         (func $two (param i32) (result i32 i32) (local.get 0) (local.get 0))",
    );
    let ways: &[(&str, &str)] = &[
        (
            "a shorter access before",
            "(local.set $i (i32.const 65535)) (drop (i32.load8_u (local.get $i))) (drop (i32.load16_u (local.get $i)))",
        ),
        (
            "a smaller offset before",
            "(local.set $i (i32.const 65000)) (drop (i32.load8_u (local.get $i)))
             (drop (i32.load8_u offset=536 (local.get $i)))",
        ),
        ("set in between", "GOOD (local.set $i (local.get $j)) GOOD"),
        ("teed in between", "GOOD (drop (local.tee $i (local.get $j))) GOOD"),
        ("tested where it was teed", "GOOD (drop (i32.load8_u (local.tee $i (local.get $j))))"),
        ("tested in an arm not taken", "(local.set $i (local.get $j)) (if (i32.const 0) (then GOOD)) GOOD"),
        (
            "tested in the other arm",
            "(local.set $i (local.get $j)) (if (i32.const 0) (then GOOD) (else GOOD))",
        ),
        (
            "tested in a block that is left before",
            "(local.set $i (local.get $j)) (block (br_if 0 (i32.const 1)) GOOD) GOOD",
        ),
        ("tested in code that is never reached", "(local.set $i (local.get $j)) (block (br 0) GOOD) GOOD"),
        ("changed before the next turn", "(loop GOOD (local.set $i (local.get $j)) (br 0))"),
        ("changed in an arm", "GOOD (if (i32.const 1) (then (local.set $i (local.get $j)))) GOOD"),
        (
            "on the stack since before its local was good",
            "(local.set $i (local.get $j))
            local.get $i (local.set $i (i32.const 1024)) GOOD i32.load8_u drop",
        ),
        (
            "below a value that makes its local good",
            "(local.set $i (local.get $j))
            (i32.store (local.get $i) (local.tee $i (i32.const 1024)))",
        ),
        ("by way of a call", "GOOD (drop (i32.load8_u (call $same (local.get $j))))"),
        (
            "by way of a call with two results",
            "GOOD local.get $i (call $two (local.get $j)) i32.load8_u drop drop drop",
        ),
        (
            "by way of a choice",
            "GOOD (drop (i32.load8_u (select (local.get $i) (local.get $j) (i32.const 0))))",
        ),
        (
            "by way of an arm",
            "GOOD (drop (i32.load8_u
            (if (result i32) (i32.const 0) (then (local.get $i)) (else (local.get $j)))))",
        ),
        ("by way of a block", "GOOD (local.get $j) (block (param i32) i32.load8_u drop)"),
        ("by way of a loop", "GOOD (local.get $i) (loop (param i32) i32.load8_u drop (local.get $j) (br 0))"),
        ("by way of a branch", "GOOD (block (result i32) (br 0 (local.get $j))) i32.load8_u drop"),
        (
            "by way of a branch that may be taken",
            "GOOD
            (block (result i32) (br_if 0 (local.get $j) (i32.const 1)) drop (local.get $i)) i32.load8_u drop",
        ),
        (
            "by way of memory",
            "(i32.store (local.get $i) (local.get $j)) (drop (i32.load8_u (i32.load (local.get $i))))",
        ),
        (
            "a number that a branch brings in place of a good one",
            "(block (result i32) (br_if 0 (i32.const 65536) (i32.const 1)) drop (i32.const 1024)) i32.load8_u drop",
        ),
    ];
    let suspect = ways.iter().fold(suspect, |suspect, (name, code)| {
        suspect.does(TRAP, *name, format!("{start} {}", code.replace("GOOD", good)))
    });
    suspect.does(
        Fine,
        "tested once and used twice",
        format!("{start} {good} {good} (i64.store (local.get $i) (i64.const 1))"),
    )
}

/// Wasmtime asks for the fuel of all bytes before it looks where they are.
fn bulk() -> Suspect {
    let copy = |to: u32, from: u32, len: u32| {
        format!("(memory.copy (i32.const {to}) (i32.const {from}) (i32.const {len}))")
    };
    let fill = |at: u32, len: u32| format!("(memory.fill (i32.const {at}) (i32.const 7) (i32.const {len}))");
    Suspect::new("bulk")
        .does(TRAP, "memory.copy to half beyond the end", copy(END - 7, 0, 8))
        .does(TRAP, "memory.copy from half beyond the end", copy(0, END - 7, 8))
        .does(TRAP, "memory.copy of no bytes to beyond the end", copy(END + 1, 0, 0))
        .does(TRAP, "memory.copy of no bytes from beyond the end", copy(0, END + 1, 0))
        .does(TRAP, "memory.copy around the top", copy(2048, 2048, u32::MAX - 1024))
        .but_by_the_oracle(FUEL)
        .does(TRAP, "memory.copy of everything there could be", copy(0, 0, u32::MAX))
        .but_by_the_oracle(FUEL)
        .does(TRAP, "memory.copy from the very top", copy(0, u32::MAX, 1))
        .does(TRAP, "memory.fill half beyond the end", fill(END - 7, 8))
        .does(TRAP, "memory.fill of no bytes beyond the end", fill(END + 1, 0))
        .does(TRAP, "memory.fill around the top", fill(2048, u32::MAX - 1024))
        .but_by_the_oracle(FUEL)
        .does(TRAP, "memory.fill at the very top", fill(u32::MAX, 1))
        .does(Fine, "memory.copy of the last bytes", copy(END - 8, END - 16, 8) + &copy(0, 0, END))
        .does(Fine, "memory.copy of no bytes at the end", copy(END, END, 0))
        .does(Fine, "memory.fill of the last bytes", fill(END - 8, 8))
        .does(Fine, "memory.fill of no bytes at the end", fill(END, 0))
}

fn indirect_calls(entries: u32) -> Suspect {
    let last = entries - 1;
    let fields = format!(
        "(table {entries} funcref)
         (type $wanted (func (param i32) (result i32)))
         (type $the-same (func (param i32) (result i32)))
         (type $another (func (param i64) (result i32)))
         (func $right (type $the-same) (i32.add (local.get 0) (i32.const 1)))
         (func $wrong (type $another) (i32.const 0))
         ;; there is nothing at 0
         (elem (i32.const 1) $right $wrong)
         (elem (i32.const {last}) $right)"
    );
    let call = |slot: u32| format!("(call_indirect (type $wanted) (i32.const 41) (i32.const {slot}))");
    let does = |slot| format!("(drop {})", call(slot));
    let fine = |slot| format!("(call $must (i32.eq {} (i32.const 42)))", call(slot));
    Suspect::new(&format!("calls-through-{entries}"))
        .with(&fields)
        .does(TRAP, "a call to nothing", does(0))
        .does(TRAP, "a call to a function of another type", does(2))
        .does(TRAP, "a call just beyond the table", does(entries))
        .does(TRAP, "a call far beyond the table", does(entries + 64))
        .does(TRAP, "a call at the very top", does(u32::MAX))
        .does(Fine, "a call to a function of an equal type", fine(1))
        .does(Fine, "a call to the last entry", fine(last))
}

fn loops() -> Suspect {
    // The oracle gives many times as much, and is slow to answer questions.
    Suspect::new("loops")
        .with_fuel(100_000)
        .with(
            "(data (i32.const 1024) \"again\") (func $fib (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add
                    (call $fib (i32.sub (local.get 0) (i32.const 1)))
                    (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
            (func $nothing)",
        )
        .does(FUEL, "a loop", FOREVER)
        .does(FUEL, "a loop in a loop", "(loop $outer (loop (br_if 0 (i32.const 0))) (br $outer))")
        .does(FUEL, "a loop by way of a table of branches", "(loop (br_table 0 0 (i32.const 9)))")
        .does(FUEL, "a loop in an arm", "(if (i32.const 1) (then (loop (br 0))))")
        .does(FUEL, "a loop that calls an empty function", "(loop (call $nothing) (br 0))")
        .does(FUEL, "a tree of calls", "(drop (call $fib (i32.const 50)))")
        .does(FUEL, "a loop of questions", "(loop (drop (call $depth (local.get $request))) (br 0))")
        .does(
            FUEL,
            "a loop that logs",
            "(loop (call $log (i32.const 2) (i32.const 1024) (i32.const 5)) (br 0))",
        )
        .does(
            FUEL,
            "a loop that logs nothing",
            "(loop (call $log (i32.const 2) (i32.const 1024) (i32.const 0)) (br 0))",
        )
        .does(
            FUEL,
            "a loop that copies all memory",
            "(loop (memory.copy (i32.const 0) (i32.const 0) (i32.const 65536)) (br 0))",
        )
        .does(
            FUEL,
            "a loop that fills all memory",
            "(loop (memory.fill (i32.const 1024) (i32.const 0) (i32.const 64512)) (br 0))",
        )
        .does(FUEL, "a loop that grows by nothing", "(loop (drop (memory.grow (i32.const 0))) (br 0))")
        .does(FUEL, "a loop that grows and does not mind", "(loop (drop (memory.grow (i32.const 1))) (br 0))")
        .does(
            Fine,
            "a loop with an end",
            "(local.set $i (i32.const 5000))
             (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))",
        )
}

fn recursions() -> Suspect {
    let mut fields = format!("{RECURSION} {MORE_RECURSIONS}");
    // Values that stay where they are while the function calls itself: as locals, as operands, as parameters and results.
    let many = 1900;
    let locals = "(local i64)".repeat(many);
    let set: String =
        (0..many).map(|i| format!("(local.set {i} (i64.load offset={} (i32.const 1024)))", i * 8)).collect();
    let sum = |count| (1..count).map(|i| format!("(i64.add (local.get {i}))")).collect::<String>();
    write!(
        fields,
        "(func $locals (result i64) {locals} {set} (drop (call $locals)) (local.get 0) {})",
        sum(many)
    )
    .unwrap();
    let loads: String = (0..many).map(|i| format!("(i64.load offset={} (i32.const 1024))", i * 8)).collect();
    let adds = "i64.add ".repeat(many);
    write!(fields, "(func $operands (result i64) {loads} (call $operands) {adds})").unwrap();
    let wide = "i64 ".repeat(400);
    let gets: String = (0..400).map(|i| format!("(local.get {i})")).collect();
    let zeros = "(i64.const 0)".repeat(400);
    write!(fields, "(func $parameters (param {wide}) {gets} (call $parameters))").unwrap();
    let few = "i64 ".repeat(16);
    let (drop_few, few_zeros) = ("drop ".repeat(16), "(i64.const 0)".repeat(16));
    write!(fields, "(func $results (result {few}) (call $results) {drop_few} {few_zeros})").unwrap();
    // What is computed before a call and again after it, an engine keeps in the frame, though no local holds it.
    let product = "(local.get $x) i64.mul ".repeat(1500);
    let again = "(local.get $x) i64.mul (local.tee $t) (local.get $a) i64.xor (local.set $a) (local.get $t) "
        .repeat(1500);
    write!(
        fields,
        "(global $product (mut i64) (i64.const 0))
         (func $computing (param $x i64) (result i64) (local $a i64) (local $t i64)
            (local.get $x) {product} (global.set $product)
            (local.set $a (call $computing (i64.add (local.get $x) (i64.const 3))))
            (loop (local.get $x) {again} drop)
            (local.get $a))"
    )
    .unwrap();
    Suspect::new("recursions")
        .with(&fields)
        .does(STACK, "of thin frames", "(drop (call $down (i32.const 0)))")
        .does(STACK, "of the thinnest frames", "(call $thinnest)")
        .does(STACK, "of two functions", "(call $ping)")
        .does(STACK, "through the table", "(call $through)")
        .does(STACK, "of frames with many locals", "(drop (call $locals))")
        .does(STACK, "of frames with many operands", "(drop (call $operands))")
        .does(STACK, "of frames with many parameters", format!("(call $parameters {zeros})"))
        .does(STACK, "of frames with many results", format!("(call $results) {drop_few}"))
        .does(STACK, "of frames with much that is computed twice", "(drop (call $computing (i64.const 5)))")
        .does(
            Fine,
            "that comes to an end",
            "(call $must (i32.eq (call $count (i32.const 1000)) (i32.const 1000)))",
        )
        .does(
            Fine,
            "that comes to an end, often and in every way",
            "(local.set $i (i32.const 5000))
             (loop
                (drop (call $leave (i32.and (local.get $i) (i32.const 3))))
                (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))",
        )
}

const MORE_RECURSIONS: &str = "
    (table 1 funcref) (elem (i32.const 0) $through) (type $nothing (func))
    (func $through (call_indirect (type $nothing) (i32.const 0)))
    (func $thinnest (call $thinnest))
    (func $ping (call $pong))
    (func $pong (call $ping))
    (func $count (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (call $count (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
            (else (i32.const 0))))
    ;; by its end, by `return`, by a branch, from within a block
    (func $leave (param i32) (result i32)
        (drop (call $count (i32.const 3)))
        (if (i32.eq (local.get 0) (i32.const 1)) (then (return (i32.const 1))))
        (if (i32.eq (local.get 0) (i32.const 2)) (then (br 1 (i32.const 2))))
        (block (if (i32.eq (local.get 0) (i32.const 3)) (then (br_if 2 (i32.const 3) (i32.const 1)) drop)))
        (i32.const 0))";

/// The budget is a MiB, sixteen pages.
fn memory() -> Suspect {
    let refused = |pages: i64| {
        format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then (unreachable)))")
    };
    Suspect::new("memory")
        .does(MEMORY, "page by page", GREED)
        .does(
            MEMORY,
            "page by page, each one touched",
            "(loop
                (local.set $i (memory.grow (i32.const 1)))
                (call $must (i32.ne (local.get $i) (i32.const -1)))
                (i32.store8 offset=65535 (i32.shl (local.get $i) (i32.const 16)) (i32.const 1))
                (br 0))",
        )
        .does(MEMORY, "one page too many", refused(16))
        .does(MEMORY, "as much as any policy may have", refused(1023))
        .does(MEMORY, "more than any policy may have", refused(1024))
        .does(MEMORY, "all that there could be", refused(65535))
        .does(MEMORY, "more than there could be", refused(-1))
        .does(
            MEMORY,
            "refused and used all the same",
            "(drop (memory.grow (i32.const 16))) (i32.store (i32.const 65536) (i32.const 1))",
        )
        .does(TRAP, "just beyond what there is", "(i32.store (i32.const 65536) (i32.const 1))")
        .does(
            TRAP,
            "just beyond what was granted",
            "(drop (memory.grow (i32.const 2))) (i32.store8 offset=196608 (i32.const 0) (i32.const 1))",
        )
        .does(
            Fine,
            "all of the budget, touched",
            "(call $must (i32.eq (memory.grow (i32.const 15)) (i32.const 1)))
             (call $must (i32.eq (memory.size) (i32.const 16)))
             (i64.store (i32.const 1048568) (i64.const -1))",
        )
        .does(TRAP, "what was granted before, now", "(drop (i32.load8_u (i32.const 65536)))")
        .does(
            Fine,
            "nothing",
            "(call $must (i32.eq (memory.grow (i32.const 0)) (i32.const 1)))
             (call $must (i32.eq (memory.size) (i32.const 1)))",
        )
        .does(
            Fine,
            "refused, and no worse for it",
            "(call $must (i32.eq (memory.grow (i32.const 16)) (i32.const -1)))
             (call $must (i32.eq (memory.grow (i32.const 1)) (i32.const 1)))",
        )
        .does(
            Fine,
            "new memory, which is empty",
            "(call $must (i32.eq (memory.grow (i32.const 3)) (i32.const 1)))
             (local.set $i (i32.const 65536))
             (loop
                (call $must (i64.eqz (i64.load (local.get $i))))
                (i64.store (local.get $i) (i64.const -1))
                (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 262144))))",
        )
}

/// An answer of `check` takes 20 bytes.
fn answers() -> Suspect {
    let mut suspect = Suspect::new("answers");
    for at in [17, 18, 19, 65516 + 4, 65536, 0x7fff_fffc, 0x8000_0000, 0xffff_ffec, 0xffff_fffc, u32::MAX] {
        suspect = suspect.answers(
            MALFORMED,
            format!("at {at}"),
            format!("(drop (call $abstain)) (i32.const {at})"),
        );
    }
    for case in [3, 4, 127, 255] {
        let code = format!("(i32.store8 (i32.const 16) (i32.const {case})) (i32.const 16)");
        suspect = suspect.answers(MALFORMED, format!("of case {case}"), code);
    }
    suspect.answers(
        Fine,
        "in the last bytes",
        "(i32.store8 (i32.const 65516) (i32.const 2)) (i32.const 65516)",
    )
}

/// A good code at 1024, and much text from 4096 on.
const TEXTS: &str = r#"
    (data (i32.const 1024) "no") (data (i32.const 1032) "NO") (data (i32.const 1040) "a\0ab")
    (data (i32.const 1056) "\ff") (data (i32.const 1064) "\c0\80") (data (i32.const 1072) "\ed\a0\80")
    (data (i32.const 1080) "\f4\90\80\80") (data (i32.const 1088) "\e2\82") (data (i32.const 1096) "\80")
    (data (i32.const 1104) "a\0d\0ax-mandate-principal: user:root") (data (i32.const 1152) "\e2\82\ac\f0\9f\a6\80")
    (func $fill (memory.fill (i32.const 4096) (i32.const 0x61) (i32.const 20480)))"#;

fn texts() -> Suspect {
    let deny = |code: (u32, u32), message: (u32, u32)| {
        format!(
            "(call $fill) (call $deny (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}))",
            code.0, code.1, message.0, message.1
        )
    };
    let no = (1024, 2);
    let mut suspect = Suspect::new("texts").with(TEXTS);
    for (name, at, len) in [
        ("no byte of any text", 1056, 1),
        ("a byte too many for its character", 1064, 2),
        ("half of a pair", 1072, 3),
        ("beyond the last character", 1080, 4),
        ("a character cut short", 1088, 2),
        ("the rest of a character", 1096, 1),
    ] {
        suspect = suspect.answers(MALFORMED, format!("{name}, in a message"), deny(no, (at, len)));
        suspect = suspect.answers(MALFORMED, format!("{name}, in a code"), deny((at, len), (0, 0)));
    }
    for (name, at, len) in [
        ("half beyond the end", 65535, 2),
        ("beyond the end", 65536, 1),
        ("nothing, but beyond the end", 65537, 0),
        ("at the top", u32::MAX, 1),
        ("around the top", u32::MAX - 3, 8),
    ] {
        suspect = suspect.answers(MALFORMED, format!("a message {name}"), deny(no, (at, len)));
        suspect = suspect.answers(MALFORMED, format!("a code {name}"), deny((at, len), (0, 0)));
    }
    for (name, len) in [("a byte more than its budget", 4095), ("16 KiB", 16384), ("more than memory", 70000)]
    {
        suspect = suspect.answers(OUTPUT, format!("a message of {name}"), deny(no, (4096, len)));
    }
    suspect = suspect.but_by_the_oracle(MALFORMED);
    for (name, len) in [("all that there could be", u32::MAX), ("half of that", 0x8000_0000)] {
        suspect = suspect.answers(OUTPUT, format!("a message of {name}"), deny(no, (4096, len)));
        suspect = suspect.but_by_the_oracle(MALFORMED);
    }
    for (name, at, len) in [
        ("in capitals", 1032, 2),
        ("of two lines", 1040, 3),
        ("that is empty", 1024, 0),
        ("that is long", 4096, 65),
    ] {
        suspect = suspect.answers(MALFORMED, format!("a code {name}"), deny((at, len), (0, 0)));
    }
    suspect
}

/// A list of obligations at 2048, each of 20 bytes: its case, its name, its value.
fn lists() -> Suspect {
    let one = |at: u32, case: u32, name: (u32, u32), value: (u32, u32)| {
        format!(
            "(i32.store8 (i32.const {at}) (i32.const {case}))
             (call $pair (i32.const {}) (i32.const {}) (i32.const {}))
             (call $pair (i32.const {}) (i32.const {}) (i32.const {}))",
            at + 4,
            name.0,
            name.1,
            at + 12,
            value.0,
            value.1
        )
    };
    let allow = |at: u32, len: u32| format!("(call $allow (i32.const {at}) (i32.const {len}))");
    let with = |case, name, value| format!("{} {}", one(2048, case, name, value), allow(2048, 1));
    let no = (1024, 2);
    let mut suspect = Suspect::new("lists").with(TEXTS);
    for (name, at, len) in [
        ("askew", 2049, 1),
        ("askew, and empty", 2050, 0),
        ("beyond the end", 65536, 1),
        ("half beyond the end", 65520, 1),
        ("beyond the end, and empty", 65540, 0),
        ("at the top", 0xffff_fffc, 1),
        ("around the top", 0xffff_fff0, 4),
    ] {
        suspect = suspect.answers(MALFORMED, name, allow(at, len));
    }
    for (name, len) in [
        ("one too many", 257),
        ("more than memory", 4000),
        ("whose size is nothing in 32 bits", 0x4000_0000),
        ("whose size is small in 32 bits", 0x0ccc_cccd),
        ("all that there could be", u32::MAX),
    ] {
        suspect = suspect.answers(OUTPUT, name, allow(4096, len));
        if len > 3000 {
            suspect = suspect.but_by_the_oracle(MALFORMED);
        }
    }
    for (name, case) in [("a case too high", 3), ("the highest case", 255)] {
        suspect = suspect.answers(MALFORMED, name, with(case, no, no));
    }
    for (name, text) in [
        ("no text", (1056, 1)),
        ("half a pair", (1072, 3)),
        ("beyond the end", (65536, 1)),
        ("two lines", (1040, 3)),
        ("a header more", (1104, 35)),
    ] {
        suspect = suspect.answers(MALFORMED, format!("a header whose name is {name}"), with(0, text, no));
        suspect = suspect.answers(MALFORMED, format!("a header whose value is {name}"), with(0, no, text));
        suspect = suspect.answers(MALFORMED, format!("a field whose name is {name}"), with(1, text, no));
        suspect =
            suspect.answers(MALFORMED, format!("an approval whose reason is {name}"), with(2, text, no));
    }
    for (name, text) in [("empty", (1024, 0)), ("long", (4096, 257))] {
        let approval = format!("(call $fill) {}", with(2, text, no));
        suspect = suspect.answers(MALFORMED, format!("an approval whose reason is {name}"), approval);
    }
    let two = |first, second| format!("{first} {second} {}", allow(2048, 2));
    suspect
        .answers(MALFORMED, "a header whose value is not ASCII", with(0, no, (1152, 7)))
        .answers(
            OUTPUT,
            "a header of more than its budget",
            format!("(call $fill) {}", with(0, no, (4096, 4079))),
        )
        .answers(
            Fault("conflict"),
            "two headers of one name",
            two(one(2048, 0, no, no), one(2068, 0, no, (1032, 2))),
        )
        .answers(Fine, "empty", allow(0, 0))
        .answers(Fine, "empty, at the end", allow(65536, 0))
        .answers(
            Fine,
            "a header, and a field in any letters",
            two(one(2048, 0, no, no), one(2068, 1, no, (1152, 7))),
        )
        .answers(Fine, "a field of two lines", with(1, no, (1040, 3)))
        .answers(Fine, "of all its budget", format!("(call $fill) {}", with(1, no, (4096, 4078))))
}

fn handles() -> Suspect {
    let drop_it = "(call $drop (local.get $request))";
    let mut suspect = Suspect::new("handles")
        .keeps_the_request()
        .does(MALFORMED, "kept", "")
        .does(MALFORMED, "given back twice", format!("{drop_it} {drop_it}"))
        .does(
            MALFORMED,
            "used after it was given back",
            format!("{drop_it} (drop (call $depth (local.get $request)))"),
        )
        .does(
            MALFORMED,
            "read after it was given back",
            format!("{drop_it} (call $method (local.get $request) (i32.const 96))"),
        )
        .does(
            Fine,
            "given back after much use",
            format!("(drop (call $now (local.get $request))) {drop_it}"),
        );
    for handle in
        ["(i32.const 0)", "(i32.add (local.get $request) (i32.const 1))", "(i32.const 77)", "(i32.const -1)"]
    {
        suspect = suspect
            .does(MALFORMED, format!("asked by {handle}"), format!("(drop (call $depth {handle})) {drop_it}"))
            .does(MALFORMED, format!("given back as {handle}"), format!("(call $drop {handle})"));
    }
    suspect
}

/// What a question of each kind looks like, and the size and alignment of its answer.
const QUESTIONS: [(&str, &str, u32, u32); 9] = [
    ("method", "", 8, 4),
    ("path", "", 8, 4),
    ("header", "(i32.const 288) (i32.const 6)", 16, 4),
    ("principal", "", 16, 4),
    ("agent", "", 20, 4),
    ("hop", "(i32.const 0)", 20, 4),
    ("scopes", "", 8, 4),
    ("claim", "(i32.const 1024) (i32.const 4)", 24, 8),
    ("route", "", 12, 4),
];

fn questions() -> Suspect {
    let mut suspect = Suspect::new("questions").with(r#"(data (i32.const 1024) "/iss\ff")"#);
    for (function, arguments, size, align) in QUESTIONS {
        let ask = |at: u32| format!("(call ${function} (local.get $request) {arguments} (i32.const {at}))");
        for (name, at) in [
            ("askew", 2048 + align / 2),
            ("an odd place", 2049),
            ("half beyond the end", END - size / align * align + align),
            ("beyond the end", END),
            ("the top", u32::MAX - align + 1),
        ] {
            suspect = suspect.does(MALFORMED, format!("{function} into {name}"), ask(at));
        }
        suspect =
            suspect.does(Fine, format!("{function} into the last bytes"), ask((END - size) / align * align));
    }
    let wild = [
        ("half beyond the end", MALFORMED, 65535, 2),
        ("beyond the end", MALFORMED, 65536, 1),
        ("nothing, but beyond the end", MALFORMED, 65537, 0),
        ("around the top", MALFORMED, u32::MAX, 8),
        ("no text", MALFORMED, 1024, 5),
        ("more than memory", OUTPUT, 0, 70000),
        ("all that there could be", OUTPUT, 0, u32::MAX),
    ];
    for (name, outcome, at, len) in wild {
        let text = format!("(i32.const {at}) (i32.const {len})");
        for (function, code) in [
            ("header", format!("(call $header (local.get $request) {text} (i32.const 2048))")),
            ("claim", format!("(call $claim (local.get $request) {text} (i32.const 2048))")),
            ("has-scope", format!("(drop (call $has-scope (local.get $request) {text}))")),
            ("log", format!("(call $log (i32.const 0) {text})")),
        ] {
            suspect = suspect.does(outcome, format!("{function} by a text {name}"), code);
            if outcome == OUTPUT {
                suspect = suspect.but_by_the_oracle(MALFORMED);
            }
        }
    }
    for level in ["3", "256", "-1"] {
        let code = format!("(call $log (i32.const {level}) (i32.const 1024) (i32.const 1))");
        suspect = suspect.does(MALFORMED, format!("log at level {level}"), code);
    }
    suspect
        .does(
            Fine,
            "a hop that is not there",
            "(call $hop (local.get $request) (i32.const -1) (i32.const 2048))",
        )
        .does(
            Fine,
            "a claim that is not there",
            "(call $claim (local.get $request) (i32.const 1025) (i32.const 3) (i32.const 2048))",
        )
}

fn allocators() -> Suspect {
    let log = "(call $log (i32.const 1) (i32.const 288) (i32.const 6))";
    Suspect::new("allocators")
        .with(RECURSION)
        .reallocates(MALFORMED, "finds room beyond the end", "(return (i32.const 65536))")
        .reallocates(MALFORMED, "finds room half beyond the end", "(return (i32.const 65532))")
        .reallocates(MALFORMED, "finds room at the top", "(return (i32.const -4))")
        .reallocates(MALFORMED, "finds room askew", "(return (i32.const 32769))")
        .reallocates(TRAP, "gives up", "(unreachable)")
        .reallocates(FUEL, "never ends", FOREVER)
        .reallocates(STACK, "calls itself", "(drop (call $down (i32.const 0)))")
        .reallocates(MEMORY, "wants too much", GREED)
        .reallocates(TRAP, "logs", log)
        .reallocates(TRAP, "asks for the depth", "(drop (call $depth (i32.const 1)))")
        .reallocates(TRAP, "asks for what needs room itself", "(call $method (i32.const 1) (i32.const 512))")
        .reallocates(TRAP, "gives the request back", "(call $drop (i32.const 1))")
        .reallocates(Fine, "finds the same room again", "(return (i32.const 40960))")
        .reallocates(Fine, "grows", "(call $must (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))")
}

fn after_words() -> Suspect {
    Suspect::new("after-words")
        .with(RECURSION)
        .cleans_up(TRAP, "gives up", "(unreachable)")
        .cleans_up(FUEL, "never ends", FOREVER)
        .cleans_up(STACK, "calls itself", "(drop (call $down (i32.const 0)))")
        .cleans_up(MEMORY, "wants too much", GREED)
        .cleans_up(TRAP, "logs", "(call $log (i32.const 1) (i32.const 288) (i32.const 6))")
        .cleans_up(TRAP, "asks", "(drop (call $depth (i32.const 1)))")
        .cleans_up(Fine, "tidies", "(memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))")
}

fn logs() -> Suspect {
    let times = |count: u32, len: u32| {
        format!(
            "(local.set $i (i32.const {count}))
             (loop
                (call $log (i32.const 2) (i32.const 1024) (i32.const {len}))
                (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"
        )
    };
    Suspect::new("logs")
        .with(r#"(data (i32.const 1024) "audit {}\0d\0a\1b[2J\00forged\e2\80\a8")"#)
        .does(Fine, "a line", times(1, 20))
        .does(Fine, "a flood of lines", times(5000, 20))
        .does(Fine, "a flood of nothing", times(5000, 0))
        .does(Fine, "a flood of text", times(50, 64000))
        .does(Fine, "lines, and one more", times(17, 8))
}

/// Policies that do not accept their settings in any proper way.
pub fn configurers() -> Suspect {
    let refuse = |at: u32, len: u32| format!("(call $refuse (i32.const {at}) (i32.const {len}))");
    let after = |code: &str| format!("(block (result i32) {code} (call $accept))");
    let pair = |at: u32, text: u32, len: u32| {
        format!("(call $pair (i32.const {at}) (i32.const {text}) (i32.const {len}))")
    };
    let problem = |text: u32, len: u32| {
        let pointer = pair(2048, 1024, 0);
        let message = pair(2056, text, len);
        format!("(block (result i32) {pointer} {message} {})", refuse(2048, 1))
    };
    Suspect::new("configurers")
        .with(TEXTS)
        .with(RECURSION)
        .configures(TRAP, "gives up", "(unreachable)")
        .configures(FUEL, "never ends", after(FOREVER))
        .configures(STACK, "calls itself", "(call $down (i32.const 0))")
        .configures(MEMORY, "wants too much", after(GREED))
        .configures(TRAP, "stores beyond the end", after("(i32.store (i32.const 65536) (i32.const 0))"))
        .configures(MALFORMED, "asks for a request", after("(drop (call $depth (i32.const 1)))"))
        .configures(MALFORMED, "gives a request back", after("(call $drop (i32.const 1))"))
        .configures(MALFORMED, "answers askew", "(i32.const 66)")
        .configures(MALFORMED, "answers beyond the end", "(i32.const 65536)")
        .configures(MALFORMED, "answers half beyond the end", "(i32.const 65528)")
        .configures(MALFORMED, "answers at the top", "(i32.const -4)")
        .configures(
            MALFORMED,
            "answers neither yes nor no",
            after("(i32.store8 (i32.const 64) (i32.const 2)) (return (i32.const 64))"),
        )
        .configures(MALFORMED, "finds problems askew", refuse(2049, 1))
        .configures(MALFORMED, "finds problems beyond the end", refuse(65536, 1))
        .configures(MALFORMED, "finds a problem that is no text", problem(1056, 1))
        .configures(MALFORMED, "finds a problem beyond the end", problem(65536, 1))
        .configures(OUTPUT, "finds too many problems", refuse(4096, 1025))
        .configures(OUTPUT, "finds all problems that there could be", refuse(4096, u32::MAX))
        .but_by_the_oracle(MALFORMED)
        .configures(OUTPUT, "finds a problem that is too long", problem(4096, 16385))
        .cleans_up_settings(TRAP, "gives up afterwards", "(unreachable)")
        .cleans_up_settings(FUEL, "never ends afterwards", FOREVER)
        .cleans_up_settings(
            TRAP,
            "logs afterwards",
            "(call $log (i32.const 1) (i32.const 288) (i32.const 6))",
        )
}
