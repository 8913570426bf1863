//! The program completes words and has a manual.

#[test]
fn completions_propose_what_is_documented() {
    crate::common::completions_propose_what_is_documented();
}

#[test]
fn the_manual_has_what_is_documented() {
    crate::common::the_manual_has_what_is_documented();
}
