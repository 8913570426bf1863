//! Everything that is wrong with a configuration, told at once.

use er_graphs::error::Error;

/// A list of usage problems that becomes one [`Error`].
#[derive(Debug, Clone, Default)]
pub struct Problems {
    list: Vec<(String, Option<String>)>,
}

impl Problems {
    /// No problem yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a problem: one line that names the offending value and its place.
    pub fn add(&mut self, what: impl Into<String>) {
        self.list.push((what.into(), None));
    }

    /// Adds a problem and what to do about it.
    pub fn add_with_help(&mut self, what: impl Into<String>, help: impl Into<String>) {
        self.list.push((what.into(), Some(help.into())));
    }

    /// Adds an error that some check returned.
    pub fn add_error(&mut self, error: &Error) {
        self.list.extend(error.what().lines().map(|what| (what.to_owned(), error.help_text().map(str::to_owned))));
    }

    /// Takes the value of a check, or notes its error.
    pub fn take<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|e| self.add_error(&e)).ok()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Nothing, or one usage error with one line for each problem.
    pub fn finish(mut self) -> Result<(), Error> {
        if self.list.len() > 1 {
            let line = |(what, help): (String, Option<String>)| help.map_or(what.clone(), |h| format!("{what} ({h})"));
            return Err(Error::usages(self.list.into_iter().map(line)));
        }
        match self.list.pop() {
            None => Ok(()),
            Some((what, None)) => Err(Error::usage(what)),
            Some((what, Some(help))) => Err(Error::usage(what).help(help)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_keeps_its_help_and_many_become_lines() {
        assert!(Problems::new().finish().is_ok());
        let mut one = Problems::new();
        one.add_with_help("--lr: wrong", "use 0.1");
        let e = one.clone().finish().unwrap_err();
        assert_eq!((e.what(), e.help_text()), ("--lr: wrong", Some("use 0.1")));
        one.add("--l2: wrong");
        assert_eq!(one.finish().unwrap_err().what(), "--lr: wrong (use 0.1)\n--l2: wrong");
    }
    #[test]
    fn values_do_not_pass_for_problems() {
        let mut problems = Problems::new();
        problems.add("unknown key 'x\nerror: y'");
        problems.add_error(&problems.clone().finish().unwrap_err());
        problems.add_error(&problems.clone().finish().unwrap_err());
        let line = r"unknown key 'x\nerror: y'";
        assert_eq!(problems.finish().unwrap_err().what(), [line; 4].join("\n"));
    }
}
