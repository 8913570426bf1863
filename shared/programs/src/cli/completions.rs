//! `completions`: what a shell needs to complete the program's commands and options.

use clap::{Arg, Args, Command};
use clap_complete::Shell;

use super::exit::Exit;
use super::output::print_exactly;
use super::{Program, documented};
use crate::config::is_switch;
use er_graphs::error::Result;

/// What the help text ends with.
pub(super) const EXAMPLES: [&str; 3] = ["bash", "zsh", "fish"];

/// For which shell.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Options {
    /// The shell that is to read them
    #[arg(ignore_case = true)]
    shell: Shell,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("completions")).about("Prints the completions of commands and options for a shell")
}

pub(super) fn run<P: Program>(options: Options) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut documented::<P>(with_words), P::NAME, &mut script);
    print_exactly(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}

/// A switch takes these words and some more.
fn with_words(arg: Arg) -> Arg {
    if is_switch(&arg) { arg.value_parser(["true", "false"]) } else { arg }
}
