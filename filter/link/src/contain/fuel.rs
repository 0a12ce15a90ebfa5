//! What code costs, known before it runs.
//!
//! Fuel is taken where time could grow without bound: on entry to a function, and at every turn of a loop. Each takes what
//! the code up to the next such place would cost if all of it ran, one unit for each operator; so a branch not taken is
//! paid for too, and the count depends on nothing but the way through functions and loops.

use std::collections::BTreeMap;
use wasmparser::Operator;

/// What to take, by the position of the operator before which it is taken.
pub(super) fn costs(operators: &[Operator<'_>]) -> BTreeMap<usize, i64> {
    let mut costs = BTreeMap::from([(0, 1)]);
    // Where the innermost loop that is open pays, and for each open block whether it is a loop and who paid before it.
    let mut payer = 0;
    let mut open: Vec<(bool, usize)> = Vec::new();
    for (position, operator) in operators.iter().enumerate() {
        match operator {
            Operator::Loop { .. } => {
                open.push((true, payer));
                payer = position + 1;
                costs.insert(payer, 1);
            }
            Operator::Block { .. } | Operator::If { .. } => {
                open.push((false, payer));
                add(&mut costs, payer);
            }
            Operator::End => {
                if let Some((true, before)) = open.pop() {
                    payer = before;
                }
            }
            Operator::Nop | Operator::Else => {}
            _ => add(&mut costs, payer),
        }
    }
    costs
}

fn add(costs: &mut BTreeMap<usize, i64>, payer: usize) {
    if let Some(cost) = costs.get_mut(&payer) {
        *cost += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn costs_of(wat: &str) -> Vec<(usize, i64)> {
        let wasm = wat::parse_str(format!("(module (func $f (param i32) {wat}))")).unwrap();
        for payload in wasmparser::Parser::new(0).parse_all(&wasm) {
            if let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() {
                let operators: Vec<_> =
                    body.get_operators_reader().unwrap().into_iter().map(Result::unwrap).collect();
                return costs(&operators).into_iter().collect();
            }
        }
        panic!("it has no code")
    }

    #[test]
    fn a_function_pays_on_entry_for_all_of_its_code() {
        assert_eq!(costs_of(""), [(0, 1)]);
        assert_eq!(costs_of("(drop (i32.const 1))"), [(0, 3)]);
        assert_eq!(costs_of("(if (local.get 0) (then (drop (i32.const 1))) (else nop))"), [(0, 5)]);
    }

    #[test]
    fn a_loop_pays_for_itself_at_every_turn() {
        // loop, local.get, br_if, end, then local.get, drop
        assert_eq!(costs_of("(loop (br_if 0 (local.get 0))) (drop (local.get 0))"), [(0, 3), (1, 3)]);
    }

    #[test]
    fn a_loop_in_a_loop_is_paid_by_itself() {
        let nested = "(loop (loop (br_if 0 (local.get 0))) (br_if 0 (local.get 0)))";
        assert_eq!(costs_of(nested), [(0, 1), (1, 3), (2, 3)]);
    }
}
