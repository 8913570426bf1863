//! Soft-threshold reparameterisation inside a random mask, from YAML.

use std::process::ExitCode;

fn main() -> ExitCode {
    er_str::main(|| Ok(()))
}
