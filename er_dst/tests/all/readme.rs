//! Every command of the README runs.

#[test]
fn every_command_runs() {
    crate::common::every_command_of_the_readme_runs(10);
}
