//! What the programs' command lines have in common: words in, text and exit codes out, the experiment, and the sub-commands `show`,
//! `graph`, `flops` and `data`.

mod data;
mod drawn;
mod exit;
mod experiment;
mod flops;
mod graph;
mod output;
mod show;
mod tables;

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Args, Command};

pub use exit::Exit;
pub use output::{Format, note, print};

use crate::config::ProgramOptions;
use crate::config::{Request, RunOptions, read};
use er_graphs::error::{Error, Result, nearest};

/// A program: its name and its options, which say what it does.
pub trait Program {
    /// The options that decide a run. `show` takes the same. [`RunOptions`] come beside them.
    type Options: Args + ProgramOptions;

    /// Name of the binary.
    const NAME: &'static str;
    /// Version of the binary.
    const VERSION: &'static str;
    /// Revision of its source, where the build found one.
    const REVISION: Option<&'static str>;
    /// What it does, in one sentence.
    const ABOUT: &'static str;

    /// Changes what the shared options mean to this program: other defaults.
    fn adapt(command: Command) -> Command {
        command
    }
}

/// The whole of a binary's `main`: adds what `add` has to add to the [registries](er_graphs::registry), reads the command line, does what
/// it asks, tells errors.
pub fn main<P: Program>(add: impl FnOnce() -> Result<()>) -> ExitCode {
    match add().and_then(|()| words()).and_then(|words| dispatch::<P>(&words)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::error(&error);
            Exit::of(&error).into()
        }
    }
}

fn words() -> Result<Vec<String>> {
    let words = std::env::args_os().skip(1);
    words.map(|w| w.into_string().map_err(|w| Error::usage(format!("argument '{}' is not valid UTF-8", w.display())))).collect()
}

fn dispatch<P: Program>(words: &[String]) -> Result<Exit> {
    let command = command::<P>();
    let (called, rest) = match words.split_first() {
        Some((first, rest)) if !first.starts_with('-') => (subcommand(&command, first)?, rest),
        _ => (&command, words),
    };
    let (matches, given) = match read(called, rest)? {
        Request::Text(text) => {
            print(text.trim_end())?;
            return Ok(Exit::Done);
        }
        Request::Run(matches, given) => (matches, given),
    };
    match called.get_name() {
        "data" => return data::run(&matches),
        "graph" => return graph::run(&matches, &given),
        "flops" => return flops::run(options(&matches)?, &given),
        _ => {}
    }
    let (options, run) = (options::<P::Options>(&matches)?, options::<RunOptions>(&matches)?);
    if called.get_name() == "show" {
        return show::run(&experiment::show::<P>(options, &run, &given)?, &matches);
    }
    experiment::run::<P>(options, &run, &given, words)
}

/// Makes the global pool of threads.
fn start_threads(threads: usize) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.map_err(|e| Error::failure(format!("cannot start {threads} threads: {e}")))
}

fn options<O: Args>(matches: &ArgMatches) -> Result<O> {
    O::from_arg_matches(matches).map_err(|e| Error::usage(e.to_string().lines().next().unwrap_or_default()))
}

fn command<P: Program>() -> Command {
    let with_options = |name: &'static str| {
        let deciding = P::Options::augment_args(Command::new(name));
        with_help(P::adapt(RunOptions::augment_args(deciding)))
    };
    with_options(P::NAME)
        .version(P::VERSION)
        .about(P::ABOUT)
        .disable_help_subcommand(true)
        .subcommand(show::with_format(with_options("show")).bin_name(format!("{} show", P::NAME)))
        .subcommand(with_help(graph::command()).bin_name(format!("{} graph", P::NAME)))
        .subcommand(with_help(flops::command()).bin_name(format!("{} flops", P::NAME)))
        .subcommand(with_help(data::command()).bin_name(format!("{} data", P::NAME)))
}

/// One help text, not a short and a long one.
fn with_help(command: Command) -> Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("Print help").help_heading(None);
    command.disable_help_flag(true).arg(help)
}

fn subcommand<'a>(command: &'a Command, word: &str) -> Result<&'a Command> {
    if let Some(found) = command.find_subcommand(word) {
        return Ok(found);
    }
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let help = match nearest(word, names.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("commands are {}; options begin with '--', and --help lists them", names.join(", ")),
    };
    Err(Error::usage(format!("unknown command '{word}'")).help(help))
}
