//! From words and files to typed options: every value is checked alone, with its place, then the command line wins over files, later
//! files over earlier ones, and files over the defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::{Arg, ArgMatches, Command};

use super::of_programs::of_program;
use super::problems::Problems;
use super::table::{Table, accepts, as_word, is_empty_list, is_question, is_switch, label, takes_several, with_word_booleans};
use super::values;
use super::words::{self, Question};
use super::yaml::{self, Position, Value};
use super::{OptionId, RunOptions};
use crate::option_of;
use er_graphs::error::{Error, Result};
use er_training::run::RunFolder;

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

    /// Whether an option was given in a file, and not on the command line as well.
    pub fn is_of_file(&self, option: OptionId) -> bool {
        let place = self.options.get(option.field()).and_then(|known| known.place.as_ref());
        matches!(place, Some(Place::File { .. }))
    }

    /// Whether an option was written, in a file or on the command line, be it a switch that is off.
    pub(super) fn is_written(&self, long: &str) -> bool {
        self.options.values().any(|known| known.long == long && known.place.is_some())
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

/// Reads the words of a command line (without the program's and the sub-command's names) for `command` of `program`, and the YAML files
/// that `--config` names, if the command has such an option; of two that set an option the later one counts.
///
/// # Errors
/// One usage error with every problem of the words and of the files; a failure if a file cannot be read.
pub fn read(command: &Command, program: &Command, words: &[String]) -> Result<Request> {
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
    let typed = words::parse(table, Table(program), words, &mut problems);
    let taken_back: Vec<&Arg> = typed
        .iter()
        .filter(|w| is_unset(w.arg) || w.text.is_empty())
        .flat_map(|w| {
            if is_unset(w.arg) { w.text.split(',').filter_map(|name| table.exact(name.trim())).collect() } else { vec![w.arg] }
        })
        .collect();
    for config in typed.iter().filter(|w| is_config(w.arg) && accepts(w.arg, &w.text).is_ok()) {
        for Entry { arg, text, place } in file(table, &config.text, &taken_back, &mut problems)? {
            found.retain(|(earlier, ..)| earlier.get_id() != arg.get_id());
            found.extend(text.map(|text| (arg, text, place)));
        }
    }
    let of_files: Vec<&Arg> = found.iter().map(|(arg, ..)| *arg).collect();
    for names in typed.iter().filter(|w| is_unset(w.arg)) {
        unset(table, &names.text, &mut found, &mut problems);
    }
    for word in typed {
        if word.text.is_empty() && !is_config(word.arg) && of_files.iter().any(|arg| arg.get_id() == word.arg.get_id()) {
            found.retain(|(arg, ..)| arg.get_id() != word.arg.get_id());
            continue;
        }
        if let Err(why) = accepts(word.arg, &word.text) {
            problems.add(format!("{}: {why}", label(word.arg)));
        }
        found.retain(|(arg, ..)| arg.get_id() != word.arg.get_id() || takes_several(arg));
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

/// Whether an option takes back what files set.
fn is_unset(arg: &Arg) -> bool {
    arg.get_id() == option_of!(RunOptions, unset).field()
}

/// Takes back what files set of these options.
fn unset(table: Table, names: &str, found: &mut Vec<(&Arg, String, Place)>, problems: &mut Problems) {
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let Some(arg) = table.exact(name) else {
            unknown(table, format!("--unset: unknown option '{name}'"), name, problems);
            continue;
        };
        let before = found.len();
        found.retain(|(of, _, place)| of.get_id() != arg.get_id() || *place == Place::CommandLine);
        if found.len() == before {
            problems.add_with_help(format!("--unset {name}: no file of --config sets it"), "leave it out");
        }
    }
}

/// A problem with a name that is none of the options.
fn unknown(table: Table, what: String, name: &str, problems: &mut Problems) {
    match (of_program(name), table.nearest(name)) {
        (Some(programs), _) => problems.add_with_help(what, format!("it is an option of {programs}")),
        (None, Some(near)) => problems.add_with_help(what, format!("did you mean '{near}'?")),
        (None, None) => problems.add(what),
    }
}

/// What a file says of an option: its value, or that it is to have none.
struct Entry<'a> {
    arg: &'a Arg,
    text: Option<String>,
    place: Place,
}

/// Most bytes of a file of options; a device may go on for ever.
const MOST_BYTES: u64 = 1 << 20;

/// The text of a file that is no larger than files of options are.
fn bounded(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    if read.map_err(|e| Error::io("read", path, &e))? as u64 > MOST_BYTES {
        let what = format!("{} has more than {MOST_BYTES} bytes: it is no file of options", path.display());
        return Err(Error::failure(what).help("give a YAML file with a line for each option"));
    }
    Ok(text)
}

/// The entries of a YAML file, or of the configuration in the folder of a run.
fn file<'a>(table: Table<'a>, path: &str, taken_back: &[&Arg], problems: &mut Problems) -> Result<Vec<Entry<'a>>> {
    let path = &RunFolder::config_of(Path::new(path))?.display().to_string();
    let text = bounded(Path::new(path))?;
    let entries = match yaml::entries(&text) {
        Ok(entries) => entries,
        Err(yaml::Malformed { what, at: Some(at) }) => {
            problems.add(format!("{path}:{}:{}: {what}", at.line, at.column));
            return Ok(Vec::new());
        }
        Err(yaml::Malformed { what, at: None }) => {
            problems.add(format!("{path}: {what}"));
            return Ok(Vec::new());
        }
    };
    let mut read: Vec<Entry> = Vec::new();
    for entry in entries {
        let at = |p: Position| format!("{path}:{}:{}", p.line, p.column);
        let Some(arg) = table.exact(&entry.key) else {
            unknown(table, format!("{}: unknown key '{}'", at(entry.key_at), entry.key), &entry.key, problems);
            continue;
        };
        if is_config(arg) || is_unset(arg) {
            let what = format!("{}: {} is for the command line", at(entry.key_at), entry.key);
            problems.add_with_help(what, "leave it out");
            continue;
        }
        if let Some(Entry { place: Place::File { at: first, .. }, .. }) = read.iter().find(|e| e.arg.get_id() == arg.get_id()) {
            problems.add(format!("{}: key '{}' is already set at line {}", at(entry.key_at), entry.key, first.line));
            continue;
        }
        let place = Place::File { path: path.to_owned(), at: entry.key_at };
        match entry.value {
            Value::Null => read.push(Entry { arg, text: None, place }),
            Value::Nested => problems.add(format!("{}: {} takes one value or a flat list", at(entry.value_at), entry.key)),
            // What is taken back may be wrong.
            Value::Text(text) if taken_back.iter().any(|other| other.get_id() == arg.get_id()) => {
                read.push(Entry { arg, text: Some(text), place });
            }
            Value::Text(text) => match accepts(arg, &text) {
                Ok(()) => read.push(Entry { arg, text: Some(text), place }),
                Err(why) => problems.add(format!("{}: {}: {why}", at(entry.value_at), entry.key)),
            },
        }
    }
    Ok(read)
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
        /// Names.
        #[arg(long, value_delimiter = ',')]
        unset: Vec<String>,
        /// Folders.
        #[arg(default_value = "runs")]
        folders: Vec<String>,
    }

    fn run(words: &[&str]) -> Result<(Options, Provenance)> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let command = Options::augment_args(Command::new("test"));
        match read(&command, &command, &words)? {
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
    fn later_files_win_and_values_are_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let first = write("a.yaml", "density: 0.2\nepochs: 7\nsparse: true\ndata: here\n");
        let second = write("b.yaml", "epochs: 9\ndata:\nnames: [x]\n");
        let both = ["--config", &first, "--config", &second];
        let (options, given) = run(&both).unwrap();
        assert!((options.density - 0.2).abs() < 1e-12 && options.sparse && options.epochs == 9 && options.data_dir.is_none());
        let epochs = option_of!(Options, epochs);
        assert!(given.is_of_file(epochs) && given.show(epochs).ends_with("b.yaml:1:1: epochs"), "{}", given.show(epochs));
        let (options, given) = run(&[&both[..], &["--unset", "density,names", "--epochs="]].concat()).unwrap();
        assert!((options.density - 0.05).abs() < 1e-12 && options.names.is_empty() && options.epochs == 160);
        assert!(!given.has(option_of!(Options, density)) && !given.has(epochs));
        let (options, given) = run(&[&both[..], &["--epochs", "3", "--unset", "epochs"]].concat()).unwrap();
        assert!(options.epochs == 3 && !given.is_of_file(epochs));
        for (more, message) in [
            (["--unset", "densty"], "--unset: unknown option 'densty'\n  did you mean 'density'?"),
            (["--unset", "config"], "--unset config: no file of --config sets it\n  leave it out"),
            (["--density", ""], "--density: '' is not a number"),
        ] {
            let words = if more[0] == "--unset" { [&both[..], &more].concat() } else { more.to_vec() };
            let error = run(&words).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        // The folder of a run.
        write("run/config.yaml", "epochs: 4\n");
        let run_folder = folder.path().join("run").display().to_string();
        assert!(run(&["--config", &run_folder]).unwrap_err().what().contains("is no run's folder"));
        write("run/manifest.json", "");
        assert_eq!(run(&["--config", folder.path().join("run").to_str().unwrap()]).unwrap().0.epochs, 4);
    }

    #[test]
    fn words_without_an_option_add_up() {
        assert_eq!(run(&["a,b", "--sparse", "c"]).unwrap().0.folders, ["a,b", "c"]);
        assert_eq!(run(&["--sparse"]).unwrap().0.folders, ["runs"]);
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
                        run.yaml:6:1: config is for the command line (leave it out)\n\
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
        let ask = |word: &str| match read(&command, &command, &[word.to_owned()]) {
            Ok(Request::Text(text)) => text,
            other => panic!("{other:?}"),
        };
        assert!(ask("--help").contains("--density <DENSITY>") && ask("-h").contains("--sparse [<BOOL>]"));
        assert_eq!(ask("--version").trim(), "test 1.2.3");
    }
}
