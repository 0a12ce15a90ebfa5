//! What nobody can make by hand: the compiler's own words, so that each fails for the reason that is meant.
//! `TRYBUILD=overwrite` writes them anew.

#[test]
fn proofs_cannot_be_made_by_hand() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
