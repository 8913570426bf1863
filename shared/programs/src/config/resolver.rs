//! From what was typed to what it means: options that go together, options without effect, and every option's final value.

use std::collections::{BTreeMap, BTreeSet};

use er_graphs::density::Density;
use er_graphs::error::{Error, Result};
use er_graphs::graph::Mask;
use er_training::run::sha256;
use er_training::train::AskedDensity;
use serde::Serialize;
use serde_json::{Map, Value};

use super::problems::Problems;
use super::resolved::Resolved;
use super::source::Provenance;
use super::{OptionId, Typed};

/// Collects what the options of one run mean. Whoever reads an option says what has become of it: kept, as typed or with another
/// value; left out; or wrong. What is left out stays so, whoever keeps it before or afterwards, and of several values kept the last
/// counts.
#[derive(Debug)]
pub struct Resolver<'a> {
    given: &'a Provenance,
    /// What is wrong.
    pub problems: Problems,
    /// What is worth a remark.
    pub remarks: Vec<String>,
    deciding: BTreeMap<OptionId, Value>,
    running: BTreeMap<OptionId, Value>,
    contents: BTreeMap<OptionId, String>,
    left_out: BTreeSet<OptionId>,
}

impl<'a> Resolver<'a> {
    /// Nothing read yet of options of which these were given.
    pub fn new(given: &'a Provenance) -> Self {
        Self {
            given,
            problems: Problems::new(),
            remarks: Vec::new(),
            deciding: BTreeMap::new(),
            running: BTreeMap::new(),
            contents: BTreeMap::new(),
            left_out: BTreeSet::new(),
        }
    }

    /// Whether an option was given. A switch that was given as false and an empty list count as not given.
    pub fn is_given(&self, option: impl Into<OptionId>) -> bool {
        self.given.has(option.into())
    }

    /// Whether an option was given in a file, and not on the command line as well.
    pub fn is_of_file(&self, option: impl Into<OptionId>) -> bool {
        self.given.is_of_file(option.into())
    }

    /// The option as a message about its value begins: `--density` or `run.yaml:3:1: density`.
    pub fn show(&self, option: impl Into<OptionId>) -> String {
        self.given.show(option.into())
    }

    /// The option as messages about others name it: `--density`.
    pub fn name(&self, option: impl Into<OptionId>) -> String {
        format!("--{}", self.given.long(option.into()))
    }

    /// Keeps an option that decides the result as it was typed.
    pub fn keep<T: Serialize + Clone>(&mut self, option: Typed<'_, T>) -> T {
        self.keep_as(option, option.value());
        option.value().clone()
    }

    /// [`Resolver::keep`], with a value in place of one that was not typed.
    pub fn keep_or<T: Serialize + Clone>(&mut self, option: Typed<'_, Option<T>>, default: T) -> T {
        let value = option.value().clone().unwrap_or(default);
        self.keep_as(option, &value);
        value
    }

    /// Keeps an option that decides the result with this value, whatever was typed.
    pub fn keep_as(&mut self, option: impl Into<OptionId>, value: impl Serialize) {
        self.deciding.insert(option.into(), stored(value));
    }

    /// Keeps an option that says how and where to run.
    pub fn keep_running(&mut self, option: impl Into<OptionId>, value: impl Serialize) {
        self.running.insert(option.into(), stored(value));
    }

    /// Says what decides the result in the file that an option names, whatever its path.
    pub fn keep_content(&mut self, option: impl Into<OptionId>, content: &[u8]) {
        self.contents.insert(option.into(), sha256(content));
    }

    /// [`Resolver::keep_content`] of a file of masks.
    pub fn keep_masks(&mut self, option: impl Into<OptionId>, masks: &[Mask]) {
        self.keep_content(option, &masks.iter().flat_map(Mask::to_bytes).collect::<Vec<u8>>());
    }

    /// Takes the value of a check, or notes its error.
    pub fn take<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        self.problems.take(result)
    }

    /// Leaves an option out of what is stored and shown and of the run's name: this run has no use for it, or what it means is kept
    /// as another option.
    pub fn leave_out(&mut self, option: impl Into<OptionId>) {
        self.left_out.insert(option.into());
    }

    /// Whether an option was kept, and is not [left out](Self::leave_out).
    pub fn is_kept(&self, option: impl Into<OptionId>) -> bool {
        let option = option.into();
        self.deciding.contains_key(&option) && !self.left_out.contains(&option)
    }

    /// As [`Resolver::leave_out`]; and having typed it is a problem, having it in a file worth a remark: `why` ends the sentence "--option
    /// has no effect", `help` says what to do.
    pub fn no_effect(&mut self, option: impl Into<OptionId>, why: &str, help: &str) {
        let option = option.into();
        if self.is_given(option) {
            self.does_not_apply(option, format!("{} has no effect {why}", self.show(option)), help);
        }
        self.leave_out(option);
    }

    /// A problem if this option was typed; a remark if it is in a file, which may be for other methods, too.
    pub fn does_not_apply(&mut self, option: impl Into<OptionId>, what: String, help: impl Into<String>) {
        if self.given.is_of_file(option.into()) {
            self.remarks.push(what);
        } else {
            self.problems.add_with_help(what, help);
        }
    }

    /// As [`Resolver::no_effect`], but having given it is worth a remark only.
    pub fn remark_no_effect(&mut self, option: impl Into<OptionId>, why: &str) {
        let option = option.into();
        if self.is_given(option) {
            self.remarks.push(format!("{} has no effect {why}", self.show(option)));
        }
        self.leave_out(option);
    }

    /// A density that an option asks for, if it was given and is kept: for masks that come from elsewhere.
    pub fn asked_density(&self, option: impl Into<OptionId>, density: Density) -> Option<AskedDensity> {
        let option = option.into();
        (self.is_given(option) && self.is_kept(option))
            .then(|| AskedDensity { option: self.show(option), density: density.get() })
    }

    /// All problems as one error, if there are any. For commands that store no options.
    ///
    /// # Errors
    /// One usage error with all problems.
    pub fn finish(self) -> Result<()> {
        self.problems.finish()
    }

    /// The options of a run of this program, which has these without any word; and remarks.
    ///
    /// # Errors
    /// One usage error with all problems; a failure if there is an option that nobody read.
    pub(super) fn resolve(self, program: &str, defaults: &Map<String, Value>) -> Result<(Resolved, Vec<String>)> {
        self.problems.finish()?;
        let read: BTreeSet<&str> =
            self.left_out.iter().chain(self.deciding.keys()).chain(self.running.keys()).map(|id| id.field()).collect();
        if let Some((_, long)) = self.given.all().find(|(field, _)| !read.contains(field)) {
            let help = "this is a fault of the program: what reads the option has to keep it or to leave it out";
            return Err(Error::failure(format!("nothing in {program} says what becomes of --{long}")).help(help));
        }
        let is_in = |id: &OptionId| !self.left_out.contains(id);
        let named = |id: OptionId| self.given.long(id).to_owned();
        let used = |options: BTreeMap<OptionId, Value>| {
            let used = options.into_iter().filter(|(id, value)| is_in(id) && !is_nothing(value));
            used.map(|(id, value)| (named(id), value)).collect()
        };
        let contents = self.contents.into_iter().filter(|(id, _)| is_in(id)).map(|(id, content)| (named(id), content)).collect();
        let resolved = Resolved {
            program: program.to_owned(),
            deciding: used(self.deciding),
            running: used(self.running),
            contents,
            defaults: defaults.clone(),
        };
        Ok((resolved, self.remarks))
    }
}

/// A value as it is stored: a scalar or a list of scalars.
fn stored(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Whether an option without a value, or an empty list, would be stored.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;
    use crate::config::{Request, read};
    use crate::{option, options};

    #[derive(Args)]
    struct Options {
        #[arg(long, default_value = "128")]
        batch_size: usize,
        #[arg(long = "data")]
        data_dir: Option<String>,
        #[arg(long, value_delimiter = ',')]
        names: Vec<String>,
        #[arg(long)]
        settle: Option<f64>,
    }

    fn resolved(words: &[&str], of: impl Fn(&Options, &mut Resolver)) -> Result<(Resolved, Vec<String>)> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let command = Options::augment_args(Command::new("test"));
        let Request::Run(matches, given) = read(&command, &command, &words).unwrap() else { panic!("{words:?} asks for text") };
        let mut resolver = Resolver::new(&given);
        of(&Options::from_arg_matches(&matches).unwrap(), &mut resolver);
        resolver.resolve("test", &Map::new())
    }

    #[test]
    fn what_is_kept_is_stored_under_long_names() {
        let all = |options: &Options, resolver: &mut Resolver| {
            assert_eq!(resolver.keep(option!(options.batch_size)), 128);
            assert!(resolver.keep_or(option!(options.settle), 0.5) > 0.4);
            resolver.keep_as(option!(options.data_dir), "there");
            resolver.keep(option!(options.names));
        };
        let (resolved, remarks) = resolved(&["--data", "here"], all).unwrap();
        assert!(remarks.is_empty());
        let names: Vec<&str> = resolved.names().collect();
        assert_eq!(names, ["batch-size", "data", "settle"]);
        assert_eq!((resolved.get("data").unwrap(), resolved.get("settle").unwrap()), (&"there".into(), &0.5.into()));
    }

    #[test]
    fn what_has_no_use_is_absent_and_told_if_it_was_given() {
        let unused = |options: &Options, resolver: &mut Resolver| {
            resolver.no_effect(option!(options.settle), "without --data", "add --data");
            resolver.remark_no_effect(option!(options.names), "with nothing");
            // Whoever keeps it later does not change that.
            resolver.keep(option!(options.settle));
            resolver.leave_out(option!(options.data_dir));
            resolver.keep(option!(options.batch_size));
            assert!(resolver.is_kept(option!(options.batch_size)) && !resolver.is_kept(option!(options.settle)));
        };
        let (config, remarks) = resolved(&["--names", "a"], unused).unwrap();
        assert_eq!(
            (config.names().collect::<Vec<_>>(), remarks),
            (vec!["batch-size"], vec!["--names has no effect with nothing".to_owned()])
        );
        let error = resolved(&["--settle", "1"], unused).unwrap_err();
        assert_eq!((error.what(), error.help_text()), ("--settle has no effect without --data", Some("add --data")));
    }

    #[test]
    fn an_option_that_nobody_reads_is_a_fault() {
        let three = |options: &Options, resolver: &mut Resolver| {
            resolver.keep(option!(options.batch_size));
            resolver.keep(option!(options.settle));
            resolver.leave_out(option!(options.names));
        };
        for words in [&[][..], &["--data", "here"]] {
            let error = resolved(words, three).unwrap_err();
            assert_eq!(error.what(), "nothing in test says what becomes of --data");
        }
        let all = |options: &Options, resolver: &mut Resolver| {
            three(options, resolver);
            resolver.keep_running(option!(options.data_dir), "here");
        };
        assert!(resolved(&[], all).is_ok());
    }

    #[test]
    fn what_is_left_out_asks_for_nothing() {
        let density = Density::FULL;
        let asked = |options: &Options, resolver: &mut Resolver| {
            let option = option!(options.settle);
            assert!(resolver.asked_density(option, density).is_none());
            resolver.keep(option);
            assert!(resolver.asked_density(option, density).is_some());
            resolver.leave_out(option);
            resolver.keep_content(option, b"content");
            assert!(resolver.asked_density(option, density).is_none());
            for option in options![options.batch_size, options.data_dir, options.names] {
                resolver.leave_out(option);
            }
        };
        assert_eq!(resolved(&["--settle", "1"], asked).unwrap().0.contents().count(), 0);
    }
}
