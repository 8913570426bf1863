//! `flops`: what a network costs: operations, bytes, trainings.

mod measure;
mod report;

use clap::{Args, Command};

use super::drawn::{DrawnOptions, OfConfiguration};
use super::exit::Exit;
use super::output::{TableFormat, print, print_exactly, print_json};
use crate::config::{Provenance, Resolver, values};
use crate::options;
use er_graphs::density::{Density, rounded};
use er_graphs::error::{Error, Result};
use er_graphs::registry::{Door, Selected};
use er_networks::model::{Convention, CostMethod};
use er_training::run::pretty;
use er_training::train::{TrainingMethod, Trains, method_of};
use report::Report;

/// What the help text ends with.
pub(super) const EXAMPLES: [&str; 3] = [
    "--model resnet50 --data imagenet --density 0.1",
    "--model resnet18 --data cifar10 --sparse-init uniform --method SET",
    "--model mlp-300-100 --data mnist --expected --format csv",
];

/// What to count.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    #[command(flatten)]
    drawn: DrawnOptions,
    #[command(flatten)]
    counting: Counting,
    #[command(flatten)]
    measuring: Measuring,
    /// How to write the answer
    #[arg(long, default_value = "table", ignore_case = true, value_name = "FORMAT", help_heading = None)]
    format: TableFormat,
}

/// What counts, and for which training.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Counting")]
struct Counting {
    /// What counts as an operation: macs (two per multiply-accumulate), rigl (as RigL's tables do, with a bias and a ReLU in
    /// every layer) or rigl-reproducibility
    #[arg(long, default_value = "macs", value_parser = values::parsed::<Convention>, value_name = "NAME")]
    convention: Convention,
    /// Count with the densities asked for in place of those of the masks drawn, as published tables do
    #[arg(long)]
    expected: bool,
    /// Method whose training cost is given as training_ratio: dense, small_dense, static, SNIP, SET, RigL, SNFS, pruning, GraNet,
    /// lottery, Top-KAST or DNW; the cost of all of them is listed
    #[arg(long, default_value = "RigL", value_parser = cost_of, value_name = "NAME")]
    method: CostMethod,
    /// Length of the training relative to that of the dense network
    #[arg(long, default_value = "1", value_parser = values::positive, value_name = "FACTOR")]
    multiplier: f64,
    /// ΔT: steps between two updates
    #[arg(long, default_value = "100", value_parser = values::count, value_name = "STEPS")]
    update_frequency: usize,
    /// Steps of the training, for methods whose density falls
    #[arg(long, default_value = "32000", value_parser = values::count)]
    steps: usize,
    /// Step at which the density begins to fall (pruning, lottery, GraNet)
    #[arg(long, default_value = "0", value_parser = values::whole, value_name = "STEP")]
    prune_begin: usize,
    /// Step at which it stops falling [default: three quarters of --steps]
    #[arg(long, value_parser = values::count, value_name = "STEP")]
    prune_end: Option<usize>,
    /// First density of GraNet
    #[arg(long, default_value = "0.5", value_parser = values::parsed::<Density>, value_name = "DENSITY")]
    init_density: Density,
    /// Density of the weights that Top-KAST trains [default: twice that of those it uses]
    #[arg(long, value_parser = values::parsed::<Density>, value_name = "DENSITY")]
    backward_density: Option<Density>,
}

/// What is timed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Measuring")]
struct Measuring {
    /// Time training steps and inference on this machine, on random images, with these masks and with all weights
    #[arg(long)]
    measure: bool,
    /// Images per step
    #[arg(long, default_value = "128", value_parser = values::count, value_name = "N")]
    batch_size: usize,
    /// Number of threads [default: one per core]
    #[arg(long, alias = "max-threads", value_parser = values::threads, value_name = "N")]
    threads: Option<usize>,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("flops"))
        .about("Counts the operations and bytes of a network with masks, and the cost of training it; needs no data")
}

pub(super) fn run(options: Options, given: &Provenance, of: &OfConfiguration) -> Result<Exit> {
    let Options { drawn, counting, measuring, format } = options;
    let mut resolver = Resolver::new(given);
    counting.check(&mut resolver);
    if !measuring.measure {
        for option in options![measuring.batch_size, measuring.threads] {
            resolver.no_effect(option, "without --measure", "add --measure");
        }
        // Times are those of masks that are drawn.
        if counting.expected {
            for option in options![drawn.mask.drawing.sampling, drawn.mask.drawing.flow_preservation] {
                resolver.no_effect(option, "with --expected, for which no masks are drawn", "leave one of the two out");
            }
        }
    }
    let (spec, drawn, seed) = drawn.draw(resolver, of)?;
    let mut report = Report::new(&spec, &drawn, &counting)?;
    if measuring.measure {
        report.measured = Some(measuring.run(&spec, &drawn, seed)?);
    }
    match format {
        TableFormat::Table => print(&report.to_string())?,
        TableFormat::Json => print_json(&pretty(&report)?)?,
        TableFormat::Csv => print_exactly(&report.csv()?)?,
    }
    Ok(Exit::Done)
}

/// What a training costs by the formula of this name, or by that of a method of this name.
fn cost_of(text: &str) -> Result<CostMethod, String> {
    match <dyn TrainingMethod>::registry().find(text.trim()) {
        Some(method) if method.trains() == Trains::Narrower => Ok(CostMethod::SmallDense),
        Some(method) => Ok(method_of(&Selected::new(method)).cost()),
        None => values::parsed(text),
    }
}

impl Counting {
    /// The step at which the density has fallen.
    fn prune_end(&self) -> usize {
        self.prune_end.unwrap_or((self.steps * 3 / 4).max(1))
    }

    fn check(&self, resolver: &mut Resolver) {
        let (begin, end, steps) = (self.prune_begin, self.prune_end(), self.steps);
        if begin >= end || end > steps {
            let what = format!("the density would fall from step {begin} to step {end} of {steps}");
            resolver.problems.add_with_help(what, "choose --prune-begin below --prune-end, and that up to --steps");
        }
        if self.update_frequency > steps {
            let what = format!("no update of every {} steps comes in {steps} steps", self.update_frequency);
            resolver.problems.add_with_help(what, "lower --update-frequency or raise --steps");
        }
    }

    /// First density of GraNet, and density of the weights that Top-KAST trains, for masks of this density, whose draw may have given a
    /// few edges more than were asked for.
    ///
    /// # Errors
    /// If Top-KAST is to train fewer weights than it uses.
    fn others(&self, requested: f64, density: f64) -> Result<[f64; 2]> {
        let used = requested.min(density);
        let no_less = |other: f64| if other >= used { other.max(density) } else { other };
        let backward = match self.backward_density {
            None => (2.0 * density).min(1.0),
            Some(backward) if backward.get() >= used => no_less(backward.get()),
            Some(backward) => {
                let what = format!("--backward-density: {backward} is below the density {} of the weights used", rounded(used));
                return Err(Error::usage(what).help("Top-KAST trains at least the weights it uses: raise it"));
            }
        };
        Ok([no_less(self.init_density.get()), backward])
    }
}
