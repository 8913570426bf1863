//! What the programs' command lines have in common: words in, text and exit codes out, the experiment, and the sub-commands `show`,
//! `graph`, `flops`, `data`, `runs`, `completions` and `man`.

mod completions;
mod data;
mod drawn;
mod exit;
mod experiment;
mod flops;
mod graph;
mod man;
mod output;
mod runs;
mod show;
mod spread;
mod tables;

use std::path::Path;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Args, Command};

pub use exit::Exit;
pub use output::{Format, print};

use self::show::ShowOptions;
use crate::config::{ProgramOptions, Request, RunOptions, TypedOptions, read, values_of, with_word_booleans};
use er_graphs::error::{Error, Result, nearest};
use er_training::train::tell;

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

    /// Three command lines, the last of which trains nothing.
    const EXAMPLES: [&'static str; 3];

    /// Changes what the shared options mean to this program: other defaults.
    fn adapt(command: Command) -> Command {
        command
    }
}

/// The whole of a binary's `main`: reads the command line, does what it asks, tells errors.
pub fn main<P: Program>() -> ExitCode {
    let words: Result<Vec<String>> = std::env::args_os()
        .skip(1)
        .map(|w| w.into_string().map_err(|w| Error::usage(format!("argument '{}' is not valid UTF-8", w.display()))))
        .collect();
    match words.and_then(|words| dispatch::<P>(&words)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            tell(&error);
            Exit::of(&error).into()
        }
    }
}

fn dispatch<P: Program>(words: &[String]) -> Result<Exit> {
    let command = command::<P>();
    let (called, rest) = match words.split_first() {
        // `help graph` asks what `graph --help` does.
        Some((first, rest)) if ["help", "version"].contains(&first.as_str()) => {
            return dispatch::<P>(&[rest, &[format!("--{first}")]].concat());
        }
        Some((first, rest)) if !first.starts_with('-') => (subcommand(&command, first)?, rest),
        _ => (&command, words),
    };
    let (matches, given) = match read(called, &command, rest)? {
        Request::Text(text) => {
            print(text.trim_end())?;
            return Ok(Exit::Done);
        }
        Request::Run(matches, given) => (matches, given),
    };
    let of_configuration = |path: &Path| experiment::drawn::<P>(&command, path);
    match called.get_name() {
        "data" => data::run(&values_of(&matches)?),
        "runs" => runs::run(&values_of(&matches)?),
        "graph" => graph::run(&matches, &given, &of_configuration),
        "flops" => flops::run(values_of(&matches)?, &given, &of_configuration),
        "completions" => completions::run::<P>(values_of(&matches)?),
        "man" => man::run::<P>(&values_of(&matches)?),
        "show" => {
            let ShowOptions { format } = values_of(&matches)?;
            let line = TypedOptions::<P::Options>::new(P::NAME, &command, &matches, given)?;
            show::run(&experiment::show(&line)?, format)
        }
        _ => experiment::run::<P>(&TypedOptions::new(P::NAME, &command, &matches, given)?, words),
    }
}

/// Makes the global pool of threads.
fn start_threads(threads: usize) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.map_err(|e| Error::failure(format!("cannot start {threads} threads: {e}")))
}

fn command<P: Program>() -> Command {
    let with_options = |name: &'static str| {
        let deciding = P::Options::augment_args(Command::new(name));
        with_help(P::adapt(RunOptions::augment_args(deciding)))
    };
    let others = [
        (graph::command(), graph::EXAMPLES),
        (flops::command(), flops::EXAMPLES),
        (data::command(), data::EXAMPLES),
        (runs::command(), runs::EXAMPLES),
        (completions::command(), completions::EXAMPLES),
    ];
    let mut commands = vec![(show::with_format(with_options("show")), show::EXAMPLES)];
    commands.extend(others.map(|(command, examples)| (with_help(command), examples)));
    let names = commands.iter().map(|(command, _)| command.get_name().to_owned()).collect();
    commands.push((with_help(man::command(names)), man::EXAMPLES));
    let named = commands.into_iter().map(|(command, examples)| {
        let name = format!("{} {}", P::NAME, command.get_name());
        let lines = examples.map(|words| format!("{name} {words}"));
        command.bin_name(name).after_help(examples_of(&lines))
    });
    let lines = P::EXAMPLES.map(|words| format!("{} {words}", P::NAME));
    with_options(P::NAME)
        .after_help(examples_of(&lines))
        .version(P::VERSION)
        .about(P::ABOUT)
        .disable_help_subcommand(true)
        .subcommands(named)
}

/// The end of a help text.
fn examples_of(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| format!("  {}", line.trim_end()));
    std::iter::once("Examples:".to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

/// The program with its commands as help texts show them, without options that are hidden, and with each of the others changed.
fn documented<P: Program>(change: fn(Arg) -> Arg) -> Command {
    let visible = |command: &Command| {
        let options = with_word_booleans(command.clone());
        let options = options.get_arguments().filter(|arg| !arg.is_hide_set()).cloned().map(change);
        let about = command.get_about().cloned().unwrap_or_default();
        Command::new(command.get_name().to_owned()).about(about).disable_help_flag(true).args(options)
    };
    let program = command::<P>();
    let commands = program.get_subcommands().map(visible);
    visible(&program).version(P::VERSION).disable_help_subcommand(true).subcommands(commands)
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
    let option = command.get_opts().filter_map(Arg::get_long).find(|long| *long == word);
    let help = match (option, nearest(word, names.iter().copied())) {
        (Some(option), _) => format!("did you mean '--{option}'?"),
        (None, Some(near)) => format!("did you mean '{near}'?"),
        (None, None) => format!("commands are {}; options begin with '--', and --help lists them", names.join(", ")),
    };
    Err(Error::usage(format!("unknown command '{word}'")).help(help))
}
