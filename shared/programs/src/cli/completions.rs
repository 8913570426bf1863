//! `completions`: what a shell needs to complete the program's commands and options.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::exit::Exit;
use super::output::print;
use super::{Program, documented};
use crate::config::is_switch;
use er_graphs::error::{Error, Result};

pub(super) fn command() -> Command {
    Command::new("completions").about("Prints the completions of commands and options for a shell").arg(
        Arg::new("shell")
            .value_name("SHELL")
            .value_parser(value_parser!(Shell))
            .ignore_case(true)
            .required(true)
            .help("The shell that is to read them"),
    )
}

pub(super) fn run<P: Program>(matches: &ArgMatches) -> Result<Exit> {
    let shell = *matches.get_one::<Shell>("shell").ok_or_else(|| Error::usage("SHELL is missing"))?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut documented::<P>(with_words), P::NAME, &mut script);
    print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}

/// A switch takes these words and some more.
fn with_words(arg: Arg) -> Arg {
    if is_switch(&arg) { arg.value_parser(["true", "false"]) } else { arg }
}
