//! `man`: the manual page of the program, or of one of its commands.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command};
use clap_mangen::Man;

use super::exit::Exit;
use super::output::print_exactly;
use super::{Program, documented, subcommand};
use crate::option_of;
use er_graphs::error::{Error, Result};

/// What the help text ends with.
pub(super) const EXAMPLES: [&str; 3] = ["", "show", "graph"];

/// Which page.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// The command whose page it is [default: the program itself]
    #[arg(ignore_case = true)]
    command: Option<String>,
}

/// `commands` are those that have a page of their own, besides this one.
pub(super) fn command(commands: Vec<String>) -> Command {
    let names = PossibleValuesParser::new(commands.into_iter().chain(["man".to_owned()]));
    Options::augment_args(Command::new("man"))
        .mut_arg(option_of!(Options, command), |arg| arg.value_parser(names))
        .about("Prints the manual page of the program or of one of its commands, for man")
}

pub(super) fn run<P: Program>(options: &Options) -> Result<Exit> {
    let mut program = documented::<P>(with_aliases).subcommand_help_heading("COMMANDS");
    // Gives the commands the program's name before their own.
    program.build();
    let page = match &options.command {
        Some(name) => subcommand(&program, name)?,
        None => &program,
    };
    let mut text = Vec::new();
    let page = Man::new(with_short_synopsis(page.clone())).source(format!("{} {}", P::NAME, P::VERSION));
    page.render(&mut text).map_err(|e| Error::failure(format!("cannot write the manual page: {e}")))?;
    print_exactly(String::from_utf8_lossy(&text).trim_end())?;
    Ok(Exit::Done)
}

/// A page does not show the other names of options by itself.
fn with_aliases(arg: Arg) -> Arg {
    let names: Vec<String> = arg.get_visible_aliases().into_iter().flatten().map(|name| format!("--{name}")).collect();
    if names.is_empty() {
        return arg;
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.help(format!("{help} [alias: {}]", names.join(", ")))
}

/// The synopsis of the help text in place of one that lists a hundred options.
fn with_short_synopsis(mut command: Command) -> Command {
    let usage = command.render_usage().to_string();
    command.override_usage(usage.trim_start_matches("Usage: ").to_owned())
}
