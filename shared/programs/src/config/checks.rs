//! Checks across options: what goes together and what has no effect.

use super::problems::Problems;
use super::source::Provenance;
use er_graphs::density::Density;
use er_graphs::error::{Error, Result};
use er_training::train::AskedDensity;

/// Collects the problems of a set of options, and the names of those that this run has no use for.
#[derive(Debug)]
pub struct Checks<'a> {
    /// Which options were given, and where.
    pub given: &'a Provenance,
    /// What is wrong.
    pub problems: Problems,
    unused: Vec<&'static str>,
}

impl<'a> Checks<'a> {
    /// Nothing checked yet.
    pub fn new(given: &'a Provenance) -> Self {
        Self { given, problems: Problems::new(), unused: Vec::new() }
    }

    /// Takes the value of a check, or notes its error.
    pub fn take<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        self.problems.take(result)
    }

    /// Notes that the option of a field does not decide this run, so that it is neither stored nor part of the run's name.
    pub fn unused(&mut self, option: &'static str) {
        self.unused.push(option);
    }

    /// Whether [`Checks::unused`] was told so.
    pub fn is_unused(&self, option: &str) -> bool {
        self.unused.contains(&option)
    }

    /// As [`Checks::unused`]; and having given it is a problem: `why` ends the sentence "--option has no effect", `help` says
    /// what to do.
    pub fn no_effect(&mut self, option: &'static str, why: &str, help: &str) {
        if self.given.has(option) {
            self.problems.add_with_help(format!("{} has no effect {why}", self.given.show(option)), help);
        }
        self.unused(option);
    }

    /// A density that an option asks for, if it was given: for masks that come from elsewhere.
    pub fn asked_density(&self, option: &str, density: Density) -> Option<AskedDensity> {
        self.given.has(option).then(|| AskedDensity { option: self.given.show(option), density: density.get() })
    }

    /// The options that this run has no use for, or all problems as one error.
    pub fn finish(self) -> Result<Vec<&'static str>> {
        self.problems.finish().map(|()| self.unused)
    }
}
