//! `graph`: statistics of masks as graphs, drawn now, of a file, or along a run.

mod against;
mod files;
mod measured;
mod subject;
mod text;
mod training;

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command};
use serde_json::Value;

use self::against::Against;
use self::measured::{Answer, Wanted};
use self::subject::{Graphs, Subject};
use super::drawn::{DrawnOptions, OfConfiguration};
use super::exit::Exit;
use super::output::{TableFormat, print, print_exactly, print_json};
use super::tables::{csv, rows};
use crate::config::{MaskOptions, Provenance, Resolver, values, values_of};
use crate::{option, option_of};
use er_graphs::error::Result;
use er_graphs::graph::View;
use er_graphs::statistics::bipartite::Effort;
use er_training::memory;
use er_training::run::pretty;

/// The first columns of the table for spreadsheets.
const COLUMNS: [&str; 8] =
    ["name", "shape", "weights", "edges", "density_requested", "density", "effective_edges", "effective_density"];

/// Most edges of `--shape`, in expectation: 8 bytes each.
const MOST_EDGES: f64 = 4e9;

/// What the help text ends with.
pub(super) const EXAMPLES: [&str; 3] = [
    "--model resnet20 --data cifar10 --density 0.05 --svg mask.svg",
    "--model mlp-300-100 --data mnist --sparse-init ER --spectra",
    "--shape 300x784 --density 0.1 --format json",
];

/// What to measure, and where to write it.
#[derive(Debug, Clone, Args)]
struct Options {
    /// Checkpoint, file of masks, or folder of a run [default: masks that the options under Mask draw]
    #[arg(value_name = "FILE|FOLDER", help_heading = None)]
    masks: Option<PathBuf>,
    /// Measure one random graph of this size instead, without a network
    #[arg(long, value_parser = size, value_name = "OUTxIN", help_heading = None)]
    shape: Option<(usize, usize)>,
    /// Checkpoint or file of masks of the same network to compare them with
    #[arg(long, value_name = "FILE", help_heading = None)]
    against: Option<PathBuf>,
    /// Nodes of a convolution's graph: weights (each input is a channel and kernel position, each edge a weight) or channels
    #[arg(long, default_value = "weights", value_parser = values::parsed::<View>, value_name = "VIEW", help_heading = None)]
    view: View,
    /// Compute singular values and Ramanujan criteria as well
    #[arg(long, help_heading = None)]
    spectra: bool,
    /// How to write the answer
    #[arg(long, default_value = "table", ignore_case = true, value_name = "FORMAT", help_heading = None)]
    format: TableFormat,
    /// Draw a picture: the densities of all layers, and the edges and degrees of one of them, compared with chance; for a run,
    /// its masks over time
    #[arg(long, value_name = "FILE", help_heading = None)]
    svg: Option<PathBuf>,
    /// Write the network's graph of channels for Graphviz; with --layer, that of one layer
    #[arg(long, value_name = "FILE", help_heading = None)]
    dot: Option<PathBuf>,
    /// Write the edges of one layer's graph, one per line
    #[arg(long, value_name = "FILE", help_heading = None)]
    edges: Option<PathBuf>,
    /// The layer of --svg, --dot and --edges [default: the one with the most weights]
    #[arg(long, value_name = "NAME", help_heading = None)]
    layer: Option<String>,
    /// Number of threads [default: one per core]
    #[arg(long, value_parser = values::threads, value_name = "N", help_heading = None)]
    threads: Option<usize>,
    #[command(flatten)]
    drawn: DrawnOptions,
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("'{text}' is not like 300x784: outputs x inputs, each from 1 to {}", u32::MAX);
    let (right, left) = text.split_once(['x', '×']).ok_or_else(wrong)?;
    let side = |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n > 0).map(|n| n as usize).ok_or_else(wrong);
    Ok((side(right)?, side(left)?))
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("graph"))
        .about("Measures masks as graphs: freshly drawn, from a file, or over a run; needs no data")
        .mut_arg(option_of!(MaskOptions, density), |arg| {
            arg.help("Kept fraction of the weights, in (0, 1]; with --shape, of the pairs")
        })
}

pub(super) fn run(matches: &ArgMatches, given: &Provenance, of: &OfConfiguration) -> Result<Exit> {
    let options: Options = values_of(matches)?;
    if let Some(threads) = options.threads {
        super::start_threads(threads)?;
    }
    let mut resolver = Resolver::new(given);
    if options.svg.is_none() && options.dot.is_none() && options.edges.is_none() {
        resolver.no_effect(option!(options.layer), "without --svg, --dot or --edges", "add one of them");
    }
    let subject = Subject::new(&options, resolver, of)?;
    let layer = files::chosen(&subject, option!(options.layer), given)?;
    let effort = Effort { seed: subject.seed, ..Effort::default() };
    if let Graphs::Network(network) = &subject.graphs {
        network.check_memory(memory::available())?;
    }
    let mut answer = Answer::new(&subject, Wanted { view: options.view, spectra: options.spectra, effort });
    if let Graphs::Network(network) = &subject.graphs {
        if let Some(path) = &options.against {
            answer.against = Some(Against::new(path, network)?);
        }
        if let Some(run) = options.masks.as_ref().filter(|path| path.is_dir()) {
            answer.training = Some(training::moments(run, network)?);
        }
    }
    if let Some(path) = &options.svg {
        files::picture(path, &subject, &answer, layer)?;
    }
    if let Some(path) = &options.dot {
        files::dot(path, &subject, options.layer.as_ref().map(|_| layer), options.view)?;
    }
    if let Some(path) = &options.edges {
        files::edges(path, &subject, layer, options.view)?;
    }
    match options.format {
        TableFormat::Table => print(&text::of(&subject.title, &answer))?,
        TableFormat::Json => print_json(&pretty(&answer)?)?,
        TableFormat::Csv => print_exactly(&csv(&COLUMNS, &layer_rows(&answer)?))?,
    }
    Ok(Exit::Done)
}

/// A row for each layer, with what is compared of it.
fn layer_rows(answer: &Answer) -> Result<Vec<Value>> {
    let mut rows = rows(&answer.layers)?;
    for (row, other) in rows.iter_mut().zip(answer.against.iter().flat_map(|against| &against.layers)) {
        row["against"] = serde_json::json!(other.overlap);
    }
    Ok(rows)
}
