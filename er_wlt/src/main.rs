//! Weak lottery tickets: train a fixed random mask.

use std::process::ExitCode;

fn main() -> ExitCode {
    er_wlt::main(|| Ok(()))
}
