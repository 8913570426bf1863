//! One error type for the whole toolkit: what is wrong, where, and what to do about it.

use std::fmt;

use crate::printable;

/// What kind of failure this is; decides the exit code of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line or a configuration file asks for something that does not exist or cannot be: exit code 2.
    Usage,
    /// The request was right but could not be carried out (missing or damaged file, full disk, diverged loss): exit code 1.
    Failure,
}

/// A failure, as the user reads it: one line on what is wrong, one on what to do. Values in them are shown as [`printable::line()`] does, so
/// that none can pass for a line of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    what: String,
    help: Option<String>,
}

/// Result with the toolkit's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A wrong option, value, name or configuration (exit code 2). `what` is one line without a final full stop and names the
    /// offending value and its place.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, &what.into())
    }

    /// A failure while doing what was asked (exit code 1). `what` is one line without a final full stop and names the offending
    /// value and its place.
    pub fn failure(what: impl Into<String>) -> Self {
        Self::new(Kind::Failure, &what.into())
    }

    fn new(kind: Kind, what: &str) -> Self {
        Self { kind, what: printable::line(what).into_owned(), help: None }
    }

    /// Several wrong options at once: a line for each, as [`Error::usage`] has one.
    pub fn usages(problems: impl IntoIterator<Item = String>) -> Self {
        let lines: Vec<String> = problems.into_iter().map(|what| printable::line(&what).into_owned()).collect();
        Self { kind: Kind::Usage, what: lines.join("\n"), help: None }
    }

    /// An input/output failure on `path` while doing `action` ("read", "create folder", …).
    pub fn io(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::failure(format!("cannot {action} {}: {error}", path.display()))
    }

    /// Adds the line that says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(printable::line(&help.into()).into_owned());
        self
    }

    /// Adds that line unless there is one.
    #[must_use]
    pub fn or_help(self, help: &str) -> Self {
        if self.help.is_some() { self } else { self.help(help) }
    }

    /// The kind, which decides the exit code.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What is wrong: one line, or one for each of [several](Error::usages) problems.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it, one line, where there is something to say.
    #[must_use]
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(help) = &self.help {
            write!(f, "\n  {help}")?;
        }
        Ok(())
    }
}

/// As it is displayed: what `main` returns is written like this, and is for users, too.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// The candidate nearest to `typed` (edit distance, case and `-`/`_` ignored), if it is near enough to be what was meant.
///
/// ```
/// assert_eq!(er_graphs::error::nearest("resnet81", ["vgg16", "resnet18"]), Some("resnet18"));
/// assert_eq!(er_graphs::error::nearest("banana", ["vgg16", "resnet18"]), None);
/// ```
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |s: &str| s.to_lowercase().replace('_', "-");
    let typed = fold(typed);
    candidates
        .into_iter()
        .map(|c| (edit_distance(&typed, &fold(c)), c))
        .min_by_key(|(d, _)| *d)
        .filter(|(d, c)| *d <= 1 + typed.chars().count().max(c.chars().count()) / 4)
        .map(|(_, c)| c)
}

/// Optimal-string-alignment distance (insert, delete, replace, swap neighbours), O(|a|·|b|).
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in d.iter_mut().enumerate() {
        row[0] = i;
    }
    d[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = d[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            d[i][j] = change.min(d[i - 1][j] + 1).min(d[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                d[i][j] = d[i][j].min(d[i - 2][j - 2] + 1);
            }
        }
    }
    d[a.len()][b.len()]
}
