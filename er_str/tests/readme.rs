//! Every command of the README runs.

#[path = "../../shared/tests/common/mod.rs"]
mod common;

#[test]
fn every_command_runs() {
    common::every_command_of_the_readme_runs(4);
}
