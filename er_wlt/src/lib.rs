//! Weak lottery tickets: train a fixed random mask.

mod options;

use std::process::ExitCode;

use shared::cli::{self, Program};

/// The program.
struct Wlt;

impl Program for Wlt {
    type Options = options::Options;

    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const REVISION: Option<&'static str> = option_env!("ER_REVISION");
    const ABOUT: &'static str = "Trains a network inside a fixed random mask (weak lottery tickets), on the edges of its graph";
    const EXAMPLES: [&'static str; 3] = [
        "--sparse --fix --density 0.1 --epochs 20",
        "--sparse --fix --sparse-init balanced --density 0.02 --epochs 20 --iters 3",
        "show --sparse --fix --density 0.01 --model resnet18 --data cifar10",
    ];
}

/// The program: reads its command line, does what it asks, tells errors. A program of your own registers what it adds and calls this.
pub fn main() -> ExitCode {
    cli::main::<Wlt>()
}

/// The recipes compile as they are written.
#[cfg(doctest)]
#[doc = include_str!("../../docs/extending.md")]
struct Recipes;
