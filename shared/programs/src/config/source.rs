//! From words and a file to typed options: every value is checked alone, with its place, then the command line wins over the file
//! and the file over the defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use clap::{Arg, ArgMatches, Command};

use super::problems::Problems;
use super::table::{Table, accepts, as_word, is_empty_list, is_question, is_switch, label, with_word_booleans};
use super::values;
use super::words::{self, Question};
use super::yaml::{self, Position, Value};
use super::{OptionId, RunOptions};
use crate::option_of;
use er_graphs::error::{Error, Result};

/// Where the value of an option comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    CommandLine,
    File { path: String, at: Position },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("--"),
            Self::File { path, at } => write!(f, "{path}:{}:{}: ", at.line, at.column),
        }
    }
}

/// The options of a command: which were given, and where. A switch that was given as false and an empty list count as not given.
///
/// Code knows an option by its field (`data_dir`), users by its long name, which a program may choose (`--data`).
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// By field.
    options: BTreeMap<String, Known>,
}

/// An option of a command.
#[derive(Debug, Clone)]
struct Known {
    long: String,
    /// Where it was written, if it was.
    place: Option<Place>,
    /// Whether it was written as a switch that is off.
    is_off: bool,
}

impl Provenance {
    /// Whether an option was given.
    pub fn has(&self, option: OptionId) -> bool {
        self.options.get(option.field()).is_some_and(|known| known.place.is_some() && !known.is_off)
    }

    /// The option as a message about its value begins: `--density` or `run.yaml:3:1: density`.
    pub fn show(&self, option: OptionId) -> String {
        let place = self.options.get(option.field()).and_then(|known| known.place.as_ref());
        format!("{}{}", place.unwrap_or(&Place::CommandLine), self.long(option))
    }

    /// The long name of an option.
    pub fn long(&self, option: OptionId) -> &str {
        self.options.get(option.field()).map_or(option.field(), |known| &known.long)
    }

    /// The options that are among those of another command.
    #[must_use]
    pub(super) fn among(mut self, command: &Command) -> Self {
        self.options.retain(|field, _| command.get_arguments().any(|arg| arg.get_id() == field));
        self
    }

    /// The fields of all options, and their long names.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(field, known)| (field.as_str(), known.long.as_str()))
    }
}

/// What the words ask for.
#[derive(Debug)]
pub enum Request {
    /// To run with these options.
    Run(ArgMatches, Provenance),
    /// To print this text.
    Text(String),
}

/// Reads the words of a command line (without the program's and the sub-command's names) for `command`, and the YAML file that
/// `--config` names, if the command has such an option.
///
/// # Errors
/// One usage error with every problem of the words and of the file; a failure if the file cannot be read.
pub fn read(command: &Command, words: &[String]) -> Result<Request> {
    let command = with_word_booleans(command.clone());
    if let Some(question) = words::question(words) {
        return Ok(Request::Text(match question {
            Question::Help => command.clone().render_help().to_string(),
            Question::Version => command.render_version(),
        }));
    }
    let table = Table(&command);
    let mut problems = Problems::new();
    let mut found: Vec<(&Arg, String, Place)> = Vec::new();
    let typed = words::parse(table, words, &mut problems);
    let config = typed.iter().rev().find(|w| is_config(w.arg));
    if let Some(config) = config.filter(|w| accepts(w.arg, &w.text).is_ok()) {
        file(table, &config.text, &mut found, &mut problems)?;
    }
    for word in typed {
        if let Err(why) = accepts(word.arg, &word.text) {
            problems.add(format!("{}: {why}", label(word.arg)));
        }
        found.retain(|(arg, ..)| arg.get_id() != word.arg.get_id());
        found.push((word.arg, word.text, Place::CommandLine));
    }
    let missing = |arg: &&Arg| arg.is_required_set() && found.iter().all(|(given, ..)| given.get_id() != arg.get_id());
    for arg in command.get_arguments().filter(missing) {
        let values: Vec<String> = arg.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
        problems.add_with_help(format!("{} is missing", label(arg)), format!("use one of {}", values.join(", ")));
    }
    problems.finish()?;
    let long = |arg: &Arg| arg.get_long().unwrap_or(arg.get_id().as_str()).to_owned();
    found.retain(|(arg, text, _)| !is_empty_list(arg, text));
    let line: Vec<String> = found.iter().map(|(arg, text, _)| as_word(arg, text)).collect();
    let is_off = |arg: &Arg, text: &str| is_switch(arg) && values::boolean(text) == Ok(false);
    let known = |of: &Arg| {
        let written = found.iter().find(|(arg, ..)| arg.get_id() == of.get_id());
        let place = written.map(|(.., place)| place.clone());
        Known { long: long(of), place, is_off: written.is_some_and(|(arg, text, _)| is_off(arg, text)) }
    };
    let options = command.get_arguments().filter(|arg| !is_question(arg)).map(|arg| (arg.get_id().to_string(), known(arg)));
    let given = Provenance { options: options.collect() };
    let matches = command.clone().no_binary_name(true).try_get_matches_from(line).map_err(|e| {
        let text = e.to_string();
        Error::usage(text.lines().next().unwrap_or_default().trim_start_matches("error: "))
    })?;
    Ok(Request::Run(matches, given))
}

/// Whether an option names a YAML file of options.
fn is_config(arg: &Arg) -> bool {
    arg.get_id() == option_of!(RunOptions, config).field()
}

/// Adds the entries of a YAML file.
fn file<'a>(table: Table<'a>, path: &str, values: &mut Vec<(&'a Arg, String, Place)>, problems: &mut Problems) -> Result<()> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", Path::new(path), &e))?;
    let entries = match yaml::entries(&text) {
        Ok(entries) => entries,
        Err(yaml::Malformed { what, at: Some(at) }) => {
            problems.add(format!("{path}:{}:{}: {what}", at.line, at.column));
            return Ok(());
        }
        Err(yaml::Malformed { what, at: None }) => {
            problems.add(format!("{path}: {what}"));
            return Ok(());
        }
    };
    for entry in entries {
        let at = |p: Position| format!("{path}:{}:{}", p.line, p.column);
        let Some(arg) = table.exact(&entry.key) else {
            let what = format!("{}: unknown key '{}'", at(entry.key_at), entry.key);
            match table.nearest(&entry.key) {
                Some(near) => problems.add_with_help(what, format!("did you mean '{near}'?")),
                None => problems.add(what),
            }
            continue;
        };
        if is_config(arg) {
            problems.add(format!("{}: a configuration file cannot name another one", at(entry.key_at)));
            continue;
        }
        if let Some((.., Place::File { at: first, .. })) = values.iter().find(|(a, ..)| a.get_id() == arg.get_id()) {
            problems.add(format!("{}: key '{}' is already set at line {}", at(entry.key_at), entry.key, first.line));
            continue;
        }
        match entry.value {
            Value::Null => problems.add(format!("{}: {} has no value", at(entry.key_at), entry.key)),
            Value::Nested => problems.add(format!("{}: {} takes one value or a flat list", at(entry.value_at), entry.key)),
            Value::Text(text) => match accepts(arg, &text) {
                Ok(()) => values.push((arg, text, Place::File { path: path.to_owned(), at: entry.key_at })),
                Err(why) => problems.add(format!("{}: {}: {why}", at(entry.value_at), entry.key)),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;
    use crate::config::values;
    use crate::options;

    #[derive(Debug, Args)]
    struct Options {
        /// Overall density.
        #[arg(long, default_value_t = 0.05, value_parser = values::positive)]
        density: f64,
        /// Passes.
        #[arg(long, default_value_t = 160, value_parser = values::count)]
        epochs: usize,
        /// Mask.
        #[arg(long)]
        sparse: bool,
        /// Names.
        #[arg(long, value_delimiter = ',')]
        names: Vec<String>,
        /// Where.
        #[arg(long = "data")]
        data_dir: Option<String>,
        /// File.
        #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
        config: Option<String>,
    }

    fn run(words: &[&str]) -> Result<(Options, Provenance)> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        match read(&Options::augment_args(Command::new("test")), &words)? {
            Request::Run(matches, given) => Ok((Options::from_arg_matches(&matches).unwrap(), given)),
            Request::Text(text) => panic!("{text}"),
        }
    }

    fn with_file(yaml: &str, words: &[&str]) -> Result<(Options, Provenance), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.yaml");
        std::fs::write(&path, yaml).unwrap();
        let path = path.to_str().unwrap();
        let words: Vec<&str> = words.iter().copied().chain(["--config", path]).collect();
        run(&words).map_err(|e| e.to_string().replace(path, "run.yaml"))
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_defaults() {
        let (options, given) = with_file("density: 0.2\nsparse: Yes\n", &["--density", "0.1"]).unwrap();
        assert!((options.density - 0.1).abs() < 1e-12 && options.sparse && options.epochs == 160);
        let [density, sparse, epochs] = options![options.density, options.sparse, options.epochs];
        assert!(given.has(density) && given.has(sparse) && !given.has(epochs));
        assert_eq!(given.show(density), "--density");
        assert!(given.show(sparse).ends_with("run.yaml:2:1: sparse"), "{}", given.show(sparse));
        assert!(!run(&["--sparse", "no"]).unwrap().1.has(sparse));
        let (last, _) = run(&["--epochs", "2", "--epochs", "3"]).unwrap();
        assert_eq!(last.epochs, 3);
    }

    #[test]
    fn code_knows_the_field_and_users_the_long_name() {
        let (options, given) = with_file("data: here\n", &[]).unwrap();
        let [data_dir, density] = options![options.data_dir, options.density];
        assert!(options.data_dir.as_deref() == Some("here") && given.has(data_dir));
        assert!(given.show(data_dir).ends_with("run.yaml:1:1: data"), "{}", given.show(data_dir));
        assert_eq!((given.long(data_dir), given.long(density)), ("data", "density"));
        assert_eq!(run(&[]).unwrap().1.show(data_dir), "--data");
    }

    #[test]
    fn an_empty_list_is_none() {
        let (options, given) = with_file("names: []\n", &[]).unwrap();
        assert!(options.names.is_empty() && !given.has(option_of!(Options, names)));
        assert_eq!(with_file("names: [a, b]\n", &[]).unwrap().0.names, ["a", "b"]);
        assert!(with_file("names: [a, b]\n", &["--names="]).unwrap().0.names.is_empty());
        assert_eq!(run(&["--config="]).unwrap_err().what(), "--config: the value is empty");
    }

    #[test]
    fn every_problem_of_a_file_is_told_with_its_place() {
        let yaml = "densty: 0.1\nepochs: many\nsparse: true\nsparse: false\ndensity:\nconfig: x.yaml\nEPOCHS: {a: 1}\n";
        let message = with_file(yaml, &["--epochs", "0"]).unwrap_err();
        let expected = "run.yaml:1:1: unknown key 'densty' (did you mean 'density'?)\n\
                        run.yaml:2:9: epochs: 'many' is not a whole number from 0 to 1000000000\n\
                        run.yaml:4:1: key 'sparse' is already set at line 3\n\
                        run.yaml:5:1: density has no value\n\
                        run.yaml:6:1: a configuration file cannot name another one\n\
                        run.yaml:7:9: EPOCHS takes one value or a flat list\n\
                        --epochs: '0' is not at least 1";
        assert_eq!(message, expected);
    }

    #[test]
    fn broken_and_missing_files() {
        let message = with_file("density: [0.1\n", &[]).unwrap_err();
        assert!(message.starts_with("run.yaml:"), "{message}");
        let missing = run(&["--config", "/nowhere/run.yaml"]).unwrap_err();
        assert_eq!(missing.kind(), er_graphs::error::Kind::Failure);
        assert!(missing.what().contains("/nowhere/run.yaml"));
    }

    #[test]
    fn questions_are_answered_with_text() {
        let command = Options::augment_args(Command::new("test").version("1.2.3"));
        let ask = |word: &str| match read(&command, &[word.to_owned()]) {
            Ok(Request::Text(text)) => text,
            other => panic!("{other:?}"),
        };
        assert!(ask("--help").contains("--density <DENSITY>") && ask("-h").contains("--sparse [<BOOL>]"));
        assert_eq!(ask("--version").trim(), "test 1.2.3");
    }
}
