//! Weak lottery tickets: train a fixed random mask.

mod experiment;
mod options;

use std::process::ExitCode;

use shared::Result;
use shared::cli::{self, Exit, Program, Shown};
use shared::config::Given;

/// The program.
struct Wlt;

impl Program for Wlt {
    type Options = options::Options;

    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Trains a network inside a fixed random mask (weak lottery tickets), on the edges of its graph";

    fn run(options: options::Options, given: &Given, words: &[String]) -> Result<Exit> {
        experiment::run(&options, given, words)
    }

    fn show(options: options::Options, given: &Given) -> Result<Shown> {
        experiment::show(&options, given)
    }
}

fn main() -> ExitCode {
    cli::main::<Wlt>()
}
