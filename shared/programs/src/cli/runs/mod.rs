//! `runs`: a table of the runs in folders, seeds put together.

mod answer;
mod columns;
mod configurations;
mod gathered;

use std::path::PathBuf;

use clap::{Args, Command, ValueEnum};

use self::answer::{csv, json};
use self::columns::{Sorting, Table};
use self::configurations::{Configuration, Differences};
use super::exit::Exit;
use super::output::{print, print_exactly, print_json};
use er_graphs::error::Result;

/// What the help text ends with.
pub(super) const EXAMPLES: [&str; 3] = ["", "runs --sort accuracy", "runs --each --format csv"];

/// Which runs, and how to answer.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Folders with the folders of runs, or folders of runs
    #[arg(value_name = "FOLDER", default_value = "runs")]
    folders: Vec<PathBuf>,
    /// List every run, with its seed and folder, in place of configurations with their seeds put together
    #[arg(long)]
    each: bool,
    /// Column of the text to sort by, the smallest first [default: as folders are named]
    #[arg(long, value_name = "COLUMN")]
    sort: Option<String>,
    /// Turn the order around
    #[arg(long)]
    reverse: bool,
    /// How to write the answer
    #[arg(long, default_value = "text", ignore_case = true, value_name = "FORMAT")]
    format: RunsFormat,
}

/// How a table of runs is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RunsFormat {
    Text,
    Csv,
    Markdown,
    Json,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("runs"))
        .about("Lists the runs in a folder: what they differ in, accuracies over seeds, densities, and how far they have come")
}

pub(super) fn run(options: &Options) -> Result<Exit> {
    let runs = gathered::gather(&options.folders)?;
    let configurations = Configuration::of(&runs);
    let differences = Differences::between(&configurations);
    let rows = if options.each { Configuration::each(&runs) } else { configurations };
    let sorting = Sorting { column: options.sort.as_deref(), reverse: options.reverse };
    let rows = sorting.sort(rows, &differences, options.each)?;
    let table = || Table::of(&rows, &differences, options.each);
    match options.format {
        RunsFormat::Text => print(table().text(&differences.heading(&rows, options.each)).trim_end())?,
        RunsFormat::Markdown => print(table().markdown().trim_end())?,
        RunsFormat::Csv => print_exactly(csv(&rows, &differences, options.each).trim_end())?,
        RunsFormat::Json => print_json(&json(&rows, &differences, options.each)?)?,
    }
    Ok(Exit::Done)
}
