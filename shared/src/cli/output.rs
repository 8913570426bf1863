//! Results to standard output, everything else to standard error.

use std::io::{ErrorKind, Write, stderr, stdout};

use crate::error::{Error, Result};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Options as a file for `--config`.
    Yaml,
}

/// Prints an answer. A reader that has gone away (`| head`) is no error.
///
/// # Errors
/// If standard output cannot be written, for example because a disk is full.
pub fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::failure(format!("cannot write standard output: {e}"))),
        _ => Ok(()),
    }
}

/// Prints a remark. A closed standard error is no reason to stop.
pub fn note(text: &str) {
    let _ = writeln!(stderr(), "note: {text}");
}

/// Prints an error: a line for each problem, and what to do.
pub(super) fn error(error: &Error) {
    let mut text: String = error.what().lines().map(|line| format!("error: {line}\n")).collect();
    if let Some(help) = error.help_text() {
        text += &format!("  help: {help}\n");
    }
    let _ = write!(stderr(), "{text}");
}
