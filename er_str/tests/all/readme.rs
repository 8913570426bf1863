//! Every command of the README and of docs runs.

#[test]
fn every_command_runs() {
    crate::common::every_command_of_the_readme_and_docs_runs(7);
}
