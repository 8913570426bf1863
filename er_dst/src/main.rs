//! DynamicStepper sparse training: moves the edges of a random mask while it trains.

use std::process::ExitCode;

fn main() -> ExitCode {
    er_dst::main(|| Ok(()))
}
