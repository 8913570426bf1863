//! The options of `er_wlt` and what they mean together.

use clap::Args;
use serde::Serialize;
use shared::config::{Checks, ExperimentOptions, Given, values};
use shared::train::{Deciding, Experiment};

/// Everything that decides what `er_wlt` computes.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    shared: ExperimentOptions,
    #[command(flatten)]
    #[serde(skip)]
    moving: Moving,
}

/// Options about masks that move during training, which a fixed one does not.
#[derive(Debug, Clone, Args)]
struct Moving {
    /// How edges grow
    #[arg(long, hide = true, ignore_case = true, value_parser = ["random", "random_unfired", "momentum", "gradient"])]
    growth: Option<String>,
    /// How edges die
    #[arg(long, hide = true, ignore_case = true, value_parser = ["magnitude", "SET", "Taylor_FO", "threshold"])]
    death: Option<String>,
    /// How edges move between layers
    #[arg(long, hide = true, ignore_case = true, value_parser = ["momentum", "magnitude", "nonzeros", "none"])]
    redistribution: Option<String>,
    /// Fraction of the edges that die at once
    #[arg(long, hide = true, value_parser = values::below_one)]
    death_rate: Option<f64>,
    /// Steps between two changes
    #[arg(long, hide = true, value_parser = values::count)]
    update_frequency: Option<usize>,
    /// How the death rate falls
    #[arg(long, hide = true, ignore_case = true, value_parser = ["cosine", "linear"])]
    decay_schedule: Option<String>,
    /// Steps between two falls
    #[arg(long, hide = true, value_parser = values::count)]
    decay_frequency: Option<usize>,
}

/// Names of [`Moving`].
const MOVING: [&str; 7] =
    ["growth", "death", "redistribution", "death-rate", "update-frequency", "decay-schedule", "decay-frequency"];

impl Deciding for Options {
    const ADVICE: &'static str = "add --sparse --fix to train inside a mask";

    fn shared(&mut self) -> &mut ExperimentOptions {
        &mut self.shared
    }

    fn check(&self, checks: &mut Checks) {
        if self.shared.sparse.sparse && !self.shared.sparse.fix {
            let what = "without --fix edges die and grow during training, which er_wlt does not do yet";
            checks.problems.add_with_help(format!("{}: {what}", checks.given.show("sparse")), "add --fix");
        }
    }

    /// Remarks on options that are accepted and have no effect.
    fn complete(&self, given: &Given, experiment: &mut Experiment) {
        let sparse = self.shared.sparse.sparse;
        let why = if sparse { "with --fix: the mask never changes" } else { "without --sparse: there is no mask" };
        let given = MOVING.iter().filter(|name| given.has(name));
        experiment.notes.extend(given.map(|name| format!("--{name} has no effect {why}")));
    }
}
