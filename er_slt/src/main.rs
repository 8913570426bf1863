//! Strong lottery tickets: searches an untrained network inside a random mask.

use std::process::ExitCode;

fn main() -> ExitCode {
    er_slt::main(|| Ok(()))
}
