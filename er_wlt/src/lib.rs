//! Weak lottery tickets: train a fixed random mask.

mod options;

use std::process::ExitCode;

use shared::Result;
use shared::cli::{self, Program};

/// The program.
struct Wlt;

impl Program for Wlt {
    type Options = options::Options;

    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const REVISION: Option<&'static str> = option_env!("ER_REVISION");
    const ABOUT: &'static str = "Trains a network inside a fixed random mask (weak lottery tickets), on the edges of its graph";
}

/// The whole of the program. `add` comes first: it may add to the [registries](shared::registry), so that a crate of your own has
/// this program with your distribution, score or model in it.
pub fn main(add: impl FnOnce() -> Result<()>) -> ExitCode {
    cli::main::<Wlt>(add)
}

/// The recipes compile as they are written.
#[cfg(doctest)]
#[doc = include_str!("../../docs/extending.md")]
struct Recipes;
