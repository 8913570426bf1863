//! Results to standard output, everything else to standard error.

use std::io::{ErrorKind, Write, stdout};

use er_graphs::error::{Error, Result};
use er_graphs::printable;

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

/// How an answer that is a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum TableFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets: a line a layer.
    Csv,
}

/// Prints an answer for people: lines whose control characters are shown. Values that may hold line breaks are
/// [one line](er_graphs::printable::line()) each.
///
/// # Errors
/// If standard output cannot be written, for example because a disk is full.
pub fn print(text: &str) -> Result<()> {
    print_exactly(&printable::lines(text))
}

/// Prints an answer on one line.
///
/// # Errors
/// As [`print_exactly`].
pub(super) fn print_line(text: &str) -> Result<()> {
    print_exactly(&printable::line(text))
}

/// Prints an answer as JSON.
///
/// # Errors
/// As [`print_exactly`].
pub(super) fn print_json(text: &str) -> Result<()> {
    print_exactly(printable::json(text).trim_end())
}

/// Prints an answer that programs read. A reader that has gone away (`| head`) is no error.
///
/// # Errors
/// If standard output cannot be written, for example because a disk is full.
pub(super) fn print_exactly(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::failure(format!("cannot write standard output: {e}"))),
        _ => Ok(()),
    }
}
